"""Virtual regimes: what decides, besides the guest's tables, which accesses are permitted.

Each needs its own shadow, because the hardware runs all of them in U-mode.
"""

from __future__ import annotations

from vlab.isa.fields import (
    FETCH,
    LOAD,
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

BARE, MACHINE, BORROWED = "bare", "M", "M+MPRV"
"""Without translation: S and U mode; M-mode; M-mode whose loads and stores are another's."""

SUPERVISOR = ("S", "S+SUM", "S+MXR", "S+SUM+MXR")
USER = ("U", "U+MXR")
TRANSLATED = (*USER, *SUPERVISOR)
SUM_SHIFT = 18
ACCESSES = ((LOAD, PTE_R), (STORE, PTE_W), (FETCH, PTE_X))


def regime_of(vcpu: Hart) -> str:
    """Return the present regime of a virtual CPU."""
    priv, status = vcpu.priv, vcpu.mstatus
    if priv == M:
        return BORROWED if status & MPRV and status & MPP != MPP else MACHINE
    if vcpu.satp >> 60 == 0:
        return BARE
    if priv == U:
        return USER[status & MXR != 0]
    return SUPERVISOR[status >> SUM_SHIFT & 3]


def key_of(vcpu: Hart) -> tuple[int | None, str]:
    """Return the guest root frame, None without translation, and the regime."""
    regime = regime_of(vcpu)
    return (vcpu.satp & SATP_PPN if regime in TRANSLATED else None), regime


def rights(vcpu: Hart, regime: str, pte: int, gpa: int) -> int:
    """Return R, W and X of the shadow entry for the guest leaf ``pte`` of the page at ``gpa``.

    A page that is not dirty yet is not writable, so that the first write is seen. Loads and
    stores with another privilege's permissions must all fault, to be emulated.
    """
    if regime == BORROWED:
        granted = PTE_X
    elif regime in TRANSLATED:
        granted = 0
        for access, bit in ACCESSES:
            if permitted(vcpu, pte, access, vcpu.priv):
                granted |= bit
        if not pte & PTE_D:
            granted &= ~PTE_W
    else:
        granted = PTE_R | PTE_W | PTE_X
    if not vcpu.pmp_open:
        page = gpa & ~0xFFF
        for access, bit in ACCESSES:
            if not pmp_allows(vcpu, page, 4096, access, vcpu.priv):
                granted &= ~bit
    return granted
