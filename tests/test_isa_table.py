"""The instruction table: no encoding belongs to two rows, and a row can be added and removed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest

from vlab.engines.python import PythonEngine
from vlab.isa.assembler import assemble
from vlab.isa.decode import bucket_of, buckets, decode
from vlab.isa.disassembler import disassemble
from vlab.isa.rvc import expand, expansion_table, forms
from vlab.isa.table import (
    BY_NAME,
    FORMATS,
    INSTRUCTIONS,
    InstructionError,
    declare,
    instruction,
    remove,
)
from vlab.memory import PhysicalMemory
from vlab.state import Hart

FREE = "0000000 rs2 rs1 000 rd 0001011"
"""An encoding in custom-0."""


@pytest.fixture(autouse=True)
def standard_table() -> Iterator[None]:
    """Leave the table as it was."""
    before = list(INSTRUCTIONS)
    yield
    for row in INSTRUCTIONS[len(before) :]:
        remove(row.name)
    assert before == INSTRUCTIONS


def average(rs1, rs2):  # type: ignore[no-untyped-def]
    return (rs1 >> 1) + (rs2 >> 1) + (rs1 & rs2 & 1)


# ---- Rows ------------------------------------------------------------------------


def test_no_two_rows_overlap() -> None:
    """No encoding is an instance of two rows."""
    for a, b in combinations(INSTRUCTIONS, 2):
        assert (a.match ^ b.match) & a.mask & b.mask, (a.name, b.name)


def test_rows_are_where_their_index_says() -> None:
    """A row's index is its position, its name its key, and its match lies within its mask."""
    for index, row in enumerate(INSTRUCTIONS):
        assert row.index == index
        assert BY_NAME[row.name] is row
        assert row.match & ~row.mask == 0
        assert row.format in FORMATS


def test_rows_decode_to_themselves() -> None:
    """All free bits 0 or all 1, an instance decodes to its row, found in its bucket."""
    for row in INSTRUCTIONS:
        for bits in (row.match, row.match | ~row.mask & 0xFFFFFFFF):
            decoded = decode(bits)
            assert decoded is not None, row.name
            assert decoded.row is row
            assert row in buckets()[bucket_of(bits)]


def test_every_expansion_decodes() -> None:
    """What a compressed instruction expands to is a 32-bit instruction of the form's base."""
    by_name = {form.row.name: form.row.base for form in forms()}
    for bits in range(65536):
        if bits & 3 == 3:
            continue
        expanded = expand(bits)
        assert int(expansion_table()[bits]) == (expanded or 0)
        if expanded is None:
            assert decode(bits) is None
            continue
        decoded, full = decode(bits), decode(expanded)
        assert decoded is not None, hex(bits)
        assert full is not None, hex(bits)
        assert decoded == full._replace(length=2)
        name = disassemble(bits).split()[0]
        assert decoded.row.name == by_name.get(name, "addi"), hex(bits)


def test_reserved_compressed_encodings_are_illegal() -> None:
    """Encodings reserved by tables 16.5–16.7, and those of floating point, are no instructions."""
    reserved = {
        "all zero": 0x0000, "c.addi4spn 0": 0x0008, "reserved in quadrant 0": 0x8000,
        "c.addiw x0": 0x2001, "c.addi16sp 0": 0x6101, "c.lui 0": 0x6081, "quadrant 1": 0x9C41,
        "quadrant 1 too": 0x9C61, "c.lwsp x0": 0x4002, "c.ldsp x0": 0x6002, "c.jr x0": 0x8002,
        "c.fld": 0x2000, "c.fsd": 0xA000, "c.fldsp": 0x2002, "c.fsdsp": 0xA002,
    }  # fmt: skip
    assert {what for what, bits in reserved.items() if decode(bits) is not None} == set()


def test_hints_decode() -> None:
    """HINTs are instructions without effect, not illegal ones (sections 2.9 and 16.7)."""
    hints = {
        0x00000013: "nop", 0x00102013: "slti", 0x00000037: "lui", 0x00000017: "auipc",
        0x00000033: "add", 0x0100000F: "pause", 0x0000000F: "fence", 0x0005: "c.addi",
        0x4005: "c.li", 0x6005: "c.lui", 0x8006: "c.mv", 0x9006: "c.add", 0x0006: "c.slli",
        0x0502: "c.slli", 0x8101: "c.srli", 0x8501: "c.srai",
    }  # fmt: skip
    for bits, name in hints.items():
        assert disassemble(bits).split()[0] == name, hex(bits)


# ---- Adding and removing ---------------------------------------------------------


def test_an_added_instruction_works_everywhere() -> None:
    """One declaration, and an instruction assembles, disassembles, decodes and executes."""
    bits = 0x00C5850B
    assert decode(bits) is None
    instruction("avg", FREE, extension="custom")(average)
    assert assemble("avg a0, a1, a2").code == bits.to_bytes(4, "little")
    assert disassemble(bits) == "avg a0, a1, a2"
    memory = PhysicalMemory(0x8000_0000, 4096)
    memory.write(0x8000_0000, assemble("li a1, 7\nli a2, 10\navg a0, a1, a2").code)
    hart = Hart(memory)
    hart.pc, hart.priv = 0x8000_0000, 3
    engine = PythonEngine()
    engine.attach(hart)
    engine.run(hart, 3)
    assert hart.x[10] == 8


def test_a_removed_instruction_is_gone() -> None:
    """After remove the encoding is illegal and free, the mnemonic unknown, the indices whole."""
    instruction("avg", FREE)(average)
    instruction("avg2", FREE.replace("000 rd", "001 rd"))(average)
    remove("avg")
    assert decode(0x00C5850B) is None
    assert "avg" not in BY_NAME
    assert BY_NAME["avg2"] is INSTRUCTIONS[-1]
    assert INSTRUCTIONS[-1].index == len(INSTRUCTIONS) - 1
    assert decode(0x00C5950B).row is INSTRUCTIONS[-1]  # type: ignore[union-attr]
    instruction("avg", FREE)(average)


REFUSED = {
    "overlap": (("new", "0000000 rs2 rs1 000 rd 0110011", "op"), "overlaps that of add"),
    "overlap in part": (("new", "imm[11:0] 00001 000 rd 0010011", "op"), "overlaps that of addi"),
    "taken": (("add", FREE, "op"), "'add' exists already"),
    "short": (("new", "rs2 rs1 000 rd 0001011", "op"), "25 bits: it must have 32"),
    "long": (("new", "0 " + FREE, "op"), "33 bits: it must have 32"),
    "order": (("new", "0000000 rs1 rs2 000 rd 0001011", "op"), "rs1 at bit 20"),
    "field": (("new", "0000000 rs3 rs1 000 rd 0001011", "op"), "'rs3' is neither bits nor"),
    "immediate": (("new", "imm[0:11] rs1 000 rd 0001011", "op"), "imm"),
    "compressed": (("new", "0000000 rs2 rs1 000 rd 0001001", "op"), "ends in 11"),
    "kind": (("new", FREE, "ops"), "did you mean 'op'"),
    "operands": (("new", FREE, "branch", lambda rs1, rd: rs1), "no operand 'rd'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_declared(case: str) -> None:
    """A declaration that cannot be is refused in one line, and leaves the table alone."""
    arguments, expected = REFUSED[case]
    before = list(INSTRUCTIONS)
    with pytest.raises(InstructionError) as error:
        declare(*arguments)  # type: ignore[arg-type]
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
    assert before == INSTRUCTIONS


def test_only_added_instructions_can_be_removed() -> None:
    """The architecture's own rows stay, and a row that does not exist is named with the nearest."""
    with pytest.raises(InstructionError, match="add is part of RV64IMAC"):
        remove("add")
    with pytest.raises(InstructionError, match="did you mean 'mulhu'"):
        remove("mullhu")


def test_declaring_twice_says_how_to_declare_again() -> None:
    """A notebook cell that runs again is told how to take its instruction away first."""
    instruction("avg", FREE)(average)
    with pytest.raises(InstructionError, match=r"remove\('avg'\)"):
        instruction("avg", FREE)(average)
