"""Physical memory protection (privileged specification, section 3.7)."""

from __future__ import annotations

from vlab.isa.fields import (
    FETCH,
    LOAD,
    MASK64,
    PMP_L,
    PMP_MODE,
    PMP_NA4,
    PMP_NAPOT,
    PMP_R,
    PMP_TOR,
    PMP_W,
    PMP_X,
    M,
)
from vlab.state import Hart

PMP_ENTRIES = 16
ALL_ADDRESSES = (1 << 54) - 1


def pmp_config(hart: Hart, entry: int) -> int:
    """Return the configuration byte of an entry."""
    return hart.pmpcfg[entry >> 3] >> ((entry & 7) * 8) & 0xFF


def pmp_allows(hart: Hart, address: int, width: int, access: int, priv: int) -> bool:
    """Return whether PMP lets an access through.

    The lowest-numbered entry that matches any byte decides, and must match all of them;
    with no match, M-mode succeeds and others fail.
    """
    if hart.pmp_open != 0:
        return True
    last = (address + width - 1) & MASK64
    previous = 0
    entry = 0
    while entry < hart.pmp_count:
        config = pmp_config(hart, entry)
        top = hart.pmpaddr[entry] << 2 & MASK64
        mode = config & PMP_MODE
        low = previous
        high = top
        if mode > PMP_TOR:
            low = top
            high = top + 4
            if mode > PMP_NA4:
                ones = hart.pmpaddr[entry] ^ (hart.pmpaddr[entry] + 1)
                low = (hart.pmpaddr[entry] & (MASK64 ^ ones)) << 2 & MASK64
                high = (low + (((ones & MASK64) + 1) << 2)) & MASK64
                if hart.pmpaddr[entry] >= ALL_ADDRESSES:
                    low = 0
                    high = MASK64
        if mode != 0 and address < high and last >= low:
            if address < low or last >= high:
                return False
            if priv == M and config & PMP_L == 0:
                return True
            if access == FETCH:
                return config & PMP_X != 0
            if access == LOAD:
                return config & PMP_R != 0
            return config & PMP_W != 0
        previous = top
        entry = entry + 1
    return priv == M


def cuts(page: int, address: int) -> bool:
    """Return whether a boundary lies inside the 4 KiB page, not at its edge."""
    return address > page and address < page + 4096


def pmp_page_uniform(hart: Hart, page: int) -> bool:
    """Return whether no PMP boundary cuts the 4 KiB page, so that one check serves all of it."""
    if hart.pmp_open != 0:
        return True
    entry = 0
    while entry < hart.pmp_count:
        mode = pmp_config(hart, entry) & PMP_MODE
        address = hart.pmpaddr[entry] << 2 & MASK64
        if mode == PMP_TOR:
            if cuts(page, address):
                return False
            if entry > 0 and cuts(page, hart.pmpaddr[entry - 1] << 2 & MASK64):
                return False
        if mode == PMP_NA4 and address >= page and address < page + 4096:
            return False
        # A NAPOT region of a page or more is aligned to pages.
        small = mode > PMP_NA4 and hart.pmpaddr[entry] & 0x1FF != 0x1FF
        if small and address >= page and address < page + 4096:
            return False
        entry = entry + 1
    return True


def pmp_update(hart: Hart) -> None:
    """Recompute the number of entries in use, and whether PMP is open, after a change.

    It is open if entry 0 grants everything everywhere, as firmware and kernels set it that
    want no protection.
    """
    count = 0
    entry = 0
    while entry < PMP_ENTRIES:
        if pmp_config(hart, entry) & PMP_MODE != 0:
            count = entry + 1
        entry = entry + 1
    hart.pmp_count = count
    first = pmp_config(hart, 0)
    everywhere = hart.pmpaddr[0] == ALL_ADDRESSES and (
        first & PMP_MODE == PMP_NAPOT or first & PMP_MODE == PMP_TOR
    )
    granted = PMP_R | PMP_W | PMP_X
    hart.pmp_open = 1 if everywhere and first & granted == granted else 0
