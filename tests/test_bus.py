"""The bus and the clock: who answers where, and in which order deadlines come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.bus import Bus, BusError
from vlab.clock import CYCLES_PER_TICK, FREQUENCY, TIMEBASE, Clock
from vlab.devices.deadline import Deadline, is_counted
from vlab.devices.device import Device
from vlab.errors import MachineError


class Echo:
    """A device that remembers its accesses and its deadlines."""

    def __init__(self, name: str = "echo", size: int = 0x10, log: list | None = None) -> None:
        self.name, self.size = name, size
        self.deadline: int | None = None
        self.again: list[int] = []
        self.accesses: list[Any] = []
        self.log = [] if log is None else log

    def read(self, offset: int, size: int) -> int:
        self.accesses.append((offset, size))
        return (1 << 64) - 1

    def write(self, offset: int, value: int, size: int) -> None:
        self.accesses.append((offset, value, size))

    def on_deadline(self, now: int) -> None:
        self.log.append((self.name, self.deadline, now))
        self.deadline = self.again.pop(0) if self.again else None


def test_a_device_sees_offsets() -> None:
    """An access reaches the device with its offset, and values no wider than the access."""
    bus, device = Bus(), Echo()
    bus.insert(device, 0x1000)
    assert bus.read(0x1004, 2) == 0xFFFF
    bus.write(0x100C, 4, 0x1_2345_6789)
    assert device.accesses == [(4, 2), (12, 0x2345_6789, 4)]
    assert bus.find(0x100F).name == "echo"


@pytest.mark.parametrize(("address", "size"), [(0xFFF, 1), (0x1010, 1), (0x100F, 2), (0x100C, 8)])
def test_nothing_answers_beside_a_device(address: int, size: int) -> None:
    """An access that is not wholly in a device's range is a bus error and reaches nobody."""
    bus, device = Bus(), Echo()
    bus.insert(device, 0x1000)
    with pytest.raises(BusError):
        bus.read(address, size)
    with pytest.raises(BusError):
        bus.write(address, size, 0)
    assert device.accesses == []


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6)), min_size=1, max_size=12),
    st.integers(0, 30),
)
def test_ranges_never_overlap(ranges: list[tuple[int, int]], address: int) -> None:
    """A device is attached unless one that is there shares an address with it; find agrees."""
    bus, owner = Bus(), {}
    for n, (base, size) in enumerate(ranges):
        device = Echo(str(n), size)
        mine = range(base, base + size)
        if any(a in owner for a in mine):
            with pytest.raises(MachineError, match=f"{n} at {base:#x} overlaps"):
                bus.insert(device, base)
        else:
            bus.insert(device, base)
            owner |= dict.fromkeys(mine, device.name)
    if address in owner:
        assert bus.find(address).name == owner[address]
    else:
        with pytest.raises(BusError):
            bus.find(address)


def test_deadlines_come_in_their_order() -> None:
    """The earliest acts first, at equal times the one attached first; later ones wait."""
    log: list = []
    bus, a, b, c = Bus(), Echo("a", log=log), Echo("b", log=log), Echo("c", log=log)
    for n, device in enumerate((a, b, c)):
        bus.insert(device, 0x100 * n)
    assert bus.deadline() is None
    a.deadline, b.deadline, c.deadline = 30, 20, 20
    assert bus.deadline() == 20
    bus.advance(25)
    assert log == [("b", 20, 25), ("c", 20, 25)]
    assert bus.deadline() == 30
    a.again, b.deadline = [33, 40], 32
    bus.advance(35)
    assert log[2:] == [("a", 30, 35), ("b", 32, 35), ("a", 33, 35)]
    assert bus.deadline() == 40
    b.deadline = 38
    bus.advance(40)
    assert [name for name, _, _ in log[5:]] == ["b", "a"]


class Counted(Echo):
    """One whose deadline is counted when it changes."""

    deadline = Deadline()


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(1, 50)), max_size=30))
def test_the_earliest_deadline_is_known_whenever_one_changes(changes: list[Any]) -> None:
    """After each change the bus tells the earliest deadline, with counted devices and others."""
    for kinds in ([Counted] * 4, [Counted, Echo, Counted, Echo]):
        bus = Bus()
        devices = [kind(f"d{n}") for n, kind in enumerate(kinds)]
        for device in devices:
            bus.watch(device)
        for number, due in changes:
            devices[number].deadline = due
            known = [d.deadline for d in devices if d.deadline is not None]
            assert bus.deadline() == min(known, default=None)
    assert is_counted(Counted)
    assert is_counted(Device)
    assert not is_counted(Echo)


def test_a_watched_object_has_a_deadline_and_no_address() -> None:
    """Something without registers may have a deadline, too."""
    bus, device = Bus(), Echo()
    bus.watch(device)
    device.deadline = 5
    bus.advance(5)
    assert device.log == [("echo", 5, 5)]
    with pytest.raises(BusError):
        bus.find(0)


@given(st.integers(0, 1 << 56))
def test_ticks_and_cycles(ticks: int) -> None:
    """Mtime has a value from exactly the cycle that the conversion names."""
    clock = Clock()
    assert FREQUENCY == TIMEBASE * CYCLES_PER_TICK
    clock.now = clock.cycles(ticks)
    assert clock.time == ticks
    clock.now += CYCLES_PER_TICK - 1
    assert clock.time == ticks
    clock.now += 1
    assert clock.time == ticks + 1
