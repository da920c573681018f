"""One row of a recording."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlab.experiments.recording_taps import Access
from vlab.experiments.session_looking import instruction_text


@dataclass(slots=True)
class Exit:
    """One exit.

    Attributes
    ----------
    index
        Its number in the run, from 0.
    cycle, instructions
        The time, and the guest instructions retired, when the guest was left.
    reason
        As in `vlab.counters.EXIT_REASONS`. On hardware of its own: of a trap into the guest's
        kernel, or ``sbi``.
    cause
        What the hardware said it was.
    pc, symbol, bits
        The guest's instruction.
    tval
        What the hardware said of it: an address, or the instruction.
    privilege
        That the guest believed to have.
    handlers
        The monitor's methods, in the order in which they were called.
    changes
        ``{word: (before, after)}`` of the guest's CPU.
    accesses
        What the monitor read and wrote, in order; `accesses_left_out` says how many more.
    cycles
        What it cost, by category, the return to the guest included.
    """

    index: int
    cycle: int
    instructions: int
    reason: str
    cause: str
    pc: int
    symbol: str
    bits: int
    tval: int
    privilege: str
    handlers: tuple[str, ...] = ()
    changes: dict[str, tuple[int, int]] = field(default_factory=dict)
    accesses: tuple[Access, ...] = ()
    accesses_left_out: int = 0
    cycles: dict[str, int] = field(default_factory=dict)

    @property
    def instruction(self) -> str:
        """The instruction in assembly language."""
        return instruction_text(self.bits, self.pc) if self.bits else ""

    @property
    def total_cycles(self) -> int:
        """What it cost."""
        return sum(self.cycles.values())
