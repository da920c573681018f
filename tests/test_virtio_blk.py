"""The virtio block device, driven by its registers and rings without a machine."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.clock import Clock
from vlab.devices import virtio_blk as v
from vlab.devices.disk import SECTOR, DiskImage, DiskTiming
from vlab.devices.virtio_blk import VirtioBlk
from vlab.memory import PhysicalMemory

RAM, RAM_SIZE = 0x8000_0000, 1 << 16
DESC, DRIVER, DEVICE, BUFFERS = RAM, RAM + 0x1000, RAM + 0x2000, RAM + 0x4000
NUM = 8
ACCESS, PER_SECTOR = 1000, 10
NEXT, WRITE, INDIRECT = 1, 2, 4

Descriptor = tuple[int, int, int, int]


class Driver:
    """A driver that does what a guest's does: fills rings, rings the bell, sees interrupts."""

    def __init__(self, sectors: int = 8, read_only: bool = False) -> None:
        contents = b"".join(bytes([i]) * SECTOR for i in range(sectors))
        self.disk = DiskImage(contents, read_only)
        self.memory, self.clock = PhysicalMemory(RAM, RAM_SIZE), Clock()
        self.irq = False
        timing = DiskTiming(ACCESS, PER_SECTOR)
        self.device = VirtioBlk(self.disk, self.memory, self.clock, self.set_irq, timing)
        self.available = 0
        self.start()

    def set_irq(self, level: bool) -> None:
        self.irq = level

    def get(self, register: int) -> int:
        return self.device.read(register, 4)

    def put(self, register: int, value: int) -> None:
        self.device.write(register, value, 4)

    def start(self, features: int = v.VERSION_1, num: int = NUM) -> None:
        self.put(v.STATUS, 0)
        self.put(v.STATUS, 3)
        for half in (0, 1):
            self.put(v.DRIVER_FEATURES_SEL, half)
            self.put(v.DRIVER_FEATURES, features >> 32 * half)
        self.put(v.STATUS, 3 | v.FEATURES_OK)
        self.put(v.QUEUE_SEL, 0)
        self.put(v.QUEUE_NUM, num)
        for register, address in ((0x80, DESC), (0x90, DRIVER), (0xA0, DEVICE)):
            self.put(register, address & 0xFFFF_FFFF)
            self.put(register + 4, address >> 32)
        self.put(v.QUEUE_READY, 1)
        self.put(v.STATUS, 3 | v.FEATURES_OK | v.DRIVER_OK)
        self.memory.store(DRIVER + 2, 2, 0)
        self.memory.store(DEVICE + 2, 2, 0)
        self.available = 0

    def describe(self, *descriptors: Descriptor, first: int = 0) -> None:
        for i, descriptor in enumerate(descriptors, first):
            self.memory.write(DESC + 16 * i, struct.pack("<QIHH", *descriptor))

    def offer(self, head: int = 0) -> None:
        self.memory.store(DRIVER + 4 + 2 * (self.available % NUM), 2, head)
        self.available = (self.available + 1) & 0xFFFF
        self.memory.store(DRIVER + 2, 2, self.available)

    def submit(self, kind: int, sector: int, length: int, first: int = 0) -> int:
        """Offer a request of three descriptors; return the address of its buffer."""
        header = BUFFERS + first * 0x1000
        data, status = header + 16, header + 0xFFF
        self.memory.write(header, struct.pack("<IIQ", kind, 0, sector))
        self.memory.write(status, b"\xff")
        flags = NEXT if kind == v.T_OUT else NEXT | WRITE
        self.describe(
            (header, 16, NEXT, first + 1),
            (data, length, flags, first + 2),
            (status, 1, WRITE, 0),
            first=first,
        )
        self.offer(first)
        self.put(v.QUEUE_NOTIFY, 0)
        return data

    def finish(self) -> None:
        """Let time pass until the device is idle."""
        while self.device.deadline is not None:
            self.clock.now = self.device.deadline
            self.device.on_deadline(self.clock.now)

    def result(self, first: int = 0) -> int:
        return self.memory.load(BUFFERS + first * 0x1000 + 0xFFF, 1)

    def used(self) -> list[tuple[int, int]]:
        count = self.memory.load(DEVICE + 2, 2)
        ring = range(count)
        return [struct.unpack("<II", self.memory.read(DEVICE + 4 + 8 * (i % NUM), 8)) for i in ring]

    def broken(self) -> bool:
        return bool(self.get(v.STATUS) & v.NEEDS_RESET)


def test_identity() -> None:
    """A driver finds a modern block device, its capacity and its block size."""
    driver = Driver()
    assert [driver.get(r) for r in (0, 4, 8, 12)] == [0x74726976, 2, 2, 0x554D4551]
    assert driver.get(v.CONFIG) == 8
    assert driver.device.read(v.CONFIG, 8) == 8
    assert driver.get(v.CONFIG + 0x0C) == 126
    assert driver.get(v.CONFIG + 0x14) == SECTOR
    assert driver.get(v.QUEUE_NUM_MAX) == 128
    driver.put(v.QUEUE_SEL, 1)
    assert driver.get(v.QUEUE_NUM_MAX) == 0


@pytest.mark.parametrize("read_only", [False, True])
def test_features_are_offered_in_two_halves(read_only: bool) -> None:
    """VERSION_1 and FLUSH are offered, RO exactly on a read-only disk, indirect never."""
    driver = Driver(read_only=read_only)
    driver.put(v.DEVICE_FEATURES_SEL, 0)
    low = driver.get(v.DEVICE_FEATURES)
    driver.put(v.DEVICE_FEATURES_SEL, 1)
    features = driver.get(v.DEVICE_FEATURES) << 32 | low
    assert features & (v.VERSION_1 | v.FLUSH) == v.VERSION_1 | v.FLUSH
    assert bool(features & v.RO) == read_only
    assert not features & 1 << 28


def test_features_that_were_not_offered_are_refused() -> None:
    """FEATURES_OK does not stay set if the driver accepts what was not offered."""
    driver = Driver()
    driver.start(features=v.VERSION_1 | 1 << 28)
    assert not driver.get(v.STATUS) & v.FEATURES_OK
    driver.start()
    assert driver.get(v.STATUS) & v.FEATURES_OK


@pytest.mark.parametrize("num", [0, 3, 256])
def test_a_queue_of_an_impossible_size_does_not_start(num: int) -> None:
    """A queue has a power of two of entries, at most 128."""
    driver = Driver()
    driver.start(num=num)
    assert driver.get(v.QUEUE_READY) == 0


def test_a_read_takes_its_time_and_then_interrupts() -> None:
    """The data arrive when the service time is over, with status, used entry and interrupt."""
    driver = Driver()
    data = driver.submit(v.T_IN, 3, 2 * SECTOR)
    assert driver.device.busy
    assert driver.device.deadline == ACCESS + 2 * PER_SECTOR
    assert not driver.irq
    assert driver.used() == []
    driver.finish()
    assert driver.memory.read(data, 2 * SECTOR) == b"\3" * SECTOR + b"\4" * SECTOR
    assert driver.result() == v.S_OK
    assert driver.used() == [(0, 2 * SECTOR + 1)]
    assert driver.irq
    assert driver.get(v.INTERRUPT_STATUS) == 1
    driver.put(v.INTERRUPT_ACK, 1)
    assert not driver.irq
    assert not driver.device.busy


def test_a_write_reaches_the_disk() -> None:
    """OUT stores the buffer on the disk and only the status byte in memory."""
    driver = Driver()
    driver.memory.write(BUFFERS + 16, b"w" * SECTOR)
    driver.submit(v.T_OUT, 5, SECTOR)
    driver.finish()
    assert driver.disk.read(4, 3) == b"\4" * SECTOR + b"w" * SECTOR + b"\6" * SECTOR
    assert driver.result() == v.S_OK
    assert driver.used() == [(0, 1)]


@given(
    cuts=st.lists(st.integers(1, 2 * SECTOR), max_size=4, unique=True),
    header_cut=st.integers(1, 15),
)
def test_framing_does_not_matter(cuts: list[int], header_cut: int) -> None:
    """A request means the same however it is cut into descriptors (2.7.4)."""
    driver = Driver()
    header, out = BUFFERS, BUFFERS + 0x1000
    driver.memory.write(header, struct.pack("<IIQ", v.T_IN, 0, 2))
    edges = [0, *sorted(cuts), 2 * SECTOR + 1]  # the status byte is part of the last piece
    pieces = [(header, header_cut, 0), (header + header_cut, 16 - header_cut, 0)]
    pieces += [(out + a, b - a, WRITE) for a, b in itertools.pairwise(edges)]
    last = len(pieces) - 1
    driver.describe(*[(a, n, f | (NEXT if i < last else 0), i + 1)
                      for i, (a, n, f) in enumerate(pieces)])  # fmt: skip
    driver.offer()
    driver.put(v.QUEUE_NOTIFY, 0)
    driver.finish()
    assert driver.memory.read(out, 2 * SECTOR + 1) == b"\2" * SECTOR + b"\3" * SECTOR + b"\0"


def test_requests_complete_in_order_one_after_the_other() -> None:
    """Several requests offered at once are served in their order, each in its own time."""
    driver = Driver()
    for i, sector in enumerate((6, 1)):
        driver.submit(v.T_IN, sector, SECTOR, first=3 * i)
    driver.clock.now = ACCESS + PER_SECTOR
    driver.device.on_deadline(driver.clock.now)
    assert [head for head, _ in driver.used()] == [0]
    assert driver.device.deadline == 2 * (ACCESS + PER_SECTOR)
    driver.finish()
    assert [head for head, _ in driver.used()] == [0, 3]


def test_the_indices_wrap() -> None:
    """The rings go on beyond their size and beyond 65536 entries."""
    driver = Driver()
    for _ in range(65536 + 3):
        driver.submit(v.T_FLUSH, 0, 0)
        driver.finish()
    assert driver.memory.load(DEVICE + 2, 2) == 3
    assert not driver.broken()


def test_a_driver_may_decline_interrupts() -> None:
    """With VRING_AVAIL_F_NO_INTERRUPT a used buffer raises no interrupt."""
    driver = Driver()
    driver.memory.store(DRIVER, 2, 1)
    driver.submit(v.T_IN, 0, SECTOR)
    driver.finish()
    assert len(driver.used()) == 1
    assert not driver.irq
    assert driver.get(v.INTERRUPT_STATUS) == 0


def test_get_id() -> None:
    """GET_ID gives twenty bytes of name."""
    driver = Driver()
    data = driver.submit(v.T_GET_ID, 0, 20)
    driver.finish()
    assert driver.memory.read(data, 20) == b"vlab-disk".ljust(20, b"\0")
    assert driver.used() == [(0, 21)]


@pytest.mark.parametrize(
    ("kind", "sector", "length", "status"),
    [
        (v.T_FLUSH, 0, 0, v.S_OK),
        (v.T_IN, 7, 2 * SECTOR, v.S_IOERR),
        (v.T_OUT, 8, SECTOR, v.S_IOERR),
        (v.T_IN, (1 << 64) - 1, SECTOR, v.S_IOERR),
        (v.T_IN, 0, 100, v.S_IOERR),
        (11, 0, SECTOR, v.S_UNSUPP),
    ],
)
def test_requests_that_cannot_be_served_fail(
    kind: int, sector: int, length: int, status: int
) -> None:
    """A request beyond the disk is an I/O error, an unknown one unsupported; nothing moves."""
    driver = Driver()
    before = bytes(driver.disk.data)
    data = driver.submit(kind, sector, length)
    driver.finish()
    assert driver.result() == status
    assert driver.disk.data == before
    assert driver.memory.read(data, 100) == bytes(100)
    assert not driver.broken()


def test_a_read_only_disk_stays_as_it_is() -> None:
    """OUT on a read-only disk is an I/O error."""
    driver = Driver(read_only=True)
    driver.submit(v.T_OUT, 0, SECTOR)
    driver.finish()
    assert driver.result() == v.S_IOERR
    assert driver.disk.read(0, 1) == bytes(SECTOR)


HEADER_OK, STATUS_OK = (BUFFERS, 16, NEXT, 1), (BUFFERS + 0xFFF, 1, WRITE, 0)
BAD_CHAINS = {
    "loop": [(BUFFERS, 16, NEXT, 1), (BUFFERS + 16, 512, NEXT | WRITE, 1)],
    "index outside the table": [(BUFFERS, 16, NEXT, NUM), *[(0, 0, 0, 0)] * 7, STATUS_OK],
    "short header": [(BUFFERS, 15, NEXT, 1), STATUS_OK],
    "no status byte": [(BUFFERS, 16, 0, 0)],
    "indirect": [(BUFFERS, 16, NEXT | INDIRECT, 1), STATUS_OK],
    "readable after writable": [(*STATUS_OK[:2], WRITE | NEXT, 1), (BUFFERS, 16, 0, 0)],
    "header outside memory": [(0x1000, 16, NEXT, 1), STATUS_OK],
    "data outside memory": [HEADER_OK, (RAM + RAM_SIZE - 8, 512, NEXT | WRITE, 2), STATUS_OK],
    "status outside memory": [HEADER_OK, ((1 << 64) - 1, 1, WRITE, 0)],
}


@pytest.mark.parametrize("name", BAD_CHAINS)
def test_a_malformed_chain_stops_the_device(name: str) -> None:
    """A broken chain sets DEVICE_NEEDS_RESET with a configuration interrupt until a reset."""
    driver = Driver()
    driver.describe(*BAD_CHAINS[name])
    driver.offer()
    driver.put(v.QUEUE_NOTIFY, 0)
    driver.finish()
    assert driver.broken()
    assert driver.irq
    assert driver.get(v.INTERRUPT_STATUS) == 2
    driver.submit(v.T_IN, 0, SECTOR)
    assert not driver.device.busy
    driver.start()
    assert not driver.broken()
    assert not driver.irq
    driver.submit(v.T_IN, 1, SECTOR)
    driver.finish()
    assert driver.result() == v.S_OK


@pytest.mark.parametrize("ring", [0x80, 0x90, 0xA0])
def test_a_ring_outside_memory_stops_the_device(ring: int) -> None:
    """Rings where there is no memory are the driver's mistake."""
    driver = Driver()
    driver.put(v.QUEUE_READY, 0)
    driver.put(ring, 0x1000)
    driver.put(ring + 4, 0)
    driver.put(v.QUEUE_READY, 1)
    driver.submit(v.T_IN, 0, SECTOR)
    if ring != 0x90:  # without an available ring there is nothing to serve
        assert driver.broken() or driver.device.busy
    driver.finish()
    assert driver.broken()


def test_more_available_than_entries_stops_the_device() -> None:
    """An available index that runs ahead of the ring is the driver's mistake."""
    driver = Driver()
    driver.submit(v.T_FLUSH, 0, 0)
    driver.finish()
    driver.memory.store(DRIVER + 2, 2, 1 + NUM + 1)  # the entries themselves are sound
    driver.put(v.QUEUE_NOTIFY, 0)
    assert driver.broken()


def test_a_driver_cannot_stop_the_device_by_its_status() -> None:
    """DEVICE_NEEDS_RESET is the device's to set."""
    driver = Driver()
    driver.put(v.STATUS, 0xFF)
    assert not driver.broken()


@pytest.mark.parametrize(("register", "value"), [(v.STATUS, 0), (v.QUEUE_READY, 0)])
def test_a_stopped_device_moves_no_more_data(register: int, value: int) -> None:
    """After a reset, or when the queue is stopped, a request under way is dropped."""
    driver = Driver()
    data = driver.submit(v.T_IN, 1, SECTOR)
    driver.put(register, value)
    assert not driver.device.busy
    driver.finish()
    assert driver.memory.read(data, SECTOR) == bytes(SECTOR)
    assert driver.used() == []


def test_nothing_is_served_before_driver_ok() -> None:
    """The device consumes no buffer before DRIVER_OK (3.1.1)."""
    driver = Driver()
    driver.put(v.STATUS, 3 | v.FEATURES_OK)
    driver.submit(v.T_IN, 0, SECTOR)
    assert not driver.device.busy


@given(
    table=st.lists(
        st.tuples(
            st.sampled_from([DESC, DRIVER, DEVICE, BUFFERS, RAM + RAM_SIZE - 1, 0, (1 << 64) - 1])
            | st.integers(BUFFERS, RAM + RAM_SIZE),
            st.sampled_from([0, 1, 15, 16, 17, 512, 513, 1024, 0xFFFF_FFFF]),
            st.integers(0, 7),
            st.integers(0, NUM),
        ),
        min_size=NUM,
        max_size=NUM,
    ),
    header=st.tuples(st.sampled_from([0, 1, 4, 8, 9]), st.just(0), st.integers(0, 9)),
    heads=st.lists(st.integers(0, NUM), min_size=1, max_size=NUM),
)
def test_no_ring_contents_raise(table: list, header: tuple, heads: list[int]) -> None:
    """Whatever is in the rings, the device ends up idle, or stopped, never in an exception."""
    driver = Driver()
    driver.describe(*table)
    driver.memory.write(BUFFERS, struct.pack("<IIQ", *header))
    for head in heads:
        driver.offer(head)
    driver.put(v.QUEUE_NOTIFY, 0)
    driver.finish()
    assert driver.disk.sectors == 8
    assert not driver.device.busy


def test_state_in_the_middle_of_a_request() -> None:
    """A device that is restored while a request is under way completes it."""
    driver, other = Driver(), Driver()
    data = driver.submit(v.T_IN, 4, SECTOR)
    other.memory.write(RAM, driver.memory.read(RAM, RAM_SIZE))
    other.device.restore(driver.device.state())
    assert other.device.busy
    other.finish()
    assert other.memory.read(data, SECTOR) == b"\4" * SECTOR
    assert other.irq
    assert not driver.irq
