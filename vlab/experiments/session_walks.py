"""Page walks that can be looked at: every memory reference, and what it means.

The rules are those of `vlab.isa.mmu.walk` (privileged specification, section 4.3.2), without its
effects: nothing is counted, and accessed and dirty bits stay as they are. The tests hold
the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

from vlab.errors import MachineError, unknown
from vlab.isa.fields import (
    FETCH,
    LOAD,
    PTE_A,
    PTE_D,
    PTE_PPN,
    PTE_R,
    PTE_RESERVED,
    PTE_U,
    PTE_V,
    PTE_W,
    PTE_X,
    SATP_PPN,
    STORE,
    Cause,
    M,
    S,
    U,
)
from vlab.isa.mmu import (
    access_fault,
    effective_privilege,
    leaf_address,
    page_fault,
    permitted,
)
from vlab.isa.pmp import pmp_allows
from vlab.state import Hart

ACCESSES = {"load": LOAD, "store": STORE, "fetch": FETCH}
FLAGS = "VRWXUGAD"
SIZES = ("4 KiB", "2 MiB", "1 GiB")


def flags_of(pte: int) -> str:
    """Return the eight flag bits of an entry as letters, the highest first."""
    return "".join(FLAGS[n] if pte >> n & 1 else "-" for n in reversed(range(8)))


@dataclass(frozen=True)
class Reference:
    """One memory reference of a walk.

    Attributes
    ----------
    level, index
        Level of the table, 2 for the root, and the entry's number in it.
    guest_physical, host_physical
        Where the entry is; None where it has no such address.
    raw
        The eight bytes read.
    meaning
        What they say, in words.
    """

    level: int
    index: int
    guest_physical: int | None
    host_physical: int | None
    raw: bytes
    meaning: str

    @property
    def pte(self) -> int:
        """The entry as a number."""
        return int.from_bytes(self.raw, "little")

    @property
    def flags(self) -> str:
        """The entry's flags, for example ``DA-UX-RV``."""
        return flags_of(self.pte)


@dataclass
class TableWalk:
    """A walk of one set of tables.

    Attributes
    ----------
    tables
        ``guest`` or ``shadow``.
    root
        Physical address of the root table; None if translation is off.
    references
        The memory references, in order.
    fault
        Cause of the exception in which it ends; None if it ends in a leaf.
    updates
        Flags that the hardware's walker would set: some of ``A`` and ``D``.
    """

    tables: str
    root: int | None
    references: list[Reference] = field(default_factory=list)
    guest_physical: int | None = None
    host_physical: int | None = None
    level: int | None = None
    fault: Cause | None = None
    updates: str = ""

    @property
    def end(self) -> str:
        """How it ends, in words."""
        if self.fault is not None:
            return f"{self.fault.name.lower()} (cause {int(self.fault)})"
        places = (
            ("guest-physical", self.guest_physical),
            ("host-physical", self.host_physical),
        )
        return ", ".join(f"{name} {place:#x}" for name, place in places if place is not None)


@dataclass
class Walk:
    """A virtual address, and how it is translated.

    Attributes
    ----------
    guest
        The walk of the guest's own tables.
    shadow
        The walk of the monitor's shadow of them; None where there is none (yet).
    in_tlb
        Whether the hardware's TLB holds the translation now, so that there would be no walk.
    """

    va: int
    access: str
    privilege: int
    guest: TableWalk
    shadow: TableWalk | None
    in_tlb: bool

    def __str__(self) -> str:
        lines = [f"{self.access} {self.va:#x}" + (" (in the TLB)" if self.in_tlb else "")]
        for walk in (self.guest, self.shadow):
            if walk is not None:
                lines.append(f"{walk.tables}:")
                lines += [
                    f"  level {r.level}[{r.index}] at {_places(r)}: "
                    f"{r.pte:#018x} {r.flags} {r.meaning}"
                    for r in walk.references
                ]
                lines.append(f"  -> {walk.end}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre style='overflow-x: auto; font-size: 90%'>{escape(str(self))}</pre>"


def _places(r: Reference) -> str:
    both = (("guest", r.guest_physical), ("host", r.host_physical))
    return " = ".join(f"{name} {place:#x}" for name, place in both if place is not None)


class PageTables:
    """One set of page tables.

    Parameters
    ----------
    name
        ``guest`` or ``shadow``.
    record
        Whose status bits and PMP decide what is permitted.
    satp
        Names the root.
    memory
        What addresses in the tables refer to.
    view
        Converts between guest-physical and host-physical addresses.
    user
        Accesses are made in U-mode, whatever the guest believes.
    """

    def __init__(
        self, name: str, record: Hart, satp: int, memory: Any, view: Any, user: bool = False
    ) -> None:
        self.name, self.record, self.satp = name, record, satp
        self.memory, self.view, self.user = memory, view, user
        self.guest_addresses = memory is view.memory

    def privilege(self, access: int) -> int:
        """Return the privilege at which an access is checked."""
        return U if self.user else int(effective_privilege(self.record, access))

    def walk(self, va: int, access: int) -> TableWalk:
        """Walk the tables for an access."""
        priv = self.privilege(access)
        if priv == M or self.satp >> 60 == 0:
            return self._reached(TableWalk(self.name, None), va, access, priv)
        root = (self.satp & SATP_PPN) << 12
        found = TableWalk(self.name, root)
        if va >> 38 not in (0, (1 << 26) - 1):
            found.fault = Cause(page_fault(access))
            return found
        table, level = root, 2
        while True:
            index = va >> (12 + 9 * level) & 511
            address = table + 8 * index
            readable = self.memory.contains(address) and self.memory.contains(address + 7)
            if not readable or not pmp_allows(self.record, address, 8, LOAD, S):
                found.fault = Cause(access_fault(access))
                return found
            pte = self.memory.load(address, 8)
            wrong, meaning = self._read(pte, level, va, access, priv)
            found.references.append(
                Reference(level, index, *self._both(address), pte.to_bytes(8, "little"), meaning)
            )
            if wrong:
                found.fault = Cause(page_fault(access))
                return found
            if pte & (PTE_R | PTE_X):
                break
            table, level = (pte & PTE_PPN) << 2, level - 1
        missing = (PTE_A | (PTE_D if access == STORE else 0)) & ~pte
        found.updates = ("A" if missing & PTE_A else "") + ("D" if missing & PTE_D else "")
        found.level = level
        if missing and not pmp_allows(self.record, address, 8, STORE, S):
            found.fault = Cause(access_fault(access))
            return found
        return self._reached(found, leaf_address(pte, level, va), access, priv)

    def _reached(self, found: TableWalk, address: int, access: int, priv: int) -> TableWalk:
        if not pmp_allows(self.record, address, 1, access, priv):
            found.fault = Cause(access_fault(access))
        else:
            found.guest_physical, found.host_physical = self._both(address)
        return found

    def _both(self, address: int) -> tuple[int | None, int | None]:
        """Return the guest-physical and the host-physical form of an address in the tables."""
        if self.guest_addresses:
            return address, self.view.to_host(address)
        return self.view.to_guest(address), address

    def _read(self, pte: int, level: int, va: int, access: int, priv: int) -> tuple[bool, str]:
        """Return whether an entry ends the walk in a page fault, and what it means."""
        if not pte & PTE_V:
            return True, "not valid"
        if pte & (PTE_R | PTE_W) == PTE_W:
            return True, "writable but not readable: reserved"
        if pte & PTE_RESERVED:
            return True, "reserved bits are set"
        if not pte & (PTE_R | PTE_X):
            if level == 0:
                return True, "a pointer at the last level"
            if pte & (PTE_A | PTE_D | PTE_U):
                return True, "a pointer with A, D or U: reserved"
            return False, f"points to the level-{level - 1} table at {(pte & PTE_PPN) << 2:#x}"
        if pte >> 10 & (1 << 9 * level) - 1:
            return True, f"a page of {SIZES[level]} at an address that is not a multiple of it"
        page = leaf_address(pte, level, va) >> (12 + 9 * level) << (12 + 9 * level)
        target = f"maps {SIZES[level]} at {page:#x}"
        if not permitted(self.record, pte, access, priv):
            return True, f"{target}, which does not permit this access"
        return False, target

    def host_address(self, va: int) -> int | None:
        """Return where a virtual address is in host memory, whatever the permissions."""
        if (not self.user and self.record.priv == M) or self.satp >> 60 == 0:
            return self._both(va)[1]
        table = (self.satp & SATP_PPN) << 12
        for level in (2, 1, 0):
            address = table + (va >> (12 + 9 * level) & 511) * 8
            if not self.memory.contains(address):
                return None
            pte = self.memory.load(address, 8)
            if not pte & PTE_V:
                return None
            if pte & (PTE_R | PTE_X):
                return self._both(leaf_address(pte, level, va))[1]
            table = (pte & PTE_PPN) << 2
        return None


def access_of(access: str) -> int:
    """Return the number of an access type."""
    if access not in ACCESSES:
        raise MachineError(unknown("access", access, ACCESSES))
    return ACCESSES[access]
