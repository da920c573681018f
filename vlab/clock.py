"""The one clock: cycles of the modelled machine."""

from __future__ import annotations

from vlab.words import moved, shared_word

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

    now: int = shared_word("words", NOW, "Cycles since reset.")
    charged: int = shared_word("words", CHARGED, "Cycles charged for monitors and devices.")
    slept: int = shared_word("words", SLEPT, "Cycles slept.")

    def __init__(self) -> None:
        self.words = memoryview(bytearray(24)).cast("Q")

    def move_to(self, words: memoryview) -> None:
        """Keep the time in other words, the three of machine code's."""
        self.words = moved(self.words, words)

    @property
    def time(self) -> int:
        """``mtime``: ticks since reset."""
        return self.now // CYCLES_PER_TICK

    @staticmethod
    def cycles(ticks: int) -> int:
        """Return the cycle at which ``mtime`` reaches ``ticks``."""
        return ticks * CYCLES_PER_TICK
