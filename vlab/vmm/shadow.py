"""Shadow page tables (Adams & Agesen 2006, section 2.4; RVirt).

The hardware walks tables that the monitor builds, entry by entry, from the guest's own: one
set per guest address space and virtual regime. Guest page tables are write-protected, so a
shadow stays true while its address space is not running, and a change of ``satp`` needs no
new shadow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlab.isa.fields import (
    PTE_A,
    PTE_D,
    PTE_PPN,
    PTE_R,
    PTE_U,
    PTE_V,
    PTE_W,
    PTE_X,
    SATP_PPN,
    SATP_SV39,
)
from vlab.isa.mmu import leaf_address
from vlab.memory import PhysicalMemory
from vlab.state import Hart
from vlab.told import Told
from vlab.vmm.frames import PAGE, FramePool
from vlab.vmm.regimes import REGIMES, TRANSLATED, Key, key_of, rights
from vlab.vmm.shadow_paths import SLOTS, path_key, path_slot
from vlab.vmm.shadow_space import Space
from vlab.words import clear, zeros

POINTER = PTE_V
FLOOD = 3
"""Writes to a guest table without a fill through it, at which it is taken for data (as in
Linux KVM's ``detect_write_flooding``)."""

UNTAGGED = 0
"""Tag of a space that must be given a new one before it is used again."""


class ShadowPaging:
    """All shadow address spaces of one guest.

    Parameters
    ----------
    physical
        Host-physical memory, where the shadow tables are.
    pool
        The monitor's frames.
    p2m
        Machine frame number by guest-physical frame of RAM, dtype uint64.
    guest_base
        Guest-physical address of RAM.
    asids
        Number of address-space tags that the hardware has.
    flush
        ``flush(va, asid)`` invalidates hardware translations: of one page of a space, or of
        the whole TLB when ``va`` is None.

    Attributes
    ----------
    table_map : uint64, one a guest frame
        One more than the writes to a protected guest page table since a fill through it, 0 for
        a page that is none, as `is_table` says.
    paths : uint64
        What machine code looks uses of tables up in (`vlab.vmm.shadow_paths`).
    version : int
        Grows whenever a space comes, goes, or changes its tag.
    mapped : dict
        `writable`, and ``fills`` the entries filled, those apart that machine code has filled since
        `look` was last called.
    look
        Called before notes of shadow entries are read or changed, which must be up to date then.
    on_release
        Called whenever the shadow of an address space was thrown away.
    """

    version = Told[int]()

    def __init__(
        self,
        physical: PhysicalMemory,
        pool: FramePool,
        p2m: Any,
        guest_base: int,
        asids: int,
        flush: Callable[[int | None, int], None],
    ) -> None:
        self.physical, self.pool, self.flush = physical, pool, flush
        self.p2m = p2m.tolist()
        self.first_frame = guest_base // PAGE
        self.asids = asids
        self.next_asid = 0
        self.spaces: dict[Key, Space] = {}
        self.tables: dict[int, set[tuple[int, int, int]]] = {}
        self.table_map, self.paths = zeros(len(p2m)), zeros(SLOTS)
        self.look: Callable[[], None] = lambda: None
        self.mapped: dict[int, set[tuple[Space, int]]] = {}
        self.fills = self.flushes = self.version = 0
        self.on_release: Callable[[], None] = lambda: None
        self._guest_frame = {m: n + self.first_frame for n, m in enumerate(self.p2m)}

    @property
    def writable(self) -> dict[int, set[tuple[Space, int]]]:
        """Spaces and pages at which a guest frame is mapped writable."""
        self.look()
        return self.mapped

    # -- spaces ---------------------------------------------------------------

    def space(self, vcpu: Hart) -> Space:
        """Return the shadow that serves the virtual CPU's present regime."""
        key = key_of(vcpu)
        found = self.spaces.get(key)
        if found is None:
            found = self.spaces[key] = Space(self, key, self._table(), self._asid())
            self.version += 1
            if key[0] is not None:
                self._protect(key[0], (key[0], 2, 0))
        elif found.asid == UNTAGGED and self.asids > 1:
            found.asid = self._asid()
            self.version += 1
        return found

    def satp(self, space: Space) -> int:
        """Return the hardware's ``satp`` for a space."""
        return SATP_SV39 | space.asid << 44 | space.root >> 12

    def _asid(self) -> int:
        if self.asids == 1:
            return UNTAGGED
        self.next_asid += 1
        if self.next_asid == self.asids:
            self.next_asid = 1
            for space in self.spaces.values():
                space.asid = UNTAGGED
            self.version += 1
            self.flush(None, 0)
        return self.next_asid

    def _table(self) -> int:
        frame = self.pool.allocate()
        if frame is None:
            raise ShadowFull
        self.physical.write(frame, bytes(PAGE))
        return frame

    def drop_all(self) -> None:
        """Throw all shadows away (the monitor ran out of frames)."""
        for space in list(self.spaces.values()):
            self._release(space)
        self.tables.clear()
        clear(self.table_map)
        clear(self.paths)
        self.flush(None, 0)

    def _release(self, space: Space) -> None:
        for va in list(space.leaves):
            self._forget(space, va)
        for frame in space.tables.values():
            self.pool.release(frame)
        self.pool.release(space.root)
        del self.spaces[space.key]
        self.version += 1
        self.flushes += 1
        self.on_release()

    # -- filling ----------------------------------------------------------------

    def guest_path(self, vcpu: Hart, va: int) -> list[tuple[int, int, int]]:
        """Return ``(table frame, level, virtual base it covers)`` for each table of a walk."""
        path = []
        table, level = vcpu.satp & SATP_PPN, 2
        while True:
            span = 12 + 9 * (level + 1)
            path.append((table, level, va >> span << span if level < 2 else 0))
            pte = vcpu.memory.load(table * PAGE + (va >> (12 + 9 * level) & 511) * 8, 8)
            if pte & (PTE_R | PTE_X) or level == 0:
                return path
            table, level = (pte & PTE_PPN) >> 10, level - 1

    def fill(self, vcpu: Hart, space: Space, va: int, pte: int, level: int) -> None:
        """Enter the shadow of the guest's leaf ``pte`` for the page of ``va``.

        The caller walked the guest's tables (accessed and dirty bits included) and knows that
        the page is in guest RAM. Every shadow leaf is 4 KiB and carries U, for the guest runs in
        physical U-mode at every virtual privilege; what the regime does not permit is left out.
        """
        page = va & ~0xFFF
        frame = leaf_address(pte, level, va) // PAGE
        if space.key[0] is not None:
            for table, depth, base in self.guest_path(vcpu, va):
                self._protect(table, (space.key[0], depth, base))
                self.table_map[table - self.first_frame] = 1
        granted = rights(vcpu, REGIMES.index(space.key[1]), pte, frame * PAGE)
        if frame in self.tables:
            granted &= ~PTE_W
        if granted & PTE_W:
            self.writable.setdefault(frame, set()).add((space, page))
        entry = self._leaf_entry(space, page)
        mapped = self.p2m[frame - self.first_frame]
        flags = PTE_V | PTE_U | PTE_A | PTE_D
        self.physical.store(entry, 8, mapped << 10 | flags | granted)
        space.leaves[page] = entry
        self.fills += 1

    def _leaf_entry(self, space: Space, va: int) -> int:
        table = space.root
        for level in (2, 1):
            shift = 12 + 9 * level
            key = (level - 1, va >> shift)
            below = space.tables.get(key)
            if below is None:
                below = space.tables[key] = self._table()
                self.physical.store(table + (va >> shift & 511) * 8, 8, below >> 2 | POINTER)
            table = below
        return table + (va >> 12 & 511) * 8

    # -- protection ---------------------------------------------------------------

    def guest_address(self, host: int) -> int | None:
        """Return the guest-physical address of a host-physical one, None if it has none."""
        frame = self._guest_frame.get(host // PAGE)
        return None if frame is None else frame * PAGE + host % PAGE

    def is_table(self, gpa: int) -> bool:
        """Return whether a guest-physical address is in a protected guest page table."""
        return gpa // PAGE in self.tables

    def _protect(self, frame: int, use: tuple[int, int, int]) -> None:
        uses = self.tables.get(frame)
        if uses is None:
            uses = self.tables[frame] = set()
            self.table_map[frame - self.first_frame] = 1
            for space, va in self.writable.pop(frame, ()):
                self.drop(space, va)
        uses.add(use)
        key = self._path_key(frame, use)
        self.paths[path_slot(key)] = key

    def _path_key(self, frame: int, use: tuple[int, int, int]) -> int:
        root, level, base = use
        return path_key(frame - self.first_frame, root - self.first_frame, level, base)

    def written(self, gpa: int) -> None:
        """Drop what depends on a guest entry that was written, in every space.

        A table that is written over and over without being used is taken for data.
        """
        frame = gpa // PAGE
        uses = self.tables.get(frame)
        if uses is None:
            return
        for root, level, base in uses:
            size = 1 << (12 + 9 * level)
            first = base + (gpa % PAGE // 8) * size
            if level == 2 and first >> 38:
                first |= -1 << 39 & (1 << 64) - 1
            self._drop_range(root, first, size)
        number = frame - self.first_frame
        self.table_map[number] += 1
        if self.table_map[number] > FLOOD:
            self._unprotect(frame, uses)

    def _unprotect(self, frame: int, uses: set[tuple[int, int, int]]) -> None:
        for root, level, base in uses:
            self._drop_range(root, base, 1 << (12 + 9 * (level + 1)))
            key = self._path_key(frame, (root, level, base))
            if self.paths[path_slot(key)] == key:
                self.paths[path_slot(key)] = 0
        del self.tables[frame]
        self.table_map[frame - self.first_frame] = 0
        for regime in TRANSLATED:
            space = self.spaces.get((frame, regime))
            if space is not None:
                self._release(space)

    def _drop_range(self, root: int, first: int, size: int) -> None:
        for regime in TRANSLATED:
            space = self.spaces.get((root, regime))
            if space is None:
                continue
            if size == PAGE:
                if first in space.leaves:
                    self.drop(space, first)
            else:
                top = size.bit_length() - 1
                for va in [v for v in space.leaves if size >= 1 << 39 or v >> top == first >> top]:
                    self.drop(space, va)

    def drop(self, space: Space, va: int) -> None:
        """Remove one shadow leaf, from the tables and from the hardware's TLB."""
        self._forget(space, va)
        self.flush(va, space.asid)

    def _forget(self, space: Space, va: int) -> None:
        entry = space.leaves.pop(va)
        pte = self.physical.load(entry, 8)
        if pte & PTE_W:
            self.writable.get(self._guest_frame.get(pte >> 10, -1), set()).discard((space, va))
        self.physical.store(entry, 8, 0)


class ShadowFull(Exception):
    """The monitor has no frame left for shadow tables."""
