"""What the compiled twins of exit handlers share, in the restricted subset."""

from __future__ import annotations

from vlab.isa.bits import uquotient
from vlab.isa.mmu import tlb_drop
from vlab.machine import SLICE
from vlab.state import Hart
from vlab.vmm.exit_record import NONE, ExitRecord

IN_PYTHON = 40
"""As how many exits one counts that Python served."""


def run_engine(monitor: ExitRecord, hart: Hart) -> int:
    """Run the engine on the hart's budget (an indirect call in machine code)."""
    raise NotImplementedError


def grant(monitor: ExitRecord, hart: Hart, budget: int) -> int:
    """Run the engine for a slice, or up to the pause in it; return the exit reason."""
    monitor.granted = budget
    monitor.moments = monitor.moments + 1
    room = monitor.pause - monitor.moments
    piece = room if room < budget else budget
    hart.limit = hart.limit - hart.budget + piece
    hart.budget = piece
    reason = run_engine(monitor, hart)
    monitor.moments = monitor.moments + piece - hart.budget
    monitor.left = budget - piece + hart.budget
    return reason


def end_slice(monitor: ExitRecord) -> None:
    """Count the moment at which an exit was handled."""
    monitor.moments = monitor.moments + 1
    monitor.left = NONE


def leave_to_python(monitor: ExitRecord, why: int) -> int:
    """Leave the present exit to Python; how it ends is counted when the next stay begins."""
    monitor.stale = 1
    return why


def exited(monitor: ExitRecord, reason: int) -> None:
    """Count an exit and charge it."""
    monitor.exits[reason] = monitor.exits[reason] + 1
    monitor.unread = 1
    monitor.charged = monitor.charged + monitor.exit_price[reason]


def forget(hart: Hart) -> None:
    """Drop the emulator's last translation (`vlab.vmm.emulator.forget`)."""
    if hart.tlb_tag[0] != 0:
        tlb_drop(hart, 0)


def present(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Return the present time in cycles (`vlab.machine.Machine.now`)."""
    retired = vcpu.limit - vcpu.budget
    if monitor.by_cycles == 0:
        return retired + monitor.slept
    return (
        retired * monitor.instruction_price
        + hart.walk_references * monitor.walk_price
        + hart.tlb_flushes * monitor.flush_price
        + hart.tlb_misses * monitor.miss_price
        + hart.vectored * monitor.trap_price
        + hart.returns * monitor.return_price
        + monitor.charged
        + monitor.slept
    )


def next_budget(monitor: ExitRecord, vcpu: Hart) -> int:
    """Return how many instructions may run before the next deadline (`Machine.budget`)."""
    left = monitor.maximum - (vcpu.limit - vcpu.budget)
    budget = SLICE if left > SLICE else left
    cost = monitor.instruction_price if monitor.by_cycles != 0 else 1
    most = uquotient(monitor.deadline - monitor.now, cost)
    if most < 1:
        most = 1
    return most if most < budget else budget


def is_due(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> bool:
    """Bring the clock up to date; return whether a deadline has come."""
    now = present(monitor, vcpu, hart)
    if now >= monitor.deadline:
        return True
    monitor.now = now
    monitor.stale = 0
    return False


def look_up(monitor: ExitRecord, vcpu: Hart, hart: Hart, effort: int) -> bool:
    """After an exit was served: watch for progress, and return whether the machine must act.

    A pause is looked for before the guest is entered, which is a moment with nothing run yet.
    """
    retired = vcpu.limit - vcpu.budget
    if retired != monitor.seen:
        monitor.seen = retired
        monitor.stuck = 0
    else:
        monitor.stuck = monitor.stuck + 1
    if retired >= monitor.maximum or monitor.rounds <= effort:
        return True
    if monitor.moments + 2 > monitor.pause or retired > monitor.moments + monitor.ahead:
        return True
    monitor.rounds = monitor.rounds - effort
    return is_due(monitor, vcpu, hart)
