"""The instruction table: an instruction is declared once, with its encoding and its meaning.

A row's *pattern* is written as in the specification, most significant bit first: runs of 0
and 1, and the names of fields (``rs2 rs1 rd``, ``imm[11:0]``, ``shamt``, ``csr``, ``uimm``).
Its *meaning* is a function of operand values in the restricted subset of
``docs/architecture.md``: the decoder, every engine, the assembler and the disassembler are
made from the row.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vlab.errors import VlabError

WIDTHS = {"rd": 5, "rs1": 5, "rs2": 5, "shamt": 6, "shamt5": 5, "csr": 12, "uimm": 5, "aq": 1,
          "rl": 1, "fm": 4, "pred": 4, "succ": 4}  # fmt: skip
FORMATS = ("NONE", "I", "S", "B", "U", "J", "SHAMT6", "SHAMT5", "CSR")
"""Immediate formats; the compiled decoder knows each by its position."""

IMMEDIATES = {
    "imm[11:0]": "I",
    "imm[11:5]": "S",
    "imm[12|10:5]": "B",
    "imm[31:12]": "U",
    "imm[20|10:1|11|19:12]": "J",
    "shamt": "SHAMT6",
    "shamt5": "SHAMT5",
    "csr": "CSR",
}


class InstructionError(VlabError):
    """A declaration that cannot be: a malformed pattern or an encoding that is taken."""


@dataclass(frozen=True, eq=False)
class Instruction:
    """One row.

    Attributes
    ----------
    index : int
        Position in `INSTRUCTIONS`.
    name : str
        Mnemonic, for example ``amoadd.w``.
    kind : str
        ``op branch jal jalr load store lr sc amo csr system fence``: how engines use the
        meaning.
    pattern, mask, match
        The encoding: an instruction is this one if ``bits & mask == match``.
    format : str
        Immediate format, one of `FORMATS`.
    fields : tuple of str
        Names in the pattern.
    meaning : function or None
        ``op``: result from operands named ``rs1 rs2 imm pc``; ``branch``: condition;
        ``load``: extension of the loaded ``value``; ``amo``: new value from ``old`` and ``rs2``;
        ``csr``: new value from ``old`` and ``source``.
    width : int
        Bytes of a memory access, 0 if there is none.
    extension : str
        The extension that defines it.
    """

    index: int
    name: str
    kind: str
    pattern: str
    mask: int
    match: int
    format: str
    fields: tuple[str, ...]
    meaning: Callable[..., Any] | None
    width: int
    extension: str


INSTRUCTIONS: list[Instruction] = []
BY_NAME: dict[str, Instruction] = {}


def field_width(token: str) -> int:
    """Return the number of bits of a pattern's token."""
    if re.fullmatch("[01]+", token):
        return len(token)
    if token in WIDTHS:
        return WIDTHS[token]
    ranges = re.fullmatch(r"imm\[([\d:|]+)\]", token)
    if ranges is None:
        raise InstructionError(f"pattern: {token!r} is neither bits nor a field")
    width = 0
    for part in ranges[1].split("|"):
        high, _, low = part.partition(":")
        width += int(high) - int(low or high) + 1
    return width


def parse_pattern(pattern: str) -> tuple[int, int]:
    """Return the mask and match of a 32-bit pattern."""
    mask = match = used = 0
    for token in pattern.split():
        width = field_width(token)
        fixed = set(token) <= {"0", "1"}
        mask = mask << width | ((1 << width) - 1 if fixed else 0)
        match = match << width | (int(token, 2) if fixed else 0)
        used += width
    if used != 32:
        raise InstructionError(f"pattern {pattern!r} has {used} bits: it must have 32")
    return mask, match


def declare(
    name: str,
    pattern: str,
    kind: str,
    meaning: Callable[..., Any] | None = None,
    width: int = 0,
    extension: str = "I",
) -> Instruction:
    """Add a row to the table.

    Raises
    ------
    InstructionError
        If the pattern is malformed, the name is taken, or some encoding would belong to two
        rows.
    """
    mask, match = parse_pattern(pattern)
    if name in BY_NAME:
        raise InstructionError(f"instruction {name!r} exists already: choose another name")
    for row in INSTRUCTIONS:
        if (match ^ row.match) & mask & row.mask == 0:
            raise InstructionError(f"{name}: its encoding overlaps that of {row.name}")
    names = tuple(t for t in pattern.split() if not set(t) <= {"0", "1"})
    form = next((IMMEDIATES[t] for t in names if t in IMMEDIATES), "NONE")
    row = Instruction(
        len(INSTRUCTIONS), name, kind, pattern, mask, match, form, names, meaning, width, extension
    )
    INSTRUCTIONS.append(row)
    BY_NAME[name] = row
    return row


def instruction(
    name: str, pattern: str, kind: str = "op", width: int = 0, extension: str = "I"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the decorated function as the meaning of an instruction."""

    def declare_meaning(meaning: Callable[..., Any]) -> Callable[..., Any]:
        declare(name, pattern, kind, meaning, width, extension)
        return meaning

    return declare_meaning
