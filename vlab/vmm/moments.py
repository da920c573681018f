"""The moments of a run: everything that happens one after the other, numbered.

An entry is a moment, an instruction or a trap on the hardware is one, and so is an exit that was
handled. Machine code that serves exits counts them as a session's loop does
(`vlab.experiments.session_loop`), and stops at any one.
"""

from __future__ import annotations

from typing import Any

from vlab.exits import ExitReason
from vlab.isa.fields import MASK64
from vlab.vmm.exit_record import LAYOUT, NONE, ExitRecord

MOMENTS, PAUSE, AHEAD, LEFT = (LAYOUT[name][0] for name in ("moments", "pause", "ahead", "left"))
NEVER = (1 << 63) - 1


class Moments:
    """Counts the moments of a run, and says at which it pauses.

    Parameters
    ----------
    record
        Where they are counted.
    """

    def __init__(self, record: ExitRecord) -> None:
        self.words = record.words
        self.go_on()

    @property
    def now(self) -> int:
        """Moments that have passed, also while machine code serves exits."""
        return int(self.words[MOMENTS])

    @now.setter
    def now(self, moments: int) -> None:
        self.words[MOMENTS] = moments

    @property
    def left(self) -> int | None:
        """What machine code has left of the slice under way; None between slices."""
        left = self.words[LEFT]
        return None if left == NONE else int(left)

    def pause_after(self, most: int, retired: int) -> None:
        """Pause when so many moments have passed, or once more instructions than moments have.

        Who asks for a number of instructions asks for as many moments: before they have passed
        it cannot be reached, unless a monitor emulates many instructions at one exit.
        """
        words = self.words
        words[PAUSE] = words[MOMENTS] + most
        words[AHEAD] = retired - words[MOMENTS] & MASK64

    def pause(self) -> None:
        """Pause once the present exit was handled."""
        self.words[PAUSE] = 0

    def go_on(self) -> None:
        """Never pause."""
        self.words[PAUSE] = self.words[AHEAD] = NEVER

    def run_slice(self, machine: Any, left: int) -> ExitReason:
        """Run the engine for a slice, or up to the pause in it (`vlab.vmm.exit_serving.grant`)."""
        words, hart = self.words, machine.hart
        words[MOMENTS] += 1
        budget = machine.budget(left)
        piece = min(budget, words[PAUSE] - words[MOMENTS] & MASK64)
        reason: ExitReason = machine.engine.run(hart, piece)
        words[MOMENTS] += piece - hart.budget
        words[LEFT] = budget - piece + hart.budget
        return reason
