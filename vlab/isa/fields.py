"""Numbers and bit fields of the privileged architecture (RISC-V privileged specification 1.12)."""

from __future__ import annotations

from enum import IntEnum

MASK64 = (1 << 64) - 1
INTERRUPT = 1 << 63

U, S, M = 0, 1, 3
FETCH, LOAD, STORE = 0, 1, 2


class Cause(IntEnum):
    """Exception codes (table 3.6)."""

    FETCH_MISALIGNED = 0
    FETCH_ACCESS = 1
    ILLEGAL = 2
    BREAKPOINT = 3
    LOAD_MISALIGNED = 4
    LOAD_ACCESS = 5
    STORE_MISALIGNED = 6
    STORE_ACCESS = 7
    ECALL_U = 8
    ECALL_S = 9
    ECALL_M = 11
    FETCH_PAGE = 12
    LOAD_PAGE = 13
    STORE_PAGE = 15


# Interrupt codes, also bit numbers in mip and mie.
SSI, MSI, STI, MTI, SEI, MEI = 1, 3, 5, 7, 9, 11
S_INTERRUPTS = 1 << SSI | 1 << STI | 1 << SEI
ALL_INTERRUPTS = S_INTERRUPTS | 1 << MSI | 1 << MTI | 1 << MEI

SIE, MIE, SPIE, MPIE = 1 << 1, 1 << 3, 1 << 5, 1 << 7
SPP, SPP_SHIFT = 1 << 8, 8
MPP, MPP_SHIFT = 3 << 11, 11
MPRV, SUM, MXR = 1 << 17, 1 << 18, 1 << 19
TVM, TW, TSR = 1 << 20, 1 << 21, 1 << 22
XL_64 = 2 << 32 | 2 << 34
UXL = 3 << 32

SSTATUS_WRITABLE = SIE | SPIE | SPP | SUM | MXR
SSTATUS_VISIBLE = SSTATUS_WRITABLE | UXL
MSTATUS_WRITABLE = SSTATUS_WRITABLE | MIE | MPIE | MPP | MPRV | TVM | TW | TSR

MEDELEG_WRITABLE = 0xB3FF & ~(1 << Cause.ECALL_M)
COUNTER_ENABLE_WRITABLE = 7
MENVCFG_FIOM = 1
MENVCFG_STCE = 1 << 63

MISA = 2 << 62 | 1 << 0 | 1 << 2 | 1 << 8 | 1 << 12 | 1 << 18 | 1 << 20  # RV64 A C I M S U

PTE_V, PTE_R, PTE_W, PTE_X, PTE_U, PTE_G, PTE_A, PTE_D = (1 << n for n in range(8))
PTE_PPN = ((1 << 44) - 1) << 10
PTE_RESERVED = MASK64 ^ ((1 << 54) - 1)
SATP_PPN = (1 << 44) - 1
SATP_ASID = 0xFFFF << 44
SATP_SV39 = 8 << 60

PMP_R, PMP_W, PMP_X, PMP_L = 1, 2, 4, 0x80
PMP_TOR, PMP_NA4, PMP_NAPOT = 1 << 3, 2 << 3, 3 << 3
PMP_MODE = 3 << 3


class Csr(IntEnum):
    """CSR numbers (privileged specification, chapter 2)."""

    CYCLE = 0xC00
    TIME = 0xC01
    INSTRET = 0xC02
    HPMCOUNTER3 = 0xC03
    HPMCOUNTER31 = 0xC1F
    SSTATUS = 0x100
    SIE = 0x104
    STVEC = 0x105
    SCOUNTEREN = 0x106
    SENVCFG = 0x10A
    SSCRATCH = 0x140
    SEPC = 0x141
    SCAUSE = 0x142
    STVAL = 0x143
    SIP = 0x144
    STIMECMP = 0x14D
    SATP = 0x180
    MVENDORID = 0xF11
    MARCHID = 0xF12
    MIMPID = 0xF13
    MHARTID = 0xF14
    MCONFIGPTR = 0xF15
    MSTATUS = 0x300
    MISA = 0x301
    MEDELEG = 0x302
    MIDELEG = 0x303
    MIE = 0x304
    MTVEC = 0x305
    MCOUNTEREN = 0x306
    MENVCFG = 0x30A
    MCOUNTINHIBIT = 0x320
    MHPMEVENT3 = 0x323
    MHPMEVENT31 = 0x33F
    MSCRATCH = 0x340
    MEPC = 0x341
    MCAUSE = 0x342
    MTVAL = 0x343
    MIP = 0x344
    PMPCFG0 = 0x3A0
    PMPCFG2 = 0x3A2
    PMPADDR0 = 0x3B0
    PMPADDR15 = 0x3BF
    PMPADDR63 = 0x3EF
    MCYCLE = 0xB00
    MINSTRET = 0xB02
    MHPMCOUNTER3 = 0xB03
    MHPMCOUNTER31 = 0xB1F
