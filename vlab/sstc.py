"""The supervisor timer of the Sstc extension: STIP is raised while ``time`` ≥ ``stimecmp``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlab.board import Board
from vlab.devices.deadline import Deadline
from vlab.isa.fields import MENVCFG_STCE, STI
from vlab.state import Hart

FAR = 1 << 56
"""Times from here on, thousands of years away, are never reached."""


class SupervisorTimer:
    """Compares the clock with a hart's ``stimecmp`` while ``menvcfg.STCE`` is set.

    Without STCE the wire is left alone: then it is the firmware's (`vlab.sbi.SbiTimer`).

    Parameters
    ----------
    hart
        The physical hart, or a virtual CPU.
    board
        Whose clock it is.
    wire
        ``wire(bit, level)`` drives an interrupt of that hart.
    """

    name = "sstc"
    deadline = Deadline()

    def __init__(self, hart: Hart, board: Board, wire: Callable[[int, bool], None]) -> None:
        self.hart, self.clock, self.wire = hart, board.clock, wire
        self.enabled = False
        self.deadline = None
        board.bus.watch(self)

    def update(self) -> None:
        """Compare anew: ``stimecmp`` or ``menvcfg`` was written, or the time has come."""
        was_enabled, self.enabled = self.enabled, bool(self.hart.menvcfg & MENVCFG_STCE)
        self.deadline = None
        if self.enabled:
            compare = self.hart.stimecmp
            due = self.clock.time >= compare
            self.wire(STI, due)
            if not due and compare < FAR:
                self.deadline = self.clock.cycles(compare)
        elif was_enabled:
            self.wire(STI, False)

    def on_deadline(self, now: int) -> None:
        """``time`` has reached ``stimecmp``."""
        self.update()

    def state(self) -> dict[str, Any]:
        """Return the state as plain data; the registers and the wire are the hart's."""
        return {"enabled": self.enabled, "deadline": self.deadline}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        self.enabled, self.deadline = state["enabled"], state["deadline"]
