"""RV64I (unprivileged specification, chapters 2 and 4)."""

from __future__ import annotations

from vlab.isa.bits import sext, signed
from vlab.isa.fields import MASK64
from vlab.isa.table import declare, instruction

OP, OP_IMM = "0110011", "0010011"
OP_32, OP_IMM_32 = "0111011", "0011011"


@instruction("lui", "imm[31:12] rd 0110111")
def lui(imm):
    return imm


@instruction("auipc", "imm[31:12] rd 0010111")
def auipc(pc, imm):
    return pc + imm


declare("jal", "imm[20|10:1|11|19:12] rd 1101111", "jal")
declare("jalr", "imm[11:0] rs1 000 rd 1100111", "jalr")


def _branch(name: str, funct3: str):  # type: ignore[no-untyped-def]
    return instruction(name, f"imm[12|10:5] rs2 rs1 {funct3} imm[4:1|11] 1100011", "branch")


@_branch("beq", "000")
def beq(rs1, rs2):
    return rs1 == rs2


@_branch("bne", "001")
def bne(rs1, rs2):
    return rs1 != rs2


@_branch("blt", "100")
def blt(rs1, rs2):
    return signed(rs1) < signed(rs2)


@_branch("bge", "101")
def bge(rs1, rs2):
    return signed(rs1) >= signed(rs2)


@_branch("bltu", "110")
def bltu(rs1, rs2):
    return rs1 < rs2


@_branch("bgeu", "111")
def bgeu(rs1, rs2):
    return rs1 >= rs2


def _load(name: str, funct3: str, width: int):  # type: ignore[no-untyped-def]
    return instruction(name, f"imm[11:0] rs1 {funct3} rd 0000011", "load", width)


@_load("lb", "000", 1)
def lb(value):
    return sext(value, 8)


@_load("lh", "001", 2)
def lh(value):
    return sext(value, 16)


@_load("lw", "010", 4)
def lw(value):
    return sext(value, 32)


@_load("ld", "011", 8)
def ld(value):
    return value


@_load("lbu", "100", 1)
def lbu(value):
    return value


@_load("lhu", "101", 2)
def lhu(value):
    return value


@_load("lwu", "110", 4)
def lwu(value):
    return value


STORES = (("sb", "000", 1), ("sh", "001", 2), ("sw", "010", 4), ("sd", "011", 8))

for _name, _funct3, _width in STORES:
    declare(_name, f"imm[11:5] rs2 rs1 {_funct3} imm[4:0] 0100011", "store", width=_width)


@instruction("addi", f"imm[11:0] rs1 000 rd {OP_IMM}")
def addi(rs1, imm):
    return rs1 + imm


@instruction("slti", f"imm[11:0] rs1 010 rd {OP_IMM}")
def slti(rs1, imm):
    return signed(rs1) < signed(imm)


@instruction("sltiu", f"imm[11:0] rs1 011 rd {OP_IMM}")
def sltiu(rs1, imm):
    return rs1 < imm


@instruction("xori", f"imm[11:0] rs1 100 rd {OP_IMM}")
def xori(rs1, imm):
    return rs1 ^ imm


@instruction("ori", f"imm[11:0] rs1 110 rd {OP_IMM}")
def ori(rs1, imm):
    return rs1 | imm


@instruction("andi", f"imm[11:0] rs1 111 rd {OP_IMM}")
def andi(rs1, imm):
    return rs1 & imm


@instruction("slli", f"000000 shamt rs1 001 rd {OP_IMM}")
def slli(rs1, imm):
    return rs1 << imm


@instruction("srli", f"000000 shamt rs1 101 rd {OP_IMM}")
def srli(rs1, imm):
    return rs1 >> imm


@instruction("srai", f"010000 shamt rs1 101 rd {OP_IMM}")
def srai(rs1, imm):
    return signed(rs1) >> imm


@instruction("add", f"0000000 rs2 rs1 000 rd {OP}")
def add(rs1, rs2):
    return rs1 + rs2


@instruction("sub", f"0100000 rs2 rs1 000 rd {OP}")
def sub(rs1, rs2):
    return rs1 - rs2


@instruction("sll", f"0000000 rs2 rs1 001 rd {OP}")
def sll(rs1, rs2):
    return rs1 << (rs2 & 63)


@instruction("slt", f"0000000 rs2 rs1 010 rd {OP}")
def slt(rs1, rs2):
    return signed(rs1) < signed(rs2)


@instruction("sltu", f"0000000 rs2 rs1 011 rd {OP}")
def sltu(rs1, rs2):
    return rs1 < rs2


@instruction("xor", f"0000000 rs2 rs1 100 rd {OP}")
def xor(rs1, rs2):
    return rs1 ^ rs2


@instruction("srl", f"0000000 rs2 rs1 101 rd {OP}")
def srl(rs1, rs2):
    return rs1 >> (rs2 & 63)


@instruction("sra", f"0100000 rs2 rs1 101 rd {OP}")
def sra(rs1, rs2):
    return signed(rs1) >> (rs2 & 63)


@instruction("or", f"0000000 rs2 rs1 110 rd {OP}")
def or_(rs1, rs2):
    return rs1 | rs2


@instruction("and", f"0000000 rs2 rs1 111 rd {OP}")
def and_(rs1, rs2):
    return rs1 & rs2


@instruction("addiw", f"imm[11:0] rs1 000 rd {OP_IMM_32}")
def addiw(rs1, imm):
    return sext(rs1 + imm, 32)


@instruction("slliw", f"0000000 shamt5 rs1 001 rd {OP_IMM_32}")
def slliw(rs1, imm):
    return sext(rs1 << imm, 32)


@instruction("srliw", f"0000000 shamt5 rs1 101 rd {OP_IMM_32}")
def srliw(rs1, imm):
    return sext((rs1 & 0xFFFFFFFF) >> imm, 32)


@instruction("sraiw", f"0100000 shamt5 rs1 101 rd {OP_IMM_32}")
def sraiw(rs1, imm):
    return signed(sext(rs1, 32)) >> imm


@instruction("addw", f"0000000 rs2 rs1 000 rd {OP_32}")
def addw(rs1, rs2):
    return sext(rs1 + rs2, 32)


@instruction("subw", f"0100000 rs2 rs1 000 rd {OP_32}")
def subw(rs1, rs2):
    return sext((rs1 - rs2) & MASK64, 32)


@instruction("sllw", f"0000000 rs2 rs1 001 rd {OP_32}")
def sllw(rs1, rs2):
    return sext(rs1 << (rs2 & 31), 32)


@instruction("srlw", f"0000000 rs2 rs1 101 rd {OP_32}")
def srlw(rs1, rs2):
    return sext((rs1 & 0xFFFFFFFF) >> (rs2 & 31), 32)


@instruction("sraw", f"0100000 rs2 rs1 101 rd {OP_32}")
def sraw(rs1, rs2):
    return signed(sext(rs1, 32)) >> (rs2 & 31)


declare("fence", "fm pred succ rs1 000 rd 0001111", "fence")
declare("fence.i", "imm[11:0] rs1 001 rd 0001111", "fence", extension="Zifencei")
