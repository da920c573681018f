"""The ATA disk, driven by its registers without a machine."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.clock import Clock
from vlab.devices import ata as a
from vlab.devices.ata import AtaDisk
from vlab.devices.disk import SECTOR, DiskImage, DiskTiming

ACCESS, PER_SECTOR = 1000, 10
READ, WRITE = 0x20, 0x30


class Driver:
    """A driver for one disk: registers, data words, interrupts."""

    def __init__(self, sectors: int = 300, read_only: bool = False) -> None:
        contents = b"".join(struct.pack("<H", i) * 256 for i in range(sectors))
        self.disk, self.clock, self.irq = DiskImage(contents, read_only), Clock(), False
        self.device = AtaDisk(self.disk, self.clock, self.set_irq, DiskTiming(ACCESS, PER_SECTOR))

    def set_irq(self, level: bool) -> None:
        self.irq = level

    def get(self, register: int) -> int:
        return self.device.read(register, 1)

    def put(self, register: int, value: int) -> None:
        self.device.write(register, value, 1)

    @property
    def status(self) -> int:
        """The status, without clearing the interrupt."""
        return self.get(a.ALT_STATUS_CONTROL)

    def command(self, command: int, lba: int = 0, count: int = 1, device: int = 0xE0) -> None:
        self.put(a.DEVICE, device | lba >> 24)
        self.put(a.COUNT, count & 0xFF)
        for i in range(3):
            self.put(a.LBA_LOW + i, lba >> 8 * i & 0xFF)
        self.put(a.STATUS_COMMAND, command)

    def wait(self) -> None:
        """Let time pass until the disk is ready for the processor."""
        assert self.device.deadline is not None
        assert self.status == a.BSY
        self.clock.now = self.device.deadline
        self.device.on_deadline(self.clock.now)

    def read_sector(self, size: int = 2) -> bytes:
        return b"".join(
            self.device.read(a.DATA, size).to_bytes(size, "little") for _ in range(SECTOR // size)
        )

    def write_sector(self, data: bytes, size: int = 2) -> None:
        for at in range(0, SECTOR, size):
            self.device.write(a.DATA, int.from_bytes(data[at : at + size], "little"), size)


def test_a_read_interrupts_for_every_sector() -> None:
    """Each sector: busy for its time, then DRQ and an interrupt, then 256 words."""
    driver = Driver()
    driver.command(READ, lba=7, count=3)
    for i, time in enumerate((ACCESS + PER_SECTOR, PER_SECTOR, PER_SECTOR)):
        assert driver.device.busy
        assert not driver.irq
        assert driver.device.deadline == driver.clock.now + time
        driver.wait()
        assert driver.irq
        assert driver.get(a.STATUS_COMMAND) == a.READY | a.DRQ
        assert not driver.irq
        assert driver.read_sector() == struct.pack("<H", 7 + i) * 256
    assert driver.status == a.READY
    assert not driver.device.busy


def test_a_write_asks_for_the_first_sector_without_an_interrupt() -> None:
    """Data follow DRQ; every sector that was written interrupts; then they are on the disk."""
    driver = Driver()
    driver.command(WRITE, lba=5, count=2)
    assert driver.status == a.READY | a.DRQ
    assert not driver.irq
    for i, time in enumerate((ACCESS + PER_SECTOR, PER_SECTOR)):
        driver.write_sector(bytes([i + 1]) * SECTOR)
        assert driver.device.deadline == driver.clock.now + time
        driver.wait()
        assert driver.irq
        assert driver.get(a.STATUS_COMMAND) == a.READY | (a.DRQ if i == 0 else 0)
        assert not driver.irq
    assert driver.disk.read(5, 2) == b"\1" * SECTOR + b"\2" * SECTOR
    assert driver.disk.read(7, 1) == struct.pack("<H", 7) * 256


def test_the_alternate_status_leaves_the_interrupt_pending() -> None:
    """Only reading the status register (7) withdraws the interrupt."""
    driver = Driver()
    driver.command(READ)
    driver.wait()
    driver.get(a.ALT_STATUS_CONTROL)
    assert driver.irq
    driver.get(a.STATUS_COMMAND)
    assert not driver.irq


def test_nien_holds_the_wire_back() -> None:
    """With nIEN set the wire stays low; clearing nIEN shows what is pending."""
    driver = Driver()
    driver.put(a.ALT_STATUS_CONTROL, a.CONTROL_NIEN)
    driver.command(READ)
    driver.wait()
    assert not driver.irq
    driver.put(a.ALT_STATUS_CONTROL, 0)
    assert driver.irq


@given(
    lba=st.integers(0, 63),
    sizes=st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=8),
)
def test_every_access_size_moves_the_same_bytes(lba: int, sizes: list[int]) -> None:
    """The data register gives as many bytes as the access has, in order, however they mix."""
    driver = Driver(64)
    driver.command(READ, lba)
    driver.wait()
    got, turn = b"", 0
    while driver.status & a.DRQ:
        size = sizes[turn % len(sizes)]
        got += driver.device.read(a.DATA, size).to_bytes(size, "little")
        turn += 1
    assert got[:SECTOR] == driver.disk.read(lba, 1)
    driver.command(WRITE, 63 - lba)
    sent = 0
    while driver.status & a.DRQ:
        size = sizes[turn % len(sizes)]
        driver.device.write(a.DATA, int.from_bytes(got[sent : sent + size], "little"), size)
        sent += size
        turn += 1
    driver.wait()
    assert driver.disk.read(63 - lba, 1) == got[:SECTOR]


def test_a_count_of_zero_is_256_sectors() -> None:
    """A sector count of 0 requests 256 sectors."""
    driver = Driver()
    driver.command(READ, lba=2, count=0)
    for i in range(256):
        driver.wait()
        assert driver.read_sector(4) == struct.pack("<H", 2 + i) * 256
    assert driver.status == a.READY


def test_identify() -> None:
    """IDENTIFY DEVICE names an LBA disk, its capacity, and its strings with bytes swapped."""
    driver = Driver(300)
    driver.command(a.IDENTIFY_DEVICE)
    driver.wait()
    assert driver.irq
    raw = driver.read_sector()
    words = struct.unpack("<256H", raw)
    assert words[49] & 0x200
    assert words[60] | words[61] << 16 == 300
    model = b"".join(struct.pack(">H", word) for word in words[27:47])
    assert model.decode().rstrip() == "vlab ATA disk"
    assert driver.status == a.READY


@pytest.mark.parametrize("command", [a.FLUSH_CACHE, a.SET_FEATURES])
def test_commands_without_data(command: int) -> None:
    """They end with an interrupt and without DRQ."""
    driver = Driver()
    driver.command(command)
    if driver.device.busy:
        driver.wait()
    assert driver.irq
    assert driver.get(a.STATUS_COMMAND) == a.READY


@pytest.mark.parametrize(
    ("command", "lba", "count", "device", "error"),
    [
        (0x25, 0, 1, 0xE0, a.ABRT),  # READ DMA EXT
        (0x00, 0, 1, 0xE0, a.ABRT),
        (READ, 300, 1, 0xE0, a.IDNF),
        (READ, 299, 2, 0xE0, a.IDNF),
        (WRITE, (1 << 28) - 1, 1, 0xE0, a.IDNF),
        (READ, 1 << 27, 1, 0xE0, a.IDNF),
        (READ, 1, 1, 0xA0, a.ABRT),  # cylinder, head, sector
    ],
)
def test_what_cannot_be_done_is_an_error(
    command: int, lba: int, count: int, device: int, error: int
) -> None:
    """A refused command sets ERR and its bit of the error register, and interrupts."""
    driver = Driver()
    driver.command(command, lba, count, device)
    assert driver.irq
    assert driver.status == a.READY | a.ERR
    assert driver.get(a.ERROR_FEATURES) == error
    driver.command(READ)
    assert driver.get(a.ERROR_FEATURES) == 0
    driver.wait()
    assert driver.status == a.READY | a.DRQ


def test_a_read_only_disk_refuses_writes() -> None:
    """WRITE SECTORS on a read-only disk is aborted."""
    driver = Driver(read_only=True)
    driver.command(WRITE)
    assert driver.get(a.ERROR_FEATURES) == a.ABRT
    driver.write_sector(bytes([1]) * SECTOR)
    assert driver.disk.read(0, 1) == bytes(SECTOR)


def test_a_busy_disk_ignores_its_registers() -> None:
    """While BSY or DRQ is set neither a command nor a new address gets through."""
    driver = Driver()
    driver.command(READ, lba=9)
    driver.command(WRITE, lba=1)
    driver.wait()
    driver.command(WRITE, lba=1)
    assert driver.read_sector() == struct.pack("<H", 9) * 256
    assert driver.status == a.READY


def test_the_data_register_is_quiet_without_drq() -> None:
    """Outside a transfer, and in the wrong direction, data accesses do nothing."""
    driver = Driver()
    assert driver.device.read(a.DATA, 2) == 0
    driver.device.write(a.DATA, 0xFFFF, 2)
    driver.command(WRITE, lba=4)
    assert driver.read_sector() == bytes(SECTOR)
    assert driver.status & a.DRQ
    driver.write_sector(b"z" * SECTOR)
    driver.wait()
    assert driver.disk.read(4, 1) == b"z" * SECTOR


def test_the_slave_is_absent() -> None:
    """Selecting device 1 gives status 0, releases the wire, and starts nothing."""
    driver = Driver()
    driver.command(a.SET_FEATURES)
    assert driver.irq
    driver.put(a.DEVICE, 0xF0)
    assert not driver.irq
    assert driver.get(a.STATUS_COMMAND) == 0
    driver.put(a.STATUS_COMMAND, READ)
    assert not driver.device.busy
    driver.put(a.DEVICE, 0xE0)
    assert driver.irq
    assert driver.status == a.READY


def test_software_reset() -> None:
    """SRST drops the command under way, holds BSY, and leaves the signature of a disk."""
    driver = Driver()
    driver.command(READ, lba=9, count=4)
    driver.put(a.ALT_STATUS_CONTROL, a.CONTROL_SRST)
    assert driver.status == a.BSY
    assert driver.device.deadline is None
    driver.put(a.ALT_STATUS_CONTROL, 0)
    assert driver.status == a.READY
    signature = [driver.get(r) for r in (a.COUNT, a.LBA_LOW, a.LBA_MID, a.LBA_HIGH, a.DEVICE)]
    assert signature == [1, 1, 0, 0, 0]
    assert driver.get(a.ERROR_FEATURES) == 1
    assert not driver.irq


def test_state_in_the_middle_of_a_sector() -> None:
    """A disk that is restored with half a sector to go gives the other half."""
    driver, other = Driver(), Driver()
    driver.command(READ, lba=11, count=2)
    driver.wait()
    for _ in range(128):
        driver.device.read(a.DATA, 2)
    other.device.restore(driver.device.state())
    assert other.irq
    rest = b"".join(other.device.read(a.DATA, 2).to_bytes(2, "little") for _ in range(128))
    assert rest == struct.pack("<H", 11) * 128
    assert other.device.busy
    assert driver.status & a.DRQ
