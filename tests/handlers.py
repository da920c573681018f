"""The trap handlers of random programs."""

from __future__ import annotations

from vlab.isa.fields import Csr
from vlab.isa.rvc import encode
from vlab.isa.table import BY_NAME

BOOT_TABLES = 0x400
"""Where, in the boot table, the addresses of the privileges' tables of values are."""

STARTS = 0x500
"""Where, in such a table, 32 addresses are at which its code may be entered."""

ADDRESS_REGISTERS = (2, 8, *range(16, 27), 28)


def instruction(name: str, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0) -> bytes:
    """Return a 32-bit instruction."""
    return encode(BY_NAME[name], rd, rs1, rs2, imm).to_bytes(4, "little")


def constant(register: int, value: int) -> bytes:
    """Set a register to a number below 2³¹."""
    low = (value & 0xFFF ^ 0x800) - 0x800
    high = instruction("lui", register, imm=value - low)
    return high + instruction("addi", register, register, imm=low)


def m_handler(distance: int, show: bool) -> tuple[bytes, int]:
    """Return the M-mode handler, and the offset at which it begins anew.

    An exception is skipped; ``ecall`` goes up (from M down to U); so does a failed fetch begin
    anew, at one of the places known for the privilege in mstatus.MPP, with the address
    registers restored.

    Parameters
    ----------
    distance
        Of the boot table from the handler.
    show
        Whether to read ``mtval`` and ``mstatus``, for whoever compares registers alone.
    """
    i = instruction
    shown = i("csrrs", 31, imm=Csr.MTVAL) + i("csrrs", 31, imm=Csr.MSTATUS) if show else b""
    skip = i("csrrs", 31, imm=Csr.MEPC) + i("addi", 31, 31, imm=4)
    skip += i("csrrw", 0, 31, imm=Csr.MEPC) + i("mret")
    interrupt = i("csrrw", imm=Csr.MIP) + i("mret")
    ups = [
        constant(31, value) + i(name, 0, 31, imm=Csr.MSTATUS)
        for name, value in (("csrrs", 0x800), ("csrrs", 0x1800), ("csrrc", 0x1800))
    ]
    steps = (0, -1, -2)  # from cause 8 to 9 to 11
    up = b""
    for step, action in zip(steps, ups, strict=True):
        up += i("addi", 30, 30, imm=step) + i("bne", 0, 30, 0, 4 + len(action)) + action
    code = shown + i("csrrs", 30, imm=Csr.MCAUSE)
    code += i("bge", 0, 30, 0, 4 + len(interrupt)) + interrupt
    code += i("addi", 31, 30, imm=-1)
    code += i("beq", 0, 31, 0, 4 + 12 + len(skip) + 4)  # fetch access: nothing to raise
    code += i("addi", 30, 30, imm=-8) + i("sltiu", 31, 30, imm=5)
    code += i("bne", 0, 31, 0, 4 + len(skip)) + skip + up
    again = len(code)
    code += constant(31, 1 << 17) + i("csrrc", 0, 31, imm=Csr.MSTATUS)  # the loads below are M's
    code += i("csrrs", 30, imm=Csr.MSTATUS) + i("srli", 30, 30, imm=11) + i("andi", 30, 30, imm=3)
    code += i("slli", 30, 30, imm=3)
    low = distance - len(code) & 0xFFF
    low = (low ^ 0x800) - 0x800
    code += i("auipc", 31, imm=distance - len(code) - low) + i("addi", 31, 31, imm=low)
    code += i("add", 30, 30, 31) + i("ld", 27, 30, imm=BOOT_TABLES)
    code += b"".join(i("ld", register, 27, imm=8 * register) for register in ADDRESS_REGISTERS)
    code += i("csrrs", 30, imm=Csr.MSCRATCH) + i("addi", 30, 30, imm=8 * 11)
    code += i("csrrw", 0, 30, imm=Csr.MSCRATCH) + i("andi", 30, 30, imm=8 * 31)
    code += i("add", 30, 30, 27) + i("ld", 30, 30, imm=STARTS)
    return code + i("csrrw", 0, 30, imm=Csr.MEPC) + i("mret"), again


def s_handler(show: bool) -> bytes:
    """Return the S-mode handler: it skips what trapped; ``ecall`` returns to S."""
    i = instruction
    head = i("csrrs", 31, imm=Csr.STVAL) + i("csrrs", 31, imm=Csr.SSTATUS) if show else b""
    head += i("csrrs", 30, imm=Csr.SEPC) + i("csrrs", 31, imm=Csr.SCAUSE)
    interrupt = i("csrrw", imm=Csr.SIE) + i("sret")
    up = i("addi", 31, 0, imm=0x100) + i("csrrs", 0, 31, imm=Csr.SSTATUS)
    skip = i("addi", 30, 30, imm=4) + i("csrrw", 0, 30, imm=Csr.SEPC) + i("sret")
    code = head + i("bge", 0, 31, 0, 4 + len(interrupt)) + interrupt
    return code + i("addi", 31, 31, imm=-8) + i("bne", 0, 31, 0, 4 + len(up)) + up + skip
