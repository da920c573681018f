"""Traps and returns (privileged specification, sections 3.1.6–3.1.15, 3.3.2, 4.1)."""

from __future__ import annotations

from vlab.isa.counting import settle
from vlab.isa.csr import pending
from vlab.isa.fields import (
    INTERRUPT,
    MASK64,
    MEI,
    MIE,
    MPIE,
    MPP,
    MPP_SHIFT,
    MPRV,
    MSI,
    MTI,
    SEI,
    SIE,
    SPIE,
    SPP,
    SPP_SHIFT,
    SSI,
    STI,
    M,
    S,
)
from vlab.isa.mmu import update_regime
from vlab.state import Hart


def set_privilege(hart: Hart, priv: int) -> None:
    """Change privilege, after what retired at the old one was attributed."""
    settle(hart)
    hart.priv = priv
    update_regime(hart)


def vector(base: int, cause: int) -> int:
    """Return the trap handler's address: vectored mode applies to interrupts only."""
    address = base & (MASK64 ^ 3)
    if base & 1 != 0 and cause & INTERRUPT != 0:
        return (address + (cause & 63) * 4) & MASK64
    return address


def take_trap(hart: Hart, cause: int, tval: int) -> None:
    """Take a trap at ``pc``: to S if delegated and not from M, else to M."""
    code = cause & 63
    delegated = hart.medeleg >> code & 1
    if cause & INTERRUPT != 0:
        delegated = hart.mideleg >> code & 1
        hart.interrupts_taken[code & 15] = hart.interrupts_taken[code & 15] + 1
    else:
        hart.traps_taken[code & 15] = hart.traps_taken[code & 15] + 1
    hart.vectored = hart.vectored + 1
    hart.reservation = MASK64
    status = hart.mstatus
    if delegated != 0 and hart.priv < M:
        hart.scause = cause
        hart.sepc = hart.pc
        hart.stval = tval
        previous = SPIE if status & SIE != 0 else 0
        hart.mstatus = (
            (status & (MASK64 ^ (SPP | SPIE | SIE))) | previous | (hart.priv & 1) << SPP_SHIFT
        )
        set_privilege(hart, S)
        hart.pc = vector(hart.stvec, cause)
    else:
        hart.mcause = cause
        hart.mepc = hart.pc
        hart.mtval = tval
        previous = MPIE if status & MIE != 0 else 0
        hart.mstatus = (status & (MASK64 ^ (MPP | MPIE | MIE))) | previous | hart.priv << MPP_SHIFT
        set_privilege(hart, M)
        hart.pc = vector(hart.mtvec, cause)


def return_from_s(hart: Hart) -> None:
    """Carry out ``sret``."""
    status = hart.mstatus
    priv = status >> SPP_SHIFT & 1
    enable = SIE if status & SPIE != 0 else 0
    hart.mstatus = (status & (MASK64 ^ (SPP | SIE | MPRV))) | enable | SPIE
    hart.reservation = MASK64
    hart.returns = hart.returns + 1
    set_privilege(hart, priv)
    hart.pc = hart.sepc


def return_from_m(hart: Hart) -> None:
    """Carry out ``mret``."""
    status = hart.mstatus
    priv = status >> MPP_SHIFT & 3
    enable = MIE if status & MPIE != 0 else 0
    keep = MASK64 ^ (MPP | MIE)
    if priv != M:
        keep = keep ^ MPRV
    hart.mstatus = (status & keep) | enable | MPIE
    hart.reservation = MASK64
    hart.returns = hart.returns + 1
    set_privilege(hart, priv)
    hart.pc = hart.mepc


def pending_interrupt(hart: Hart) -> int:
    """Return the cause of the interrupt to be taken now, 0 if none (section 3.1.9).

    M-level interrupts come first; within a level MEI, MSI, MTI, SEI, SSI, STI.
    """
    ready = pending(hart) & hart.mie
    if ready == 0:
        return 0
    chosen = 0
    if hart.priv < M or hart.mstatus & MIE != 0:
        chosen = ready & (MASK64 ^ hart.mideleg)
    if chosen == 0 and (hart.priv < S or (hart.priv == S and hart.mstatus & SIE != 0)):
        chosen = ready & hart.mideleg
    if chosen == 0:
        return 0
    if chosen >> MEI & 1 != 0:
        return INTERRUPT | MEI
    if chosen >> MSI & 1 != 0:
        return INTERRUPT | MSI
    if chosen >> MTI & 1 != 0:
        return INTERRUPT | MTI
    if chosen >> SEI & 1 != 0:
        return INTERRUPT | SEI
    if chosen >> SSI & 1 != 0:
        return INTERRUPT | SSI
    return INTERRUPT | STI
