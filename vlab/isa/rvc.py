"""The C extension (unprivileged specification, chapter 16): each form expands to one row.

A row gives the 16-bit pattern, the base instruction and its operands. Fields with a prime
name one of x8–x15. A field written ``uimm[5:3|7:6]`` is gathered from the listed bits of the
value; ``imm`` is sign-extended from its highest bit. The same code expands one instruction or,
on an array, all 65536.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from vlab.isa.table import BY_NAME, Instruction

if TYPE_CHECKING:
    import numpy as np


class Compressed(NamedTuple):
    """One compressed form; ``operands`` are ``rd rs1 rs2 imm``: a field's name or a number."""

    name: str
    pattern: str
    base: str
    rd: str | int
    rs1: str | int
    rs2: str | int
    imm: str | int
    nonzero: tuple[str, ...] = ()


COMPRESSED = (
    Compressed(
        "c.addi4spn", "000 uimm[5:4|9:6|2|3] rd' 00", "addi", "rd'", 2, 0, "uimm", ("uimm",)
    ),
    Compressed("c.lw", "010 uimm[5:3] rs1' uimm[2|6] rd' 00", "lw", "rd'", "rs1'", 0, "uimm"),
    Compressed("c.ld", "011 uimm[5:3] rs1' uimm[7:6] rd' 00", "ld", "rd'", "rs1'", 0, "uimm"),
    Compressed("c.sw", "110 uimm[5:3] rs1' uimm[2|6] rs2' 00", "sw", 0, "rs1'", "rs2'", "uimm"),
    Compressed("c.sd", "111 uimm[5:3] rs1' uimm[7:6] rs2' 00", "sd", 0, "rs1'", "rs2'", "uimm"),
    Compressed("c.addi", "000 imm[5] rd imm[4:0] 01", "addi", "rd", "rd", 0, "imm"),
    Compressed("c.addiw", "001 imm[5] rd imm[4:0] 01", "addiw", "rd", "rd", 0, "imm", ("rd",)),
    Compressed("c.li", "010 imm[5] rd imm[4:0] 01", "addi", "rd", 0, 0, "imm"),
    Compressed(
        "c.addi16sp", "011 imm[9] 00010 imm[4|6|8:7|5] 01", "addi", 2, 2, 0, "imm", ("imm",)
    ),
    Compressed("c.lui", "011 imm[17] rd imm[16:12] 01", "lui", "rd", 0, 0, "imm", ("imm", "rd!2")),
    Compressed("c.srli", "100 uimm[5] 00 rd' uimm[4:0] 01", "srli", "rd'", "rd'", 0, "uimm"),
    Compressed("c.srai", "100 uimm[5] 01 rd' uimm[4:0] 01", "srai", "rd'", "rd'", 0, "uimm"),
    Compressed("c.andi", "100 imm[5] 10 rd' imm[4:0] 01", "andi", "rd'", "rd'", 0, "imm"),
    Compressed("c.sub", "100 0 11 rd' 00 rs2' 01", "sub", "rd'", "rd'", "rs2'", 0),
    Compressed("c.xor", "100 0 11 rd' 01 rs2' 01", "xor", "rd'", "rd'", "rs2'", 0),
    Compressed("c.or", "100 0 11 rd' 10 rs2' 01", "or", "rd'", "rd'", "rs2'", 0),
    Compressed("c.and", "100 0 11 rd' 11 rs2' 01", "and", "rd'", "rd'", "rs2'", 0),
    Compressed("c.subw", "100 1 11 rd' 00 rs2' 01", "subw", "rd'", "rd'", "rs2'", 0),
    Compressed("c.addw", "100 1 11 rd' 01 rs2' 01", "addw", "rd'", "rd'", "rs2'", 0),
    Compressed("c.j", "101 imm[11|4|9:8|10|6|7|3:1|5] 01", "jal", 0, 0, 0, "imm"),
    Compressed("c.beqz", "110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", "beq", 0, "rs1'", 0, "imm"),
    Compressed("c.bnez", "111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", "bne", 0, "rs1'", 0, "imm"),
    Compressed("c.slli", "000 uimm[5] rd uimm[4:0] 10", "slli", "rd", "rd", 0, "uimm"),
    Compressed("c.lwsp", "010 uimm[5] rd uimm[4:2|7:6] 10", "lw", "rd", 2, 0, "uimm", ("rd",)),
    Compressed("c.ldsp", "011 uimm[5] rd uimm[4:3|8:6] 10", "ld", "rd", 2, 0, "uimm", ("rd",)),
    Compressed("c.jr", "100 0 rs1 00000 10", "jalr", 0, "rs1", 0, 0, ("rs1",)),
    Compressed("c.mv", "100 0 rd rs2 10", "add", "rd", 0, "rs2", 0, ("rs2",)),
    Compressed("c.ebreak", "100 1 00000 00000 10", "ebreak", 0, 0, 1, 0),
    Compressed("c.jalr", "100 1 rs1 00000 10", "jalr", 1, "rs1", 0, 0, ("rs1",)),
    Compressed("c.add", "100 1 rd rs2 10", "add", "rd", "rd", "rs2", 0, ("rs2",)),
    Compressed("c.swsp", "110 uimm[5:2|7:6] rs2 10", "sw", 0, 2, "rs2", "uimm"),
    Compressed("c.sdsp", "111 uimm[5:3|8:6] rs2 10", "sd", 0, 2, "rs2", "uimm"),
)
"""Forms without floating point; where two match, the earlier one holds."""


def _bit_numbers(spec: str) -> list[int]:
    """Return the value's bit numbers that ``5:4|9`` lists, most significant first."""
    numbers = []
    for part in spec.split("|"):
        high, _, low = part.partition(":")
        numbers += range(int(high), int(low or high) - 1, -1)
    return numbers


class Form:
    """A compressed form, its pattern parsed once."""

    def __init__(self, row: Compressed) -> None:
        self.row = row
        self.mask = self.match = 0
        self.registers: dict[str, tuple[int, int]] = {}
        self.gather: list[tuple[int, int]] = []
        self.sign = 0
        place = 16
        for token in row.pattern.split():
            if set(token) <= {"0", "1"}:
                place -= len(token)
                self.mask |= ((1 << len(token)) - 1) << place
                self.match |= int(token, 2) << place
            elif "[" in token:
                for number in _bit_numbers(token[token.index("[") + 1 : -1]):
                    place -= 1
                    self.gather.append((place, number))
            else:
                place -= 3 if token.endswith("'") else 5
                self.registers[token] = (place, 8 if token.endswith("'") else 0)
        if "imm[" in row.pattern and "uimm[" not in row.pattern:
            self.sign = 1 << max(number for _, number in self.gather)

    def operand(self, bits: Any, name: str | int) -> Any:
        """Return an operand's value, of one instruction or of an array of them."""
        if isinstance(name, int):
            return bits * 0 + name
        if name in self.registers:
            place, first = self.registers[name]
            return (bits >> place & 7) + 8 if first else bits >> place & 31
        value = bits * 0
        for place, number in self.gather:
            value = value | (bits >> place & 1) << number
        return (value ^ self.sign) - self.sign

    def matches(self, bits: Any) -> Any:
        """Return whether the form is this one."""
        result = bits & self.mask == self.match
        for condition in self.row.nonzero:
            name, _, other = condition.partition("!")
            result = result & (self.operand(bits, name) != int(other or 0))
        return result

    def expanded(self, bits: Any) -> Any:
        """Return the 32-bit instruction that it stands for."""
        row = self.row
        values = (self.operand(bits, name) for name in (row.rd, row.rs1, row.rs2, row.imm))
        return encode(BY_NAME[row.base], *values)


def encode(row: Instruction, rd: Any, rs1: Any, rs2: Any, imm: Any) -> Any:
    """Return the encoding of a row with its operands (integers, or arrays of them)."""
    bits = row.match | _FORMATS[row.format](imm)
    for name, value, place in (("rd", rd, 7), ("rs1", rs1, 15), ("rs2", rs2, 20)):
        if name in row.fields:
            bits = bits | value << place
    return bits & 0xFFFFFFFF


_FORMATS: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda imm: imm * 0,
    "I": lambda imm: (imm & 0xFFF) << 20,
    "S": lambda imm: (imm >> 5 & 127) << 25 | (imm & 31) << 7,
    "B": lambda imm: (
        (imm >> 12 & 1) << 31 | (imm >> 5 & 63) << 25 | (imm >> 1 & 15) << 8 | (imm >> 11 & 1) << 7
    ),
    "U": lambda imm: imm & 0xFFFFF000,
    "J": lambda imm: (
        (imm >> 20 & 1) << 31
        | (imm >> 1 & 1023) << 21
        | (imm >> 11 & 1) << 20
        | (imm >> 12 & 255) << 12
    ),
    "SHAMT6": lambda imm: (imm & 63) << 20,
    "SHAMT5": lambda imm: (imm & 31) << 20,
    "CSR": lambda imm: (imm & 0xFFF) << 20,
}


@cache
def forms() -> tuple[Form, ...]:
    """Return the parsed forms, in the order of `COMPRESSED`."""
    return tuple(Form(row) for row in COMPRESSED)


def expand(bits: int) -> int | None:
    """Return the 32-bit instruction that a compressed one stands for; None if it is illegal."""
    for form in forms():
        if form.matches(bits):
            return int(form.expanded(bits))
    return None


@cache
def expansion_table() -> np.ndarray:
    """Return the expansion of every 16-bit pattern: uint32, shape (65536,), 0 if illegal."""
    import numpy as np

    bits = np.arange(65536, dtype=np.int64)
    table = np.zeros(65536, dtype=np.uint32)
    todo = bits & 3 != 3
    for form in forms():
        chosen = todo & form.matches(bits)
        table[chosen] = form.expanded(bits[chosen])
        todo &= ~chosen
    return table
