"""From stencils as LLVM IR to RV64 machine code, and where its holes are.

Each stencil is compiled with two sets of operands; the words that differ are the holes.
"""

from __future__ import annotations

import io
from typing import Any

from vlab.engines.block_tables import (
    CALL_HOLE,
    HOLES,
    I_HOLE,
    S_HOLE,
    SHIFT_HOLE,
    SPECIAL,
    U_HOLE,
)
from vlab.engines.host_stencils import SHIFTS, VALUES, WIDE, generate
from vlab.engines.lowering import LoweringError
from vlab.isa.table import BY_NAME

FEATURES = "+m,+a"
"""Without compressed instructions: every hole then lies in a word of its own."""

BRANCH, JUMP = 0x63, 0x67
"""Opcodes: a conditional branch; ``jalr`` with the link register x0."""


def compiled(text: str) -> bytes:
    """Return an object file for RV64."""
    import llvmlite.binding as llvm

    from vlab.engines.object_cache import optimize

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    triple = "riscv64-unknown-elf"
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu="generic-rv64", features=FEATURES, opt=2, reloc="static", codemodel="medium"
    )
    return machine.emit_object(optimize(text, machine, triple))


def sections(image: bytes) -> dict[str, tuple[bytes, list[tuple[int, str]]]]:
    """Return each stencil's code, and its jumps: offset and name of what is jumped to."""
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(io.BytesIO(image))
    symbols = elf.get_section_by_name(".symtab")
    found = {}
    for section in elf.iter_sections():
        if section.name.startswith(".st."):
            relocations = elf.get_section_by_name(".rela" + section.name)
            jumps = [
                (r["r_offset"], symbols.get_symbol(r["r_info_sym"]).name.removeprefix("hole."))
                for r in (relocations.iter_relocations() if relocations else ())
            ]
            found[section.name.removeprefix(".st.")] = section.data(), jumps
    return found


def immediates(word: int) -> tuple[tuple[int, int, int], ...]:
    """Return (kind of hole, value, mask of its bits in a word) for each that a word may have."""
    i = ((word >> 20) ^ 0x800) - 0x800
    s = ((word >> 25 << 5 | word >> 7 & 31) ^ 0x800) - 0x800
    return (
        (I_HOLE, i, 0xFFF << 20),
        (S_HOLE, s, 0x7F << 25 | 0x1F << 7),
        (U_HOLE, word >> 12, 0xFFFFF << 12),
        (SHIFT_HOLE, word >> 20 & 63, 63 << 20),
    )


def seen(kind: int, value: int) -> int:
    """Return what an immediate of a kind holds of an operand."""
    if kind == U_HOLE:
        return (value + 0x800 >> 12) & 0xFFFFF
    if kind == SHIFT_HOLE:
        return value & 63
    return ((value & 0xFFF) ^ 0x800) - 0x800


def holes_of(row: str, first: bytes, second: bytes) -> tuple[bytes, list[tuple[int, str, int]]]:
    """Return the code with empty holes, and the holes: offset, name, kind."""
    if len(first) != len(second):
        raise LoweringError(f"{row}: its code depends on its operands")
    code, found = bytearray(first), []
    for at in range(0, len(first), 4):
        pair = [int.from_bytes(c[at : at + 4], "little") for c in (first, second)]
        if pair[0] == pair[1]:
            continue
        for a, b in zip(*map(immediates, pair), strict=True):
            names = [n for n, x, y in _pairs(row) if (a[1], b[1]) == (seen(a[0], x), seen(a[0], y))]
            if names and pair[0] & ~a[2] == pair[1] & ~a[2]:
                found.append((at, names[0], a[0]))
                code[at : at + 4] = (pair[0] & ~a[2]).to_bytes(4, "little")
                break
        else:
            raise LoweringError(f"{row}: what differs at {at:#x} is no operand")
    return bytes(code), found


def _pairs(row: str) -> list[tuple[str, int, int]]:
    pairs = list(zip(HOLES, *VALUES, strict=False))
    known = BY_NAME.get(row)
    if known is not None and "SHAMT" in known.format:
        return [("imm", *SHIFTS), *(p for p in pairs if p[0] != "imm")]
    return [*pairs, ("imm", *WIDE), ("imm", WIDE[0] & ~0xFFF, WIDE[1] & ~0xFFF)]


def stencils() -> dict[str, dict[str, Any]]:
    """Return every stencil: its ``code``, its ``holes``, and the ``path`` that is executed.

    The path is that of a hit, or of a branch that is taken; a jump to what lies behind is left out.
    """
    first, second = (sections(compiled(generate(variant))) for variant in (0, 1))
    result = {}
    for name, (body, jumps) in first.items():
        code, holes = holes_of(name, body, second[name][0])
        if jumps and jumps[-1] == (len(code) - 8, "next"):
            code, jumps = code[:-8], jumps[:-1]
        holes += [(at, target, CALL_HOLE) for at, target in jumps]
        result[name] = {"code": code.hex(), "holes": sorted(holes), "path": path(name, code)}
    return result


def path(name: str, code: bytes) -> int:
    """Return the instructions that are executed: up to the end, or the first jump.

    Of an access, a block's begin and a helper it is the good case, to which a branch leads; of
    all others no branch is taken, as `vlab.experiments.emulation_cost` has it.
    """
    row = BY_NAME.get(name)
    good = name in SPECIAL or (row is not None and row.kind in ("load", "store"))
    at = count = 0
    while at < len(code):
        word = int.from_bytes(code[at : at + 4], "little")
        count += 1
        if word & 0x7F == BRANCH and good:
            distance = (word >> 8 & 15) << 1 | (word >> 25 & 63) << 5
            at += distance
        elif word & 0xFFF == JUMP:
            break
        else:
            at += 4
    return count
