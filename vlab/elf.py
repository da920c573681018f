"""A reader of what is loaded of an ELF executable (System V ABI, chapters 4 and 5).

It takes 64-bit little-endian files that are as they should be, and no others: `read` gives up
on the rest, so that a library for all kinds of files can say what is wrong with one.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")

IDENT = b"\x7fELF\x02\x01\x01"
EXECUTABLE, SHARED = 2, 3
LOAD = 1
SYMTAB, STRTAB = 2, 3
UNDEFINED, LOCAL = 0, 0  # section index, binding

MALFORMED = (struct.error, LookupError, ValueError)


class Executable(NamedTuple):
    """Entry; segments as physical address, contents, bytes in memory; addresses by symbol."""

    entry: int
    segments: list[tuple[int, bytes, int]]
    symbols: dict[str, int]


def read(data: bytes, machine: int) -> Executable | None:
    """Return what an executable for a machine holds, None if anything about it is unusual."""
    try:
        ident, kind, found, _, entry, first, sections, *sizes = HEADER.unpack_from(data)
        _, _, segment_size, segment_count, section_size, section_count, names = sizes
        if not ident.startswith(IDENT) or found != machine or kind not in (EXECUTABLE, SHARED):
            return None
        if segment_size != SEGMENT.size or (section_count and section_size != SECTION.size):
            return None
        headers = _table(SEGMENT, data, first, segment_count)
        loaded = [(h[4], _piece(data, h[2], h[5]), h[6]) for h in headers if h[0] == LOAD and h[6]]
        if not loaded or any(len(contents) > size for _, contents, size in loaded):
            return None
        described = _table(SECTION, data, sections, section_count)
        if described and described[names][1] != STRTAB:
            return None
        return Executable(entry, loaded, _symbols(data, described))
    except MALFORMED:
        return None


def symbols_of(table: bytes, names: bytes) -> dict[str, int]:
    """Return the defined symbols of a table; a global one goes before a local one."""
    symbols: dict[str, int] = {}
    table = table[: len(table) // SYMBOL.size * SYMBOL.size]
    for where, info, _, index, value, _ in SYMBOL.iter_unpack(table):
        name = names[where : names.find(b"\0", where)].decode("utf-8", "replace")
        if not name or index == UNDEFINED:
            continue
        if info >> 4 == LOCAL:
            symbols.setdefault(name, value)
        else:
            symbols[name] = value
    return symbols


def _symbols(data: bytes, sections: list[tuple[int, ...]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for section in sections:
        if section[1] == SYMTAB:
            names = sections[section[6]]
            found |= symbols_of(
                _piece(data, section[4], section[5]), _piece(data, names[4], names[5])
            )
    return found


def _table(entry: struct.Struct, data: bytes, first: int, count: int) -> list[tuple[int, ...]]:
    return list(entry.iter_unpack(_piece(data, first, count * entry.size)))


def _piece(data: bytes, first: int, size: int) -> bytes:
    if first + size > len(data):
        raise ValueError("truncated")
    return data[first : first + size]
