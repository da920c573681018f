"""Guest-physical memory that tells shadow paging what is written to page tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlab.isa.fields import PTE_A, PTE_D
from vlab.memory import PAGE, GuestMemory

if TYPE_CHECKING:
    from vlab.vmm.shadow import ShadowPaging


class TrackedMemory(GuestMemory):
    """What emulated stores and devices write to.

    The guest's own stores to a page table fault on the hardware; those that the monitor makes
    for it, and DMA, do not, and come through here.
    """

    shadow: ShadowPaging | None = None

    def guest_address(self, host: int) -> int | None:
        """Return the guest-physical address of a host-physical one, None if it has none."""
        assert self.shadow is not None
        return self.shadow.guest_address(host)

    def store(self, address: int, width: int, value: int) -> None:
        """Store the low ``width`` bytes of a number, little-endian."""
        shadow = self.shadow
        if shadow is None or not shadow.is_table(address) or width != 8 or address & 7:
            super().store(address, width, value)
            if shadow is not None:
                self._written(address, width)
            return
        old = self.load(address, 8)
        super().store(address, 8, value)
        # A walk that sets A or D changes nothing that a shadow entry was made from.
        if old == value or old & ~value or (old ^ value) & ~(PTE_A | PTE_D):
            shadow.written(address)

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        super().write(address, data)
        if self.shadow is not None and data:
            self._written(address, len(data))

    def _written(self, address: int, count: int) -> None:
        shadow, end = self.shadow, address + count
        assert shadow is not None
        while address < end:
            if shadow.is_table(address):
                shadow.written(address)
                address = (address | 7) + 1
            else:
                address = (address | PAGE - 1) + 1
