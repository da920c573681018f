"""Relocations that can be holes, per host architecture, and how each kind is patched.

x86-64: operands are whole words ("System V ABI, AMD64 Supplement", table 4.9). aarch64 ("ELF for
the Arm 64-bit Architecture", section 5.7): the address of a symbol is made by ``adrp`` and
``add``, which reach what lies near only; they become ``movz`` or ``movn``, and ``movk``, of the
same register, which together hold any signed 32-bit number (as R_AARCH64_MOVW_SABS_G1 and
R_AARCH64_MOVW_UABS_G0_NC do). Registers of the guest have no relocations there but are offsets of
loads and stores (`vlab.engines.fixed_registers`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vlab.engines.fixed_registers import register_holes, variants
from vlab.engines.machine_only import peek32, poke32, poke64

WORD32, WORD64, MOVE_HIGH, MOVE_LOW, OFFSET64, JUMP26 = range(6)
"""Kinds of patches."""

MOVN_TO_MOVZ = 0x4000_0000


def patch(at: int, kind: int, value: int) -> None:
    """Fill the hole at an address; of a relative one the value is a distance. Lowered only."""
    if kind == WORD32:
        poke32(at, value)
    elif kind == WORD64:
        poke64(at, value)
    elif kind == MOVE_LOW:
        poke32(at, peek32(at) | (value & 0xFFFF) << 5)
    elif kind == MOVE_HIGH:
        high = value >> 16 & 0xFFFF
        if value >> 63 == 0:
            poke32(at, peek32(at) + MOVN_TO_MOVZ | high << 5)
        else:
            poke32(at, peek32(at) | (high ^ 0xFFFF) << 5)
    elif kind == OFFSET64:
        poke32(at, peek32(at) | value >> 3 << 10)
    else:
        poke32(at, peek32(at) | value >> 2 & 0x03FF_FFFF)


class Hole(NamedTuple):
    """A place in a stencil's code, the operand that belongs there, how it is patched."""

    offset: int
    operand: int
    kind: int
    addend: int


Relocation = tuple[int, int, int, int]
"""Offset, type, operand, addend."""


class Host(NamedTuple):
    """A processor that stencils are made for.

    Attributes
    ----------
    variants
        Returns the texts to compile from that of the stencils.
    holes
        Takes the code of a stencil in each variant, of which it may change the first, and the
        relocations of that; returns the holes, or None if something there is no hole.
    jump
        Bytes of the jump that ends a stencil: opcode and hole.
    opcode
        Bytes of these that come before the hole.
    """

    variants: Callable[[str], list[str]]
    holes: Callable[[list[bytearray], list[Relocation]], list[Hole] | None]
    jump: int
    opcode: bytes


X86_64 = {1: WORD64, 2: WORD32, 4: WORD32, 10: WORD32, 11: WORD32}
"""R_X86_64_64, _PC32, _PLT32, _32, _32S."""


def x86_64_holes(codes: list[bytearray], found: list[Relocation]) -> list[Hole] | None:
    """Return the holes of x86-64 code."""
    if any(kind not in X86_64 for _, kind, _, _ in found):
        return None
    return [Hole(at, operand, X86_64[kind], addend) for at, kind, operand, addend in found]


ADR_PREL_PG_HI21, ADD_ABS_LO12_NC, R_JUMP26 = 275, 277, 282
ADRP, ADD, MOVN_HIGH, MOVK = 0x9000_0000, 0x9100_0000, 0x92A0_0000, 0xF280_0000
"""Instruction words ("Arm Architecture Reference Manual", C6.2) with registers and immediates 0."""


def aarch64_holes(codes: list[bytearray], found: list[Relocation]) -> list[Hole] | None:
    """Return the holes of aarch64 code, whose ``adrp`` and ``add`` become moves."""
    code, pages = codes[0], {}
    registers = register_holes(*codes)
    if registers is None:
        return None
    holes = [Hole(at, operand, OFFSET64, 0) for at, operand in registers]
    for at, kind, operand, addend in sorted(found):
        word = int.from_bytes(code[at : at + 4], "little")
        register = word & 31
        if kind == R_JUMP26:
            holes.append(Hole(at, operand, JUMP26, addend))
        elif kind == ADR_PREL_PG_HI21 and word == ADRP | register:
            pages[register] = operand, addend
            code[at : at + 4] = (MOVN_HIGH | register).to_bytes(4, "little")
            holes.append(Hole(at, operand, MOVE_HIGH, addend))
        elif kind == ADD_ABS_LO12_NC and word == ADD | register << 5 | register:
            if pages.get(register) != (operand, addend):
                return None
            code[at : at + 4] = (MOVK | register).to_bytes(4, "little")
            holes.append(Hole(at, operand, MOVE_LOW, addend))
        else:
            return None
    return holes


HOSTS = {
    "x86_64": Host(lambda text: [text], x86_64_holes, 5, b"\xe9"),
    "aarch64": Host(variants, aarch64_holes, 4, b""),
}
"""By the first word of LLVM's triple."""
