"""The shadow of one guest address space."""

from __future__ import annotations

from typing import Protocol

from vlab.vmm.regimes import Key


class Notes(Protocol):
    """Whose spaces these are."""

    def look(self) -> None:
        """Bring the notes of shadow entries up to date."""


class Space:
    """The shadow of one guest address space under one virtual regime.

    Parameters
    ----------
    notes
        What is asked to bring `leaves` up to date, where machine code fills entries, too.

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
    """

    def __init__(self, notes: Notes, key: Key, root: int, asid: int) -> None:
        self.notes, self.key, self.root, self.asid = notes, key, root, asid
        self.tables: dict[tuple[int, int], int] = {}
        self.filled: dict[int, int] = {}
        """`leaves`, those apart that machine code has filled since it was last looked at."""

    @property
    def leaves(self) -> dict[int, int]:
        """Host-physical address of each filled leaf entry by virtual page."""
        self.notes.look()
        return self.filled

    def holds(self, va: int) -> bool:
        """Return whether the page of an address has an entry."""
        return va & ~0xFFF in self.leaves
