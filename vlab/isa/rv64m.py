"""The M extension: multiplication and division (unprivileged specification, chapter 7)."""

from __future__ import annotations

from vlab.isa.bits import (
    MASK64,
    MIN64,
    mul_high_ss,
    mul_high_su,
    mul_high_uu,
    quotient,
    remainder,
    sext,
    uquotient,
    uremainder,
)
from vlab.isa.table import instruction


def _m(name: str, funct3: str, opcode: str = "0110011"):  # type: ignore[no-untyped-def]
    return instruction(name, f"0000001 rs2 rs1 {funct3} rd {opcode}", extension="M")


def _mw(name: str, funct3: str):  # type: ignore[no-untyped-def]
    return _m(name, funct3, "0111011")


@_m("mul", "000")
def mul(rs1, rs2):
    return rs1 * rs2


@_m("mulh", "001")
def mulh(rs1, rs2):
    return mul_high_ss(rs1, rs2)


@_m("mulhsu", "010")
def mulhsu(rs1, rs2):
    return mul_high_su(rs1, rs2)


@_m("mulhu", "011")
def mulhu(rs1, rs2):
    return mul_high_uu(rs1, rs2)


# Division by zero and overflow have results, not traps (table 7.1).


@_m("div", "100")
def div(rs1, rs2):
    if rs2 == 0:
        return MASK64
    if rs1 == MIN64 and rs2 == MASK64:
        return rs1
    return quotient(rs1, rs2)


@_m("divu", "101")
def divu(rs1, rs2):
    if rs2 == 0:
        return MASK64
    return uquotient(rs1, rs2)


@_m("rem", "110")
def rem(rs1, rs2):
    if rs2 == 0:
        return rs1
    if rs1 == MIN64 and rs2 == MASK64:
        return 0
    return remainder(rs1, rs2)


@_m("remu", "111")
def remu(rs1, rs2):
    if rs2 == 0:
        return rs1
    return uremainder(rs1, rs2)


@_mw("mulw", "000")
def mulw(rs1, rs2):
    return sext(rs1 * rs2, 32)


@_mw("divw", "100")
def divw(rs1, rs2):
    a = sext(rs1, 32)
    b = sext(rs2, 32)
    if b == 0:
        return MASK64
    return sext(quotient(a, b), 32)


@_mw("divuw", "101")
def divuw(rs1, rs2):
    a = rs1 & 0xFFFFFFFF
    b = rs2 & 0xFFFFFFFF
    if b == 0:
        return MASK64
    return sext(uquotient(a, b), 32)


@_mw("remw", "110")
def remw(rs1, rs2):
    a = sext(rs1, 32)
    b = sext(rs2, 32)
    if b == 0:
        return a
    return sext(remainder(a, b), 32)


@_mw("remuw", "111")
def remuw(rs1, rs2):
    a = rs1 & 0xFFFFFFFF
    b = rs2 & 0xFFFFFFFF
    if b == 0:
        return sext(a, 32)
    return sext(uremainder(a, b), 32)
