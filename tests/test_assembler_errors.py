"""What the assembler refuses, and how it says so."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab.errors import VlabError
from vlab.isa.assembler import assemble
from vlab.isa.encoding import mnemonics
from vlab.isa.expressions import AssemblyError

ERRORS = {
    "addii a0, a0, 1": "unknown instruction 'addii': did you mean 'addi'?",
    "frobnicate": "unknown instruction 'frobnicate': this is RV64IMAC with Zicsr and Zifencei",
    "c.addii a0, 1": "did you mean 'c.addi'?",
    "nop ; increment a0": "(';' separates: comments begin with #)",
    "addi.aq a0, a0, 1": "unknown instruction 'addi.aq'",
    "/* two\nlines */ addi a0, a0": "line 3: 'lines */ addi a0, a0'",
    "nop /* two\nlines */ ; addi a0, a0": "line 3: 'lines */ ; addi a0, a0'",
    "nop /* two\nlines */\nfoo": "line 4: 'foo'",
    "addi a0, /* two\nlines */ a0": "addi with 2 operands",
    ".byte 1\nnop": "no instruction can be at 0x80000001: put .balign 2 before it",
    "addi a0, a0": "addi with 2 operands: write addi rd, rs1, immediate",
    "jalr": "write jalr rd, offset(rs1) or jalr rs1 or",
    "ret a0": "ret with 1 operands: write ret",
    "addi a0, a9, 1": "unknown register 'a9': write zero, ra, sp, a0 or x0 to x31",
    "add a0, zreo, a1": "unknown register 'zreo': did you mean 'zero'?",
    "addi a0, a0, 2048": "immediate 2048 is out of range: addi takes -2048 to 2047",
    "lw a0, -2049(a1)": "immediate -2049 is out of range: lw takes -2048 to 2047",
    "slli a0, a0, 64": "slli takes 0 to 63",
    "slliw a0, a0, 32": "slliw takes 0 to 31",
    "lui a0, 0x100000": "lui takes 0 to 1048575",
    "lui a0, -1": "lui takes 0 to 1048575",
    "csrwi sie, 32": "immediate 32 is out of range: from 0 to 31",
    "csrr a0, mstatsu": "unknown CSR 'mstatsu': did you mean 'mstatus'?",
    "csrr a0, 0x1000": "csrr takes 0 to 4095",
    "beq a0, a1, . + 4096": "the target is +4096 bytes away: beq reaches -4096 to +4094; use a",
    "beqz a0, 8": "bytes away: beqz reaches",
    "j . + 0x100000": "the target is +1048576 bytes away: j reaches -1048576 to +1048574; use",
    "j . + 1": "the target is +1 bytes away: it must be a multiple of 2",
    "j nowhere": "unknown symbol 'nowhere': define it with a label or .equ",
    "lop: j loop": "unknown symbol 'loop': did you mean 'lop'?",
    "j 1f": "there is no label '1' after this line",
    "1: j 1f": "there is no label '1' after this line",
    "call a, b, c": "call with 3 operands: it takes 1 or 2",
    "lw a0, 4[a1]": "is no number, symbol or operator",
    "lw a0, a1": "'a1' is a register",
    "amoadd.w a0, a1, 4(a2)": "this instruction has no offset, write (a2)",
    "amoadd.w a0, a1, a2": "'a2' is no memory operand: write (rs1)",
    "addi a0, a0, a1": "'a1' is a register: a number is needed here",
    "fence q, w": "'q' is no fence operand",
    "c.lw a7, 0(a0)": "c.lw: rd must be one of s0, s1, a0 to a5",
    "c.lw a0, 2(a0)": "c.lw: immediate 2 is out of range: 0 to 124 in steps of 4",
    "c.addi a0, 32": "c.addi: immediate 32 is out of range: -32 to 31",
    "c.lwsp a0, 0(a1)": "c.lwsp: rs1 must be sp",
    "c.lui a0, 32": "c.lui: immediate 131072 is out of range: 1 to 31, or 0xfffe0 to 0xfffff",
    "c.lui sp, 1": "c.lui: the immediate must not be 0, rd not sp",
    "c.mv a0, x0": "c.mv: rs2 must not be 0",
    "c.j . + 2048": "c.j: immediate 2048 is out of range: -2048 to 2046 in steps of 2",
    "li a0, 1 +": "'1 +': expected a value, the expression ends",
    "li a0, (1": "a closing parenthesis is missing",
    "li a0, 1 2": "'2' is too much in '1 2'",
    "li a0, 1 / 0": "division by zero in '1 / 0'",
    "li a0, 1 << -1": "shift by -1: the count must be 0 or more",
    "li a0, 0x10000000000000000": "does not fit in 64 bits",
    "li a0, 09": "'09' is no octal number",
    "li a0, %high(3)": "unknown function 'high': did you mean 'hi'?",
    "lui a0, %hi(x)\nx:": "no signed 32-bit number: use la or li",
    "addi a0, a0, %pcrel_lo(x)\nx:": "%pcrel_lo takes the label of an auipc with %pcrel_hi",
    "la a0, 0x4000000000": "auipc reaches ±2 GiB",
    "x: nop\nx: nop": "label 'x' exists already, in line 2",
    ".equ x, 1\nx: nop": "label 'x' is the name of a constant already",
    "x: nop\n.equ x, 1": "constant 'x' is the name of a label already",
    ".equ a0, 1": "'a0' cannot be the name of a constant",
    ".equ x": "write .equ name, value",
    ".wrod 1": "unknown directive '.wrod': did you mean '.word'?",
    ".byte 256": "256 does not fit .byte: from -128 to 255",
    ".word 0x100000000": "does not fit .word",
    ".asciz hello": "hello is no string: enclose it in double quotes",
    ".asciz": "a string in double quotes is missing",
    '.ascii "\\q"': "unknown escape \\q",
    ".align 17": "a power of two from 0 to 16",
    ".balign 3": "a power of two up to 65536",
    ".space -1": "from 0 to",
    ".space 1 << 40": "from 0 to",
    ".org 0": ".org takes an address at or after this one, 0x80000000",
    ".org": ".org takes an address",
    "x: .space 1 - (y - x)\ny:": "do not settle",
}


@pytest.mark.parametrize("source", ERRORS)
def test_errors_say_what_would_be_right(source: str) -> None:
    """An error is one line with the source line's number, its text, and what would be right."""
    with pytest.raises(AssemblyError) as error:
        assemble("\n" + source)
    message = str(error.value)
    assert ERRORS[source] in message
    assert "\n" not in message
    assert isinstance(error.value, VlabError)
    if "settle" not in message:
        where = re.match(r"line (\d+): '", message)
        assert where is not None, message
        line = int(where[1])
        assert ("\n" + source).split("\n")[line - 1].strip() in message.replace("\\\\", "\\")


def test_mnemonics_are_all_known() -> None:
    """Whatever is offered as a near miss can be assembled."""
    for name in mnemonics():
        with pytest.raises(AssemblyError) as error:
            assemble(f"{name} ?, ?, ?, ?, ?")
        assert "unknown instruction" not in str(error.value)


@settings(max_examples=500, deadline=None)
@given(st.text("adi jlw.scp:,()%\"'#/*;x019-+~\n\t" + "beqz", max_size=40))
def test_any_text_is_assembled_or_refused(text: str) -> None:
    """No source text brings anything but bytes or an AssemblyError."""
    try:
        result: object = assemble(text).code
    except AssemblyError as error:
        result = error
    assert "\n" not in str(result)
