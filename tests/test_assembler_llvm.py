"""The assembler, held against LLVM's: byte for byte."""

from __future__ import annotations

import random
import re
from pathlib import Path

from llvm_assembler import llvm_code, needs_llvm

from vlab.isa.assembler import assemble
from vlab.isa.decode import decode
from vlab.isa.disassembler import disassemble
from vlab.isa.expressions import AssemblyError
from vlab.isa.pseudo import ALIASES, EXPANSIONS
from vlab.isa.table import INSTRUCTIONS

ORIGIN = 0x8000_0000


def against_llvm(source: str, directory: Path) -> None:
    """Compare the bytes, and name the first line that differs."""
    mine, other = assemble(source, ORIGIN), llvm_code(source, ORIGIN, directory)
    for at in sorted(mine.lines):
        here = mine.read(at, 2)
        theirs = other[at - ORIGIN : at - ORIGIN + 2]
        assert here == theirs, f"{at:#x}: {mine.lines[at]!r}"
    assert mine.code == other


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
