"""Stencils as data: their code and where its holes are, from the object file that LLVM emits."""

from __future__ import annotations

import io
import struct

import numpy as np

from vlab.engines import object_cache
from vlab.isa.table import standard_rows

NEXT_HOLE = 13
"""Index of the hole ``next`` in `vlab.engines.stencils.HOLES`."""

ENTRY = 2 * len(standard_rows())
LEAVE = ENTRY + 1
COUNT = LEAVE + 1
"""Row r has the stencils 2r and 2r + 1 (branches and jumps within the page)."""

NONE, PLAIN, LOAD, STORE, BRANCH, JAL, JALR = range(7)
"""Kinds of rows, as the translator sees them; from JAL on they end a block."""

R_64, R_PLT32, R_PC32, R_32, R_32S = 1, 4, 2, 10, 11
"""Relocations of the x86-64 ABI that can be holes."""

RELOCATIONS = (R_64, R_PLT32, R_PC32, R_32, R_32S)


class StencilTable:
    """Code, index and holes as arrays that the translator reads.

    Attributes
    ----------
    code : uint8, shape (n,)
    index : uint64, shape (COUNT, 4)
        Offset and size of the code, first hole and number of holes; size 0: no stencil.
    holes : uint64, shape (m, 4)
        Offset in the stencil, which hole, width in bytes, addend.
    """

    def __init__(self, packed: bytes) -> None:
        code, holes = struct.unpack_from("<QQ", packed)
        at = 16
        self.index = np.frombuffer(packed, np.uint64, COUNT * 4, at).copy()
        at += self.index.nbytes
        self.holes = np.frombuffer(packed, np.uint64, holes * 4, at).copy()
        at += self.holes.nbytes
        self.code = np.frombuffer(packed, np.uint8, code, at).copy()

    def missing(self) -> list[int]:
        """Return the rows without a stencil."""
        sizes = self.index.reshape(-1, 4)[:, 1]
        return [row.index for row in standard_rows() if sizes[2 * row.index] == 0]


def compile_stencils() -> bytes:
    """Compile the stencils and pack them."""
    import llvmlite.binding as llvm

    from vlab.engines import stencils
    from vlab.engines.intrinsics import ARITHMETIC, INTRINSICS
    from vlab.engines.lowering import Module

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    target = llvm.Target.from_triple(triple)
    machine = target.create_target_machine(opt=2, reloc="static", codemodel="small")
    text = stencils.generate(Module(INTRINSICS, ARITHMETIC))
    return pack(machine.emit_object(object_cache.optimize(text, machine, triple)))


def number_of(name: str) -> int:
    """Return the index of a stencil by its section's name."""
    words = name.removeprefix(".st.").split(".")
    if words[0] in ("entry", "leave"):
        return ENTRY if words[0] == "entry" else LEAVE
    return 2 * int(words[-1]) + (words[0] == "near")


def pack(image: bytes) -> bytes:
    """Return the stencils of an ELF object as one block of bytes."""
    from elftools.elf.elffile import ELFFile

    from vlab.engines.stencils import HOLES

    elf = ELFFile(io.BytesIO(image))
    symbols = elf.get_section_by_name(".symtab")
    index = np.zeros((COUNT, 4), np.uint64)
    code, holes = bytearray(), []
    for section in elf.iter_sections():
        if not section.name.startswith(".st."):
            continue
        body = section.data()
        relocations = elf.get_section_by_name(".rela" + section.name)
        found = []
        for entry in relocations.iter_relocations() if relocations else ():
            name = symbols.get_symbol(entry["r_info_sym"]).name
            kind = entry["r_info_type"]
            if not name.startswith("hole.") or kind not in RELOCATIONS:
                break  # a constant outside the code: this row stays with the interpreter
            width = 8 if kind == R_64 else 4
            which = HOLES.index(name.removeprefix("hole."))
            found.append((entry["r_offset"], which, width, entry["r_addend"] & (1 << 64) - 1))
        else:
            size = len(body)
            last = max(found, default=None)
            falls = last is not None and last[:2] == (size - 4, NEXT_HOLE) and body[-5] == 0xE9
            if falls and size > 5:  # of size 0 it would be none
                found.remove(last)  # a jump to what lies behind it
                size -= 5
            index[number_of(section.name)] = len(code), size, len(holes), len(found)
            code += body[:size] + bytes(-size % 8)
            holes += found
    table = np.array(holes, np.uint64)
    head = struct.pack("<QQ", len(code) + 8, len(holes))
    return head + index.tobytes() + table.tobytes() + bytes(code) + bytes(8)


def load() -> StencilTable:
    """Return the stencils, from the cache if they are there."""
    return StencilTable(object_cache.stored("stencils", compile_stencils))
