"""How a row is written in assembly language: which operands, in which order.

An operand is called by the field that it fills; ``upper`` is the immediate of ``lui`` as the
number in bits 31:12, ``target`` an address that the immediate is the distance to, ``memory``
``imm(rs1)`` and ``pointer`` ``(rs1)``.
"""

from __future__ import annotations

from functools import cache

from vlab.isa.names import ABI, CSR_NAMES, fence_set
from vlab.isa.rvc import Form
from vlab.isa.table import Instruction

Fields = dict[str, int]
"""Values of an instruction's fields; ``imm`` is the immediate of its format, signed."""

ORDERS = {".aqrl": (1, 1), ".aq": (1, 0), ".rl": (0, 1), "": (0, 0)}
"""Suffixes of atomic instructions, with the bits ``aq`` and ``rl``."""

_BY_KIND = {
    "load": ("rd", "memory"),
    "store": ("rs2", "memory"),
    "jalr": ("rd", "memory"),
    "jal": ("rd", "target"),
    "branch": ("rs1", "rs2", "target"),
    "lr": ("rd", "pointer"),
    "sc": ("rd", "rs2", "pointer"),
    "amo": ("rd", "rs2", "pointer"),
}


@cache
def operands(row: Instruction) -> tuple[str, ...]:
    """Return the operands of a 32-bit instruction, as they are written."""
    if row.name == "fence.i":  # its fields are reserved: software writes zeros
        return ()
    if row.kind == "fence":
        return ("pred", "succ")
    if row.kind in _BY_KIND:
        return _BY_KIND[row.kind]
    if row.format == "CSR":
        return ("rd", "csr", "uimm" if "uimm" in row.fields else "rs1")
    registers = tuple(name for name in ("rd", "rs1", "rs2") if name in row.fields)
    if row.format == "U":
        return (*registers, "upper")
    return registers if row.format == "NONE" else (*registers, "imm")


@cache
def compressed_operands(form: Form) -> tuple[str, ...]:
    """Return the operands of a compressed instruction, as they are written."""
    row = form.row
    if row.base in ("lw", "ld"):
        return ("rd", "memory")
    if row.base in ("sw", "sd"):
        return ("rs2", "memory")
    if row.base in ("jal", "beq", "bne"):
        return ("rs1", "target") if row.rs1 else ("target",)
    if row.base == "jalr":
        return ("rs1",)
    written = [] if row.rd == 0 else ["rd"]
    if row.rs1 not in (0, row.rd):
        written.append("rs1")
    if isinstance(row.rs2, str):
        written.append("rs2")
    if isinstance(row.imm, str):
        written.append("upper" if row.base == "lui" else "imm")
    return tuple(written)


def operand_text(kind: str, fields: Fields, pc: int) -> str:
    """Return an operand in assembly language."""
    if kind == "memory":
        return f"{fields['imm']}({ABI[fields['rs1']]})"
    if kind == "pointer":
        return f"({ABI[fields['rs1']]})"
    if kind == "target":
        return f"{pc + fields['imm'] & (1 << 64) - 1:#x}"
    if kind == "upper":
        return f"{fields['imm'] >> 12 & 0xFFFFF:#x}"
    if kind == "csr":
        return CSR_NAMES.get(fields["imm"], f"{fields['imm']:#x}")
    if kind in ("pred", "succ"):
        return fence_set(fields[kind])
    if kind in ("rd", "rs1", "rs2"):
        return ABI[fields[kind]]
    return str(fields[kind])
