"""Devices of one's own: attached from a cell, the same in every mode, saved with the rest."""

from __future__ import annotations

import pytest

import vlab
from vlab.errors import MachineError, ModeError, SnapshotError

ADDRESS = 0x1000_3000
MODES = ("native", "emulate", "fullvirt")
PROGRAM = """
        li   s0, 0x10003000
        li   a0, 6
        sd   a0, 0(s0)
        ld   a1, 0(s0)           # 36
        li   t0, 0x100000
        slli a1, a1, 16
        li   t1, 0x3333          # finish with a1 as exit code
        or   t1, t1, a1
        sw   t1, 0(t0)
1:      j    1b
"""


class Square(vlab.Device):
    """Answers with the square of what was written."""

    name = "square"
    size = 8
    value = 0

    def read(self, offset: int, size: int) -> int:
        return self.value**2

    def write(self, offset: int, value: int, size: int) -> None:
        self.value = value


class Alarm(vlab.Device):
    """Interrupts some cycles after the write that asks for it."""

    name = "alarm"
    size = 8
    interrupt = 12

    def write(self, offset: int, value: int, size: int) -> None:
        self.irq(False)
        self.deadline = self.clock.now + value if value else None

    def on_deadline(self, now: int) -> None:
        self.deadline = None
        self.irq(True)


def started(mode: str, text: str = PROGRAM, devices=None) -> vlab.Session:
    code = vlab.assemble(text).code
    return vlab.session(image=code, mode=mode, devices=devices or {ADDRESS: Square}, memory="4M")


@pytest.mark.parametrize("mode", MODES)
def test_a_guest_reaches_the_device(mode: str) -> None:
    """Loads and stores of the guest arrive at the device, and are counted under its name."""
    session = started(mode)
    assert session.run().detail == "exit 36"
    assert session.counters.mmio_by_device["square"] == 2
    if mode == "fullvirt":
        assert session.counters.exits_by_reason["mmio"] == 3


@pytest.mark.parametrize("mode", MODES)
def test_its_interrupt_arrives_at_its_deadline(mode: str) -> None:
    """A deadline wakes the guest by the interrupt wire that the device names."""
    text = """
        la   t0, handler
        csrw mtvec, t0
        li   t0, 0x0c000030      # PLIC: priority of source 12
        li   t1, 1
        sw   t1, 0(t0)
        li   t0, 0x0c002000      # enable it for this hart's M-mode
        li   t1, 1 << 12
        sw   t1, 0(t0)
        li   t0, 1 << 11
        csrw mie, t0
        csrsi mstatus, 8
        li   s0, 0x10003000
        li   a0, 5000
        sw   a0, 0(s0)
1:      wfi
        j    1b
        .balign 4
handler:
        li   t0, 0x0c200004      # claim
        lw   a1, 0(t0)
        li   t0, 0x100000
        slli a1, a1, 16
        li   t1, 0x3333
        or   t1, t1, a1
        sw   t1, 0(t0)
2:      j    2b
    """
    session = started(mode, text, {ADDRESS: Alarm})
    assert session.run().detail == "exit 12"
    assert session.machine.clock.now >= 5000


def test_every_machine_has_a_device_of_its_own() -> None:
    """Two sessions share no state of a device."""
    first, second = started("native"), started("native")
    first.step(3)
    assert [s.device("square").value for s in (first, second)] == [6, 0]


@pytest.mark.parametrize("mode", MODES)
def test_its_state_is_saved_and_goes_back(mode: str) -> None:
    """Snapshots hold the device's attributes, and steps backwards undo what it did."""
    session = started(mode)
    session.step(3)
    again = vlab.Session.restore(session.snapshot(), devices={ADDRESS: Square})
    assert again.run().detail == "exit 36"
    session.back(1)
    assert session.device("square").value == 0
    assert session.run().detail == "exit 36"


def test_a_snapshot_needs_the_same_devices() -> None:
    """Restoring without the device is refused: a snapshot holds no code."""
    with pytest.raises(SnapshotError, match="other"):
        vlab.Session.restore(started("native").snapshot())


def test_a_saved_state_cannot_replace_methods() -> None:
    """Only attributes that are data are restored."""
    with pytest.raises(SnapshotError, match="read is not state"):
        Square().restore({"read": 1})


def test_the_device_tree_names_it() -> None:
    """A kernel finds the device and its interrupt in the device tree."""
    tree = started("native", devices={ADDRESS: Alarm}).memory(0x8040_0000 - (64 << 10), 4096)
    assert b"alarm@10003000" in tree
    assert b"vlab,alarm" in tree


class Nameless(vlab.Device):
    name = "uart"


class Clash(vlab.Device):
    name = "clash"
    interrupt = 10


class Empty(vlab.Device):
    name = "empty"
    size = 0


@pytest.mark.parametrize(
    ("devices", "reason"),
    [
        ({ADDRESS: Square()}, "not an instance"),
        ({ADDRESS: dict}, "makes no vlab.Device"),
        ({ADDRESS + 1: Square}, "multiple of 8"),
        ({0x8000_0000: Square}, "where RAM is"),
        ({0x1000_0000: Square}, "overlaps uart"),
        ({ADDRESS: Square, ADDRESS + 8: Square}, "one of that name"),
        ({ADDRESS: Nameless}, "one of that name"),
        ({ADDRESS: Clash}, "interrupt 10 is the uart's"),
        ({ADDRESS: Empty}, "size 0"),
        ([Square], "classes by address"),
    ],
)
def test_what_cannot_be_attached_is_refused(devices, reason: str) -> None:
    """Overlaps, instances and things that are no device are refused in one line."""
    with pytest.raises(MachineError, match=reason) as refusal:
        vlab.session(image=b"\0\0\0\0", devices=devices, memory="4M")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("mode", ["paravirt", "simulate"])
def test_modes_without_device_registers_take_none(mode: str) -> None:
    """A ported guest has rings instead, a simulation has no guest: both say so."""
    with pytest.raises(ModeError, match="takes no devices"):
        vlab.run("hello", mode, devices={ADDRESS: Square})


def test_a_workload_is_not_disturbed_by_it() -> None:
    """The guest's own Unix boots with the device attached, with the same result."""
    plain, extended = (vlab.run("hello", devices=d) for d in (None, {ADDRESS: Square}))
    assert extended.console == plain.console
    assert extended.counters.retired == plain.counters.retired
