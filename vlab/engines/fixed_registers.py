"""Registers of the guest as immediates of aarch64 loads and stores.

An address that is made of a symbol takes two instructions; an offset that LLVM knows is part of the
load. So stencils are compiled twice, with other offsets: the words that differ are the holes.
"""

from __future__ import annotations

import re

from vlab.engines.stencils import HOLES, hole

OFFSETS = {"rd": (8 * 1001, 8 * 2002), "rs1": (8 * 1103, 8 * 2104), "rs2": (8 * 1205, 8 * 2206)}
"""Where each variant of the code has a register, in bytes: within what an immediate reaches."""

LOAD, STORE, CODE, IMMEDIATE = 0xF940_0000, 0xF900_0000, 0xFFC0_0000, 0xFFF << 10
"""``ldr`` and ``str`` of 64 bits, unsigned offset ("Arm Architecture Reference Manual", C6.2)."""


def variant(text: str, number: int) -> str:
    """Return stencils whose registers are at offsets that LLVM knows.

    It then knows, too, that they do not overlap; but they do if an instruction names one twice.
    Accesses that are volatile stay in order, and whole.
    """
    for name, offsets in OFFSETS.items():
        text = text.replace(hole(name), str(offsets[number]))
    return re.sub(
        r"\b(load|store) (?=i64, ptr %rs[12]\.x|i64 %\S+, ptr %rd\.x)", r"\1 volatile ", text
    )


def variants(text: str) -> list[str]:
    """Return the two."""
    return [variant(text, number) for number in (0, 1)]


def register_holes(code: bytearray, other: bytes) -> list[tuple[int, int]] | None:
    """Return offset and operand of each register, of which the code is cleared.

    None if there are other differences, too.
    """
    found = []
    for at in range(0, max(len(code), len(other)), 4):
        first, second = (int.from_bytes(c[at : at + 4], "little") for c in (code, other))
        if first != second:
            offsets = (first & IMMEDIATE) >> 7, (second & IMMEDIATE) >> 7
            names = [name for name, both in OFFSETS.items() if both == offsets]
            bare = first & ~IMMEDIATE
            if not names or second & ~IMMEDIATE != bare or bare & CODE not in (LOAD, STORE):
                return None
            code[at : at + 4] = bare.to_bytes(4, "little")
            found.append((at, HOLES.index(names[0])))
    return found
