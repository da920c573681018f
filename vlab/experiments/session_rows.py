"""Rows of the lists that a session shows."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One instruction, disassembled."""

    address: int
    bits: int
    text: str
    symbol: str
    current: bool


class TlbEntry(NamedTuple):
    """One valid entry of the hardware's TLB."""

    set: int
    way: int
    va: int
    level: int
    asid: int
    pte: int
    host_physical: int
    guest_physical: int | None
    flags: str
    is_global: bool
