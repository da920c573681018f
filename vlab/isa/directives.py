"""Directives that place bytes: their bytes, given where they stand."""

from __future__ import annotations

from collections.abc import Callable

from vlab.isa.expressions import AssemblyError, Scope, evaluate, unescape

WIDTHS = {".byte": 1, ".half": 2, ".short": 2, ".2byte": 2, ".word": 4, ".long": 4, ".4byte": 4,
          ".dword": 8, ".quad": 8, ".8byte": 8}  # fmt: skip
IGNORED = {".globl", ".global", ".local", ".weak", ".option", ".type", ".size", ".file", ".ident",
           ".attribute"}  # fmt: skip
SECTIONS = (".text", ".rodata", ".srodata", ".data", ".sdata", ".sbss", ".bss")
"""Sections in the order of their addresses; others follow."""

ALIASES = {".string": ".asciz", ".align": ".p2align", ".zero": ".space", ".skip": ".space",
           ".set": ".equ"}  # fmt: skip
ALL = {*WIDTHS, *IGNORED, *SECTIONS, *ALIASES, *ALIASES.values(), ".ascii", ".balign", ".org",
       ".section"}  # fmt: skip
LIMIT = 64 << 20
"""Bytes that one source may make."""

NOP, C_NOP = b"\x13\0\0\0", b"\x01\0"


def datum(name: str, operand: str, scope: Scope) -> bytes:
    """Return a number of ``.byte`` or its kin; it can be signed or unsigned."""
    width = WIDTHS[name]
    value, bits = evaluate(operand, scope), 8 * width
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise AssemblyError(
            f"{value} does not fit {name}: from {-(1 << (bits - 1))} to {(1 << bits) - 1}"
        )
    return (value & (1 << bits) - 1).to_bytes(width, "little")


def text(operands: list[str], end: bytes) -> bytes:
    """Return strings as UTF-8, each with ``end`` behind it."""
    if not operands:
        raise AssemblyError('a string in double quotes is missing: .asciz "text"')
    result = b""
    for operand in operands:
        if len(operand) < 2 or operand[0] != '"' or operand[-1] != '"':
            raise AssemblyError(f"{operand} is no string: enclose it in double quotes")
        result += unescape(operand[1:-1]).encode() + end
    return result


def padding(
    name: str, operands: list[str], address: int, code: bool, value: Callable[[str], int]
) -> bytes:
    """Return what ``.align``, ``.p2align`` or ``.balign`` inserts: in code, instructions."""
    if len(operands) not in (1, 2):
        raise AssemblyError(f"{name} takes an alignment, and perhaps a byte to fill with")
    alignment = value(operands[0])
    if name == ".p2align":
        if not 0 <= alignment <= 16:
            raise AssemblyError(f"{name} {alignment}: a power of two from 0 to 16")
        alignment = 1 << alignment
    if not 0 < alignment <= 1 << 16 or alignment & (alignment - 1):
        raise AssemblyError(f"{name} {alignment}: a power of two up to 65536")
    count = -address % alignment
    if len(operands) == 2 or not code:
        return bytes([value(operands[1]) & 255 if len(operands) == 2 else 0]) * count
    return bytes(count & 1) + C_NOP * (count >> 1 & 1) + NOP * (count >> 2)


def space(name: str, operands: list[str], value: Callable[[str], int]) -> bytes:
    """Return the bytes of ``.space``."""
    if len(operands) not in (1, 2):
        raise AssemblyError(f"{name} takes a number of bytes, and perhaps their value")
    count = value(operands[0])
    if not 0 <= count <= LIMIT:
        raise AssemblyError(f"{name} {count}: from 0 to {LIMIT} bytes")
    return bytes([value(operands[1]) & 255 if len(operands) == 2 else 0]) * count


def advance(operands: list[str], here: int, value: Callable[[str], int]) -> bytes:
    """Return the zeros up to the address that ``.org`` names."""
    if len(operands) != 1:
        raise AssemblyError(".org takes an address")
    count = (value(operands[0]) - here + (1 << 63) & (1 << 64) - 1) - (1 << 63)
    if not 0 <= count <= LIMIT:
        raise AssemblyError(
            f".org takes an address at or after this one, {here:#x}, by at most {LIMIT} bytes; "
            f"{operands[0]} is {count:+}"
        )
    return bytes(count)
