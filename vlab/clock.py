"""The one clock: cycles of the modelled machine."""

from __future__ import annotations

FREQUENCY = 1_000_000_000
"""Cycles a second of the modelled hart."""

TIMEBASE = 10_000_000
"""Ticks a second of ``mtime``, as on QEMU's ``virt`` board."""

CYCLES_PER_TICK = FREQUENCY // TIMEBASE


class Clock:
    """Present time; the machine moves it forward.

    Attributes
    ----------
    now : int
        Cycles since reset.
    """

    def __init__(self) -> None:
        self.now = 0

    @property
    def time(self) -> int:
        """``mtime``: ticks since reset."""
        return self.now // CYCLES_PER_TICK

    @staticmethod
    def cycles(ticks: int) -> int:
        """Return the cycle at which ``mtime`` reaches ``ticks``."""
        return ticks * CYCLES_PER_TICK
