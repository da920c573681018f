"""Atomics on memory that the lookup has found: what the fast paths of all tiers do.

Each row becomes one function ``(hart, host, rs2)`` in the restricted subset, lowered only, that
returns what goes to ``rd``. ``host`` is the host's address of aligned bytes in a page of RAM
without decoded code; whatever else an atomic may meet is its executor's.
"""

from __future__ import annotations

import inspect
import textwrap
from functools import cache
from types import FunctionType

from vlab.engines import intrinsics
from vlab.engines.lowering import Module
from vlab.isa import bits, execute
from vlab.isa.fields import LOAD, STORE
from vlab.isa.table import INSTRUCTIONS, ON_CHANGE, Instruction

TEMPLATES = {
    "lr": """
        hart.reservation = host - hart.ram_pointer + hart.ram_base
        return {old}""",
    "sc": """
        holds = hart.reservation == host - hart.ram_pointer + hart.ram_base
        if holds:
            {poke}(host, rs2)
        hart.reservation = NO_RESERVATION
        return 0 if holds else 1""",
    "amo": """
        old = {old}
        source = {source}
        {poke}(host, {meaning})
        return old""",
}

ACCESSES = {"load": LOAD, "lr": LOAD, "store": STORE, "sc": STORE, "amo": STORE}
"""Kinds of rows that access memory: how each is translated, and what it counts as."""


def atomic(row: Instruction) -> FunctionType:
    """Return the function of a row, its source in ``__source__``."""
    width = 8 * row.width
    old, source = f"peek{width}(host)", "rs2"
    if row.width < 8:
        old, source = f"sext({old}, {width})", f"sext(rs2, {width})"
    meaning = ""
    if row.kind == "amo":
        names = inspect.signature(row.meaning).parameters
        meaning = f"meaning({', '.join('source' if n == 'rs2' else n for n in names)})"
    body = TEMPLATES[row.kind].format(old=old, source=source, poke=f"poke{width}", meaning=meaning)
    name = "atomic_" + row.name.replace(".", "_")
    text = textwrap.dedent(body.replace("\n        ", "\n"))
    source = f"def {name}(hart, host, rs2):" + textwrap.indent(text, "    ")
    namespace = {**vars(execute), **vars(intrinsics), "sext": bits.sext, "meaning": row.meaning}
    exec(compile(source, f"<{row.name}>", "exec"), namespace)
    function = namespace[name]
    function.__source__ = source
    return function


@cache
def atomics() -> dict[Instruction, FunctionType]:
    """Return the function of each row that has one."""
    rows = (row for row in INSTRUCTIONS if row.kind in TEMPLATES and row.width in (4, 8))
    return {row: atomic(row) for row in rows}


ON_CHANGE.append(atomics.cache_clear)


def exchange(module: Module, row: Instruction, host: str, rs2: str) -> str:
    """Return a call of a row's function on IR values."""
    name = module.name_of(atomics()[row], "alwaysinline")
    return f"call i64 {name}(ptr %hart, i64 {host}, i64 {rs2})"
