"""A loader of cached objects, so that a process which compiles nothing needs no LLVM.

It knows ELF64 for x86-64 and the few kinds of relocations that our own objects have (System V
ABI, chapter 4, and its AMD64 supplement, section 4.4). Whatever else an object holds is
refused: LLVM then loads it.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from typing import Any

from vlab.elf import HEADER, IDENT, SECTION, SYMBOL, SYMTAB, UNDEFINED
from vlab.engines.executable import NoExecutableMemoryError, executable_memory, processor
from vlab.words import address

RELOCATION = struct.Struct("<QIIq")

RELOCATABLE, X86_64 = 1, 62
PROGBITS, RELA, NOBITS = 1, 4, 8
ALLOCATED = 2
ABSOLUTE, RELATIVE, CALL = 1, 2, 4
"""R_X86_64_64: the address; PC32, PLT32: its distance from the place."""

JUMP = b"\xff\x25\0\0\0\0"
"""``jmp [rip]``: to the address that follows."""


MALFORMED = (struct.error, LookupError, ValueError, OverflowError)
"""What reading an object raises where it does not say what an object must."""


OUTSIDE = {"memset": ctypes.memset}
"""Functions of the C library that objects call."""


class UnknownObjectError(Exception):
    """An object that only LLVM can load."""


def load(image: bytes) -> tuple[dict[str, int], Any]:
    """Put an object into executable memory.

    Returns
    -------
    addresses : dict
        Of its symbols by name.
    memory : buffer
        Where it is, to be kept as long as its code may run.

    Raises
    ------
    UnknownObjectError
        If this host, or anything in the object, is not what this loader is for.
    """
    if processor() != "x86_64":
        raise UnknownObjectError("another host")
    try:
        return _load(image)
    except (*MALFORMED, NoExecutableMemoryError) as error:
        raise UnknownObjectError(str(error)) from None


def _load(image: bytes) -> tuple[dict[str, int], mmap.mmap]:
    ident, kind, machine, _, _, _, first, _, _, _, _, size, count, _ = HEADER.unpack_from(image)
    if not ident.startswith(IDENT) or (kind, machine, size) != (RELOCATABLE, X86_64, SECTION.size):
        raise UnknownObjectError("no object for x86-64")
    sections = [SECTION.unpack_from(image, first + n * size) for n in range(count)]
    places, end = _places(sections)
    (table,) = (s for s in sections if s[1] == SYMTAB)
    symbols = list(SYMBOL.iter_unpack(image[table[4] : table[4] + table[5]]))
    strings = sections[table[6]][4]
    names = [image[strings + s[0] : image.index(b"\0", strings + s[0])].decode() for s in symbols]
    outside = sorted({n for n, s in zip(names, symbols, strict=True) if n and not s[3]})
    memory = executable_memory(max(end + 16 * len(outside), 1))
    base = address(memory)
    stubs = {}
    for name in outside:
        function = ctypes.cast(OUTSIDE[name], ctypes.c_void_p).value or 0
        memory[end : end + 14] = JUMP + function.to_bytes(8, "little")
        stubs[name] = base + end
        end += 16
    for n, place in places.items():
        kind, offset, size = sections[n][1], sections[n][4], sections[n][5]
        if kind == PROGBITS:
            memory[place : place + size] = image[offset : offset + size]
    values = []
    for name, (_, _, _, index, value, _) in zip(names, symbols, strict=True):
        if index == UNDEFINED:
            values.append(stubs.get(name, 0))
        else:
            values.append(base + places[index] + value if index in places else 0)
    for _, kind, _, _, offset, size, link, target, _, _ in sections:
        if kind == RELA and target in places:
            if sections[link] != table:
                raise UnknownObjectError("several tables of symbols")
            _relocate(memory, base, places[target], image[offset : offset + size], values)
    return {n: v for n, v in zip(names, values, strict=True) if n and v}, memory


def _places(sections: list[tuple[int, ...]]) -> tuple[dict[int, int], int]:
    """Return where each section is put, side by side, and where the last one ends."""
    places, end = {}, 0
    for n, (_, kind, flags, _, _, size, _, _, align, _) in enumerate(sections):
        if flags & ALLOCATED:
            if kind not in (PROGBITS, NOBITS) or align > mmap.PAGESIZE:
                raise UnknownObjectError(f"a section of kind {kind}")
            end += -end % max(align, 1)
            places[n] = end
            end += size
    return places, end + -end % 16


def _relocate(memory: Any, base: int, place: int, entries: bytes, values: list[int]) -> None:
    words, distances = struct.Struct("<Q"), struct.Struct("<i")
    for offset, kind, symbol, addend in RELOCATION.iter_unpack(entries):
        at, value = place + offset, values[symbol]
        if value == 0:
            raise UnknownObjectError("a symbol that is nowhere")
        if kind == ABSOLUTE:
            words.pack_into(memory, at, value + addend)
        elif kind in (RELATIVE, CALL):
            distances.pack_into(memory, at, value + addend - base - at)
        else:
            raise UnknownObjectError(f"a relocation of kind {kind}")
