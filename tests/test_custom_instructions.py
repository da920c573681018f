"""Instructions of one's own run on every engine, the same, and cannot harm the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vlab
from vlab.engines.bounding import ROUNDS, bounded
from vlab.engines.code_cache import peek64
from vlab.engines.interpreter import Interpreter
from vlab.engines.python import PythonEngine
from vlab.engines.tiered import Translator
from vlab.exits import ExitReason
from vlab.hardware import HardwareOptions, reset
from vlab.isa.assembler import assemble
from vlab.isa.bits import MASK64, quotient, sext, signed, uremainder
from vlab.isa.disassembler import disassemble
from vlab.isa.table import INSTRUCTIONS, STANDARD, InstructionError, remove
from vlab.memory import PhysicalMemory
from vlab.state import Hart

BASE = 0x8000_0000
WORD = st.one_of(st.integers(0, MASK64), st.sampled_from([0, 1, 63, 64, 1 << 63, MASK64]))
ENGINES = (PythonEngine, Interpreter, Translator)
LOWEST = -3


@pytest.fixture(autouse=True)
def _standard_table() -> Iterator[None]:
    """Each test leaves the table as it was."""
    yield
    for row in INSTRUCTIONS[len(STANDARD) :]:
        remove(row.name)


def execute(bits: int, *registers: int) -> list[int]:
    """Return x10 after one instruction on each engine, with x11, x12, … as given."""
    results = []
    for make in ENGINES:
        memory = PhysicalMemory(BASE, 1 << 16)
        memory.write(BASE, bits.to_bytes(4, "little"))
        engine, hart = make(), Hart(memory)
        engine.attach(hart)
        reset(hart, HardwareOptions())
        hart.pc = BASE
        for number, value in enumerate(registers):
            hart.x[11 + number] = value
        assert engine.run(hart, 1) == ExitReason.BUDGET
        results.append(hart.x[10])
    return results


def helper(value: int) -> int:
    return value * 3 - 7


def odd(rs1, rs2):
    if signed(rs1) < LOWEST and not rs2 == 5:  # noqa: SIM201
        total = helper(rs1) - quotient(rs1, rs2)
    else:
        total += rs1 << rs2
    n = 0
    while n < (rs2 & 7) or n == 0:
        total = ~total ^ (signed(rs2) >> n) + sext(rs1, 20)
        n += 1
    return total + (rs1 < rs2) + uremainder(rs2, rs1) - (signed(total) >> 3)


@settings(max_examples=60, deadline=None)
@given(WORD, WORD)
def test_all_engines_give_the_same_result(a: int, b: int) -> None:
    """Machine code and Python agree on a meaning that uses the whole subset."""
    if "odd" not in {row.name for row in INSTRUCTIONS}:
        vlab.instruction("odd", "0000000 rs2 rs1 000 rd 0001011")(odd)
    bits = 12 << 20 | 11 << 15 | 10 << 7 | 0x0B
    results = execute(bits, a, b)
    assert len(set(results)) == 1
    assert results[0] == bounded("odd", odd)(a, b)


def test_assembler_and_disassembler_know_it() -> None:
    """The new mnemonic can be written and is read back."""

    @vlab.instruction("nor", "0000000 rs2 rs1 000 rd 0001011")
    def nor(rs1, rs2):
        return ~(rs1 | rs2)

    code = assemble("nor a0, a1, a2").code
    assert execute(int.from_bytes(code, "little"), 0b1100, 0b1010) == [MASK64 ^ 0b1110] * 3
    assert disassemble(int.from_bytes(code, "little")) == "nor a0, a1, a2"


def test_declaring_again_replaces() -> None:
    """A cell that is run again, changed, is what new machines execute."""
    pattern, bits = "0000000 rs2 rs1 000 rd 0001011", 12 << 20 | 11 << 15 | 10 << 7 | 0x0B
    for factor in (2, 3):
        vlab.instruction("times", pattern)(lambda_times(factor))
        assert execute(bits, 7, 0) == [7 * factor] * 3


def lambda_times(factor: int):
    def times(rs1):
        return rs1 * factor

    return times


def test_without_a_declaration_it_is_illegal() -> None:
    """Removing an instruction makes its encoding illegal again."""
    vlab.instruction("nop9", "0000000 rs2 rs1 000 rd 0001011")(helper_meaning)
    remove("nop9")
    memory = PhysicalMemory(BASE, 1 << 16)
    memory.write(BASE, (10 << 7 | 0x0B).to_bytes(4, "little"))
    engine, hart = Translator(), Hart(memory)
    engine.attach(hart)
    reset(hart, HardwareOptions())
    hart.pc = BASE
    engine.run(hart, 1)
    assert hart.mcause == 2


def helper_meaning(rs1):
    return rs1


def test_a_loop_that_never_ends_gives_zero() -> None:
    """A meaning cannot hang the process: its loops are bounded."""

    @vlab.instruction("spin", "0000000 rs2 rs1 000 rd 0001011")
    def spin(rs1):
        while 1 == 1:
            rs1 += 1
        return rs1

    assert execute(11 << 15 | 10 << 7 | 0x0B, 5) == [0] * 3
    assert ROUNDS < 1 << 20


def recursive(rs1):
    return recursive(rs1 - 1)


def peeks(rs1):
    return peek64(rs1)


def opens(rs1):
    return open("/etc/passwd")


def sees(rs1):
    return hart.x[3]  # noqa: F821


def iterates(rs1):
    for _ in range(3):
        rs1 = rs1 + 1
    return rs1


def unknown_operand(rs3):
    return rs3


def defaults(rs1, rs2=3):
    return rs1 + rs2


@pytest.mark.parametrize(
    ("meaning", "reason"),
    [
        (recursive, "calls itself"),
        (peeks, "calls peek64"),
        (opens, "calls open"),
        (sees, "cannot see the hart"),
        (iterates, "calls range"),
        (unknown_operand, "no operand 'rs3'"),
        (defaults, "without defaults"),
        (len, "must be a function"),
    ],
)
def test_what_cannot_be_machine_code_is_refused(meaning, reason: str) -> None:
    """Memory, files, recursion and unknown operands are refused in one line that says why."""
    with pytest.raises(InstructionError, match=reason) as refusal:
        vlab.instruction("bad", "0000000 rs2 rs1 000 rd 0001011")(meaning)
    assert str(refusal.value).startswith("bad: ")
    assert "\n" not in str(refusal.value)
    assert len(INSTRUCTIONS) == len(STANDARD)


@pytest.mark.parametrize(
    ("pattern", "kind", "width", "reason"),
    [
        ("0000000 rs2 rs1 000 rd 0110011", "op", 0, "overlaps that of add"),
        ("0000000 rs2 rs1 000 rd 000101", "op", 0, "31 bits"),
        ("0000000 rs2 rs1 000 rd 0001011", "csr", 0, "kind 'csr'"),
        ("0000000 rs2 rs1 000 rd 0001011", "op", 4, "width 4"),
        ("0000000 rs2 rs1 000 rd 0001011", "amo", 3, "width 3"),
        ("imm[11:0] rs1 001 rd 0001011", "load", 8, "kind 'load'"),
    ],
)
def test_a_bad_declaration_is_refused(pattern: str, kind: str, width: int, reason: str) -> None:
    """An encoding that is taken or malformed is refused."""
    with pytest.raises(InstructionError, match=reason):
        vlab.instruction("bad", pattern, kind, width)(helper_meaning)
    assert len(INSTRUCTIONS) == len(STANDARD)


def test_branches_and_atomics_of_ones_own() -> None:
    """A branch and an atomic of one's own work on every engine."""

    @vlab.instruction("beven", "imm[12|10:5] rs2 rs1 100 imm[4:1|11] 0001011", "branch")
    def beven(rs1):
        return rs1 & 1 == 0

    @vlab.instruction("amonand", "0000000 rs2 rs1 010 rd 0101011", "amo", 8)
    def amonand(old, rs2):
        return ~(old & rs2)

    program = assemble(
        """
        auipc a1, 0
        li a2, 0x1234
        sd a2, 256(a1)
        li a0, 1
        beven a2, zero, over
        li a0, 0
    over:
        addi a3, a1, 256
        li a4, 0xff
        amonand a5, a4, (a3)
        ld a6, 256(a1)
        """
    ).code
    for make in ENGINES:
        memory = PhysicalMemory(BASE, 1 << 16)
        memory.write(BASE, program)
        engine, hart = make(), Hart(memory)
        engine.attach(hart)
        reset(hart, HardwareOptions())
        hart.pc = BASE
        while hart.pc < BASE + len(program):
            engine.run(hart, 1)
        assert hart.x[10] == 1
        assert (hart.x[15], hart.x[16]) == (0x1234, MASK64 ^ 0x34)
