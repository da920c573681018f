"""Why an engine returned to whoever called ``run``."""

from __future__ import annotations

from enum import IntEnum


class ExitReason(IntEnum):
    """Reason of an exit; the details are in the hart's ``exit_*`` words."""

    BUDGET = 0
    """The budget of retired instructions is used up."""
    MMIO_READ = 1
    """A load from a physical address outside RAM; to be finished by `complete_load`."""
    MMIO_WRITE = 2
    """A store to a physical address outside RAM, to be finished by `complete_store`."""
    WFI = 3
    """The hart waits for an interrupt; already retired."""
    TRAP = 4
    """A trap whose cause is intercepted; ``pc`` is that of the instruction."""
    TIME = 5
    """The instruction reads ``time``: bring it up to date, set ``time_fresh``, run again."""
    TIMER = 6
    """``stimecmp``, or ``menvcfg`` with its enable bit, was written; already retired."""
    MARK = 7
    """The marker HINT ``slti x0, x0, n``; already retired."""
