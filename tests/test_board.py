"""The board: the devices where the documentation says, wired to each other and to the hart."""

from __future__ import annotations

import copy
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wires import Wires

from vlab import board as b
from vlab.board import RAM_BASE, Board
from vlab.bus import BusError
from vlab.clock import CYCLES_PER_TICK
from vlab.devices.disk import SECTOR, DiskImage, DiskTiming
from vlab.errors import MachineError
from vlab.memory import PhysicalMemory

ARCHITECTURE = Path(__file__).parent.parent / "docs" / "architecture.md"
MSI, MTI, SEI, MEI = 3, 7, 9, 11
CLAIM = b.PLIC + 0x201004
TIMING = DiskTiming(access=400, per_sector=30)


class Rig:
    """A board with all that it is attached to."""

    def __init__(self, disk: bool = True) -> None:
        self.memory = PhysicalMemory(RAM_BASE, 1 << 16)
        self.wires, self.printed = Wires(), bytearray()
        self.disk = DiskImage(bytes(range(256)) * 16) if disk else None
        self.board = Board(self.memory, self.disk, self.printed.append, self.wires, TIMING)
        self.bus = self.board.bus

    def enable(self, irq: int) -> None:
        """Let S-mode hear of a source."""
        self.bus.write(b.PLIC + 4 * irq, 4, 1)
        self.bus.write(b.PLIC + 0x2080, 4, self.bus.read(b.PLIC + 0x2080, 4) | 1 << irq)

    def advance(self, cycles: int) -> None:
        self.board.clock.now += cycles
        self.bus.advance(self.board.clock.now)


def test_the_memory_map_is_the_documented_one() -> None:
    """Address, size and interrupt of each device are those of the table in the documentation."""
    row = r"^\| (0x[0-9a-f_]+) \| (0x[0-9a-f]+) \| (\d*) ?\|.*`devices/(\w+)\.py`"
    rows = re.findall(row, ARCHITECTURE.read_text(), re.MULTILINE)
    documented = {
        file: (int(address.replace("_", ""), 16), int(size, 16), int(irq) if irq else None)
        for address, size, irq, file in rows
    }
    attached = {
        m.name.replace("-", "_"): (m.base, m.end - m.base, b.IRQ.get(m.name))
        for m in Rig().bus.mappings
    }
    assert len(attached) == 7
    assert attached == documented


def test_a_board_without_a_disk_has_no_disks() -> None:
    """Where no image is attached nothing answers, and nothing is busy."""
    rig = Rig(disk=False)
    for address in (b.VIRTIO, b.ATA):
        with pytest.raises(BusError):
            rig.bus.read(address, 4)
    assert not rig.board.busy()


def test_software_and_timer_interrupts_reach_the_hart() -> None:
    """The CLINT drives MSIP and MTIP."""
    rig = Rig()
    rig.bus.write(b.CLINT, 4, 1)
    assert rig.wires[MSI]
    rig.bus.write(b.CLINT + 0x4000, 8, 10)
    rig.advance(10 * CYCLES_PER_TICK - 1)
    assert not rig.wires[MTI]
    rig.advance(1)
    assert rig.wires[MTI]


@pytest.mark.parametrize(("context", "wire"), [(0, MEI), (1, SEI)])
def test_external_interrupts_reach_their_privilege(context: int, wire: int) -> None:
    """Context 0 of the PLIC drives MEIP, context 1 SEIP."""
    rig = Rig()
    rig.bus.write(b.PLIC + 40, 4, 1)
    rig.bus.write(b.PLIC + 0x2000 + 0x80 * context, 4, 1 << 10)
    rig.bus.write(b.UART + 1, 1, 1)
    rig.board.uart.receive(b"x")
    assert [n for n in (MEI, SEI) if rig.wires[n]] == [wire]
    rig.bus.read(b.UART, 1)
    assert rig.bus.read(b.PLIC + 0x200004 + 0x1000 * context, 4) == 10
    assert not rig.wires[wire]


def start_virtio_read(rig: Rig) -> None:
    """Ask the virtio disk for sector 1."""
    desc, driver, device, header = (RAM_BASE + n * 0x1000 for n in range(4))
    chain = ((header, 16, 1, 1), (header + 512, SECTOR, 3, 2), (header + 16, 1, 2, 0))
    for i, row in enumerate(chain):
        rig.memory.write(desc + 16 * i, struct.pack("<QIHH", *row))
    rig.memory.write(header, struct.pack("<IIQ", 0, 0, 1))
    rig.memory.write(driver, struct.pack("<HHH", 0, 1, 0))
    for register, value in (
        (0x70, 3), (0x24, 1), (0x20, 1), (0x70, 11), (0x38, 8), (0x80, desc), (0x90, driver),
        (0xA0, device), (0x44, 1), (0x70, 15), (0x50, 0),
    ):  # fmt: skip
        rig.bus.write(b.VIRTIO + register, 4, value)


def start_ata_read(rig: Rig) -> None:
    """Ask the ATA disk for sector 1."""
    for register, value in ((6, 0xE0), (2, 1), (3, 1), (4, 0), (5, 0), (7, 0x20)):
        rig.bus.write(b.ATA + register, 1, value)


@pytest.mark.parametrize(
    ("start", "irq"), [(start_virtio_read, b.IRQ["virtio-blk"]), (start_ata_read, b.IRQ["ata"])]
)
def test_disks_interrupt_when_they_are_done(start: Any, irq: int) -> None:
    """A disk is busy for its service time and then interrupts with its own source."""
    rig = Rig()
    rig.enable(irq)
    start(rig)
    assert rig.board.busy()
    rig.advance(TIMING.service(1) - 1)
    assert rig.board.busy()
    assert not rig.wires[SEI]
    rig.advance(1)
    assert not rig.board.busy()
    assert rig.wires[SEI]
    assert rig.bus.read(CLAIM, 4) == irq


def test_both_disks_show_the_same_image() -> None:
    """What is written through one is read through the other."""
    rig = Rig()
    assert rig.disk is not None
    rig.disk.write(1, b"s" * SECTOR)
    start_virtio_read(rig)
    start_ata_read(rig)
    rig.advance(TIMING.service(1))
    assert rig.memory.read(RAM_BASE + 0x3000 + 512, SECTOR) == b"s" * SECTOR
    assert [rig.bus.read(b.ATA, 2) for _ in range(256)] == [0x7373] * 256


def test_the_console_and_the_finisher() -> None:
    """Bytes for the UART come out, and a store to the finisher is the exit code."""
    rig = Rig()
    rig.bus.write(b.UART, 1, ord("!"))
    assert rig.printed == b"!"
    assert rig.board.exit_code is None
    rig.bus.write(b.FINISHER, 4, 0x5555)
    assert rig.board.exit_code == 0


REGISTERS = [
    *(b.CLINT + n for n in (0, 4, 0x4000, 0x4004, 0xBFF8, 0xBFFC)),
    *(b.PLIC + n for n in (4, 0x24, 0x28, 0x2C, 0x1000, 0x2000, 0x2080)),
    *(b.PLIC + n for n in (0x200000, 0x200004, 0x201000, 0x201004)),
    *(b.UART + n for n in range(8)),
    *(b.VIRTIO + n for n in range(0, 0x120, 4)),
    *(b.ATA + n for n in (*range(8), 0x206)),
    *(b.RTC + n for n in range(0, 0x20, 4)),
    b.FINISHER,
]
PLACES = st.sampled_from(REGISTERS) | st.builds(
    lambda base, offset: base + offset,
    st.sampled_from([b.CLINT, b.PLIC, b.UART, b.VIRTIO, b.ATA, b.RTC, b.FINISHER]),
    st.integers(0, 0xFFFF),
)
VALUES = st.sampled_from(
    [0, 1, 3, 7, 8, 10, 11, 15, 0x20, 0x30, 0xE0, 0xEC, 1 << 10, 0xFFFF_FFFF, (1 << 64) - 1]
) | st.integers(0, (1 << 64) - 1)
STEPS = st.lists(
    st.tuples(
        st.sampled_from("rrwwwwti"), PLACES, VALUES, st.sampled_from([1, 2, 4, 4, 4, 8])
    ),
    max_size=50,
)  # fmt: skip


def step(rig: Rig, action: str, address: int, value: int, size: int) -> Any:
    """One access, typed input, or time; return what can be seen of it."""
    if action == "t":
        rig.advance(value & 0xFFF)
        return rig.bus.deadline()
    if action == "i":
        return rig.board.uart.receive(value.to_bytes(8, "little")[: size - 1])
    try:
        if action == "r":
            result = rig.bus.read(address, size)
            assert 0 <= result < 1 << 8 * size
            return result
        return rig.bus.write(address, size, value)
    except BusError:
        return "bus error"


@settings(max_examples=200)
@given(STEPS)
def test_no_access_raises(steps: list) -> None:
    """Whatever a guest does to the registers, it gets a value or a bus error."""
    rig = Rig()
    for one in steps:
        step(rig, *one)
        deadline = rig.bus.deadline()
        assert deadline is None or deadline >= rig.board.clock.now


def visible(rig: Rig) -> tuple:
    return {n: rig.wires[n] for n in (MSI, MTI, SEI, MEI)}, rig.bus.deadline(), rig.board.exit_code


@settings(max_examples=100)
@given(STEPS, STEPS)
def test_a_restored_board_goes_on_as_the_saved_one(before: list, after: list) -> None:
    """State, restored into a new board, gives the same wires, reads and deadlines ever after."""
    rig, other = Rig(), Rig()
    for one in before:
        step(rig, *one)
    saved = copy.deepcopy(rig.board.state())
    other.board.restore(saved)
    other.memory.write(RAM_BASE, rig.memory.read(RAM_BASE, 1 << 16))
    assert other.board.state() == saved == rig.board.state()
    assert visible(other) == visible(rig)
    for one in after:
        assert step(other, *one) == step(rig, *one)
        assert visible(other) == visible(rig)
    assert other.board.state() == rig.board.state()


def test_a_state_is_plain_data() -> None:
    """A snapshot has nothing but numbers, text, bytes and containers of these."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            assert type(value) in (list, tuple)
            return [plain(v) for v in value]
        return value.hex() if type(value) is bytes else value

    rig = Rig()
    start_virtio_read(rig)
    start_ata_read(rig)
    json.dumps(plain(rig.board.state()))


def test_restoring_leaves_no_trace_on_the_wires() -> None:
    """Devices that pull their wires while they are restored cause no edge that was not there."""
    rig, other = Rig(), Rig()
    rig.enable(11)
    rig.board.rtc.pending = rig.board.rtc.enabled = True
    rig.board.rtc.restore(rig.board.rtc.state())
    assert rig.bus.read(CLAIM, 4) == 11
    other.enable(11)
    levels: list[bool] = []
    other.board.plic.outputs = (levels.append, levels.append)
    other.board.restore(rig.board.state())
    assert levels
    assert not any(levels)


def test_a_snapshot_has_the_disk() -> None:
    """The contents of the disk come back with the state, and count as changes to be saved."""
    rig = Rig()
    assert rig.disk is not None
    saved = rig.board.state()
    original = bytes(rig.disk.data)
    rig.disk.write(2, b"n" * SECTOR)
    rig.board.restore(saved)
    assert rig.disk.data == original
    assert rig.disk.dirty


def test_a_state_of_another_board_is_refused() -> None:
    """A snapshot fits a board with the same devices, and the refusal changes nothing."""
    rig, bare = Rig(), Rig(disk=False)
    rig.advance(100)
    before = bare.board.state()
    with pytest.raises(MachineError, match="this board has other devices"):
        bare.board.restore(rig.board.state())
    assert bare.board.state() == before
