"""Instructions of your own: declared in a notebook cell, run by every engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import FunctionType
from typing import Any

from vlab.engines.bounding import bounded
from vlab.isa.table import (
    BY_NAME,
    INSTRUCTIONS,
    STANDARD,
    InstructionError,
    declare,
    remove,
)

WIDTHS = {"op": (0,), "branch": (0,), "amo": (4, 8)}
"""Kinds that can be made, with the bytes that they may access."""


def instruction(
    name: str, pattern: str, kind: str = "op", width: int = 0
) -> Callable[[FunctionType], FunctionType]:
    """Declare an instruction of your own; decorates the function that is its meaning.

    Declaring the same name again replaces it. From then on new machines decode and execute
    it, on every engine; assembler and disassembler know it too.

    Parameters
    ----------
    name
        The mnemonic.
    pattern
        The encoding, most significant bit first, as in the specification:
        ``"0000000 rs2 rs1 000 rd 0001011"``. The opcodes ``0001011`` (custom-0), ``0101011``,
        ``1011011`` and ``1111011`` are kept free for this (unprivileged specification, table 70).
    kind
        ``op``: the result from ``rs1 rs2 imm pc``. ``branch``: whether it is taken, from
        ``rs1 rs2``. ``amo``: the new value in memory from ``old`` and ``rs2``.
    width
        Bytes that an ``amo`` accesses: 4 or 8.

    Raises
    ------
    InstructionError
        If the pattern or the function cannot be an instruction; the message says why.

    Examples
    --------
    >>> import vlab
    >>> @vlab.instruction("nor", "0000000 rs2 rs1 000 rd 0001011")
    ... def nor(rs1, rs2):
    ...     return ~(rs1 | rs2)
    """
    if kind not in WIDTHS:
        raise InstructionError(f"{name}: kind {kind!r} cannot be made, only {', '.join(WIDTHS)}")
    if width not in WIDTHS[kind]:
        right = " or ".join(str(n) for n in WIDTHS[kind])
        raise InstructionError(f"{name}: width {width!r}: of a row of kind {kind!r} it is {right}")

    def declare_meaning(function: FunctionType) -> FunctionType:
        meaning = bounded(name, function)
        before = BY_NAME.get(name) if name not in STANDARD else None
        if before is not None:
            remove(name)
        try:
            declare(name, pattern, kind, meaning, width, "custom")
        except InstructionError:
            if before is not None:
                declare(name, before.pattern, before.kind, before.meaning, before.width, "custom")
            raise
        return function

    return declare_meaning


def own_rows() -> str:
    """Return a name for the instructions of one's own that exist now."""
    rows = INSTRUCTIONS[len(STANDARD) :]
    text = [f"{r.name} {r.pattern} {r.kind} {r.width}\n{sources(r.meaning)}" for r in rows]
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]


def sources(meaning: Any) -> str:
    """Return the source of a meaning and of every function that it calls."""
    called = getattr(meaning, "__callees__", ())
    return meaning.__source__ + "".join(sources(function) for function in called)
