"""What the compiled twins of exit handlers share."""

from __future__ import annotations

from vlab.isa.mmu import tlb_drop
from vlab.state import Hart
from vlab.vmm.exit_record import ExitRecord

HANDLERS = (
    "on_interrupt",
    "on_ecall",
    "on_illegal_instruction",
    "on_exception",
    "on_page_fault",
    "on_hidden_fault",
    "on_emulated_access",
)
"""Handlers that have twins, by their bit in `ExitRecord.serves`."""

LEFT, SERVED = 0, 1
"""Whether an exit is left to the Python handlers."""


def exited(monitor: ExitRecord, reason: int) -> None:
    """Count an exit and charge it."""
    monitor.exits[reason] = monitor.exits[reason] + 1
    monitor.charged = monitor.charged + monitor.exit_price[reason]


def forget(hart: Hart) -> None:
    """Drop the emulator's last translation (`vlab.vmm.emulator.forget`)."""
    if hart.tlb_tag[0] != 0:
        tlb_drop(hart, 0)
