"""What UART, CLINT, PLIC and finisher have in common: inert to nonsense, state as plain data."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import Wire

from vlab.clock import CYCLES_PER_TICK, Clock
from vlab.devices.clint import Clint
from vlab.devices.finisher import Finisher
from vlab.devices.plic import Plic
from vlab.devices.uart import Uart

ALL = (1 << 64) - 1


class Rig:
    """A device alone, with two wires and a clock."""

    def __init__(self, kind: str) -> None:
        self.clock, self.printed = Clock(), bytearray()
        self.wires = Wire(), Wire()
        self.device: Any = {
            "uart": lambda: Uart(self.printed.append, self.wires[0]),
            "clint": lambda: Clint(self.clock, *self.wires),
            "plic": lambda: Plic(*self.wires),
            "finisher": Finisher,
        }[kind]()

    def step(self, action: str, offset: int, value: int, size: int) -> int | None:
        """One access, something from outside, or the passing of time; return what was read."""
        device = self.device
        if action == "r":
            return device.read(offset, size) & (1 << 8 * size) - 1
        if action == "w":
            device.write(offset, value & (1 << 8 * size) - 1, size)
        elif action == "x":
            if isinstance(device, Uart):
                device.receive(value.to_bytes(8, "little")[:size])
            if isinstance(device, Plic):
                device.set_level(1 + value % 31, bool(size & 1))
        else:
            self.clock.now += (value & 7) * CYCLES_PER_TICK
            if device.deadline is not None and device.deadline <= self.clock.now:
                device.on_deadline(self.clock.now)
        return None

    def seen(self) -> tuple:
        return [wire.level for wire in self.wires], self.device.deadline, bytes(self.printed)


REGISTERS = {
    "uart": list(range(10)),
    "clint": [0, 1, 4, 0x4000, 0x4004, 0x4006, 0xBFF8, 0xBFFC],
    "plic": [4, 8, 12, 0x1000, 0x2000, 0x2080, 0x200000, 0x200004, 0x201000, 0x201004, 6],
    "finisher": [0, 4],
}
VALUES = st.sampled_from([*range(20), 0x80, 0xFE, 0x5555, 0x3333, ALL - 3, ALL]) | st.integers(
    0, ALL
)


def steps(kind: str) -> st.SearchStrategy:
    size = {"uart": 0x100, "clint": 0x10000, "plic": 0x600000, "finisher": 0x1000}[kind]
    offsets = st.sampled_from(REGISTERS[kind] * 8) | st.integers(0, size - 1)
    sizes = st.sampled_from([1, 2, 4, 4, 4, 8])
    return st.lists(st.tuples(st.sampled_from("rwwxt"), offsets, VALUES, sizes), max_size=40)


@pytest.mark.parametrize("kind", REGISTERS)
@given(data=st.data())
def test_nonsense_is_inert(kind: str, data: st.DataObject) -> None:
    """No sequence of accesses raises, and no deadline lies in the past."""
    rig = Rig(kind)
    for one in data.draw(steps(kind)):
        rig.step(*one)
        assert rig.device.read(one[1], one[3]) >= 0
        assert rig.device.deadline is None or rig.device.deadline > rig.clock.now


@pytest.mark.parametrize("kind", REGISTERS)
@given(data=st.data())
def test_a_restored_device_goes_on_as_the_saved_one(kind: str, data: st.DataObject) -> None:
    """State, restored into a new device, gives the same wires, reads and deadlines ever after."""
    rig, other = Rig(kind), Rig(kind)
    for one in data.draw(steps(kind)):
        rig.step(*one)
    saved = copy.deepcopy(rig.device.state())
    rig.printed.clear()
    other.clock.now = rig.clock.now
    other.device.restore(saved)
    assert other.device.state() == saved == rig.device.state()
    assert other.seen() == rig.seen()
    for one in data.draw(steps(kind)):
        assert other.step(*one) == rig.step(*one)
        assert other.seen() == rig.seen()
    assert other.device.state() == rig.device.state()
    assert rig.device.state() is not other.device.state()


@pytest.mark.parametrize("kind", REGISTERS)
def test_a_state_is_a_copy(kind: str) -> None:
    """What happens to a device after its state was taken does not change that state."""
    rig = Rig(kind)
    saved = rig.device.state()
    before = copy.deepcopy(saved)
    other = Rig(kind)
    other.device.restore(saved)
    for offset in REGISTERS[kind]:
        for device in (rig.device, other.device):
            device.write(offset, 0x5555, 4)
    if kind == "uart":
        other.device.receive(b"x")
    assert saved == before
