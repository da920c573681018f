"""From rows of the instruction table to functions that execute them.

Each row becomes one function ``execute(hart, rd, rs1, rs2, imm) -> CONTINUE | EXIT`` in the
restricted subset. The reference engine calls it as Python; the interpreter lowers the same
source. ``rd`` is 32 where the instruction names x0, so that the write is swallowed.
"""

from __future__ import annotations

import inspect
import textwrap
from types import FunctionType

from vlab.isa import execute
from vlab.isa.table import Instruction

SINK = 32
"""Index of the register word that swallows writes to x0."""

TEMPLATES = {
    "op": """
        hart.x[rd] = {meaning} & MASK64
        return retire(hart)""",
    "branch": """
        if {meaning}:
            return retire_at(hart, (hart.pc + imm) & MASK64)
        return retire(hart)""",
    "jal": """
        hart.x[rd] = (hart.pc + hart.length) & MASK64
        return retire_at(hart, (hart.pc + imm) & MASK64)""",
    "jalr": """
        target = (hart.x[rs1] + imm) & (MASK64 ^ 1)
        hart.x[rd] = (hart.pc + hart.length) & MASK64
        return retire_at(hart, target)""",
    "load": """
        return load(hart, rd, (hart.x[rs1] + imm) & MASK64, {width}, {signed})""",
    "store": """
        return store(hart, (hart.x[rs1] + imm) & MASK64, {width}, hart.x[rs2])""",
    "lr": """
        return load_reserved(hart, rd, hart.x[rs1], {width})""",
    "sc": """
        return store_conditional(hart, rd, hart.x[rs1], {width}, hart.x[rs2])""",
    "amo": """
        source = extend(hart.x[rs2] & {mask}, {width}, 1)
        status = atomic_begin(hart, hart.x[rs1], {width})
        if status != READY:
            return status
        return atomic_end(hart, rd, {width}, {meaning} & MASK64)""",
    "csr": """
        writes = {writes}
        source = {source}
        status = csr_begin(hart, imm, writes)
        if status != READY:
            return status
        return csr_end(hart, rd, imm, {meaning} & MASK64, writes)""",
    "system": """
        return {action}(hart, rs1, rs2)""",
}

MARK = """
        if rd == 32 and rs1 == 0:
            return mark(hart, imm)"""

OPERANDS = {"rs1": "hart.x[rs1]", "rs2": "hart.x[rs2]", "old": "hart.value"}


def meaning_call(row: Instruction) -> str:
    """Return the call of a row's meaning with operands taken from the hart."""
    if row.meaning is None or row.kind == "load":
        return ""
    names = inspect.signature(row.meaning).parameters
    operands = dict(OPERANDS, pc="hart.pc", imm="imm", source="source")
    if row.kind == "amo":
        operands["rs2"] = "source"
    return f"meaning({', '.join(operands[name] for name in names)})"


def loads_signed(row: Instruction) -> int:
    """Return 1 if a load's meaning sign-extends."""
    sign = 1 << (8 * row.width - 1)
    return int(row.meaning(sign) != sign)


def executor(row: Instruction) -> FunctionType:
    """Return the function that executes a row, its source in ``__source__``."""
    kind = "system" if row.kind == "fence" else row.kind
    width = row.width or 8
    body = TEMPLATES[kind].format(
        meaning=meaning_call(row),
        width=width,
        mask=(1 << (8 * width)) - 1,
        signed=loads_signed(row) if kind == "load" else 0,
        writes="1" if row.name.startswith("csrrw") else "rs1",
        source="rs1" if row.name.endswith("i") else "hart.x[rs1]",
        action="action",
    )
    if row.name == "slti":
        body = MARK + body
    name = "execute_" + row.name.replace(".", "_")
    source = f"def {name}(hart, rd, rs1, rs2, imm):" + textwrap.indent(
        textwrap.dedent(body.replace("\n        ", "\n")), "    "
    )
    namespace = dict(vars(execute), meaning=row.meaning, action=execute.SYSTEM.get(row.name))
    exec(compile(source, f"<{row.name}>", "exec"), namespace)
    function = namespace[name]
    function.__source__ = source
    return function
