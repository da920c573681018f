"""Halting at addresses: breakpoints at the speed of the engine.

A page that is executed at the virtual page of such an address is watched: in it the slots at
these offsets hold the handler ``halt`` however often they are decoded anew, and no translated
block or compiled loop goes past them. The handler looks whether the address is the one that is
executed and ends the run there, or carries out that one instruction. Lowered only, but for what
plants the addresses.
"""

from __future__ import annotations

from collections.abc import Set

from vlab.engines.code_page import WATCHED
from vlab.engines.machine_only import peek64
from vlab.isa.fields import MASK64
from vlab.state import Hart
from vlab.words import address, clear, zeros

OFFSET = 0xFFF
NOWHERE: frozenset[int] = frozenset()


def halts_here(hart: Hart) -> int:
    """Return whether a run halts at ``pc``."""
    if hart.halting == 0:
        return 0
    place = hart.halt_list
    end = place + 8 * hart.halt_count
    while place < end:
        if peek64(place) == hart.pc:
            return 1
        place = place + 8
    return 0


def watches(hart: Hart, pc: int) -> int:
    """Return whether there is an address on the virtual page of ``pc``."""
    place = hart.halt_list
    end = place + 8 * hart.halt_count
    while place < end:
        if peek64(place) & (MASK64 ^ OFFSET) == pc & (MASK64 ^ OFFSET):
            return 1
        place = place + 8
    return 0


def is_halt(hart: Hart, base: int, offset: int) -> int:
    """Return whether the slot at an offset of a page is to hold the handler ``halt``."""
    if hart.halt_count == 0 or peek64(base + WATCHED) == 0:
        return 0
    place = hart.halt_list
    end = place + 8 * hart.halt_count
    while place < end:
        if peek64(place) & OFFSET == offset:
            return 1
        place = place + 8
    return 0


def planted(hart: Hart) -> frozenset[int]:
    """Return the addresses that slots of a hart are prepared for."""
    halts: frozenset[int] = getattr(hart, "halts", NOWHERE)
    return halts


def plant(hart: Hart, halts: Set[int]) -> None:
    """Prepare a hart's record for other addresses: its decoded and translated code is dropped."""
    if halts == planted(hart):
        return
    hart.halts = frozenset(halts)
    hart.halt_words = zeros(max(1, len(halts)))
    for number, halt in enumerate(sorted(halts)):
        hart.halt_words[number] = halt & MASK64
    hart.halt_list, hart.halt_count = address(hart.halt_words), len(halts)
    clear(hart.memory.code_map)
    hart.code_used = hart.jit_used = 0
