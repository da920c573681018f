"""The one clock: cycles of the modelled machine."""

from __future__ import annotations

from vlab.words import moved

FREQUENCY = 1_000_000_000
"""Cycles a second of the modelled hart."""

TIMEBASE = 10_000_000
"""Ticks a second of ``mtime``, as on QEMU's ``virt`` board."""

CYCLES_PER_TICK = FREQUENCY // TIMEBASE


LAST = 1 << 62
"""Cycles that no run reaches (146 years): who sleeps until then sleeps for ever."""

NOW, CHARGED, SLEPT = range(3)


class Clock:
    """Present time, and what it consists of besides instructions; the machine moves it forward.

    All three are words in memory that is lent to machine code where that serves exits.
    """

    def __init__(self) -> None:
        self.words = memoryview(bytearray(24)).cast("Q")

    @property
    def now(self) -> int:
        """Cycles since reset."""
        return self.words[NOW]

    @now.setter
    def now(self, cycles: int) -> None:
        self.words[NOW] = cycles

    @property
    def charged(self) -> int:
        """Cycles charged for what monitors and devices did."""
        return self.words[CHARGED]

    @charged.setter
    def charged(self, cycles: int) -> None:
        self.words[CHARGED] = cycles

    @property
    def slept(self) -> int:
        """Cycles slept."""
        return self.words[SLEPT]

    @slept.setter
    def slept(self, cycles: int) -> None:
        self.words[SLEPT] = cycles

    def move_to(self, words: memoryview) -> None:
        """Keep the time in other words, the three of machine code's."""
        self.words = moved(self.words, words)

    @property
    def time(self) -> int:
        """``mtime``: ticks since reset."""
        return self.words[NOW] // CYCLES_PER_TICK

    @staticmethod
    def cycles(ticks: int) -> int:
        """Return the cycle at which ``mtime`` reaches ``ticks``."""
        return ticks * CYCLES_PER_TICK
