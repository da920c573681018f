"""A minimal ELF executable: one segment, and symbols (System V ABI, gABI chapters 4 and 5)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM = struct.Struct("<IIQQQQQQ")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
IDENT = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")  # 64 bits, little endian, version 1
EXECUTABLE, RISCV, LOAD, RWX, PAGE = 2, 243, 1, 7, 0x1000
SYMTAB, STRTAB, PROGBITS = 2, 3, 1
GLOBAL, ABSOLUTE = 0x10, 0xFFF1
SECTIONS = 4


def executable(code: bytes, origin: int, entry: int, symbols: Mapping[str, int]) -> bytes:
    """Return an executable whose bytes are loaded at ``origin``."""
    names, table = b"\0", SYMBOL.pack(0, 0, 0, 0, 0, 0)
    for name, value in sorted(symbols.items(), key=lambda item: item[1]):
        table += SYMBOL.pack(len(names), GLOBAL, 0, ABSOLUTE, value, 0)
        names += name.encode() + b"\0"
    section_names = b"\0.text\0.symtab\0.strtab\0"
    start = PAGE
    at_table = start + len(code) + -len(code) % 8
    at_names = at_table + len(table)
    at_sections = at_names + len(names) + len(section_names)
    at_sections += -at_sections % 8
    sections = [
        SECTION.pack(0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        SECTION.pack(1, PROGBITS, 6, origin, start, len(code), 0, 0, 16, 0),
        SECTION.pack(7, SYMTAB, 0, 0, at_table, len(table), 3, 1, 8, SYMBOL.size),
        SECTION.pack(
            15, STRTAB, 0, 0, at_names, len(names) + len(section_names), 0, 0, 1, 0
        ),
    ]  # fmt: skip
    # The names of the sections are in the same table of strings as those of the symbols.
    shift = len(names)
    sections = [
        struct.pack("<I", struct.unpack_from("<I", row)[0] + (shift if n else 0)) + row[4:]
        for n, row in enumerate(sections)
    ]
    header = HEADER.pack(
        IDENT, EXECUTABLE, RISCV, 1, entry, HEADER.size, at_sections, 1, HEADER.size,
        PROGRAM.size, 1, SECTION.size, SECTIONS, 3,
    )  # fmt: skip
    program = PROGRAM.pack(LOAD, RWX, start, origin, origin, len(code), len(code), PAGE)
    file = (header + program).ljust(start, b"\0") + code
    file = file.ljust(at_table, b"\0") + table + names + section_names
    return file.ljust(at_sections, b"\0") + b"".join(sections)
