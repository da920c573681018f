"""The shadow of one guest address space."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlab.vmm.regimes import Key


@dataclass(eq=False)
class Space:
    """The shadow of one guest address space under one virtual regime.

    Attributes
    ----------
    key : tuple
        ``(guest root frame or None, regime)``.
    root : int
        Host-physical address of the shadow root.
    asid : int
        Tag of its translations in the hardware's TLB.
    tables : dict
        Host-physical address of each shadow table by ``(level, virtual base)``.
    leaves : dict
        Host-physical address of each filled leaf entry by virtual page.
    """

    key: Key
    root: int
    asid: int
    tables: dict[tuple[int, int], int] = field(default_factory=dict)
    leaves: dict[int, int] = field(default_factory=dict)

    def holds(self, va: int) -> bool:
        """Return whether the page of an address has an entry."""
        return va & ~0xFFF in self.leaves
