"""What every monitor does at an exit, whatever its technique."""

from __future__ import annotations

from typing import Any

from vlab.counters import Counters
from vlab.exits import ExitReason
from vlab.machine import Machine


class Monitor:
    """The part of a monitor that the techniques share: exits are counted and told apart.

    A technique defines `attribute` (whose were the instructions that retired since the last
    exit), `on_trap` and `counters`.
    """

    compiled: Any = None
    """What serves exits in machine code, if anything does (`vlab.vmm.compiled_exits`)."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.hart = machine, machine.hart

    def handle(self, reason: ExitReason) -> None:
        """Handle an exit: the guest has left the hardware."""
        machine, hart = self.machine, self.hart
        self.attribute()
        if reason == ExitReason.TRAP:
            machine.advance()
            self.on_trap(hart.exit_cause, hart.exit_tval)
        elif reason == ExitReason.TIME:
            machine.advance()
            hart.time, hart.time_fresh = machine.clock.time, 1
        elif reason == ExitReason.MARK:
            machine.mark(hart.exit_value, self.counters())

    def exited(self, reason: str) -> None:
        """Count a VM exit and charge it."""
        self.machine.count_key("exits_by_reason", "exits", reason)

    def attribute(self) -> None:
        """Attribute what retired since the last exit."""
        raise NotImplementedError

    def on_trap(self, cause: int, tval: int) -> None:
        """Handle a trap of the deprivileged guest."""
        raise NotImplementedError

    def counters(self) -> Counters:
        """Return everything counted so far."""
        raise NotImplementedError
