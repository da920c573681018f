"""The instruction table: an instruction is declared once, with its encoding and its meaning.

A row's *pattern* is written as in the specification, most significant bit first: runs of 0
and 1, and the names of fields (``rs2 rs1 rd``, ``imm[11:0]``, ``shamt``, ``csr``, ``uimm``).
Its *meaning* is a function of operand values in the restricted subset of
``docs/architecture.md``: the decoder, every engine, the assembler and the disassembler are
made from the row.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from vlab.errors import VlabError, unknown

WIDTHS = {"rd": 5, "rs1": 5, "rs2": 5, "shamt": 6, "shamt5": 5, "csr": 12, "uimm": 5, "aq": 1,
          "rl": 1, "fm": 4, "pred": 4, "succ": 4}  # fmt: skip
PLACES = {"rd": 7, "rs1": 15, "rs2": 20, "shamt": 20, "shamt5": 20, "csr": 20, "uimm": 15,
          "aq": 26, "rl": 25, "fm": 28, "pred": 24, "succ": 20, "imm[11:0]": 20, "imm[11:5]": 25,
          "imm[4:0]": 7, "imm[12|10:5]": 25, "imm[4:1|11]": 7, "imm[31:12]": 12,
          "imm[20|10:1|11|19:12]": 12}  # fmt: skip
"""Lowest bit of each field: every row has it in the same place."""

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


KINDS: dict[str, set[str]] = {
    "op": {"rs1", "rs2", "imm", "pc"}, "branch": {"rs1", "rs2"}, "load": {"value"},
    "amo": {"old", "rs2"}, "csr": {"old", "source"}, "jal": set(), "jalr": set(),
    "store": set(), "lr": set(), "sc": set(), "system": set(), "fence": set(),
}  # fmt: skip
"""Kinds of instructions, with the operands that a meaning can name."""


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
STANDARD: set[str] = set()
"""Names of the rows that are the architecture's: they stay."""

ON_CHANGE: list[Callable[[], None]] = []
"""Called after the table has changed: whatever was made from it is forgotten."""


def field_width(token: str) -> int:
    """Return the number of bits of a pattern's token."""
    if re.fullmatch("[01]+", token):
        return len(token)
    if token in WIDTHS:
        return WIDTHS[token]
    ranges = re.fullmatch(r"imm\[([\d:|]+)\]", token)
    if ranges is None:
        raise InstructionError(f"pattern: {token!r} is neither bits nor a field")
    if token not in PLACES:
        known = ", ".join(name for name in PLACES if name.startswith("imm"))
        raise InstructionError(f"pattern: no such immediate as {token}: there are {known}")
    width = 0
    for part in ranges[1].split("|"):
        high, _, low = part.partition(":")
        width += int(high) - int(low or high) + 1
    return width


def parse_pattern(pattern: str) -> tuple[int, int]:
    """Return the mask and match of a 32-bit pattern."""
    mask = match = 0
    place = 32
    used = sum(field_width(token) for token in pattern.split())
    if used != place:
        raise InstructionError(f"pattern {pattern!r} has {used} bits: it must have 32")
    for token in pattern.split():
        width = field_width(token)
        place -= width
        fixed = set(token) <= {"0", "1"}
        mask = mask << width | ((1 << width) - 1 if fixed else 0)
        match = match << width | (int(token, 2) if fixed else 0)
        if not fixed and PLACES[token] != place:
            right = f"every instruction has it at bit {PLACES[token]}"
            raise InstructionError(f"pattern {pattern!r}: {token} at bit {place}: {right}")
    if mask & match & 3 != 3:
        raise InstructionError(f"pattern {pattern!r}: an instruction of 32 bits ends in 11")
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
        If the pattern is malformed, the name is taken, some encoding would belong to two
        rows, or the meaning asks for an operand that instructions of this kind do not have.
    """
    if kind not in KINDS:
        raise InstructionError(f"{name}: {unknown('kind of instruction', kind, KINDS)}")
    mask, match = parse_pattern(pattern)
    if name in BY_NAME:
        how = "choose another name" if name in STANDARD else f"remove({name!r}) takes it away"
        raise InstructionError(f"instruction {name!r} exists already: {how}")
    for row in INSTRUCTIONS:
        if (match ^ row.match) & mask & row.mask == 0:
            raise InstructionError(f"{name}: its encoding overlaps that of {row.name}")
    names = tuple(t for t in pattern.split() if not set(t) <= {"0", "1"})
    for operand in inspect.signature(meaning).parameters if meaning else ():
        if operand not in KINDS[kind]:
            known = ", ".join(sorted(KINDS[kind])) or "none"
            raise InstructionError(f"{name}: no operand {operand!r} for kind {kind!r}: {known}")
    form = next((IMMEDIATES[t] for t in names if t in IMMEDIATES), "NONE")
    row = Instruction(
        len(INSTRUCTIONS), name, kind, pattern, mask, match, form, names, meaning, width, extension
    )
    INSTRUCTIONS.append(row)
    BY_NAME[name] = row
    _changed()
    return row


def remove(name: str) -> None:
    """Take a row that was added to the architecture's out of the table again.

    Raises
    ------
    InstructionError
        If there is no such row, or it is the architecture's own.
    """
    if name not in BY_NAME:
        raise InstructionError(unknown("instruction", name, BY_NAME))
    if name in STANDARD:
        raise InstructionError(f"{name} is part of RV64IMAC: only an added instruction can go")
    INSTRUCTIONS.remove(BY_NAME.pop(name))
    for index, row in enumerate(INSTRUCTIONS):
        if row.index != index:
            INSTRUCTIONS[index] = BY_NAME[row.name] = replace(row, index=index)
    _changed()


def standard_rows() -> list[Instruction]:
    """Return the architecture's own rows: always the first, at the same positions."""
    return INSTRUCTIONS[: len(STANDARD)]


def _changed() -> None:
    for forget in ON_CHANGE:
        forget()


def instruction(
    name: str, pattern: str, kind: str = "op", width: int = 0, extension: str = "I"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the decorated function as the meaning of an instruction."""

    def declare_meaning(meaning: Callable[..., Any]) -> Callable[..., Any]:
        declare(name, pattern, kind, meaning, width, extension)
        return meaning

    return declare_meaning
