"""Stencils as data: their code and where its holes are, from the object file that LLVM emits."""

from __future__ import annotations

import io
import struct
from array import array
from typing import TYPE_CHECKING, Any

from vlab.engines import object_cache
from vlab.engines.csrs import PLACES
from vlab.isa.table import BY_NAME, standard_rows
from vlab.words import copy_of

if TYPE_CHECKING:
    from vlab.engines.relocations import Relocation

NEXT_HOLE = 13
"""Index of the hole ``next`` in `vlab.engines.stencils.HOLES`."""

ENTRY = 2 * len(standard_rows())
LEAVE = ENTRY + 1
FIRST_CSR = LEAVE + 1
COUNT = FIRST_CSR + 8 * len(PLACES)
"""Row r has the stencils 2r and 2r + 1 (branches and jumps within the page), and the CSR at place
p has eight from ``FIRST_CSR + 8 * p`` on, by funct3 (the first is for accesses that only read)."""

NO_STENCIL = 2 * BY_NAME["csrrw"].index
"""A number under which there is none: rows of this kind have one for each of the CSRs above."""

NONE, PLAIN, CSR, LOAD, STORE, BRANCH, JAL, JALR = range(8)
"""Kinds of rows, as the translator sees them; from JAL on they end a block."""


class StencilTable:
    """Code, index and holes as arrays that the translator reads.

    Attributes
    ----------
    code, index, holes : uint64
        The machine code. For each of `COUNT` stencils four words: offset and size of its code,
        first hole and number of holes; size 0: no stencil. For each hole four words: offset in the
        stencil, which hole, how it is patched, addend.
    """

    def __init__(self, packed: bytes) -> None:
        code, holes = struct.unpack_from("<QQ", packed)
        first = 16 + COUNT * 32
        end = first + holes * 32
        self.index, self.holes = copy_of(packed[16:first]), copy_of(packed[first:end])
        self.code = copy_of(packed[end : end + code])

    def missing(self) -> list[int]:
        """Return the rows without a stencil."""
        rows = (row for row in standard_rows() if row.kind != "csr")
        return [row.index for row in rows if self.index[8 * row.index + 1] == 0]


def stencil_objects(triple: str) -> list[bytes]:
    """Return the stencils as ELF objects for a host, one of each variant."""
    import llvmlite.binding as llvm

    from vlab.engines import stencils
    from vlab.engines.intrinsics import ARITHMETIC, CLEAR_FAST, INTRINSICS
    from vlab.engines.lowering import Module
    from vlab.engines.relocations import HOSTS

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(triple)
    machine = target.create_target_machine(opt=2, reloc="static", codemodel="small")
    text = stencils.generate(Module(INTRINSICS, ARITHMETIC + CLEAR_FAST))
    texts = HOSTS[triple.split("-")[0]].variants(text)
    return [machine.emit_object(object_cache.optimize(text, machine, triple)) for text in texts]


def compile_stencils(triple: str | None = None) -> bytes:
    """Return the stencils for this host, or the one that is given, packed."""
    triple = triple or object_cache.host_triple()
    return pack(triple, stencil_objects(triple))


def number_of(name: str) -> int:
    """Return the index of a stencil by its section's name."""
    words = name.removeprefix(".st.").split(".")
    if words[0] in ("entry", "leave"):
        return ENTRY if words[0] == "entry" else LEAVE
    if words[0] == "csr":
        return FIRST_CSR + 8 * int(words[1]) + int(words[2])
    return 2 * int(words[-1]) + (words[0] == "near")


def pack(triple: str, images: list[bytes]) -> bytes:
    """Return the stencils of a host's ELF objects as one block of bytes."""
    from elftools.elf.elffile import ELFFile

    from vlab.engines.relocations import HOSTS

    host = HOSTS[triple.split("-")[0]]
    elf, *others = (ELFFile(io.BytesIO(image)) for image in images)
    index = array("Q", bytes(COUNT * 32))
    code, holes = bytearray(), []
    for section in elf.iter_sections():
        if not section.name.startswith(".st."):
            continue
        same = (other.get_section_by_name(section.name) for other in others)
        bodies = [bytearray(s.data()) for s in (section, *same)]
        relocations = relocations_of(elf, section.name)
        found = None if relocations is None else host.holes(bodies, relocations)
        if found is None:
            continue  # a constant outside the code: this row stays with the interpreter
        body = bodies[0]
        size, short = len(body), len(body) - host.jump
        last = max(found, default=None)
        falls = last is not None and last[:2] == (size - 4, NEXT_HOLE)
        if falls and short > 0 and body[short:].startswith(host.opcode):  # of size 0: none
            found.remove(last)  # a jump to what lies behind it
            size = short
        words = 4 * number_of(section.name)
        index[words : words + 4] = array("Q", (len(code), size, len(holes), len(found)))
        code += body[:size] + bytes(-size % 8)
        holes += found
    table = array("Q", [word for hole in holes for word in hole])
    head = struct.pack("<QQ", len(code) + 8, len(holes))
    return head + index.tobytes() + table.tobytes() + bytes(code) + bytes(8)


def relocations_of(elf: Any, section: str) -> list[Relocation] | None:
    """Return offset, type, hole and addend of each; None if some are no holes."""
    from vlab.engines.stencils import HOLES

    symbols, found = elf.get_section_by_name(".symtab"), []
    relocations = elf.get_section_by_name(".rela" + section)
    for entry in relocations.iter_relocations() if relocations else ():
        name = symbols.get_symbol(entry["r_info_sym"]).name
        if not name.startswith("hole."):
            return None
        addend = entry["r_addend"] & (1 << 64) - 1
        which = HOLES.index(name.removeprefix("hole."))
        found.append((entry["r_offset"], entry["r_info_type"], which, addend))
    return found


def load() -> StencilTable:
    """Return the stencils, from the cache if they are there."""
    return StencilTable(object_cache.stored("stencils", compile_stencils))
