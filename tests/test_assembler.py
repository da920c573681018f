"""The assembler: constants, names, labels, sections, limits."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vlab.engines.python import PythonEngine
from vlab.isa.assembler import Assembly, assemble
from vlab.isa.disassembler import disassemble
from vlab.isa.expressions import AssemblyError
from vlab.isa.names import CSRS, REGISTERS
from vlab.memory import PhysicalMemory
from vlab.state import Hart

ORIGIN = 0x8000_0000


def words(assembly: Assembly) -> list[str]:
    """Return the instructions, disassembled."""
    found, at = [], assembly.origin
    while at < assembly.origin + len(assembly.code):
        bits = int.from_bytes(assembly.read(at, 4), "little")
        found.append(disassemble(bits, at, aliases=False))
        at += 4 if bits & 3 == 3 else 2
    return found


@settings(max_examples=300, deadline=None)
@given(st.integers(-(2**63), 2**64 - 1) | st.integers(0, 63).map(lambda n: 1 << n))
@example(0x7FFFFFFF)
@example(0x80000000)
@example(0xFFFFFFFF)
@example(2**63)
@example(2**63 - 1)
@example(0xFFFFFFFF80000000)
@example(0x7FFFFFFFFFFFF800)
def test_li_loads_any_constant(value: int) -> None:
    """The instructions of li leave the constant, at most eight of them."""
    code = assemble(f"li a0, {value:#x}").code
    memory = PhysicalMemory(ORIGIN, 4096)
    memory.write(ORIGIN, code)
    hart = Hart(memory)
    hart.pc, hart.priv = ORIGIN, 3
    engine = PythonEngine()
    engine.attach(hart)
    engine.run(hart, len(code) // 4)
    assert hart.x[10] == value % 2**64
    assert len(code) <= 32


def test_registers_have_all_their_names() -> None:
    """x0 to x31, the ABI names and fp mean the registers of the ABI."""
    assert len(REGISTERS) == 65
    names = (
        "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11"
    )
    for number, name in enumerate([*names.split(), "t3", "t4", "t5", "t6"]):
        assert (
            assemble(f"add {name}, x{number}, {name}").code
            == assemble(f"add x{number}, {name}, x{number}").code
        )
        assert REGISTERS[name] == number
    assert REGISTERS["fp"] == 8


def test_csrs_have_their_names_and_numbers() -> None:
    """A CSR can be written by name, as a number and as an expression."""
    assert CSRS["pmpaddr63"] == 0x3EF
    assert CSRS["pmpcfg14"] == 0x3AE
    assert CSRS["hpmcounter31"] == 0xC1F
    assert CSRS["mhpmevent3"] == 0x323
    for name, number in CSRS.items():
        assert assemble(f"csrr a0, {name}").code == assemble(f"csrr a0, {number:#x}").code
    assert assemble("csrr a0, 0x3b0 + 2").code == assemble("csrr a0, pmpaddr2").code


def test_labels_and_lines() -> None:
    """Labels have addresses; each instruction knows its line, also those of a pseudo."""
    result = assemble("# first\nstart: la a0, end\n nop; c.nop\nend:\n", 0x1000)
    assert result.labels == {"start": 0x1000, "end": 0x100E}
    assert result.line_numbers == {0x1000: 2, 0x1004: 2, 0x1008: 3, 0x100C: 3}
    assert result.lines[0x1004] == "start: la a0, end"
    assert (result.origin, len(result.code)) == (0x1000, 14)


def test_symbols_from_outside() -> None:
    """Names of the caller are constants; the source's own come first."""
    code = assemble("li a0, uart\nli a1, mine\n.equ mine, 2", symbols={"uart": 0x10000000}).code
    assert code == assemble("lui a0, 0x10000; li a1, 2").code
    assert assemble("uart: nop; li a0, uart - .", symbols={"uart": 5}).labels == {"uart": ORIGIN}


def test_li_of_a_label_settles() -> None:
    """li takes labels, before and after it, although its own length moves them."""
    result = assemble("a: li a0, a\nli a1, b\nli a2, b - a\nb: nop")
    source = f"li a0, {ORIGIN:#x}; li a1, {result.labels['b']:#x}"
    assert result.code.startswith(assemble(source).code)
    assert len(result.code) == result.labels["b"] - ORIGIN + 4


def test_org_takes_an_address() -> None:
    """.org fills with zeros up to an address."""
    result = assemble("nop\n.org 0x80000010\nx: nop")
    assert result.labels == {"x": 0x80000010}
    assert result.code == b"\x13\0\0\0" + bytes(12) + b"\x13\0\0\0"


def test_numeric_labels_are_the_nearest() -> None:
    """1b is the last 1 before, 1f the first after; digits of a number are no label."""
    source = "1: j 1f\n1: j 1b\nj 1f\n1: li a0, 0x1f\nli a0, 0b1\n1: j 1b\n"
    expected = ["jal zero, 0x80000004", "jal zero, 0x80000004", "jal zero, 0x8000000c",
                "addi a0, zero, 31", "addi a0, zero, 1", "jal zero, 0x80000014"]  # fmt: skip
    assert words(assemble(source)) == expected


def test_code_comes_first() -> None:
    """Whatever the order in the source, code stands at the origin, then constants, then data."""
    result = assemble(".data\nd: .byte 1\n.rodata\nr: .byte 2\n.text\nt: nop")
    assert [result.labels[name] - ORIGIN for name in "trd"] == [0, 16, 32]


def test_nothing_is_compressed_by_itself() -> None:
    """Only c. mnemonics are two bytes long."""
    assert len(assemble("addi a0, a0, 1").code) == 4
    assert len(assemble("c.addi a0, 1").code) == 2


def test_padding_in_code_can_be_executed() -> None:
    """Alignment in code inserts c.nop and nop, so that running through it does no harm."""
    result = assemble("c.nop\n.balign 16\nret")
    assert words(result) == ["c.nop", "c.nop", *["addi zero, zero, 0"] * 3, "jalr zero, 0(ra)"]


IMMEDIATES = {
    "addi a0, a0, {}": (-2048, 2047, 1), "lw a0, {}(a1)": (-2048, 2047, 1),
    "sw a0, {}(a1)": (-2048, 2047, 1), "slli a0, a0, {}": (0, 63, 1),
    "sraiw a0, a0, {}": (0, 31, 1), "lui a0, {}": (0, 0xFFFFF, 1), "csrwi sie, {}": (0, 31, 1),
    "csrr a0, {}": (0, 4095, 1), "bne a0, a1, . + {}": (-4096, 4094, 2),
    "jal . + {}": (-(1 << 20), (1 << 20) - 2, 2), "c.addi a0, {}": (-32, 31, 1),
    "c.lw a0, {}(a1)": (0, 124, 4), "c.sd a0, {}(a1)": (0, 248, 8), "c.j . + {}": (-2048, 2046, 2),
    "c.addi16sp sp, {}": (-512, 496, 16), "c.addi4spn a0, sp, {}": (4, 1020, 4),
    "c.sdsp ra, {}(sp)": (0, 504, 8), "c.beqz a0, . + {}": (-256, 254, 2),
    "c.slli a0, {}": (0, 63, 1), ".byte {}": (-128, 255, 1), ".half {}": (-32768, 65535, 1),
}  # fmt: skip


@pytest.mark.parametrize("pattern", IMMEDIATES)
def test_immediates_reach_their_limits_and_no_further(pattern: str) -> None:
    """The least and the greatest immediate are encoded; one step further is refused."""
    least, most, step = IMMEDIATES[pattern]
    for value in (least, most):
        text = pattern.format(value)
        back = words(assemble(text))[0]
        assert text.startswith(".") or assemble(back).code == assemble(text).code
    codes = {assemble(pattern.format(value)).code for value in (least, most, least + step)}
    assert len(codes) == 3
    for value in (least - step, most + step):
        with pytest.raises(AssemblyError, match=r"range|away|fit|not be 0"):
            assemble(pattern.format(value))
