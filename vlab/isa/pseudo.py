"""Pseudo-instructions (RISC-V assembly programmer's manual, "pseudoinstructions").

Most are another spelling of one instruction: an `Alias`, which the assembler reads one way and
the disassembler the other. Those that take several instructions are functions of their
operands in `EXPANSIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vlab.isa.bits import sext, signed
from vlab.isa.fields import Csr

Real = tuple[str, tuple[str, ...]]
"""An instruction as it would be written: mnemonic and operands."""


class Alias(NamedTuple):
    """Another way to write an instruction, with the fields that it leaves unsaid."""

    name: str
    operands: tuple[str, ...]
    base: str
    fixed: dict[str, int]
    shown: bool = True


def _alias(text: str, base: str, shown: bool = True, **fixed: int) -> Alias:
    name, *operands = text.split()
    return Alias(name, tuple(operands), base, fixed, shown)


def _immediate_forms() -> list[Alias]:
    """Return ``add rd, rs1, 5`` for ``addi``, and so on: assemblers take them."""
    names = ("add", "slt", "and", "or", "xor", "sll", "srl", "sra")
    words = ("addw", "sllw", "srlw", "sraw")
    pairs = [(name, name + "i") for name in names] + [("sltu", "sltiu")]
    pairs += [(name, name[:-1] + "iw") for name in words]
    return [_alias(f"{name} rd rs1 imm", base, shown=False) for name, base in pairs]


ALIASES = (
    _alias("nop", "addi", rd=0, rs1=0, imm=0),
    _alias("li rd imm", "addi", rs1=0),
    _alias("mv rd rs1", "addi", imm=0),
    _alias("move rd rs1", "addi", shown=False, imm=0),
    _alias("not rd rs1", "xori", imm=-1),
    _alias("neg rd rs2", "sub", rs1=0),
    _alias("negw rd rs2", "subw", rs1=0),
    _alias("sext.w rd rs1", "addiw", imm=0),
    _alias("zext.b rd rs1", "andi", imm=255),
    _alias("seqz rd rs1", "sltiu", imm=1),
    _alias("snez rd rs2", "sltu", rs1=0),
    _alias("sltz rd rs1", "slt", rs2=0),
    _alias("sgtz rd rs2", "slt", rs1=0),
    _alias("sgt rd rs2 rs1", "slt", shown=False),
    _alias("sgtu rd rs2 rs1", "sltu", shown=False),
    _alias("beqz rs1 target", "beq", rs2=0),
    _alias("bnez rs1 target", "bne", rs2=0),
    _alias("blez rs2 target", "bge", rs1=0),
    _alias("bgez rs1 target", "bge", rs2=0),
    _alias("bltz rs1 target", "blt", rs2=0),
    _alias("bgtz rs2 target", "blt", rs1=0),
    _alias("bgt rs2 rs1 target", "blt", shown=False),
    _alias("ble rs2 rs1 target", "bge", shown=False),
    _alias("bgtu rs2 rs1 target", "bltu", shown=False),
    _alias("bleu rs2 rs1 target", "bgeu", shown=False),
    _alias("j target", "jal", rd=0),
    _alias("jal target", "jal", rd=1),
    _alias("ret", "jalr", rd=0, rs1=1, imm=0),
    _alias("jr rs1", "jalr", rd=0, imm=0),
    _alias("jr memory", "jalr", rd=0),
    _alias("jalr rs1", "jalr", rd=1, imm=0),
    _alias("jalr memory", "jalr", rd=1),
    _alias("jalr rd rs1", "jalr", shown=False, imm=0),
    _alias("jalr rd rs1 imm", "jalr", shown=False),
    _alias("rdcycle rd", "csrrs", rs1=0, imm=Csr.CYCLE),
    _alias("rdtime rd", "csrrs", rs1=0, imm=Csr.TIME),
    _alias("rdinstret rd", "csrrs", rs1=0, imm=Csr.INSTRET),
    _alias("unimp", "csrrw", rd=0, rs1=0, imm=Csr.CYCLE),
    _alias("csrr rd csr", "csrrs", rs1=0),
    _alias("csrw csr rs1", "csrrw", rd=0),
    _alias("csrs csr rs1", "csrrs", rd=0),
    _alias("csrc csr rs1", "csrrc", rd=0),
    _alias("csrwi csr uimm", "csrrwi", rd=0),
    _alias("csrsi csr uimm", "csrrsi", rd=0),
    _alias("csrci csr uimm", "csrrci", rd=0),
    _alias("csrw csr uimm", "csrrwi", shown=False, rd=0),
    _alias("csrs csr uimm", "csrrsi", shown=False, rd=0),
    _alias("csrc csr uimm", "csrrci", shown=False, rd=0),
    _alias("csrrw rd csr uimm", "csrrwi", shown=False),
    _alias("csrrs rd csr uimm", "csrrsi", shown=False),
    _alias("csrrc rd csr uimm", "csrrci", shown=False),
    _alias("fence", "fence", fm=0, pred=15, succ=15, rd=0, rs1=0),
    _alias("fence.tso", "fence", fm=8, pred=3, succ=3, rd=0, rs1=0),
    _alias("pause", "fence", fm=0, pred=1, succ=0, rd=0, rs1=0),
    _alias("sfence.vma", "sfence.vma", rs1=0, rs2=0),
    _alias("sfence.vma rs1", "sfence.vma", rs2=0),
    *_immediate_forms(),
)
"""Where two fit, the disassembler shows the earlier one."""


def load_constant(rd: str, value: int) -> list[Real]:
    """Return the instructions that load a 64-bit constant, at most eight.

    From the low end: twelve bits at a time go to an ``addi``, until ``lui`` and ``addiw`` can
    make what remains.
    """
    value = signed(value & (1 << 64) - 1)
    low = signed(sext(value, 12))
    if -(1 << 31) <= value < 1 << 31:
        high = value + 0x800 >> 12 & 0xFFFFF
        if high == 0:
            return [("addi", (rd, "zero", str(low)))]
        upper: list[Real] = [("lui", (rd, str(high)))]
        return [*upper, ("addiw", (rd, rd, str(low)))] if low else upper
    rest = signed(sext(value - low >> 12, 52))
    shift = (rest & -rest).bit_length() - 1
    steps = load_constant(rd, rest >> shift)
    steps.append(("slli", (rd, rd, str(shift + 12))))
    return [*steps, ("addi", (rd, rd, str(low)))] if low else steps


def _address(rd: str, symbol: str) -> list[Real]:
    return [
        ("auipc", (rd, f"%pcrel_hi({symbol})")),
        ("addi", (rd, rd, f"%before_lo({symbol})")),
    ]


def _jump(link: str, through: str, symbol: str) -> list[Real]:
    return [
        ("auipc", (through, f"%pcrel_hi({symbol})")),
        ("jalr", (link, f"%before_lo({symbol})({through})")),
    ]


def _shifts(back: str, count: int) -> Callable[..., list[Real]]:
    def extend(rd: str, rs: str) -> list[Real]:
        return [("slli", (rd, rs, str(count))), (back, (rd, rd, str(count)))]

    return extend


def _load(name: str) -> Callable[..., list[Real]]:
    def load(rd: str, symbol: str) -> list[Real]:
        return [
            ("auipc", (rd, f"%pcrel_hi({symbol})")),
            (name, (rd, f"%before_lo({symbol})({rd})")),
        ]

    return load


def _store(name: str) -> Callable[..., list[Real]]:
    def store(rs: str, symbol: str, scratch: str) -> list[Real]:
        return [
            ("auipc", (scratch, f"%pcrel_hi({symbol})")),
            (name, (rs, f"%before_lo({symbol})({scratch})")),
        ]

    return store


EXPANSIONS: dict[tuple[str, int], Callable[..., list[Real]]] = {
    ("la", 2): _address,
    ("lla", 2): _address,
    ("call", 1): lambda symbol: _jump("ra", "ra", symbol),
    ("call", 2): lambda link, symbol: _jump(link, link, symbol),
    ("tail", 1): lambda symbol: _jump("zero", "t1", symbol),
    ("jump", 2): lambda symbol, through: _jump("zero", through, symbol),
    ("sext.b", 2): _shifts("srai", 56),
    ("sext.h", 2): _shifts("srai", 48),
    ("zext.h", 2): _shifts("srli", 48),
    ("zext.w", 2): _shifts("srli", 32),
}
"""By name and number of operands; ``%before_lo`` belongs to the ``auipc`` right before."""

SYMBOL_ACCESS = {name: _load(name) for name in ("lb", "lh", "lw", "ld", "lbu", "lhu", "lwu")} | {
    name: _store(name) for name in ("sb", "sh", "sw", "sd")
}
"""Loads and stores whose memory operand is a symbol: ``lw rd, symbol``, ``sw rs, symbol, tmp``."""
