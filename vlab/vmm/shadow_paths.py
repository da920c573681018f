"""Which tables of a guest's walks are known to be protected, for machine code to look up.

A direct-mapped table of keys: a use of a guest page table that `ShadowPaging.tables` holds is
usually found in its slot; one that is not found there is looked up in Python. In the restricted
subset.
"""

from __future__ import annotations

from vlab.isa.fields import MASK64

SLOTS_SHIFT = 52
SLOTS = 1 << 64 - SLOTS_SHIFT
MOST_FRAMES = 1 << 20
"""Guest frames whose numbers fit into a key."""

GOLDEN = 0x9E37_79B9_7F4A_7C15
"""Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4)."""


def path_key(table: int, root: int, level: int, va: int) -> int:
    """Return the key of a table's use; frames are counted from the guest's first.

    Parameters
    ----------
    table, root
        Frame of the table, and that of the root of its address space.
    level
        What it is in a walk: 2 for the root.
    va
        Any address that it translates.
    """
    base = va >> 21 & 0x3FFFF
    if level == 1:
        base = base & 0x3FE00
    elif level == 2:
        base = 0
    return (((table << 20 | root) << 18 | base) << 2 | level) + 1


def path_slot(key: int) -> int:
    """Return the place of a key."""
    return (key * GOLDEN & MASK64) >> SLOTS_SHIFT
