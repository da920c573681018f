"""Decoding, from the table."""

from __future__ import annotations

from array import array
from functools import cache
from typing import NamedTuple

from vlab.isa.bits import sext
from vlab.isa.rvc import expand
from vlab.isa.table import FORMATS, INSTRUCTIONS, ON_CHANGE, Instruction

NONE_F, I_F, S_F, B_F, U_F, J_F, SHAMT6_F, SHAMT5_F, CSR_F = range(len(FORMATS))


class Decoded(NamedTuple):
    """A decoded instruction: its row, register numbers, immediate and length in bytes."""

    row: Instruction
    rd: int
    rs1: int
    rs2: int
    imm: int
    length: int


def immediate(bits: int, form: int) -> int:
    """Return the immediate of a format (unprivileged specification, section 2.3)."""
    if form == I_F:
        return sext(bits >> 20, 12)
    if form == S_F:
        return sext(bits >> 25 << 5 | (bits >> 7 & 31), 12)
    if form == B_F:
        low = (bits >> 8 & 15) << 1 | (bits >> 25 & 63) << 5
        return sext(bits >> 31 << 12 | (bits >> 7 & 1) << 11 | low, 13)
    if form == U_F:
        return sext(bits & 0xFFFFF000, 32)
    if form == J_F:
        low = (bits >> 21 & 1023) << 1 | (bits >> 20 & 1) << 11
        return sext(bits >> 31 << 20 | (bits >> 12 & 255) << 12 | low, 21)
    if form == SHAMT6_F:
        return bits >> 20 & 63
    if form == SHAMT5_F:
        return bits >> 20 & 31
    if form == CSR_F:
        return bits >> 20
    return 0


def bucket_of(bits: int) -> int:
    """Return the bucket of candidate rows: major opcode and funct3."""
    return (bits >> 2 & 31) << 3 | (bits >> 12 & 7)


@cache
def buckets() -> tuple[tuple[Instruction, ...], ...]:
    """Return the candidate rows of each of the 256 buckets."""
    result: tuple[list[Instruction], ...] = tuple([] for _ in range(256))
    for row in INSTRUCTIONS:
        fixed, first = bucket_of(row.mask), bucket_of(row.match)
        for free in range(256) if fixed != 255 else (0,):
            if free & fixed == 0:
                result[first | free].append(row)
    return tuple(map(tuple, result))


@cache
def decode(bits: int) -> Decoded | None:
    """Decode an instruction, 16 or 32 bits; None if it is illegal."""
    length = 4
    if bits & 3 != 3:
        expanded = expand(bits & 0xFFFF)
        if expanded is None:
            return None
        bits, length = expanded, 2
    for row in buckets()[bucket_of(bits)]:
        if bits & row.mask == row.match:
            imm = immediate(bits, FORMATS.index(row.format))
            return Decoded(row, bits >> 7 & 31, bits >> 15 & 31, bits >> 20 & 31, imm, length)
    return None


ON_CHANGE += [buckets.cache_clear, decode.cache_clear]


def decoder_tables() -> tuple[array[int], array[int]]:
    """Return the tables of a compiled decoder.

    Returns
    -------
    buckets : uint64, two for each of the 256
        First candidate and number of candidates.
    candidates : uint64, four for each
        Mask, match, row index and immediate format.
    """
    first, candidates = array("Q"), array("Q")
    for rows in buckets():
        first.extend((len(candidates) // 4, len(rows)))
        for row in rows:
            candidates.extend((row.mask, row.match, row.index, FORMATS.index(row.format)))
    return first, candidates
