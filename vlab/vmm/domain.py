"""The domain builder: a paravirtual guest in memory, ready for its first instruction.

What the guest finds is described in `docs/architecture.md`, "The paravirtual ABI".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vlab.clock import TIMEBASE
from vlab.errors import ImageError, MachineError
from vlab.isa.fields import PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X
from vlab.memory import PAGE, GuestMemory, PhysicalMemory
from vlab.vmm.direct import DirectPaging
from vlab.vmm.frames import FramePool
from vlab.vmm.shared_info import (
    CMDLINE,
    CMDLINE_SIZE,
    M2P,
    MAGIC,
    P2M,
    SHARED_INFO,
    SharedInfo,
)

if TYPE_CHECKING:
    from vlab.loader import Image

READ_ONLY = PTE_V | PTE_R | PTE_U | PTE_A
READ_WRITE = READ_ONLY | PTE_W | PTE_D
RAM = READ_WRITE | PTE_X
ENTRIES = 512
NO_FRAME = (1 << 64) - 1
"""What m2p says of machine frames that are not the guest's."""


@dataclass
class Domain:
    """A paravirtual guest.

    Attributes
    ----------
    memory
        Its frames.
    pool
        The monitor's frames.
    paging
        Their types and reference counts.
    shared
        The shared-info page.
    entry
        Virtual address of its first instruction.
    kernel_root
        Guest-physical address of its initial root table, pinned.
    """

    memory: GuestMemory
    pool: FramePool
    paging: DirectPaging
    shared: SharedInfo
    entry: int
    kernel_root: int


def build_domain(memory: GuestMemory, pool: FramePool, image: Image, bootargs: str) -> Domain:
    """Load an image and build what it starts with.

    Parameters
    ----------
    memory
        The guest's frames, zeroed.
    pool
        The monitor's frames: the shared-info page, p2m, m2p and their tables are taken from it.
    image
        The ported kernel; its segments are at guest-physical addresses.
    bootargs
        The guest's command line.
    """
    for address, data, _ in image.segments:
        memory.write(address, data)
    end = max(address + size for address, _, size in image.segments)
    builder = _Builder(memory, pool, -(-end // PAGE) * PAGE)
    shared = builder.shared_info(bootargs)
    builder.identity_map()
    paging = DirectPaging(memory, builder.monitor_tables())
    paging.pin(builder.root, 0)
    paging.validated = 0
    return Domain(memory, pool, paging, shared, image.entry, builder.root)


class _Builder:
    """Where the initial tables of a guest are, and how they are filled."""

    def __init__(self, memory: GuestMemory, pool: FramePool, end: int) -> None:
        self.memory, self.pool = memory, pool
        self.physical: PhysicalMemory = memory.physical
        if memory.base % (ENTRIES * PAGE):
            raise MachineError(f"RAM at {memory.base:#x}: must begin at a multiple of 2 MiB")
        self.leaf_tables = -(-memory.size // (ENTRIES * PAGE))
        self.identity = end
        self.level1 = end + self.leaf_tables * PAGE
        first, last = memory.base >> 30, (memory.base + memory.size - 1) >> 30
        self.root = self.level1 + (last - first + 1) * PAGE
        self.first_free = self.root + PAGE
        if self.first_free > memory.base + memory.size:
            raise ImageError(
                f"the image and its page tables end at {self.first_free:#x}, behind the "
                f"{memory.size} bytes of memory: give the guest more"
            )

    def identity_map(self) -> None:
        """Map RAM at its guest-physical addresses; page tables are read-only."""
        memory = self.memory
        pages = memory.size // PAGE
        ptes = np.zeros(self.leaf_tables * ENTRIES, dtype=np.uint64)
        ptes[:pages] = np.asarray(memory.p2m, np.uint64) << np.uint64(10) | np.uint64(RAM)
        first, last = ((gpa - memory.base) // PAGE for gpa in (self.identity, self.first_free))
        ptes[first:last] ^= np.uint64(RAM ^ READ_ONLY)
        memory.write(self.identity, ptes.tobytes())
        for n in range(self.leaf_tables):
            va = memory.base + n * ENTRIES * PAGE
            slot = (va >> 21) - (memory.base >> 30 << 9)
            self._point(self.level1 + 8 * slot, self.identity + n * PAGE)
        for n in range((self.root - self.level1) // PAGE):
            self._point(self.root + 8 * ((memory.base >> 30) + n), self.level1 + n * PAGE)

    def _point(self, entry: int, table: int) -> None:
        """Make an entry of a guest table point to another guest table."""
        self.memory.store(entry, 8, self.memory.host_address(table) >> 2 | PTE_V)

    def monitor_tables(self) -> int:
        """Map the shared page, p2m and m2p, and return root entry 511, which does that."""
        memory, physical = self.memory, self.physical
        level1 = self._frame()
        first = memory.base // PAGE
        m2p = np.full(physical.size // PAGE, NO_FRAME, dtype=np.uint64)
        frames = np.asarray(memory.p2m, np.int64)
        m2p[frames - physical.base // PAGE] = np.arange(first, first + len(frames))
        self._map(level1, SHARED_INFO, [self.shared], READ_WRITE)
        self._map(level1, P2M, self._array(memory.p2m), READ_ONLY)
        self._map(level1, M2P, self._array(m2p), READ_ONLY)
        return level1 >> 2 | PTE_V

    def _frame(self) -> int:
        frame = self.pool.allocate()
        if frame is None:
            raise MachineError("the monitor has no frame left to build the guest")
        self.physical.write(frame, bytes(PAGE))
        return frame

    def _array(self, words: Any) -> list[int]:
        """Copy an array into frames of the monitor."""
        data = words.tobytes()
        frames = []
        for start in range(0, len(data), PAGE):
            frames.append(self._frame())
            self.physical.write(frames[-1], data[start : start + PAGE])
        return frames

    def _map(self, level1: int, va: int, frames: list[int], flags: int) -> None:
        """Map frames of the monitor at consecutive pages from ``va``."""
        for n, frame in enumerate(frames):
            page = (va >> 12) + n
            slot = level1 + (page >> 9 & 511) * 8
            if self.physical.load(slot, 8) == 0:
                self.physical.store(slot, 8, self._frame() >> 2 | PTE_V)
            table = (self.physical.load(slot, 8) >> 10) * PAGE
            self.physical.store(table + (page & 511) * 8, 8, frame >> 2 | flags)

    def shared_info(self, bootargs: str) -> SharedInfo:
        """Fill the shared-info page."""
        line = bootargs.encode()
        if len(line) >= CMDLINE_SIZE:
            raise MachineError(
                f"command line of {len(line)} bytes: at most {CMDLINE_SIZE - 1} are possible"
            )
        self.shared = self._frame()
        self.physical.write(self.shared + CMDLINE, line)
        info = SharedInfo(self.physical, self.shared)
        info.magic, info.timebase = MAGIC, TIMEBASE
        info.ram_base, info.ram_size = self.memory.base, self.memory.size
        info.kernel_root, info.first_free = self.root, self.first_free
        info.identity, info.p2m, info.m2p = self.identity, P2M, M2P
        info.m2p_base = self.physical.base // PAGE
        info.masked = 1
        return info
