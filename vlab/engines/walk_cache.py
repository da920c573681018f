"""Walks that were made, remembered: a short cut for accesses that miss the TLB. Lowered only.

A line holds whose walk it was, where its three entries lie in RAM, and what they were. While
they are the same, and each time they are read again, the walk has the same outcome: it is
counted, and the translation entered into the TLB in FIFO order. A line is therefore never out
of date and never dropped. Whatever is unusual (superpages, PMP, a TLB entry that was free) is
left to `vlab.isa.mmu.translate`.
"""

from __future__ import annotations

from vlab.engines.machine_only import peek32, peek64, poke32, poke64
from vlab.isa.fields import (
    FETCH,
    MASK64,
    MPRV,
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
    M,
    S,
    U,
)
from vlab.isa.mmu import FAST_FIRST, FETCH_SETS, NONE, SET_WORDS, current_asid, tlb_find, use_set
from vlab.isa.physical import in_ram, load_ram
from vlab.state import FAST_ENTRIES, FAST_WORDS, Hart

LINES, LINE_BYTES = 4096, 64
WALK_BYTES = 3 * LINES * LINE_BYTES
"""Fetches, loads and stores have lines of their own."""

KEY, SATP = 0, 8
ROOT_AT, MIDDLE_AT, LEAF_AT, SET = 16, 20, 24, 28
ROOT, MIDDLE, LEAF, ADDEND = 32, 40, 48, 56
"""Where a line holds its key, satp, the places of the three entries in RAM (32 bits, in words), the
number of the page's TLB set, the entries, and host address minus virtual."""

PRIV_SHIFT, MODE_SHIFT, UNUSUAL_SHIFT = 3, 5, 8
"""Bits of a key below the page: privilege; MPRV, SUM and MXR; whether PMP is in use or a superpage
in the TLB, with which no walk is remembered."""

MPRV_SHIFT = 17
"""MPRV, SUM and MXR are three bits of mstatus from here (section 3.1.6)."""

REACH = 1 << 35
"""Bytes of RAM whose words 32 bits can number."""

PAGE_MASK = MASK64 ^ 0xFFF
NO_PAGE = MASK64
USER_SETS, SUPERVISOR_SETS = (1 << mode | 1 << FETCH_SETS + mode for mode in (U, S))
"""Bits of ``fast_used``: the lookup's sets for data and for fetches."""

EVICTED_CODE = 1
"""Result of `walk_again`: it is done, and has evicted the page being executed."""

USUAL_WAYS = 4
"""Ways of a TLB for which the loops' `walk_again` is there with their number as a constant."""


def set_walk_mode(hart: Hart) -> int:
    """Bring up to date, and return, the bits of a key that say what permissions depend on."""
    unusual = hart.pmp_open == 0 or hart.tlb_levels[1] + hart.tlb_levels[2] != 0
    hart.walk_mode = (
        hart.priv << PRIV_SHIFT
        | (hart.mstatus >> MPRV_SHIFT & 7) << MODE_SHIFT
        | (1 << UNUSUAL_SHIFT if unusual else 0)
    )
    return hart.walk_mode


def walk_line(hart: Hart, va: int, access: int) -> int:
    """Return the host address of the line of an address and a kind of access."""
    return hart.walk_lines + (access * LINES + (va >> 12 & (LINES - 1))) * LINE_BYTES


def pointer_at(hart: Hart, address: int) -> int:
    """Return the entry at a physical address if it points to another table, otherwise 0."""
    if not in_ram(hart, address, 8):
        return 0
    entry = load_ram(hart, address, 8)
    flags = PTE_V | PTE_R | PTE_W | PTE_X | PTE_U | PTE_A | PTE_D | PTE_RESERVED
    return entry if entry & flags == PTE_V else 0


def remember_walk(hart: Hart, va: int, access: int) -> None:
    """Keep the walk that leads to the TLB's entry for an address that was just accessed.

    (If the tables no longer lead there, the line serves nothing until they do again.)
    """
    mode = set_walk_mode(hart)
    if hart.priv == M or hart.satp >> 60 == 0 or mode >> UNUSUAL_SHIFT != 0:
        return
    if hart.mstatus & MPRV != 0 or hart.ram_size > REACH:
        return
    held = tlb_find(hart, va)
    if held == NONE or hart.tlb_tag[held] >> 1 & 3 != 0:
        return
    leaf = hart.tlb_pte[held]
    target = (leaf & PTE_PPN) << 2
    root_at = ((hart.satp & SATP_PPN) << 12) + (va >> 30 & 511) * 8
    root = pointer_at(hart, root_at)
    middle_at = ((root & PTE_PPN) << 2) + (va >> 21 & 511) * 8
    middle = pointer_at(hart, middle_at)
    leaf_at = ((middle & PTE_PPN) << 2) + (va >> 12 & 511) * 8
    if root == 0 or middle == 0 or not in_ram(hart, leaf_at, 8) or not in_ram(hart, target, 4096):
        return
    line = walk_line(hart, va, access)
    page = va & PAGE_MASK
    poke64(line + KEY, page | mode)
    poke64(line + SATP, hart.satp)
    poke32(line + ROOT_AT, (root_at - hart.ram_base) >> 3)
    poke32(line + MIDDLE_AT, (middle_at - hart.ram_base) >> 3)
    poke32(line + LEAF_AT, (leaf_at - hart.ram_base) >> 3)
    poke32(line + SET, page >> 12 & (hart.tlb_sets - 1))
    poke64(line + ROOT, root)
    poke64(line + MIDDLE, middle)
    poke64(line + LEAF, leaf)
    poke64(line + ADDEND, hart.ram_pointer + (target - hart.ram_base) - page)


def is_same(hart: Hart, line: int, place: int, entry: int) -> bool:
    """Return whether an entry of a line's walk is in memory what it was."""
    return peek64(hart.ram_pointer + peek32(line + place) * 8) == peek64(line + entry)


def serves(hart: Hart, line: int, page: int, ways: int) -> bool:
    """Return whether a line's walk would go as it went, and the page is not in the TLB."""
    if (
        peek64(line + KEY) != page | hart.walk_mode
        or peek64(line + SATP) != hart.satp
        or not is_same(hart, line, ROOT_AT, ROOT)
        or not is_same(hart, line, MIDDLE_AT, MIDDLE)
        or not is_same(hart, line, LEAF_AT, LEAF)
    ):
        return False
    tag = page | 1
    entry = peek32(line + SET) * ways
    if ways == USUAL_WAYS:
        return (
            hart.tlb_tag[entry] != tag
            and hart.tlb_tag[entry + 1] != tag
            and hart.tlb_tag[entry + 2] != tag
            and hart.tlb_tag[entry + 3] != tag
        )
    end = entry + ways
    while entry < end:
        if hart.tlb_tag[entry] == tag:
            return False
        entry = entry + 1
    return True


def replace(hart: Hart, line: int, page: int, ways: int) -> int:
    """Count a line's walk, and enter its translation in place of another page's.

    Returns the other's tag, or 0: nothing was done.
    """
    index = peek32(line + SET)
    way = hart.tlb_next[index]
    entry = index * ways + way
    old = hart.tlb_tag[entry]
    if old == 0:
        return 0
    hart.tlb_next[index] = way + 1 & (ways - 1)
    hart.tlb_tag[entry] = page | 1
    hart.tlb_asid[entry] = current_asid(hart)
    hart.tlb_pte[entry] = peek64(line + LEAF)
    lookup_drop(hart, old)
    hart.walks_again = hart.walks_again + 1
    return old


def lookup_drop(hart: Hart, va: int) -> None:
    """Forget what the lookup holds of a page, as `vlab.isa.mmu.fast_drop`, where it may be."""
    entry = (va >> 12 & (FAST_ENTRIES - 1)) * FAST_WORDS
    if hart.fast_used & USER_SETS != 0:
        hart.fast[entry] = NO_PAGE
        hart.fast[entry + 1] = NO_PAGE
        hart.fast[entry + FETCH_SETS * SET_WORDS + 2] = NO_PAGE
    if hart.fast_used & SUPERVISOR_SETS != 0:
        hart.fast[entry + SET_WORDS] = NO_PAGE
        hart.fast[entry + SET_WORDS + 1] = NO_PAGE
        hart.fast[entry + (FETCH_SETS + 1) * SET_WORDS + 2] = NO_PAGE


def walk_again(hart: Hart, va: int, page: int, lookup: int, access: int, ways: int) -> int:
    """Translate a load's or store's address by a remembered walk, and fill the lookup.

    ``page`` is the address without its place in the page, but with the bits that an aligned one has
    clear; ``lookup`` the host address of the entry that was missed; ``ways`` is ``hart.tlb_ways``;
    ``hart.walk_mode`` is up to date. Returns what leads from the address to the host's;
    `EVICTED_CODE`; or 0: nothing was done.
    """
    line = walk_line(hart, va, access)
    if not serves(hart, line, page, ways):
        return 0
    addend = peek64(line + ADDEND)
    if access == STORE:
        frame = ((page + addend - hart.ram_pointer) & MASK64) >> 12
        if peek64(hart.code_map + frame * 8) != 0:
            return 0
    old = replace(hart, line, page, ways)
    if old == 0:
        return 0
    poke64(lookup, NO_PAGE if access == STORE else page)
    poke64(lookup + 8, page if access == STORE else NO_PAGE)
    poke64(lookup + 24, addend)
    return EVICTED_CODE if old - 1 == hart.page_pc else addend


def fetch_again(hart: Hart, page: int) -> int:
    """Translate a page for execution by a remembered walk, and fill the lookup.

    Returns the page's host address, or 0: nothing was done.
    """
    line = walk_line(hart, page, FETCH)
    ways = hart.tlb_ways
    set_walk_mode(hart)
    if not serves(hart, line, page, ways) or replace(hart, line, page, ways) == 0:
        return 0
    use_set(hart, hart.fetch_set)
    i = hart.fetch_set - FAST_FIRST + (page >> 12 & (FAST_ENTRIES - 1)) * FAST_WORDS
    addend = peek64(line + ADDEND)
    hart.fast[i + 2] = page
    hart.fast[i + 3] = addend
    return (page + addend) & MASK64


def count_walks(hart: Hart) -> None:
    """Count what was walked again: each missed the TLB and read three entries."""
    hart.tlb_misses = hart.tlb_misses + hart.walks_again
    hart.walks = hart.walks + hart.walks_again
    hart.walk_references = hart.walk_references + 3 * hart.walks_again
    hart.walks_short = hart.walks_short + hart.walks_again
    hart.walks_again = 0
