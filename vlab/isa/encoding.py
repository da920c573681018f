"""From an instruction's text to its bits: operands, their ranges, the row's pattern."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from vlab.isa.bits import signed
from vlab.isa.expressions import AssemblyError, Scope, evaluate, no_such
from vlab.isa.names import CSRS, ORDER, REGISTERS
from vlab.isa.pseudo import ALIASES, EXPANSIONS
from vlab.isa.rvc import Form, encode, forms
from vlab.isa.syntax import ORDERS, Fields, compressed_operands, operands
from vlab.isa.table import BY_NAME, PLACES, Instruction

RANGES = {
    "I": (-2048, 2047, 1),
    "S": (-2048, 2047, 1),
    "B": (-4096, 4094, 2),
    "J": (-(1 << 20), (1 << 20) - 2, 2),
    "SHAMT6": (0, 63, 1),
    "SHAMT5": (0, 31, 1),
    "CSR": (0, 4095, 1),
    "U": (0, 0xFFFFF, 1),
}
"""Least and greatest immediate of each format, and what it must be a multiple of."""

_MEMORY = re.compile(r"(.*)\(\s*([\w.$]+)\s*\)", re.DOTALL)
_REGISTER_KINDS = ("rd", "rs1", "rs2")
_WORDS = {"uimm": "immediate", "imm": "immediate", "upper": "immediate", "memory": "offset(rs1)",
          "pointer": "(rs1)"}  # fmt: skip


class Spelling(NamedTuple):
    """One way to write an instruction: its operands, and the fields that are not written."""

    operands: tuple[str, ...]
    row: Instruction
    fixed: Fields


@cache
def compressed(name: str) -> Form | None:
    """Return the compressed form of a name."""
    return next((form for form in forms() if form.row.name == name), None)


def spellings(name: str) -> list[Spelling]:
    """Return the ways in which a mnemonic of 32-bit instructions can be used."""
    found = []
    for suffix, (aq, rl) in ORDERS.items():
        row = BY_NAME.get(name.removesuffix(suffix))
        if row is not None and name.endswith(suffix) and (not suffix or "aq" in row.fields):
            fixed = {"aq": aq, "rl": rl} if "aq" in row.fields else {}
            found.append(Spelling(operands(row), row, fixed))
    found += [Spelling(a.operands, BY_NAME[a.base], a.fixed) for a in ALIASES if a.name == name]
    return found


def mnemonics() -> list[str]:
    """Return every mnemonic."""
    names = {*BY_NAME, *(a.name for a in ALIASES), *(name for name, _ in EXPANSIONS)}
    return sorted(names | {form.row.name for form in forms()} | {"c.nop", "c.unimp"})


def unknown_instruction(name: str) -> AssemblyError:
    """Return the error for a mnemonic that does not exist."""
    return no_such("instruction", name, mnemonics(), "this is RV64IMAC with Zicsr and Zifencei")


def encode_instruction(name: str, texts: list[str], pc: int, scope: Scope) -> tuple[int, int]:
    """Return the bits of a real instruction and its length in bytes.

    Raises
    ------
    AssemblyError
        If there is no such instruction, or an operand is not what it takes.
    """
    if name.startswith("c."):
        return _encode_compressed(name, texts, pc, scope), 2
    spelling = _choose(name, texts)
    row, fields = spelling.row, dict(spelling.fixed)
    for kind, text in zip(spelling.operands, texts, strict=True):
        fields |= operand_fields(kind, text, pc, scope)
    upper = row.format == "U"
    imm = fields.get("imm", 0)
    check_immediate(name, row.format, imm, "target" in spelling.operands)
    bits = encode(
        row, fields.get("rd", 0), fields.get("rs1", 0), fields.get("rs2", 0),
        imm << 12 if upper else imm,
    )  # fmt: skip
    for field in ("uimm", "aq", "rl", "fm", "pred", "succ"):
        if field in fields:
            bits |= fields[field] << PLACES[field]
    return bits, 4


def check_immediate(name: str, form: str, imm: int, distance: bool) -> None:
    """Refuse an immediate that does not fit its format."""
    if form not in RANGES:
        return
    least, most, step = RANGES[form]
    if distance and not least <= imm <= most:
        raise AssemblyError(
            f"the target is {imm:+} bytes away: {name} reaches {least} to {most:+}"
            + ("; use a branch around j" if form == "B" else "; use call or tail")
        )
    if not least <= imm <= most:
        raise AssemblyError(f"immediate {imm} is out of range: {name} takes {least} to {most}")
    if imm % step:
        raise AssemblyError(f"the target is {imm:+} bytes away: it must be a multiple of {step}")


def operand_fields(kind: str, text: str, pc: int, scope: Scope) -> Fields:
    """Return the fields that an operand's text fills."""
    if kind in _REGISTER_KINDS:
        return {kind: register(text)}
    if kind in ("memory", "pointer"):
        match = _MEMORY.fullmatch(text)
        if match is None:
            raise AssemblyError(f"{text!r} is no memory operand: write {_WORDS[kind]}")
        offset = evaluate(match[1], scope) if match[1].strip() else 0
        if kind == "memory":
            return {"imm": offset, "rs1": register(match[2])}
        if offset:
            raise AssemblyError(f"{text!r}: this instruction has no offset, write ({match[2]})")
        return {"rs1": register(match[2])}
    if kind == "csr":
        return {"imm": _csr(text, scope)}
    if kind in ("pred", "succ"):
        return {kind: _fence_bits(text)}
    if text in REGISTERS:
        raise AssemblyError(f"{text!r} is a register: a number is needed here")
    value = evaluate(text, scope)
    if kind == "target":
        return {"imm": signed(value - pc & (1 << 64) - 1)}
    if kind == "uimm" and not 0 <= value <= 31:
        raise AssemblyError(f"immediate {value} is out of range: from 0 to 31")
    return {"uimm" if kind == "uimm" else "imm": value}


def register(text: str) -> int:
    """Return the number of a register's name."""
    if text not in REGISTERS:
        raise no_such("register", text, REGISTERS, "write zero, ra, sp, a0 or x0 to x31")
    return REGISTERS[text]


def _csr(text: str, scope: Scope) -> int:
    if text in CSRS:
        return CSRS[text]
    try:
        return evaluate(text, scope)
    except AssemblyError:
        if not re.fullmatch(r"[a-z]\w*", text):
            raise
        raise no_such("CSR", text, CSRS, "write its name or its number") from None


def _fence_bits(text: str) -> int:
    if text == "0":
        return 0
    if not re.fullmatch("i?o?r?w?", text) or not text:
        raise AssemblyError(f"{text!r} is no fence operand: some of the letters iorw, or 0")
    return sum(8 >> ORDER.index(letter) for letter in text)


def _fits(kind: str, text: str) -> bool:
    """Return whether an operand has the look of its kind: to choose among spellings."""
    match = _MEMORY.fullmatch(text)
    indirect = match is not None and match[2] in REGISTERS
    if kind in ("memory", "pointer"):
        return indirect
    return (text in REGISTERS) == (kind in _REGISTER_KINDS) and not indirect


def _choose(name: str, texts: list[str]) -> Spelling:
    known = spellings(name)
    counts = [str(count) for other, count in EXPANSIONS if other == name]
    if counts:
        takes = " or ".join(counts)
        raise AssemblyError(f"{name} with {len(texts)} operands: it takes {takes}")
    if not known:
        raise unknown_instruction(name)
    possible = [s for s in known if len(s.operands) == len(texts)]
    if not possible:
        ways = " or ".join(usage(name, s.operands) for s in known)
        raise AssemblyError(f"{name} with {len(texts)} operands: write {ways}")
    fitting = (s for s in possible if all(map(_fits, s.operands, texts)))
    return next(fitting, possible[0])


def usage(name: str, kinds: tuple[str, ...]) -> str:
    """Return how an instruction is written, for a message."""
    return f"{name} {', '.join(_WORDS.get(kind, kind) for kind in kinds)}".rstrip()


def _encode_compressed(name: str, texts: list[str], pc: int, scope: Scope) -> int:
    if name in ("c.nop", "c.unimp"):
        if texts:
            raise AssemblyError(f"{name} with {len(texts)} operands: write {name}")
        return 1 if name == "c.nop" else 0
    form = compressed(name)
    if form is None:
        raise unknown_instruction(name)
    kinds = compressed_operands(form)
    if len(kinds) != len(texts):
        raise AssemblyError(f"{name} with {len(texts)} operands: write {usage(name, kinds)}")
    fields: Fields = {}
    for kind, text in zip(kinds, texts, strict=True):
        fields |= operand_fields(kind, text, pc, scope)
    if "upper" in kinds:
        fields["imm"] = signed_upper(fields["imm"])
    bits = form.match
    for field in ("rd", "rs1", "rs2"):
        source = getattr(form.row, field)
        if isinstance(source, str):
            place, first = form.registers[source]
            bits |= (fields.get(field, fields.get("rd", 0)) - first & (7 if first else 31)) << place
    for place, number in form.gather:
        bits |= (fields["imm"] >> number & 1) << place
    _check_compressed(form, bits, fields)
    return bits


def signed_upper(value: int) -> int:
    """Return the immediate of ``c.lui`` from the number written, bits 31:12."""
    if not 0 <= value <= 0xFFFFF:
        raise AssemblyError(f"immediate {value:#x} is out of range: from 0 to 0xfffff")
    return (value ^ 0x80000) - 0x80000 << 12


def _check_compressed(form: Form, bits: int, fields: Fields) -> None:
    """Refuse operands that the form cannot hold, or that mean another form."""
    row = form.row
    for field in fields.keys() - {"imm"}:
        source = getattr(row, field)
        if form.operand(bits, source) != fields[field]:
            right = "must be sp" if isinstance(source, int) else "must be one of s0, s1, a0 to a5"
            raise AssemblyError(f"{row.name}: {field} {right}")
    if "imm" in fields and form.operand(bits, row.imm) != fields["imm"]:
        raise AssemblyError(
            f"{row.name}: immediate {fields['imm']} is out of range: {_range(form)}"
        )
    if next((f for f in forms() if f.matches(bits)), None) is not form:
        raise AssemblyError(f"{row.name}: {_nonzero(form)}")


def _range(form: Form) -> str:
    """Return the immediates of a form, as they are written."""
    if form.row.base == "lui":
        return "1 to 31, or 0xfffe0 to 0xfffff"
    step = 1 << min(number for _, number in form.gather)
    top = 2 << max(number for _, number in form.gather)
    least, most = (-top // 2, top // 2 - step) if form.sign else (0, top - step)
    return f"{least} to {most}" + (f" in steps of {step}" if step > 1 else "")


def _nonzero(form: Form) -> str:
    if form.row.name == "c.lui":
        return "the immediate must not be 0, rd not sp"
    return " and ".join(form.row.nonzero) + " must not be 0"
