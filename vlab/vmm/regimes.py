"""Virtual regimes: what decides, besides the guest's tables, which accesses are permitted.

Each needs its own shadow, because the hardware runs all of them in U-mode.
"""

from __future__ import annotations

from vlab.isa.fields import (
    FETCH,
    LOAD,
    MASK64,
    MPP,
    MPRV,
    MXR,
    PTE_D,
    PTE_R,
    PTE_W,
    PTE_X,
    SATP_PPN,
    STORE,
    M,
    U,
)
from vlab.isa.mmu import permitted
from vlab.isa.pmp import pmp_allows
from vlab.state import Hart

REGIMES = ("bare", "M", "M+MPRV", "U", "U+MXR", "S", "S+SUM", "S+MXR", "S+SUM+MXR")
BORROWED = "M+MPRV"
"""M-mode whose loads and stores are another's."""

WITH_OTHERS_LOADS, FIRST_TRANSLATED = 2, 3
TRANSLATED = REGIMES[FIRST_TRANSLATED:]
SUM_SHIFT = 18
Key = tuple[int | None, str]


def regime_number(hart: Hart) -> int:
    """Return the index in `REGIMES` of a virtual CPU's present regime."""
    status = hart.mstatus
    if hart.priv == M:
        return 2 if status & MPRV != 0 and status & MPP != MPP else 1
    if hart.satp >> 60 == 0:
        return 0
    if hart.priv == U:
        return 4 if status & MXR != 0 else 3
    return 5 + (status >> SUM_SHIFT & 3)


def key_number(hart: Hart) -> int:
    """Return the key of an address space as one word."""
    regime = regime_number(hart)
    root = hart.satp & SATP_PPN if regime >= FIRST_TRANSLATED else 0
    return root << 4 | regime


def regime_of(vcpu: Hart) -> str:
    """Return the present regime of a virtual CPU."""
    return REGIMES[regime_number(vcpu)]


def key_of(vcpu: Hart) -> Key:
    """Return the guest root frame, None without translation, and the regime."""
    number = key_number(vcpu)
    regime = number & 15
    return (number >> 4 if regime >= FIRST_TRANSLATED else None), REGIMES[regime]


def number_of(key: Key) -> int:
    """Return a key as one word, as `key_number` does."""
    root, regime = key
    return (root or 0) << 4 | REGIMES.index(regime)


def rights(hart: Hart, regime: int, pte: int, gpa: int) -> int:
    """Return R, W and X of the shadow entry for the guest leaf ``pte`` of the page at ``gpa``.

    A page that is not dirty yet is not writable, so that the first write is seen. Loads and
    stores with another privilege's permissions must all fault, to be emulated.
    """
    page = gpa & (MASK64 ^ 0xFFF)
    granted = PTE_R | PTE_W | PTE_X
    if regime == WITH_OTHERS_LOADS:
        granted = PTE_X
    elif regime >= FIRST_TRANSLATED:
        granted = 0
        if permitted(hart, pte, LOAD, hart.priv):
            granted = PTE_R
        if permitted(hart, pte, STORE, hart.priv) and pte & PTE_D != 0:
            granted = granted | PTE_W
        if permitted(hart, pte, FETCH, hart.priv):
            granted = granted | PTE_X
    if hart.pmp_open == 0:
        if not pmp_allows(hart, page, 4096, LOAD, hart.priv):
            granted = granted & (MASK64 ^ PTE_R)
        if not pmp_allows(hart, page, 4096, STORE, hart.priv):
            granted = granted & (MASK64 ^ PTE_W)
        if not pmp_allows(hart, page, 4096, FETCH, hart.priv):
            granted = granted & (MASK64 ^ PTE_X)
    return granted
