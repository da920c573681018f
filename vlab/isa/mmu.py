"""Address translation: Sv39 walks and the architectural TLB (privileged specification, 4.3–4.4).

The TLB is what students see: its geometry is configured and its misses are exact. Its
replacement is FIFO within a set, which needs no work on a hit, so an engine may keep a
faster lookup of its own (`hart.fast`) as long as that stays a subset.
"""

from __future__ import annotations

from vlab.isa.fields import (
    FETCH,
    LOAD,
    MASK64,
    MPP_SHIFT,
    MPRV,
    MXR,
    PTE_A,
    PTE_D,
    PTE_G,
    PTE_PPN,
    PTE_R,
    PTE_RESERVED,
    PTE_U,
    PTE_V,
    PTE_W,
    PTE_X,
    SATP_PPN,
    STORE,
    SUM,
    Cause,
    M,
    S,
    U,
)
from vlab.isa.physical import clear_fast, in_ram, load_ram, store_ram
from vlab.isa.pmp import pmp_allows
from vlab.state import FAST_ENTRIES, FAST_WORDS, LAYOUT, Hart

NONE = MASK64
FAST_FIRST = LAYOUT["fast"][0]
SET_WORDS = FAST_ENTRIES * FAST_WORDS
SET_SHIFT = SET_WORDS.bit_length() - 1
EMPTY_SET = 3
FETCH_SETS = 4
"""First set of those for fetches: a page of data does not displace the code that uses it."""

INVALID_TAG = MASK64
"""Never equal to an address whose page offset above the access size was cleared."""


def page_fault(access: int) -> int:
    """Return the page-fault cause of an access type."""
    if access == FETCH:
        return Cause.FETCH_PAGE
    return Cause.LOAD_PAGE if access == LOAD else Cause.STORE_PAGE


def access_fault(access: int) -> int:
    """Return the access-fault cause of an access type."""
    if access == FETCH:
        return Cause.FETCH_ACCESS
    return Cause.LOAD_ACCESS if access == LOAD else Cause.STORE_ACCESS


def effective_privilege(hart: Hart, access: int) -> int:
    """Return the privilege at which an access is checked (mstatus.MPRV, section 3.1.6.3)."""
    if access != FETCH and hart.mstatus & MPRV != 0:
        return hart.mstatus >> MPP_SHIFT & 3
    return hart.priv


def permitted(hart: Hart, pte: int, access: int, priv: int) -> bool:
    """Return whether a leaf entry permits an access (section 4.3.1)."""
    if priv == U:
        if pte & PTE_U == 0:
            return False
    elif pte & PTE_U != 0 and (access == FETCH or hart.mstatus & SUM == 0):
        return False
    if access == FETCH:
        return pte & PTE_X != 0
    if access == LOAD:
        return pte & PTE_R != 0 or (pte & PTE_X != 0 and hart.mstatus & MXR != 0)
    return pte & PTE_W != 0


def walk(hart: Hart, va: int, access: int, priv: int) -> int:
    """Walk the Sv39 tables at ``satp`` (section 4.3.2) and return the leaf entry.

    The accessed bit, and the dirty bit for a store, are set in memory as needed.
    ``walk_level`` and ``walk_address`` say where the leaf is; on failure ``fault`` is the
    cause and the result 0.
    """
    top = va >> 38
    if top != 0 and top != (1 << 26) - 1:
        hart.fault = page_fault(access)
        return 0
    table = (hart.satp & SATP_PPN) << 12
    level = 2
    references = 0
    fault = 0
    pte = 0
    address = 0
    while True:
        address = table + (va >> (12 + 9 * level) & 511) * 8
        if not in_ram(hart, address, 8) or not pmp_allows(hart, address, 8, LOAD, S):
            fault = access_fault(access)
            break
        references = references + 1
        pte = load_ram(hart, address, 8)
        if pte & PTE_V == 0 or pte & (PTE_R | PTE_W) == PTE_W or pte & PTE_RESERVED != 0:
            fault = page_fault(access)
            break
        if pte & (PTE_R | PTE_X) != 0:
            break
        if level == 0 or pte & (PTE_A | PTE_D | PTE_U) != 0:
            fault = page_fault(access)
            break
        table = (pte & PTE_PPN) << 2
        level = level - 1
    hart.walks = hart.walks + 1
    hart.walk_references = hart.walk_references + references
    if fault != 0:
        hart.fault = fault
        return 0
    misaligned = pte >> 10 & ((1 << (9 * level)) - 1)
    if misaligned != 0 or not permitted(hart, pte, access, priv):
        hart.fault = page_fault(access)
        return 0
    wanted = pte | PTE_A | (PTE_D if access == STORE else 0)
    if wanted != pte:
        if not pmp_allows(hart, address, 8, STORE, S):
            hart.fault = access_fault(access)
            return 0
        store_ram(hart, address, 8, wanted)
        hart.ad_updates = hart.ad_updates + 1
    hart.walk_level = level
    hart.walk_address = address
    return wanted


def leaf_address(pte: int, level: int, va: int) -> int:
    """Return the physical address that a leaf of a level maps ``va`` to."""
    offset = (1 << (12 + 9 * level)) - 1
    return ((pte & PTE_PPN) << 2 & (MASK64 ^ offset)) | (va & offset)


def current_asid(hart: Hart) -> int:
    """Return the implemented bits of satp.ASID."""
    return hart.satp >> 44 & hart.tlb_asid_mask


def tlb_find(hart: Hart, va: int) -> int:
    """Return the index of the TLB entry that translates ``va``, or `NONE`."""
    asid = current_asid(hart)
    level = 0
    while level < 3:
        if hart.tlb_levels[level] != 0:
            shift = 12 + 9 * level
            tag = va >> shift << shift | level << 1 | 1
            entry = (va >> shift & (hart.tlb_sets - 1)) * hart.tlb_ways
            end = entry + hart.tlb_ways
            while entry < end:
                if hart.tlb_tag[entry] == tag and (
                    hart.tlb_asid[entry] == asid or hart.tlb_pte[entry] & PTE_G != 0
                ):
                    return entry
                entry = entry + 1
        level = level + 1
    return NONE


def tlb_drop(hart: Hart, entry: int) -> None:
    """Invalidate one entry, and with it what the engine remembers of its page."""
    tag = hart.tlb_tag[entry]
    if tag != 0:
        level = tag >> 1 & 3
        hart.tlb_levels[level] = hart.tlb_levels[level] - 1
        hart.tlb_tag[entry] = 0
        if level == 0:
            fast_drop(hart, tag)
        else:
            fast_flush(hart)


def tlb_place(hart: Hart, va: int, pte: int, level: int) -> int:
    """Enter a translation that is not there, in FIFO order, and return its index."""
    shift = 12 + 9 * level
    index = va >> shift & (hart.tlb_sets - 1)
    way = hart.tlb_next[index]
    hart.tlb_next[index] = way + 1 if way + 1 < hart.tlb_ways else 0
    entry = index * hart.tlb_ways + way
    tlb_drop(hart, entry)
    hart.tlb_tag[entry] = va >> shift << shift | level << 1 | 1
    hart.tlb_asid[entry] = current_asid(hart)
    hart.tlb_levels[level] = hart.tlb_levels[level] + 1
    hart.tlb_pte[entry] = pte
    hart.tlb_seen[entry] = 1
    return entry


def tlb_replace(hart: Hart, entry: int, va: int, pte: int, level: int) -> int:
    """Change what the TLB holds of an address, and return its index."""
    if hart.tlb_tag[entry] >> 1 & 3 != level:
        tlb_drop(hart, entry)
        other = tlb_find(hart, va)
        if other == NONE:
            return tlb_place(hart, va, pte, level)
        return tlb_replace(hart, other, va, pte, level)
    hart.tlb_pte[entry] = pte
    hart.tlb_asid[entry] = current_asid(hart)  # what was global elsewhere need not be here
    hart.tlb_seen[entry] = 1
    fast_drop(hart, va)
    if level != 0:
        fast_flush(hart)
    return entry


def tlb_flush(hart: Hart, va: int, by_address: int, asid: int, by_asid: int) -> None:
    """Carry out ``sfence.vma`` (section 4.2.1) on the TLB.

    Global entries survive a flush by address space.
    """
    hart.tlb_flushes = hart.tlb_flushes + 1
    fast_flush(hart)
    entries = hart.tlb_sets * hart.tlb_ways
    entry = 0
    while entry < entries:
        tag = hart.tlb_tag[entry]
        if tag != 0:
            shift = 12 + 9 * (tag >> 1 & 3)
            if by_address == 0 or tag >> shift == va >> shift:
                if by_asid == 0 or (
                    hart.tlb_asid[entry] == asid & hart.tlb_asid_mask
                    and hart.tlb_pte[entry] & PTE_G == 0
                ):
                    tlb_drop(hart, entry)
        entry = entry + 1


def translate(hart: Hart, va: int, access: int, width: int) -> int:
    """Return the physical address of ``width`` bytes within one page.

    On failure ``fault`` is the exception cause and ``fault_address`` the address.
    """
    hart.fault = 0
    priv = effective_privilege(hart, access)
    pa = va
    if priv != M and hart.satp >> 60 != 0:
        entry = tlb_find(hart, va)
        serves = 0
        if entry != NONE:
            pte = hart.tlb_pte[entry]
            if permitted(hart, pte, access, priv) and (access != STORE or pte & PTE_D != 0):
                serves = 1
        if serves == 0:
            pte = walk(hart, va, access, priv)
            if hart.fault != 0:
                hart.fault_address = va
                return 0
            hart.tlb_misses = hart.tlb_misses + 1
            if entry == NONE:
                entry = tlb_place(hart, va, pte, hart.walk_level)
            else:
                entry = tlb_replace(hart, entry, va, pte, hart.walk_level)
        pa = leaf_address(hart.tlb_pte[entry], hart.tlb_tag[entry] >> 1 & 3, va)
    if not pmp_allows(hart, pa, width, access, priv):
        hart.fault = access_fault(access)
        hart.fault_address = va
        return 0
    hart.last_address = pa
    return pa


def fast_drop(hart: Hart, va: int) -> None:
    """Forget what the engine's lookup cache holds of one page, at U and S.

    M-mode translates nothing: its accesses are in no TLB.
    """
    if hart.fast_used != 0:
        entry = (va >> 12 & (FAST_ENTRIES - 1)) * FAST_WORDS
        hart.fast[entry] = INVALID_TAG
        hart.fast[entry + 1] = INVALID_TAG
        hart.fast[entry + SET_WORDS] = INVALID_TAG
        hart.fast[entry + SET_WORDS + 1] = INVALID_TAG
        entry = entry + FETCH_SETS * SET_WORDS
        hart.fast[entry + 2] = INVALID_TAG
        hart.fast[entry + SET_WORDS + 2] = INVALID_TAG


def fast_flush(hart: Hart) -> None:
    """Empty the engine's lookup cache."""
    if hart.fast_used != 0:
        clear_fast(hart)
        hart.fast_used = 0


def use_set(hart: Hart, first: int) -> None:
    """Note that the lookup's set with this first word is in use."""
    hart.fast_used = hart.fast_used | 1 << (first - FAST_FIRST >> SET_SHIFT)


def update_regime(hart: Hart) -> None:
    """Select the lookup sets after a change of privilege or of mstatus."""
    fetch = EMPTY_SET - 1 if hart.priv == M else hart.priv
    data = EMPTY_SET if hart.mstatus & MPRV != 0 else fetch
    hart.fetch_set = FAST_FIRST + (FETCH_SETS + fetch) * SET_WORDS
    hart.data_set = FAST_FIRST + data * SET_WORDS
