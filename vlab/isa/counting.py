"""Attribution of retired instructions and accesses at the rare event that changes their kind."""

from __future__ import annotations

from vlab.isa.fields import M
from vlab.state import Hart


def retired(hart: Hart) -> int:
    """Return the number of instructions retired so far."""
    return hart.limit - hart.budget


def settle(hart: Hart) -> None:
    """Attribute what was retired since the last call to the present privilege and regime.

    Called before privilege or ``satp`` change and at the end of a run.
    """
    now = retired(hart)
    data = hart.loads + hart.stores
    delta = now - hart.settled
    hart.retired_by_priv[hart.priv] = hart.retired_by_priv[hart.priv] + delta
    if hart.priv != M and hart.satp >> 60 != 0:
        hart.translated = hart.translated + delta + data - hart.settled_data
    hart.settled = now
    hart.settled_data = data
