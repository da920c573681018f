"""The CLINT, driven by its registers without a machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import Wire

from vlab.bus import Bus
from vlab.clock import CYCLES_PER_TICK, Clock
from vlab.devices import clint as c
from vlab.devices.clint import Clint

ALL = (1 << 64) - 1


class Timer:
    """A CLINT on a bus of its own, with its wires."""

    def __init__(self) -> None:
        self.clock, self.software, self.timer = Clock(), Wire(), Wire()
        self.clint = Clint(self.clock, self.software, self.timer)
        self.bus = Bus()
        self.bus.insert(self.clint, 0)

    def at(self, ticks: int) -> None:
        """Let the time become so many ticks."""
        self.clock.now = ticks * CYCLES_PER_TICK
        self.bus.advance(self.clock.now)


def test_mtime_counts_ticks_of_the_clock() -> None:
    """Mtime is the clock at 10 MHz: one tick per 100 cycles."""
    t = Timer()
    t.clock.now = 1234 * CYCLES_PER_TICK + CYCLES_PER_TICK - 1
    assert t.bus.read(c.MTIME, 8) == 1234


def test_the_timer_interrupts_from_mtimecmp_on() -> None:
    """MTIP is high exactly while mtime >= mtimecmp."""
    t = Timer()
    t.bus.write(c.MTIMECMP, 8, 50)
    assert t.bus.deadline() == 50 * CYCLES_PER_TICK
    t.at(49)
    assert not t.timer.level
    t.at(50)
    assert t.timer.level
    assert t.bus.deadline() is None
    t.bus.write(c.MTIMECMP, 8, 80)
    assert not t.timer.level
    t.bus.write(c.MTIMECMP, 8, 10)
    assert t.timer.level


def test_after_reset_no_timer_is_due() -> None:
    """Mtimecmp resets to the largest number, so that nothing interrupts before it is set."""
    t = Timer()
    t.at(1 << 40)
    assert not t.timer.level
    assert t.bus.deadline() is None


def test_the_halves_of_mtimecmp_can_be_written_apart() -> None:
    """A 32-bit store changes its half alone (privileged specification, 3.2.1)."""
    t = Timer()
    t.bus.write(c.MTIMECMP + 4, 4, 0x1)
    t.bus.write(c.MTIMECMP, 4, 0xDEADBEEF)
    assert t.bus.read(c.MTIMECMP, 8) == 0x1_DEADBEEF
    assert t.bus.read(c.MTIMECMP + 4, 4) == 1


def test_msip_is_one_bit() -> None:
    """The software interrupt is bit 0 of msip; other bits and other harts do not exist."""
    t = Timer()
    t.bus.write(c.MSIP, 4, 0xFFFF_FFFF)
    assert t.bus.read(c.MSIP, 4) == 1
    assert t.software.level
    t.bus.write(c.MSIP + 4, 4, 1)
    assert t.bus.read(c.MSIP + 4, 4) == 0
    t.bus.write(c.MSIP, 4, 0xFFFF_FFFE)
    assert not t.software.level


@given(new=st.integers(0, ALL), compare=st.integers(0, ALL), later=st.integers(0, 1 << 30))
def test_a_written_mtime_goes_on_from_there(new: int, compare: int, later: int) -> None:
    """Mtime continues from what was written, and MTIP follows the comparison."""
    t = Timer()
    t.at(1000)
    t.bus.write(c.MTIME, 8, new)
    t.bus.write(c.MTIMECMP, 8, compare)
    assert t.bus.read(c.MTIME, 8) == new
    t.at(1000 + later)
    if new + later <= ALL:
        assert t.bus.read(c.MTIME, 8) == new + later
        assert t.timer.level == (new + later >= compare)


@pytest.mark.parametrize("compare", [0, 5, ALL])
def test_a_wrapped_mtime_does_not_stop_the_board(compare: int) -> None:
    """Mtime wraps to 0, and the next deadline is never one that has passed."""
    t = Timer()
    t.at(7)
    t.bus.write(c.MTIME, 8, ALL)
    t.at(8)
    assert t.bus.read(c.MTIME, 8) == 0
    t.bus.write(c.MTIMECMP, 8, compare)
    assert t.clint.deadline is None or t.clint.deadline > t.clock.now
    t.at(7 + 1 + compare if compare < 10 else 9)
    assert t.timer.level == (compare < 10)
