"""Walks that were made, remembered: a short cut for accesses that miss the TLB. Lowered only.

A line holds whose walk it was, where its three entries lie in RAM, and what they were. While
they are the same, and each time they are read again, the walk has the same outcome: it is
counted, and the translation entered into the TLB in FIFO order. A line is therefore never out
of date and never dropped. Whatever is unusual (superpages, PMP, a TLB entry that was free) is
left to `vlab.isa.mmu.translate`.

A page that is accessed once, and then not before it is evicted, need not be in the engine's lookup.
It is entered there only if it was accessed a second time before (`SEEN_AGAIN`).

Where nothing was stored no table has changed: a line that was compared with memory is not compared
again before a store, or anything else that goes the slow way. Handlers know it by the number of
stores, which they count anyway; a hot loop knows whether it stores anything.
"""

from __future__ import annotations

from vlab.engines.machine_only import (
    in_register,
    no_status,
    peek32,
    peek64,
    poke32,
    poke64,
    refill_apart,
    unlikely,
    word_address,
)
from vlab.isa.fields import (
    FETCH,
    LOAD,
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
from vlab.state import FAST_ENTRIES, FAST_WORDS, LAYOUT, Hart

LINES, LINE_BYTES = 4096, 128
WALK_BYTES = 3 * LINES * LINE_BYTES
"""Fetches, loads and stores have lines of their own."""

KEY, STAMP, LEAF, ADDEND, TAGS, NEXT, ASID, SEEN_AGAIN = range(0, 64, 8)
SATP, ROOT, MIDDLE, ROOT_AT, MIDDLE_AT, LEAF_AT = 64, 72, 80, 88, 92, 96
"""Where a line holds its key, the stamp with which it was compared, the leaf entry, host
address minus virtual, the host addresses of the tags of the page's TLB set and of the way to be
replaced next there, the ASID, and 1 if the page was accessed again while in the TLB; then what a
comparison needs besides: satp, the two entries above, and the places of all three in RAM (32 bits,
in words)."""

ASIDS, PTES, SEEN = (
    8 * (LAYOUT[name][0] - LAYOUT["tlb_tag"][0]) for name in ("tlb_asid", "tlb_pte", "tlb_seen")
)
"""How far behind a tag of the TLB the rest of the entry is, in bytes."""

PRIV_SHIFT, MODE_SHIFT, UNUSUAL_SHIFT = 3, 5, 8
"""Bits of a key below the page: privilege; MPRV, SUM and MXR; whether PMP is in use or a superpage
in the TLB, with which no walk is remembered."""

MPRV_SHIFT = 17
"""MPRV, SUM and MXR are three bits of mstatus from here (section 3.1.6)."""

TAG_WORD, NEXT_WORD = LAYOUT["tlb_tag"][0], LAYOUT["tlb_next"][0]

REACH = 1 << 35
"""Bytes of RAM whose words 32 bits can number."""

PAGE_MASK = MASK64 ^ 0xFFF
NO_PAGE = MASK64
USER_SETS, SUPERVISOR_SETS = (1 << mode | 1 << FETCH_SETS + mode for mode in (U, S))
"""Bits of ``fast_used``: the lookup's sets for data and for fetches."""

EVICTED_CODE = 1
"""Result of `walk_again`: it is done, and has evicted the page being executed."""

USUAL_WAYS = 4
"""Ways of a TLB for which `walk_again` is there with their number as a constant."""

OTHER_WAYS_SHIFT, MADE_SHIFT = 9, 10
"""Bit of keys with which none is found: another number of ways; and one that is set in the key of
every line that was made, whatever its page."""

STAMP_STEP = 1 << 32

HANDLER, LOOP, READING_LOOP, ANY_WAYS = range(4)
"""Who has a walk made again: a handler; a loop; one that stores nothing; whoever of them it was,
where the TLB has another number of ways."""


def set_walk_mode(hart: Hart) -> int:
    """Bring up to date, and return, the bits of a key that say what permissions depend on."""
    unusual = hart.pmp_open == 0 or hart.tlb_levels[1] + hart.tlb_levels[2] != 0
    hart.walk_mode = (
        hart.priv << PRIV_SHIFT
        | (hart.mstatus >> MPRV_SHIFT & 7) << MODE_SHIFT
        | (1 << UNUSUAL_SHIFT if unusual else 0)
        | 1 << MADE_SHIFT
    )
    other = 1 << OTHER_WAYS_SHIFT if hart.tlb_ways != USUAL_WAYS else 0
    hart.usual_mode = hart.walk_mode | other
    return hart.walk_mode


def fresh_stamp(hart: Hart) -> None:
    """Have no line count as compared with memory; the new stamp has room for stores below."""
    hart.walk_stamp = hart.walk_stamp + STAMP_STEP
    if hart.walk_stamp == 0:
        hart.walk_stamp = STAMP_STEP
        stamp = hart.walk_lines + STAMP
        end = stamp + WALK_BYTES
        while stamp < end:
            poke64(stamp, 0)
            stamp = stamp + LINE_BYTES


def refresh_walks(hart: Hart) -> None:
    """Begin anew after something went the slow way, which may have changed whatever there is."""
    set_walk_mode(hart)
    fresh_stamp(hart)
    hart.walk_stale = 0


def enter_loop(hart: Hart) -> None:
    """Begin a stay in a hot loop, in which no line has been compared with memory yet."""
    set_walk_mode(hart)
    fresh_stamp(hart)
    hart.loop_tag = hart.page_pc + 1


def walk_line(hart: Hart, va: int, access: int) -> int:
    """Return the host address of the line of an address and a kind of access."""
    kind = 0 if access == LOAD else 1 if access == STORE else 2  # loads wait for the address
    lines = hart.walk_lines + kind * LINES * LINE_BYTES
    return in_register(lines + (va >> 12 & (LINES - 1)) * LINE_BYTES)


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
    if hart.priv == M or hart.satp >> 60 == 0 or mode & 1 << UNUSUAL_SHIFT != 0:
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
    index = page >> 12 & (hart.tlb_sets - 1)
    if peek64(line + KEY) != page | mode:
        poke64(line + SEEN_AGAIN, 0)
    poke64(line + KEY, page | mode)
    poke64(line + STAMP, 0)
    poke64(line + LEAF, leaf)
    poke64(line + ADDEND, hart.ram_pointer + (target - hart.ram_base) - page)
    poke64(line + TAGS, word_address(hart, TAG_WORD + index * hart.tlb_ways))
    poke64(line + NEXT, word_address(hart, NEXT_WORD + index))
    poke64(line + ASID, current_asid(hart))
    poke64(line + SATP, hart.satp)
    poke64(line + ROOT, root)
    poke64(line + MIDDLE, middle)
    poke32(line + ROOT_AT, (root_at - hart.ram_base) >> 3)
    poke32(line + MIDDLE_AT, (middle_at - hart.ram_base) >> 3)
    poke32(line + LEAF_AT, (leaf_at - hart.ram_base) >> 3)


def is_same(hart: Hart, line: int, place: int, entry: int) -> bool:
    """Return whether an entry of a line's walk is in memory what it was."""
    return peek64(hart.ram_pointer + peek32(line + place) * 8) == peek64(line + entry)


def goes_as_it_went(hart: Hart, line: int) -> bool:
    """Return whether a walk from the same root would read what a line's did."""
    return (
        peek64(line + SATP) == hart.satp
        and is_same(hart, line, ROOT_AT, ROOT)
        and is_same(hart, line, MIDDLE_AT, MIDDLE)
        and is_same(hart, line, LEAF_AT, LEAF)
    )


def is_in_tlb(hart: Hart, line: int, page: int, ways: int) -> bool:
    """Return whether the TLB may hold a translation of a line's page."""
    tag = page + 1
    at = peek64(line + TAGS)
    if ways == USUAL_WAYS:
        return (
            peek64(at) == tag
            or peek64(at + 8) == tag
            or peek64(at + 16) == tag
            or peek64(at + 24) == tag
        )
    end = at + ways * 8
    while at < end:
        if peek64(at) == tag:
            return True
        at = at + 8
    return False


def serves(hart: Hart, line: int, page: int, ways: int, who: int, stamp: int) -> bool:
    """Return whether a line's walk would go as it went, and the page is not in the TLB.

    A line with the ``stamp`` is known to go as it went; 0: none is.
    """
    mode = hart.walk_mode if who == ANY_WAYS else hart.usual_mode
    if peek64(line + KEY) != page | mode:
        return False
    stamped = who == HANDLER or stamp != 0
    if not stamped or unlikely(peek64(line + STAMP) != stamp):
        if not goes_as_it_went(hart, line):
            return False
        if stamped:
            poke64(line + STAMP, stamp)
    if is_in_tlb(hart, line, page, ways):
        poke64(line + SEEN_AGAIN, 1)
        return False
    return True


def replace(hart: Hart, line: int, page: int, ways: int, lookup: int, access: int) -> int:
    """Enter a line's translation in place of another page's, in the lookup, too, if it pays.

    ``lookup`` is the host address of the entry there, 0 if nobody knows it yet.

    Returns the other's tag, or 0: nothing was done.
    """
    next_at = peek64(line + NEXT)
    way = peek64(next_at)
    at = in_register(peek64(line + TAGS) + way * 8)
    poke64(next_at, way + 1 & (ways - 1))  # at once: few registers are free
    old = peek64(at)
    if unlikely(old == 0):
        poke64(peek64(line + NEXT), peek64(peek64(line + NEXT)) - 1 & (ways - 1))
        return 0
    poke64(at, page + 1)
    poke64(at + ASIDS, peek64(line + ASID))
    poke64(at + PTES, peek64(line + LEAF))
    if unlikely(peek64(at + SEEN) != 0):
        lookup_drop(hart, old)
        poke64(at + SEEN, 0)
    if access == FETCH:
        poke64(at + SEEN, 1)
    elif unlikely(peek64(line + SEEN_AGAIN) != 0):
        poke64(at + SEEN, 1)
        entry = lookup if lookup != 0 else lookup_entry(hart, page)
        poke64(entry, NO_PAGE if access == STORE else page)
        poke64(entry + 8, page if access == STORE else NO_PAGE)
        poke64(entry + 24, peek64(line + ADDEND))
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


def walk_again(
    hart: Hart, va: int, page: int, lookup: int, access: int, ways: int, who: int, stamp: int
) -> int:
    """Translate a load's or store's address by a remembered walk, and fill the lookup if it pays.

    ``page`` is the address without its place in the page, but with the bits that an aligned one has
    clear; ``lookup`` the host address of the entry that was missed, if a loop knows it; ``ways`` is
    ``hart.tlb_ways``; ``stamp`` says which lines are known to go as they went. `set_walk_mode` was
    called. Returns what leads from the address to the host's; `EVICTED_CODE`; or 0: nothing was
    done. For a loop, which counts its walks itself, these two are left to
    `vlab.engines.code_cache.refill`: its result is returned.
    """
    line = walk_line(hart, va, access)
    if not serves(hart, line, page, ways, who, stamp):
        return unserved(hart, va, page, lookup, access, 0, who)
    if access == STORE:
        frame = ((page + peek64(line + ADDEND) - hart.ram_pointer) & MASK64) >> 12
        if peek64(hart.code_map + frame * 8) != 0:
            return unserved(hart, va, page, lookup, access, 0, who)
    old = replace(hart, line, page, ways, lookup, access)
    if old == 0:
        return unserved(hart, va, page, lookup, access, 0, who)
    loops = who == LOOP or who == READING_LOOP
    if not loops:
        hart.walks_again = hart.walks_again + 1
    gone = old if loops else old - 1
    code = hart.loop_tag if loops else hart.page_pc
    if unlikely(gone == code):
        return unserved(hart, va, page, lookup, access, EVICTED_CODE, who)
    return no_status(peek64(line + ADDEND))


def lookup_entry(hart: Hart, va: int) -> int:
    """Return the host address of the entry of the lookup that an access to an address uses."""
    entry = (va >> 12 & (FAST_ENTRIES - 1)) * FAST_WORDS
    return word_address(hart, hart.data_set + entry)


def unserved(
    hart: Hart, va: int, page: int, lookup: int, access: int, walked: int, who: int
) -> int:
    """Return what `walk_again` does if it could not serve, or has evicted the page executed."""
    if who == LOOP or who == READING_LOOP:
        return refill_apart(hart, va, page, lookup, access, walked)
    return walked


def fetch_again(hart: Hart, page: int, stamp: int) -> int:
    """Translate a page for execution by a remembered walk, and fill the lookup.

    ``stamp`` says which lines are known to go as they went; ``hart.walk_mode`` is up to date.
    Returns the page's host address, or 0: nothing was done.
    """
    line = walk_line(hart, page, FETCH)
    ways = hart.tlb_ways
    if (
        not serves(hart, line, page, ways, ANY_WAYS, stamp)
        or replace(hart, line, page, ways, 0, FETCH) == 0
    ):
        return 0
    hart.walks_again = hart.walks_again + 1
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
