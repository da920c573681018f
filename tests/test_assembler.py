"""The assembler, held against LLVM's, and its errors."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from llvm_assembler import llvm_code, needs_llvm

from vlab.engines.python import PythonEngine
from vlab.isa.assembler import Assembly, assemble
from vlab.isa.decode import decode
from vlab.isa.disassembler import disassemble
from vlab.isa.expressions import AssemblyError
from vlab.isa.names import CSRS, REGISTERS
from vlab.isa.pseudo import ALIASES, EXPANSIONS
from vlab.isa.table import INSTRUCTIONS
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


def against_llvm(source: str, directory: Path) -> None:
    """Compare the bytes, and name the first line that differs."""
    mine, other = assemble(source, ORIGIN), llvm_code(source, ORIGIN, directory)
    for at in sorted(mine.lines):
        here = mine.read(at, 2)
        theirs = other[at - ORIGIN : at - ORIGIN + 2]
        assert here == theirs, f"{at:#x}: {mine.lines[at]!r}: {words(mine)}"
    assert mine.code == other


# ---- Against LLVM ----------------------------------------------------------------

PSEUDO = """
start:  nop
        li a0, 0 ; li a1, -1 ; li a2, 2047 ; li a3, -2048 ; li a4, 0x800000 ; li a5, 0x12345000
        li t0, -2147483648 ; li t1, 0x7fffffff ; li t2, 0x1000 ; li s0, 'a' ; li s1, ~5
        mv a0, a1 ; move a1, a2 ; not a0, a1 ; neg a0, a1 ; negw a2, a3
        sext.w a0, a1 ; zext.b a0, a1 ; sext.b a0, a1 ; sext.h a2, a3 ; zext.h a4, a5
        zext.w a6, a7 ; seqz a0, a1 ; snez a0, a1 ; sltz a0, a1 ; sgtz a0, a1
        sgt a0, a1, a2 ; sgtu a3, a4, a5
1:      beqz a0, 1b ; bnez a0, 1b ; blez a0, 1f ; bgez a0, 1b ; bltz a0, 1f ; bgtz a0, 1b
        bgt a0, a1, 1b ; ble a0, a1, 1f ; bgtu a0, a1, 1b ; bleu a0, a1, start
1:      j start ; jal start ; jal t0, 1b ; jr a0 ; jr 8(a0) ; jalr a0 ; jalr 16(a0)
        jalr t0, a1 ; jalr t0, a1, -4 ; jalr t0, 4(a1) ; ret
        rdcycle a0 ; rdtime a1 ; rdinstret a2 ; unimp
        csrr a0, mstatus ; csrw satp, zero ; csrs sie, a1 ; csrc mip, a2
        csrwi mstatus, 8 ; csrsi sstatus, 2 ; csrci sie, 31
        csrw stvec, 4 ; csrs sip, 2 ; csrc sip, 1 ; csrrw a0, sscratch, 7
        csrrs a0, mie, 9 ; csrrc a0, mie, 9 ; csrr a0, 0x7c0 ; csrr a1, pmpaddr3
        fence ; fence.tso ; pause ; fence rw, w ; fence i, o ; fence iorw, r ; fence.i
        sfence.vma ; sfence.vma a0 ; sfence.vma a0, a1 ; sfence.vma zero, a1
        add a0, a1, 5 ; addw a0, a1, -5 ; and a0, a1, 15 ; or a0, a1, 1 ; xor a0, a1, 3
        sll a0, a1, 60 ; srl a0, a1, 61 ; sra a0, a1, 62 ; slt a0, a1, 4 ; sltu a0, a1, 4
        sllw a0, a1, 30 ; srlw a0, a1, 31 ; sraw a0, a1, 1
        la a0, message ; lla a1, start ; la a2, table
        call start ; call t0, there ; tail there ; jump there, t2
        lb a0, message ; lbu a1, message ; lh a2, table ; lhu a3, table ; lw a4, table
        lwu a5, table ; ld a6, table ; sb a0, message, t0 ; sh a1, table, t0
        sw a2, table, t1 ; sd a3, table, t2
        lr.w a0, (a1) ; lr.d.aq a0, (a1) ; sc.w.rl a0, a2, (a1) ; sc.d.aqrl a0, a2, 0(a1)
        amoswap.w.aq a0, a1, (a2) ; amomaxu.d.aqrl a0, a1, (a2)
there:  auipc a0, %pcrel_hi(table)
        ld a1, %pcrel_lo(there)(a0)
        addi a0, a0, %pcrel_lo(there)
        lui a2, %hi(constant) ; addi a2, a2, %lo(constant) ; lw a3, %lo(constant)(a2)
        lw a0, (a1) ; sd x31, -8(fp) ; beq x1, x2, . + 8 ; jal x0, . - 4
        ecall ; ebreak ; wfi ; sret ; mret
"""

DIRECTIVES = r"""
        .globl start
        .equ constant, 0x12345fff
        .set size, end - message
        .set one, 1
start:  li a0, size             # a comment; with more
        addi a0, a0, one        // a comment
        .set one, 2
        addi /* a comment
                of two lines */ a0, a0, one
        .align 4
        ret
        .p2align 3
        addi a1, a1, (1 + 2 << 3) | 1
        .balign 8, 0xff
        .section .rodata
names:  .asciz "a\tb\\\"\n", "z"
        .string "# no /* comment */ ; // here"
        .ascii "tail é"
        .byte ',', '"', '\n', -128, 255
        .data
        .balign 4
message: .half 1, -1, 0xffff, 0b101
        .word message - start, 0x80000000, -2147483648, 017
        .align 3
table:  .dword start, names, table + 8, end - 1, 0xffffffffffffffff
        .quad -1, ., 1f - .
1:      .space 5 ; .zero 3 ; .skip 2, 7
        .2byte 2 ; .4byte 4 ; .8byte 8 ; .short 1 ; .long 2
end:
        .section .other, "aw"
        .word end - table
        .text
last:   call start
        .option norelax
"""


@needs_llvm
def test_pseudo_instructions_are_llvm_s(tmp_path: Path) -> None:
    """Every pseudo-instruction gives LLVM's bytes, wherever its symbols are."""
    used = set(re.findall(r"(?:^|;|:)\s*([a-z][a-z.]*)", PSEUDO, re.MULTILINE))
    assert {a.name for a in ALIASES} | {name for name, _ in EXPANSIONS} <= used
    data = '\n.equ constant, 0x12345fff\n.data\nmessage: .asciz "m"\n.align 3\ntable: .dword 1\n'
    against_llvm(PSEUDO + data, tmp_path)


@needs_llvm
def test_directives_are_llvm_s(tmp_path: Path) -> None:
    """Directives, comments, strings, constants and sections give LLVM's bytes."""
    against_llvm(DIRECTIVES + "", tmp_path)


@needs_llvm
def test_every_instruction_is_llvm_s(tmp_path: Path) -> None:
    """Ten random instances of every row, and of every compressed form, give LLVM's bytes."""
    source, lines = random.Random(2), []
    for row in INSTRUCTIONS:
        reserved = {"fence": 0xF00F_8F80, "fence.i": 0xFFFF_8F80}.get(row.name, 0)
        for _ in range(10):
            bits = row.match | source.getrandbits(32) & ~(row.mask | reserved)
            if row.name == "fence" and not (bits >> 20 & 15 and bits >> 24 & 15):
                continue
            lines.append(relative(bits))
    lines.append(".option rvc")
    codes = [b for b in range(65536) if b & 3 != 3 and (d := decode(b)) and (d.rd or d.imm)]
    lines += [relative(bits) for bits in source.sample(codes, 4000) if not hint(bits)]
    against_llvm("\n".join(lines), tmp_path)


def relative(bits: int) -> str:
    """Return an instruction with its target relative to it: to LLVM a number is a distance."""
    text, decoded = disassemble(bits, 0, aliases=False), decode(bits)
    assert decoded is not None
    if decoded.row.kind in ("branch", "jal"):
        imm = (decoded.imm ^ 1 << 63) - (1 << 63)
        text = f"{text.rpartition(' ')[0]} . + {imm}"
    return text


def hint(bits: int) -> bool:
    """Return whether LLVM refuses a compressed instruction as a HINT."""
    decoded = decode(bits)
    assert decoded is not None
    if decoded.row.kind not in ("op", "load"):
        return False
    nothing = decoded.imm == 0 and decoded.row.name in ("addi", "slli", "srli", "srai")
    return decoded.rd == 0 or nothing


@needs_llvm
def test_expressions_are_llvm_s(tmp_path: Path) -> None:
    """Random expressions have the values that LLVM gives them: precedence, signs, wrapping."""
    source, lines, refused = random.Random(3), [], set()
    atoms = ("1", "7", "0xff", "0b101", "012", "'A'", "x", "y", "0x7fffffffffffffff", "100")
    while len(lines) < 400:
        parts = [source.choice(atoms)]
        for _ in range(source.randrange(1, 6)):
            operator = source.choice(["+", "-", "*", "/", "<<", ">>", "&", "|", "^", "%"])
            right = source.choice(atoms if operator not in ("<<", ">>") else ("1", "7", "31"))
            if source.random() < 0.3:
                right = f"({right} {source.choice('+-&|^')} {source.choice(atoms)})"
                right = right if operator not in ("<<", ">>") else "(3)"
            parts += [
                operator,
                source.choice(["", "", "-", "~"]) * (operator not in ("<<", ">>")) + right,
            ]
        line = ".dword " + " ".join(parts)
        try:
            assemble(".equ x, 3; .equ y, -5\n" + line)
        except AssemblyError as error:
            refused.add(str(error).split(": ")[-1][:16])
            continue
        lines.append(line)
    assert refused == {"division by zero"}
    against_llvm(".equ x, 3; .equ y, -5\n" + "\n".join(lines), tmp_path)


# ---- By its own rules ------------------------------------------------------------


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
