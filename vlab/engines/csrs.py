"""Accesses to CSRs that change nothing but the CSR: what the fast paths of all tiers do.

Each row becomes one function ``(hart, csr, writes, source)`` in the restricted subset, lowered
only: it returns 1 with the old value in ``hart.value``, or 0 if it did nothing and the row's
executor is to do what there is. A write to ``sstatus`` may let an interrupt come or change what
may be accessed; while it does neither, it is one of these accesses.
"""

from __future__ import annotations

import inspect
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING

from vlab.isa import csr as csrs
from vlab.isa.csr import csr_check, csr_read, csr_write, pending
from vlab.isa.decode import Decoded
from vlab.isa.fields import MASK64, MXR, SSTATUS_WRITABLE, SUM, Csr
from vlab.isa.table import INSTRUCTIONS, ON_CHANGE, Instruction
from vlab.state import Hart

if TYPE_CHECKING:
    from vlab.engines.lowering import Module

PLACES = (Csr.SSTATUS, Csr.SSCRATCH, Csr.SEPC, Csr.SCAUSE, Csr.STVAL, Csr.CYCLE, Csr.INSTRET)
"""The CSRs, by the numbers under which there are stencils."""

COUNTERS = (Csr.CYCLE, Csr.INSTRET)
NO_PLACE = len(PLACES)


def csr_place(csr: int) -> int:
    """Return the position of a CSR in `PLACES`, `NO_PLACE` if it is none of these."""
    if csr == Csr.SSTATUS:
        return 0
    if csr == Csr.SSCRATCH:
        return 1
    if csr == Csr.SEPC:
        return 2
    if csr == Csr.SCAUSE:
        return 3
    if csr == Csr.STVAL:
        return 4
    if csr == Csr.CYCLE:
        return 5
    if csr == Csr.INSTRET:
        return 6
    return NO_PLACE


def is_quiet(hart: Hart, csr: int, new: int) -> bool:
    """Return whether a write changes nothing but the CSR."""
    if csr != Csr.SSTATUS:
        return True
    return (new ^ hart.mstatus) & (SUM | MXR) == 0 and pending(hart) & hart.mie == 0


def write_quietly(hart: Hart, csr: int, new: int) -> None:
    """Carry out a write that `is_quiet`."""
    if csr == Csr.SSTATUS:
        hart.mstatus = (hart.mstatus & (MASK64 ^ SSTATUS_WRITABLE)) | (new & SSTATUS_WRITABLE)
    else:
        csr_write(hart, csr, new)


def note_access(hart: Hart) -> None:
    """Count an access as an executor does."""
    hart.csr_accesses = hart.csr_accesses + 1
    hart.time_fresh = 0


TEMPLATE = """
def {name}(hart, csr, writes, source):
    if csr_place(csr) == NO_PLACE or not csr_check(hart, csr, writes):
        return 0
    old = csr_read(hart, csr)
    if writes != 0:
        new = {meaning}
        if not is_quiet(hart, csr, new):
            return 0
        write_quietly(hart, csr, new)
    hart.value = old
    note_access(hart)
    return 1
"""


@cache
def accesses() -> dict[Instruction, FunctionType]:
    """Return the function of each row, its source in ``__source__``."""
    made = {}
    for row in INSTRUCTIONS:
        if row.kind == "csr":
            operands = ", ".join(inspect.signature(row.meaning).parameters)
            name = f"quick_{row.name}"
            source = TEMPLATE.format(name=name, meaning=f"meaning({operands}) & MASK64")
            namespace = {**globals(), "meaning": row.meaning}
            exec(compile(source, f"<{row.name}>", "exec"), namespace)
            made[row] = namespace[name]
            made[row].__source__ = source
    return made


ON_CHANGE.append(accesses.cache_clear)


def writes_always(row: Instruction) -> bool:
    """Return whether a row writes even if its register or immediate is zero."""
    return row.name.startswith("csrrw")


def writes(decoded: Decoded) -> bool:
    """Return whether an instruction writes."""
    return writes_always(decoded.row) or decoded.rs1 != 0


def by_immediate(row: Instruction) -> bool:
    """Return whether a row's operand is in the instruction."""
    return row.name.endswith("i")


def access(module: Module, row: Instruction, csr: str, writes: str, source: str) -> str:
    """Return a call of a row's function on IR values."""
    name = module.name_of(accesses()[row])
    return f"call i64 {name}(ptr %hart, i64 {csr}, i64 {writes}, i64 {source})"


def known_beforehand(module: Module) -> None:
    """Have everything inlined, so that where the CSR is a constant only its own code is left."""
    for function in (
        csr_place, csr_check, csr_read, csr_write, is_quiet, write_quietly, note_access, pending,
        csrs.counter_allowed, csrs.retired, *accesses().values(),
    ):  # fmt: skip
        module.name_of(function, "alwaysinline")
