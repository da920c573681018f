"""What a set of page tables maps, as a list of regions: neighbours with equal permissions."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from vlab.experiments.session_walks import PageTables, flags_of
from vlab.isa.fields import MASK64, PTE_PPN, PTE_R, PTE_V, PTE_X, SATP_PPN
from vlab.memory import PAGE

RIGHTS = 0b11111  # V R W X U
ENTRIES = struct.Struct("<512Q")


class Region(NamedTuple):
    """Virtual addresses next to each other that are mapped with the same permissions.

    Attributes
    ----------
    start, end
        The first virtual address, and the first behind it.
    pages
        Leaf entries that map it.
    level
        Of these entries: 0 for pages of 4 KiB, 1 of 2 MiB, 2 of 1 GiB.
    flags
        Those that all of them have: ``V R W X U``, for example ``-U-WRV``.
    """

    start: int
    end: int
    pages: int
    level: int
    flags: str


def leaves(tables: PageTables) -> Iterator[tuple[int, int, int]]:
    """Return virtual address, level and entry of every valid leaf, in the order of addresses.

    Addresses are those of Sv39: sign-extended from bit 38 (privileged specification, 4.4.1).
    """
    if tables.satp >> 60:
        yield from _table(tables.memory, (tables.satp & SATP_PPN) << 12, 2, 0)


def _table(memory: Any, table: int, level: int, base: int) -> Iterator[tuple[int, int, int]]:
    if not (memory.contains(table) and memory.contains(table + PAGE - 1)):
        return
    for index, pte in enumerate(ENTRIES.unpack(memory.read(table, PAGE))):
        if not pte & PTE_V:
            continue
        va = base | index << 12 + 9 * level
        if level == 2 and index >= 256:
            va |= MASK64 ^ (1 << 39) - 1
        if pte & (PTE_R | PTE_X):
            yield va, level, pte
        elif level:
            yield from _table(memory, (pte & PTE_PPN) << 2, level - 1, va)


def regions(tables: PageTables) -> list[Region]:
    """Return the regions that the tables map."""
    found: list[list[int]] = []  # start, end, pages, level, rights
    for va, level, pte in leaves(tables):
        rights, end = pte & RIGHTS, va + (PAGE << 9 * level)
        last = found[-1] if found else None
        if last is not None and last[1] == va and last[3:] == [level, rights]:
            last[1], last[2] = end, last[2] + 1
        else:
            found.append([va, end, 1, level, rights])
    return [
        Region(start, end, pages, level, flags_of(rights)[3:])
        for start, end, pages, level, rights in found
    ]
