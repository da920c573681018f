"""The fastest engine: the interpreter, and a translator for what it executes often.

Where the host has no stencils or no executable memory the interpreter runs alone, with the
same results; `unavailable` says why.
"""

from __future__ import annotations

import mmap
import platform
from array import array
from functools import cache

from vlab.engines import stencil_table
from vlab.engines.executable import (
    NoExecutableMemoryError,
    executable_memory,
    processor,
    runtime,
)
from vlab.engines.hot_loops import WORTH, HotLoops
from vlab.engines.interpreter import Interpreter
from vlab.engines.stencil_table import BRANCH, CSR, JAL, JALR, LOAD, NONE, PLAIN, STORE
from vlab.exits import ExitReason
from vlab.isa.table import INSTRUCTIONS, STANDARD
from vlab.state import Hart
from vlab.words import address

HEAT = 64
"""Taken branches to a place after which it is translated."""

CODE_BYTES = 16 << 20
"""Translated code kept at most; when it is full all of it is dropped."""

KINDS = {
    "op": PLAIN, "fence": PLAIN, "load": LOAD, "lr": LOAD, "store": STORE, "sc": STORE,
    "amo": STORE, "csr": CSR, "branch": BRANCH, "jal": JAL, "jalr": JALR,
}  # fmt: skip


@cache
def unavailable() -> str | None:
    """Return why this host has no translator, None if it has one."""
    if processor() is None:
        return f"there are no stencils for {platform.machine() or 'this processor'} yet"
    try:
        executable_memory(mmap.PAGESIZE)
        runtime()
    except NoExecutableMemoryError as error:
        return str(error)
    return None


SLICE = 4_000_000
"""Instructions from one look at what executes to the next, at most."""


class Translator(Interpreter):
    """Interpreter and translator together; the same results as either reference.

    Parameters
    ----------
    heat
        Taken branches to a place after which it is translated.

    Attributes
    ----------
    worth, wait
        When a page's loop is compiled, and whether to wait for it (`HotLoops`).
    """

    name = "translator"
    worth = WORTH
    wait = False

    def __init__(self, heat: int = HEAT) -> None:
        runtime()  # before LLVM's linker looks for it
        super().__init__(heat)
        self.stencils = stencil_table.load()

    def attach(self, hart: Hart) -> None:
        """Prepare a hart's record: also give it executable memory and the stencils."""
        super().attach(hart)
        table, pool = self.stencils, executable_memory(CODE_BYTES)
        kinds = array("Q", [KINDS.get(row.kind, NONE) for row in INSTRUCTIONS])
        for row in (*table.missing(), *range(len(STANDARD), len(kinds))):
            kinds[row] = NONE
        hart.jit_pool = address(pool)
        hart.jit_used, hart.jit_limit = 0, CODE_BYTES
        hart.stencil_code = address(table.code)
        hart.stencil_index = address(table.index)
        hart.stencil_holes = address(table.holes)
        hart.row_kinds = address(kinds)
        hart.owned = (*hart.owned, pool, kinds, table)  # kept alive with the record
        hart.hot_loops = HotLoops(hart, self.worth, self.wait)

    def run(self, hart: Hart, budget: int) -> ExitReason:
        """Run until the budget of instructions is used up or something exits."""
        left = budget
        while left > SLICE:
            reason = super().run(hart, SLICE)
            left -= SLICE - hart.budget
            if reason != ExitReason.BUDGET or hart.budget:
                hart.limit += left - hart.budget
                hart.budget = left
                return reason
            self.sample(hart, SLICE)
        reason = super().run(hart, left)
        if reason == ExitReason.BUDGET:
            self.sample(hart, left)
        return reason

    def sample(self, hart: Hart, instructions: int) -> None:
        """Take note of what executes; so many instructions have run."""
        hart.hot_loops.sample(instructions)
