"""The A extension: atomics (unprivileged specification, chapter 8).

A meaning returns the new memory value; for ``.w`` both operands arrive sign-extended, which
keeps their unsigned order, and the engine stores the low 32 bits.
"""

from __future__ import annotations

from vlab.isa.bits import signed
from vlab.isa.table import declare


def swap(old, rs2):
    return rs2


def add(old, rs2):
    return old + rs2


def xor(old, rs2):
    return old ^ rs2


def and_(old, rs2):
    return old & rs2


def or_(old, rs2):
    return old | rs2


def min_(old, rs2):
    return old if signed(old) < signed(rs2) else rs2


def max_(old, rs2):
    return old if signed(old) > signed(rs2) else rs2


def minu(old, rs2):
    return old if old < rs2 else rs2


def maxu(old, rs2):
    return old if old > rs2 else rs2


AMOS = (
    ("amoswap", "00001", swap),
    ("amoadd", "00000", add),
    ("amoxor", "00100", xor),
    ("amoand", "01100", and_),
    ("amoor", "01000", or_),
    ("amomin", "10000", min_),
    ("amomax", "10100", max_),
    ("amominu", "11000", minu),
    ("amomaxu", "11100", maxu),
)

for _suffix, _funct3, _width in ((".w", "010", 4), (".d", "011", 8)):
    _tail = f"rs1 {_funct3} rd 0101111"
    declare("lr" + _suffix, f"00010 aq rl 00000 {_tail}", "lr", width=_width, extension="A")
    declare("sc" + _suffix, f"00011 aq rl rs2 {_tail}", "sc", width=_width, extension="A")
    for _name, _funct5, _meaning in AMOS:
        declare(_name + _suffix, f"{_funct5} aq rl rs2 {_tail}", "amo", _meaning, _width, "A")
