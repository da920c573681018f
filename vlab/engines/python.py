"""The reference engine: the instruction table and its semantics, run as the Python they are."""

from __future__ import annotations

from collections.abc import Set
from functools import cache

from vlab.engines.semantics import SINK, executor
from vlab.exits import ExitReason
from vlab.isa.counting import settle
from vlab.isa.csr import write_satp
from vlab.isa.decode import decode
from vlab.isa.execute import CONTINUE, EXIT, check_interrupt, fetch, illegal, raise_trap
from vlab.isa.mmu import tlb_flush
from vlab.isa.table import Instruction
from vlab.state import Hart


@cache
def _executor(row: Instruction):  # type: ignore[no-untyped-def]
    return executor(row)


class PythonEngine:
    """Steps a hart one instruction at a time: slow, and what the interpreter is held against."""

    name = "python"
    tlb_flush = staticmethod(tlb_flush)
    write_satp = staticmethod(write_satp)

    def attach(self, hart: Hart) -> None:
        """Prepare a hart's record for its memory."""
        hart.ram_base, hart.ram_size = hart.memory.base, hart.memory.size

    def step(self, hart: Hart) -> int:
        """Execute one instruction, or take the trap it raises.

        "A step is the full execution of an instruction, resulting either in its retirement
        or a trap" (Sail RISC-V model).
        """
        bits = fetch(hart)
        if hart.fault != 0:
            return raise_trap(hart, hart.fault, hart.fault_address)
        hart.bits = bits
        decoded = decode(bits)
        if decoded is None:
            return illegal(hart)
        execute = _executor(decoded.row)
        return execute(hart, decoded.rd or SINK, decoded.rs1, decoded.rs2, decoded.imm)

    def run_until(self, hart: Hart, budget: int, halts: Set[int]) -> ExitReason:
        """Run as `run` does, but end before the instruction at one of the addresses.

        The run's first instruction, or the trap in its place, is carried out in any case.
        """
        if not halts:
            return self.run(hart, budget)
        while True:
            reason = self.run(hart, 1)
            budget -= 1
            if reason != ExitReason.BUDGET or not budget or hart.pc in halts:
                hart.limit, hart.budget = hart.limit + budget, hart.budget + budget
                return reason

    def run(self, hart: Hart, budget: int) -> ExitReason:
        """Run until the budget of instructions is used up or something exits."""
        hart.limit = hart.limit - hart.budget + budget
        hart.budget = budget
        status = check_interrupt(hart)
        while status == CONTINUE:
            if hart.budget == 0:
                hart.exit_reason = ExitReason.BUDGET
                break
            status = self.step(hart)
            if status != EXIT and hart.budget != 0 and (hart.mip | hart.lines) & hart.mie:
                status = check_interrupt(hart)
        settle(hart)
        return ExitReason(hart.exit_reason)
