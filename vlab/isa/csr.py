"""Control and status registers (privileged specification, chapters 2–4).

`csr_check`, `csr_read` and `csr_write` are the one place where CSR semantics live: the
hardware applies them to the physical hart, a monitor to the virtual CPU's record.
"""

from __future__ import annotations

from vlab.isa.counting import retired, settle
from vlab.isa.fields import (
    ALL_INTERRUPTS,
    COUNTER_ENABLE_WRITABLE,
    MASK64,
    MEDELEG_WRITABLE,
    MENVCFG_FIOM,
    MENVCFG_STCE,
    MPP,
    MPP_SHIFT,
    MSTATUS_WRITABLE,
    MXR,
    PMP_L,
    PMP_MODE,
    PMP_R,
    PMP_TOR,
    PMP_W,
    S_INTERRUPTS,
    SATP_ASID,
    SATP_PPN,
    SSI,
    SSTATUS_VISIBLE,
    SSTATUS_WRITABLE,
    STI,
    SUM,
    TVM,
    Cause,
    Csr,
    M,
    S,
    U,
)
from vlab.isa.mmu import fast_flush, update_regime
from vlab.isa.pmp import pmp_config, pmp_update
from vlab.state import Hart


def pending(hart: Hart) -> int:
    """Return the value of mip: software-writable bits and wires together."""
    return hart.mip | hart.lines


def counter_allowed(hart: Hart, bit: int) -> bool:
    """Return whether the present privilege may read a counter (mcounteren, scounteren)."""
    if hart.priv < M and hart.mcounteren >> bit & 1 == 0:
        return False
    return hart.priv != U or hart.scounteren >> bit & 1 != 0


def csr_check(hart: Hart, csr: int, writes: int) -> bool:
    """Return whether an access is legal at the present privilege (section 2.1)."""
    if csr >> 8 & 3 > hart.priv or (writes != 0 and csr >> 10 == 3):
        return False
    if csr == Csr.SATP and hart.priv == S and hart.mstatus & TVM != 0:
        return False
    if csr >= Csr.CYCLE and csr <= Csr.HPMCOUNTER31:
        return counter_allowed(hart, csr & 31)
    if csr == Csr.STIMECMP and hart.priv < M:
        return hart.menvcfg & MENVCFG_STCE != 0 and hart.mcounteren & 2 != 0
    return True


def csr_read(hart: Hart, csr: int) -> int:
    """Return the value of a CSR; an unknown one sets ``fault``."""
    hart.fault = 0
    if csr == Csr.SSTATUS:
        return hart.mstatus & SSTATUS_VISIBLE
    if csr == Csr.SEPC:
        return hart.sepc
    if csr == Csr.SCAUSE:
        return hart.scause
    if csr == Csr.STVAL:
        return hart.stval
    if csr == Csr.SSCRATCH:
        return hart.sscratch
    if csr == Csr.SIP:
        return pending(hart) & hart.mideleg
    if csr == Csr.SIE:
        return hart.mie & hart.mideleg
    if csr == Csr.STVEC:
        return hart.stvec
    if csr == Csr.SATP:
        return hart.satp
    if csr == Csr.SCOUNTEREN:
        return hart.scounteren
    if csr == Csr.SENVCFG:
        return hart.senvcfg
    if csr == Csr.STIMECMP:
        return hart.stimecmp
    if csr == Csr.TIME:
        return hart.time
    if csr == Csr.CYCLE or csr == Csr.MCYCLE:
        return (retired(hart) + hart.cycle_offset) & MASK64
    if csr == Csr.INSTRET or csr == Csr.MINSTRET:
        return (retired(hart) + hart.instret_offset) & MASK64
    if csr == Csr.MSTATUS:
        return hart.mstatus
    if csr == Csr.MISA:
        return hart.misa
    if csr == Csr.MEDELEG:
        return hart.medeleg
    if csr == Csr.MIDELEG:
        return hart.mideleg
    if csr == Csr.MIE:
        return hart.mie
    if csr == Csr.MIP:
        return pending(hart)
    if csr == Csr.MTVEC:
        return hart.mtvec
    if csr == Csr.MSCRATCH:
        return hart.mscratch
    if csr == Csr.MEPC:
        return hart.mepc
    if csr == Csr.MCAUSE:
        return hart.mcause
    if csr == Csr.MTVAL:
        return hart.mtval
    if csr == Csr.MCOUNTEREN:
        return hart.mcounteren
    if csr == Csr.MCOUNTINHIBIT:
        return hart.mcountinhibit
    if csr == Csr.MENVCFG:
        return hart.menvcfg
    if csr == Csr.MHARTID:
        return hart.mhartid
    if csr >= Csr.MVENDORID and csr <= Csr.MCONFIGPTR:
        return 0
    if csr == Csr.PMPCFG0:
        return hart.pmpcfg[0]
    if csr == Csr.PMPCFG2:
        return hart.pmpcfg[1]
    if csr >= Csr.PMPADDR0 and csr <= Csr.PMPADDR15:
        return hart.pmpaddr[csr - Csr.PMPADDR0]
    if csr >= Csr.HPMCOUNTER3 and csr <= Csr.HPMCOUNTER31:
        return 0
    if csr >= Csr.MHPMCOUNTER3 and csr <= Csr.MHPMCOUNTER31:
        return 0
    if csr >= Csr.MHPMEVENT3 and csr <= Csr.MHPMEVENT31:
        return 0
    hart.fault = Cause.ILLEGAL
    return 0


def write_mstatus(hart: Hart, value: int, writable: int) -> None:
    """Write the writable bits of mstatus; MPP keeps its value if given the reserved 2."""
    new = (hart.mstatus & (MASK64 ^ writable)) | (value & writable)
    if new >> MPP_SHIFT & 3 == 2:
        new = (new & (MASK64 ^ MPP)) | (hart.mstatus & MPP)
    if (new ^ hart.mstatus) & (SUM | MXR) != 0:
        fast_flush(hart)
    hart.mstatus = new
    update_regime(hart)


def write_satp(hart: Hart, value: int) -> None:
    """Write satp: a mode other than Bare and Sv39 leaves it unchanged (section 4.1.11)."""
    mode = value >> 60
    if mode == 0 or mode == 8:
        settle(hart)
        asid = value & SATP_ASID & hart.tlb_asid_mask << 44
        hart.satp = mode << 60 | asid | (value & SATP_PPN) if mode != 0 else 0
        fast_flush(hart)


def legal_tvec(value: int, old: int) -> int:
    """Return a trap vector: modes above Vectored are reserved and keep the old value."""
    return value if value & 2 == 0 else old


def write_pmpcfg(hart: Hart, word: int, value: int) -> None:
    """Write eight PMP configurations; locked ones keep theirs, W without R is reserved."""
    new = 0
    byte = 0
    while byte < 8:
        old = hart.pmpcfg[word] >> (byte * 8) & 0xFF
        config = value >> (byte * 8) & 0x9F
        if old & PMP_L != 0:
            config = old
        if config & (PMP_R | PMP_W) == PMP_W:
            config = config ^ PMP_W
        new = new | config << (byte * 8)
        byte = byte + 1
    hart.pmpcfg[word] = new
    pmp_update(hart)
    fast_flush(hart)


def write_pmpaddr(hart: Hart, entry: int, value: int) -> None:
    """Write a PMP address unless it is locked, by itself or as the base of a locked TOR."""
    if pmp_config(hart, entry) & PMP_L != 0:
        return
    if entry < 15:
        above = pmp_config(hart, entry + 1)
        if above & PMP_L != 0 and above & PMP_MODE == PMP_TOR:
            return
    hart.pmpaddr[entry] = value & ((1 << 54) - 1)
    pmp_update(hart)
    fast_flush(hart)


def csr_write(hart: Hart, csr: int, value: int) -> None:
    """Write a CSR whose read succeeded; read-only and WARL parts keep their values."""
    if csr == Csr.SSTATUS:
        write_mstatus(hart, value, SSTATUS_WRITABLE)
    elif csr == Csr.SEPC:
        hart.sepc = value & (MASK64 ^ 1)
    elif csr == Csr.SCAUSE:
        hart.scause = value
    elif csr == Csr.STVAL:
        hart.stval = value
    elif csr == Csr.SSCRATCH:
        hart.sscratch = value
    elif csr == Csr.SIP:
        writable = 1 << SSI & hart.mideleg
        hart.mip = (hart.mip & (MASK64 ^ writable)) | (value & writable)
    elif csr == Csr.SIE:
        hart.mie = (hart.mie & (MASK64 ^ hart.mideleg)) | (value & hart.mideleg)
    elif csr == Csr.STVEC:
        hart.stvec = legal_tvec(value, hart.stvec)
    elif csr == Csr.SATP:
        write_satp(hart, value)
    elif csr == Csr.SCOUNTEREN:
        hart.scounteren = value & COUNTER_ENABLE_WRITABLE
    elif csr == Csr.SENVCFG:
        hart.senvcfg = value & MENVCFG_FIOM
    elif csr == Csr.STIMECMP:
        hart.stimecmp = value
    elif csr == Csr.MSTATUS:
        write_mstatus(hart, value, MSTATUS_WRITABLE)
    elif csr == Csr.MEDELEG:
        hart.medeleg = value & MEDELEG_WRITABLE
    elif csr == Csr.MIDELEG:
        hart.mideleg = value & S_INTERRUPTS
    elif csr == Csr.MIE:
        hart.mie = value & ALL_INTERRUPTS
    elif csr == Csr.MIP:
        writable = S_INTERRUPTS
        if hart.menvcfg & MENVCFG_STCE != 0:
            writable = S_INTERRUPTS ^ 1 << STI
        hart.mip = value & writable
    elif csr == Csr.MTVEC:
        hart.mtvec = legal_tvec(value, hart.mtvec)
    elif csr == Csr.MSCRATCH:
        hart.mscratch = value
    elif csr == Csr.MEPC:
        hart.mepc = value & (MASK64 ^ 1)
    elif csr == Csr.MCAUSE:
        hart.mcause = value
    elif csr == Csr.MTVAL:
        hart.mtval = value
    elif csr == Csr.MCOUNTEREN:
        hart.mcounteren = value & COUNTER_ENABLE_WRITABLE
    elif csr == Csr.MENVCFG:
        hart.menvcfg = value & (MENVCFG_FIOM | MENVCFG_STCE)
        if value & MENVCFG_STCE != 0:  # STIP is the comparator's alone
            hart.mip = hart.mip & (MASK64 ^ 1 << STI)
    elif csr == Csr.MCYCLE:
        hart.cycle_offset = value - retired(hart) - 1 & MASK64
    elif csr == Csr.MINSTRET:
        hart.instret_offset = value - retired(hart) - 1 & MASK64
    elif csr == Csr.PMPCFG0:
        write_pmpcfg(hart, 0, value)
    elif csr == Csr.PMPCFG2:
        write_pmpcfg(hart, 1, value)
    elif csr >= Csr.PMPADDR0 and csr <= Csr.PMPADDR15:
        write_pmpaddr(hart, csr - Csr.PMPADDR0, value)
