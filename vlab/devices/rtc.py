"""Goldfish RTC: the date in nanoseconds, with one alarm.

Registers as in the Android emulator's documentation ("GOLDFISH-VIRTUAL-HARDWARE", section
Goldfish timer) and in QEMU's ``hw/rtc/goldfish_rtc.c``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vlab.devices.deadline import Deadline

if TYPE_CHECKING:
    from vlab.clock import Clock

TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH = 0x00, 0x04, 0x08, 0x0C
IRQ_ENABLED, CLEAR_ALARM, ALARM_STATUS, CLEAR_INTERRUPT = 0x10, 0x14, 0x18, 0x1C

EPOCH = 1_767_225_600 * 10**9
"""2026-01-01 00:00:00 UTC, the date at reset, so that every run sees the same dates."""

MASK32, MASK64 = (1 << 32) - 1, (1 << 64) - 1


class Rtc:
    """A clock that starts at `EPOCH`; at 1 GHz a cycle is a nanosecond.

    Parameters
    ----------
    clock
        Tells the time.
    irq
        The interrupt wire.
    """

    name = "rtc"
    compatible = "google,goldfish-rtc"
    size = 0x1000
    deadline = Deadline()

    def __init__(self, clock: Clock, irq: Callable[[bool], None]) -> None:
        self.clock, self.irq = clock, irq
        self.offset = EPOCH
        self.high = self.alarm_high = self.alarm = 0
        self.enabled = self.pending = False
        self.deadline = None

    def _time(self) -> int:
        return (self.clock.now + self.offset) & MASK64

    def _update(self) -> None:
        self.irq(self.enabled and self.pending)

    def _arm(self) -> None:
        left = self.alarm - self._time()
        if left > 0:
            self.deadline = self.clock.now + left
        else:
            self.on_deadline(self.clock.now)

    def on_deadline(self, now: int) -> None:
        """The alarm goes off."""
        self.deadline = None
        self.pending = True
        self._update()

    def read(self, offset: int, size: int) -> int:
        """Read a register."""
        if offset == TIME_LOW:
            time = self._time()
            self.high = time >> 32  # latched, so that both halves belong together
            return time & MASK32
        if offset == TIME_HIGH:
            return self.high
        if offset == ALARM_LOW:
            return self.alarm & MASK32
        if offset == ALARM_HIGH:
            return self.alarm >> 32
        if offset == IRQ_ENABLED:
            return int(self.enabled)
        return int(self.deadline is not None) if offset == ALARM_STATUS else 0

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a register; of the halves of a number the low one comes last and acts."""
        value &= MASK32
        if offset == TIME_LOW:
            self._set_time(self._time() >> 32 << 32 | value)
        elif offset == TIME_HIGH:
            self._set_time(value << 32 | self._time() & MASK32)
        elif offset == ALARM_LOW:
            self.alarm = self.alarm_high << 32 | value
            self._arm()
        elif offset == ALARM_HIGH:
            self.alarm_high = value
        elif offset == IRQ_ENABLED:
            self.enabled = bool(value & 1)
            self._update()
        elif offset == CLEAR_ALARM:
            self.deadline = None
        elif offset == CLEAR_INTERRUPT:
            self.pending = False
            self._update()

    def _set_time(self, time: int) -> None:
        self.offset = time - self.clock.now
        if self.deadline is not None:
            self._arm()

    def state(self) -> dict[str, Any]:
        """Return the state as plain data."""
        names = ("offset", "high", "alarm_high", "alarm", "enabled", "pending", "deadline")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        self.__dict__.update(state)
        self._update()
