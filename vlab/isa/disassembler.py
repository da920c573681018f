"""The disassembler: the table's rows, read from bits to text."""

from __future__ import annotations

from functools import cache
from typing import Protocol

from vlab.isa.bits import signed
from vlab.isa.decode import Decoded, decode
from vlab.isa.pseudo import ALIASES, Alias
from vlab.isa.rvc import Form, forms
from vlab.isa.syntax import ORDERS, Fields, compressed_operands, operand_text, operands
from vlab.isa.table import PLACES, WIDTHS, Instruction


class Readable(Protocol):
    """Anything that holds code: a memory, or what the assembler returns."""

    def read(self, address: int, count: int) -> bytes: ...


def disassemble(bits: int, pc: int = 0, aliases: bool = True) -> str:
    """Return an instruction in assembly language.

    Parameters
    ----------
    bits
        The instruction; of a compressed one (low bits not 11) the low 16 bits.
    pc
        Its address: targets of branches and jumps are shown as addresses.
    aliases
        Prefer pseudo-instructions: ``ret`` to ``jalr zero, 0(ra)``.

    Returns
    -------
    str
        Compressed instructions have their own mnemonics. What is no instruction is
        ``.word`` or ``.half``, and ``c.unimp`` is the all-zero one.
    """
    if bits & 3 != 3:
        return _compressed(bits & 0xFFFF, pc)
    decoded = decode(bits)
    if decoded is None:
        return f".word {bits:#010x}"
    row = decoded.row
    fields = fields_of(decoded, bits)
    if aliases:
        for alias in _aliases(row.name):
            if all(fields[name] == value for name, value in alias.fixed.items()):
                return _text(alias.name, alias.operands, fields, pc)
    return _text(row.name + _order(row, fields), operands(row), fields, pc)


def fields_of(decoded: Decoded, bits: int) -> Fields:
    """Return the values of the fields that a 32-bit instruction has."""
    row = decoded.row
    values = {
        name: bits >> PLACES[name] & (1 << WIDTHS[name]) - 1
        for name in row.fields
        if name in WIDTHS
    }
    values["imm"] = signed(decoded.imm)
    return values


def listing(memory: Readable, address: int, count: int = 10) -> str:
    """Return ``count`` instructions from an address on: address, encoding and text, a line each."""
    lines = []
    for _ in range(count):
        code = memory.read(address, 2)
        if code[0] & 3 == 3:
            code += memory.read(address + 2, 2)
        bits = int.from_bytes(code, "little")
        encoding = f"{bits:0{2 * len(code)}x}"
        lines.append(f"{address:x}:  {encoding:8}  {disassemble(bits, address)}")
        address += len(code)
    return "\n".join(lines)


@cache
def _aliases(base: str) -> tuple[Alias, ...]:
    return tuple(alias for alias in ALIASES if alias.base == base and alias.shown)


@cache
def _form(bits: int) -> Form | None:
    return next((form for form in forms() if form.matches(bits)), None)


def _compressed(bits: int, pc: int) -> str:
    form = _form(bits)
    if form is None:
        return f".half {bits:#06x}" if bits else "c.unimp"
    if bits == 1:
        return "c.nop"
    row = form.row
    fields = {
        name: form.operand(bits, source)
        for name, source in (("rd", row.rd), ("rs1", row.rs1), ("rs2", row.rs2), ("imm", row.imm))
    }
    return _text(row.name, compressed_operands(form), fields, pc)


def _order(row: Instruction, fields: Fields) -> str:
    if "aq" not in row.fields:
        return ""
    order = (fields["aq"], fields["rl"])
    return next(suffix for suffix, bits in ORDERS.items() if bits == order)


def _text(name: str, kinds: tuple[str, ...], fields: Fields, pc: int) -> str:
    return f"{name} {', '.join(operand_text(kind, fields, pc) for kind in kinds)}".rstrip()
