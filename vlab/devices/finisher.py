"""Test finisher (SiFive ``test1``): a store ends the machine."""

from __future__ import annotations

from typing import Any

from vlab.devices.deadline import Deadline

FAIL, PASS, RESET = 0x3333, 0x5555, 0x7777


class Finisher:
    """Remembers how the guest ended the run.

    Attributes
    ----------
    exit_code : int or None
        0 for pass or reset, the guest's code for fail, None while it runs.
    """

    name = "finisher"
    compatible = ("sifive,test1", "sifive,test0", "syscon")
    size = 0x1000
    deadline = Deadline()

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self.reset_requested = False

    def read(self, offset: int, size: int) -> int:
        """Registers are write-only."""
        return 0

    def write(self, offset: int, value: int, size: int) -> None:
        """Finish if the value says so; anything else is inert."""
        status, code = value & 0xFFFF, value >> 16 & 0xFFFF
        if offset != 0:
            return
        if status == FAIL:
            self.exit_code = code or 1
        elif status in (PASS, RESET):
            self.exit_code = 0
            self.reset_requested = status == RESET

    def on_deadline(self, now: int) -> None:
        """Never called: there is no deadline."""

    def state(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {"exit_code": self.exit_code, "reset_requested": self.reset_requested}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        self.__dict__.update(state)
