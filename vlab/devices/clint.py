"""CLINT: software and timer interrupts of M-mode (SiFive FU540 manual, chapter 9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlab.clock import Clock
from vlab.devices.deadline import Deadline

MSIP, MTIMECMP, MTIME = 0x0, 0x4000, 0xBFF8
NEVER = (1 << 64) - 1
FAR = 1 << 56  # ticks: two centuries


class Clint:
    """One hart's ``msip`` and ``mtimecmp``, and ``mtime``.

    Parameters
    ----------
    clock
        Tells the time.
    software, timer
        Wires to the hart's MSIP and MTIP.
    """

    name = "clint"
    compatible = ("sifive,clint0", "riscv,clint0")
    size = 0x10000
    deadline = Deadline()

    def __init__(
        self, clock: Clock, software: Callable[[bool], None], timer: Callable[[bool], None]
    ) -> None:
        self.clock, self.software, self.timer = clock, software, timer
        self.msip, self.mtimecmp = 0, NEVER
        self.offset = 0  # of mtime, which M-mode may write
        self.deadline = None

    def _time(self) -> int:
        return (self.clock.time + self.offset) & NEVER

    def _update(self) -> None:
        left = self.mtimecmp - self._time()
        self.timer(left <= 0)
        soon = 0 < left < FAR
        self.deadline = self.clock.cycles(self.clock.time + left) if soon else None

    def on_deadline(self, now: int) -> None:
        """``mtime`` has reached ``mtimecmp``."""
        self._update()

    def read(self, offset: int, size: int) -> int:
        """Read a register or a part of one."""
        if offset < 4:
            return self.msip >> 8 * offset
        if MTIMECMP <= offset < MTIMECMP + 8:
            return self.mtimecmp >> 8 * (offset - MTIMECMP)
        if MTIME <= offset < MTIME + 8:
            return self._time() >> 8 * (offset - MTIME)
        return 0  # registers of harts that do not exist

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a register or a part of one."""
        if offset == MSIP:
            self.msip = value & 1
            self.software(bool(self.msip))
        elif MTIMECMP <= offset < MTIMECMP + 8:
            self.mtimecmp = _insert(self.mtimecmp, offset - MTIMECMP, value, size)
            self._update()
        elif MTIME <= offset < MTIME + 8:
            new = _insert(self._time(), offset - MTIME, value, size)
            self.offset = new - self.clock.time
            self._update()

    def state(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {k: getattr(self, k) for k in ("msip", "mtimecmp", "offset", "deadline")}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        self.__dict__.update(state)
        self.software(bool(self.msip))
        self._update()


def _insert(old: int, byte: int, value: int, size: int) -> int:
    mask = ((1 << 8 * size) - 1) << 8 * byte
    return (old & ~mask | value << 8 * byte & mask) & NEVER
