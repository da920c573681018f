"""``native``: the guest has the hardware to itself. The baseline of every comparison.

The hardware carries out everything, traps and page walks included. What is left to do here is
what a board does around a hart: device registers, time, sleep, and the firmware's calls.
"""

from __future__ import annotations

from vlab.counters import Counters
from vlab.exits import ExitReason
from vlab.hart_counters import hardware_counters
from vlab.isa.counting import settle
from vlab.isa.execute import raise_trap
from vlab.isa.fields import Cause
from vlab.machine import GuestCrashed, Machine
from vlab.sbi import Sbi


class Native:
    """The guest runs on the physical hart.

    Parameters
    ----------
    machine
        The machine, loaded with the guest at its own physical addresses.
    sbi
        The firmware's services, or None if the guest brings its own.
    """

    technique = "native"

    def __init__(self, machine: Machine, sbi: Sbi | None) -> None:
        self.machine, self.hart, self.sbi = machine, machine.hart, sbi
        if sbi is not None:
            self.hart.intercept = 1 << Cause.ECALL_S

    def enter(self) -> None:
        """Nothing to load: the hart is the guest's. An observer makes system calls exit."""
        if self.machine.on_syscall is not None:
            self.hart.intercept |= 1 << Cause.ECALL_U

    def handle(self, reason: ExitReason) -> None:
        """Do what the board does when the hart leaves the engine."""
        machine, hart = self.machine, self.hart
        if reason == ExitReason.MMIO_READ or reason == ExitReason.MMIO_WRITE:
            machine.advance()
            machine.mmio(hart, reason)
        elif reason == ExitReason.WFI:
            machine.sleep()
        elif reason == ExitReason.TIME:
            machine.advance()
            hart.time, hart.time_fresh = machine.clock.time, 1
        elif reason == ExitReason.TIMER:
            machine.set_timer()
        elif reason == ExitReason.TRAP:
            self.on_trap(hart.exit_cause)
        elif reason == ExitReason.MARK:
            machine.mark(hart.exit_value, self.counters())

    def on_trap(self, cause: int) -> None:
        """Serve a call of the firmware, or show a system call to an observer."""
        if cause == Cause.ECALL_U and self.machine.on_syscall is not None:
            self.machine.advance()
            self.machine.on_syscall(self.hart)
            self.hart.intercept &= ~(1 << cause)
            raise_trap(self.hart, cause, self.hart.exit_tval)
            return
        if self.sbi is None or cause != Cause.ECALL_S:
            raise GuestCrashed(f"unexpected trap {cause} at {self.hart.pc:#x}")
        self.machine.advance()
        self.machine.count("sbi_calls")
        self.sbi.call(self.hart)
        self.hart.pc += 4

    def counters(self) -> Counters:
        """Return everything counted so far."""
        settle(self.hart)
        return self.machine.counters + hardware_counters(self.hart)
