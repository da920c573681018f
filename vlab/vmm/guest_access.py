"""How a monitor reads and writes what a hypercall's pointers point to."""

from __future__ import annotations

from vlab.isa.fields import LOAD, SATP_SV39, STORE, U
from vlab.isa.mmu import leaf_address, walk
from vlab.memory import PAGE, PhysicalMemory
from vlab.state import Hart
from vlab.vmm.direct import EFAULT, Refused


class GuestAccess:
    """The guest kernel's virtual memory, with the permissions of its tables.

    A hart record of the monitor's own does the walks, so that they are not counted as the
    hardware's; the cost of a hypercall contains them.

    Parameters
    ----------
    physical
        Host-physical memory, where the guest's tables are.
    """

    def __init__(self, physical: PhysicalMemory) -> None:
        self.physical = physical
        self.walker = Hart(physical)
        self.walker.ram_base, self.walker.ram_size = physical.base, physical.size

    def _pieces(self, root: int, va: int, count: int, access: int) -> list[tuple[int, int]]:
        """Return ``(host address, bytes)`` page by page, or refuse."""
        walker = self.walker
        walker.satp, walker.fault = SATP_SV39 | root, 0
        pieces = []
        while count:
            pte = walk(walker, va, access, U)
            if walker.fault:
                kind = "writable" if access == STORE else "readable"
                raise Refused(EFAULT, f"{va:#x} is not {kind} for the guest's kernel")
            size = min(count, PAGE - va % PAGE)
            pieces.append((leaf_address(pte, walker.walk_level, va), size))
            va, count = va + size, count - size
        return pieces

    def read(self, root: int, va: int, count: int) -> bytes:
        """Return ``count`` bytes at a virtual address under the root table in frame ``root``."""
        pieces = self._pieces(root, va, count, LOAD)
        return b"".join(self.physical.read(address, size) for address, size in pieces)

    def write(self, root: int, va: int, data: bytes) -> None:
        """Write bytes at a virtual address: all of them, or none and refuse."""
        done = 0
        for address, size in self._pieces(root, va, len(data), STORE):
            self.physical.write(address, data[done : done + size])
            done += size
