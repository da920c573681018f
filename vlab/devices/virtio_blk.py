"""Block device on virtio-mmio (Virtual I/O Device specification 1.2, 4.2.2 and 5.2)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from vlab.devices.deadline import Deadline
from vlab.devices.disk import SECTOR, DiskImage, DiskTiming
from vlab.devices.virtqueue import (
    QUEUE_MAX,
    QueueError,
    Segment,
    Virtqueue,
    cut,
    gather,
    length,
    scatter,
)
from vlab.memory import MemoryRangeError

if TYPE_CHECKING:
    from vlab.clock import Clock
    from vlab.memory import Memory

MAGIC, VERSION, DEVICE_ID, VENDOR_ID = 0x000, 0x004, 0x008, 0x00C
DEVICE_FEATURES, DEVICE_FEATURES_SEL = 0x010, 0x014
DRIVER_FEATURES, DRIVER_FEATURES_SEL = 0x020, 0x024
QUEUE_SEL, QUEUE_NUM_MAX, QUEUE_NUM, QUEUE_READY = 0x030, 0x034, 0x038, 0x044
QUEUE_NOTIFY, INTERRUPT_STATUS, INTERRUPT_ACK, STATUS = 0x050, 0x060, 0x064, 0x070
QUEUE_ADDRESSES = {
    0x080: ("desc", 0), 0x084: ("desc", 32),
    0x090: ("driver", 0), 0x094: ("driver", 32),
    0x0A0: ("device", 0), 0x0A4: ("device", 32),
}  # fmt: skip
SHM_LENGTH_AND_BASE = (0x0B0, 0x0B4, 0x0B8, 0x0BC)
CONFIG_GENERATION, CONFIG = 0x0FC, 0x100

IDENTITY = {
    MAGIC: 0x74726976,  # "virt"
    VERSION: 2,
    DEVICE_ID: 2,  # block device
    VENDOR_ID: 0x554D4551,  # "QEMU", as on its virt board
}

DRIVER_OK, FEATURES_OK, NEEDS_RESET = 4, 8, 64
USED_BUFFER, CONFIG_CHANGE = 1, 2  # interrupt status

SEG_MAX, RO, BLK_SIZE, FLUSH, VERSION_1 = 1 << 2, 1 << 5, 1 << 6, 1 << 9, 1 << 32

T_IN, T_OUT, T_FLUSH, T_GET_ID = 0, 1, 4, 8
S_OK, S_IOERR, S_UNSUPP = 0, 1, 2
HEADER = struct.Struct("<IIQ")
ID = b"vlab-disk".ljust(20, b"\0")

MASK32 = (1 << 32) - 1
STATE = (
    "status", "device_sel", "driver_sel", "driver_features", "queue_sel",
    "interrupt_status", "request", "deadline",
)  # fmt: skip


class Request(NamedTuple):
    """A request, parsed; the status byte is a segment of one byte."""

    head: int
    kind: int
    sector: int
    data: list[Segment]
    status: Segment

    @property
    def length(self) -> int:
        """Bytes of data."""
        return length(self.data)


class VirtioBlk:
    """A disk that fetches its requests from memory and moves the data by DMA, in order.

    Parameters
    ----------
    disk
        What is on the disk.
    memory
        What DMA reaches.
    clock
        Tells the time.
    irq
        The interrupt wire.
    timing
        Service times.
    """

    name = "virtio-blk"
    compatible = "virtio,mmio"
    size = 0x1000
    deadline = Deadline()

    def __init__(
        self,
        disk: DiskImage,
        memory: Memory,
        clock: Clock,
        irq: Callable[[bool], None],
        timing: DiskTiming | None = None,
    ) -> None:
        self.disk, self.memory, self.clock, self.irq = disk, memory, clock, irq
        self.timing = timing or DiskTiming()
        self.features = SEG_MAX | BLK_SIZE | FLUSH | VERSION_1 | (RO if disk.read_only else 0)
        self.config = struct.pack(
            "<QIIHBBI", disk.sectors, 0, QUEUE_MAX - 2, 0, 0, 0, SECTOR
        )  # capacity, size_max, seg_max, geometry, blk_size
        self._reset()

    def _reset(self) -> None:
        self.status = self.device_sel = self.driver_sel = self.driver_features = 0
        self.queue_sel = self.interrupt_status = 0
        self.queue = Virtqueue(self.memory)
        self.request: Request | None = None
        self.deadline = None

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self.request is not None

    def _interrupt(self, cause: int) -> None:
        self.interrupt_status |= cause
        self.irq(True)

    # -- registers ------------------------------------------------------------

    def read(self, offset: int, size: int) -> int:
        """Read a register (32 bits each) or a part of the configuration space."""
        if offset >= CONFIG:
            return int.from_bytes(self.config[offset - CONFIG :][:size], "little")
        if size != 4:
            return 0
        if offset in IDENTITY:
            return IDENTITY[offset]
        if offset == DEVICE_FEATURES:
            return self.features >> 32 * self.device_sel & MASK32 if self.device_sel < 2 else 0
        if offset == QUEUE_NUM_MAX:
            return 0 if self.queue_sel else QUEUE_MAX
        if offset == QUEUE_READY:
            return 0 if self.queue_sel else int(self.queue.ready)
        if offset == INTERRUPT_STATUS:
            return self.interrupt_status
        if offset == STATUS:
            return self.status
        return MASK32 if offset in SHM_LENGTH_AND_BASE else 0  # there is no shared memory

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a register; anything but an access of 32 bits is ignored."""
        if size != 4:
            return
        value &= MASK32
        if offset == DEVICE_FEATURES_SEL:
            self.device_sel = value
        elif offset == DRIVER_FEATURES_SEL:
            self.driver_sel = value
        elif offset == DRIVER_FEATURES:
            self._accept_features(value)
        elif offset == QUEUE_SEL:
            self.queue_sel = value
        elif offset == QUEUE_NOTIFY:
            if value == 0:
                self._start_next()
        elif offset == INTERRUPT_ACK:
            self.interrupt_status &= ~value
            self.irq(self.interrupt_status != 0)
        elif offset == STATUS:
            self._write_status(value)
        elif self.queue_sel == 0:
            self._write_queue(offset, value)

    def _accept_features(self, value: int) -> None:
        if self.driver_sel < 2 and not self.status & FEATURES_OK:
            shift = 32 * self.driver_sel
            self.driver_features = self.driver_features & ~(MASK32 << shift) | value << shift

    def _write_status(self, value: int) -> None:
        if value == 0:
            self._reset()
            self.irq(False)
            return
        # A driver that does not accept VERSION_1 is tolerated, as 6.1 allows: xv6 is one.
        if self.driver_features & ~self.features:
            value &= ~FEATURES_OK
        self.status = value & 0xFF & ~NEEDS_RESET | self.status & NEEDS_RESET

    def _write_queue(self, offset: int, value: int) -> None:
        queue = self.queue
        if offset == QUEUE_READY:
            queue.set_ready(bool(value & 1))
            if not queue.ready:
                self.request = self.deadline = None
        elif queue.ready:
            return
        elif offset == QUEUE_NUM:
            queue.num = value
        elif offset in QUEUE_ADDRESSES:
            name, shift = QUEUE_ADDRESSES[offset]
            kept = getattr(queue, name) & (MASK32 << 32 - shift)
            setattr(queue, name, kept | value << shift)

    # -- requests -------------------------------------------------------------

    def _start_next(self) -> None:
        """Take the next request from the queue, unless one is under way."""
        live = self.status & DRIVER_OK and not self.status & NEEDS_RESET and self.queue.ready
        if self.request is not None or not live:
            return
        try:
            chain = self.queue.next_chain()
            if chain is None:
                return
            self.request = self._parse(*chain)
        except (QueueError, MemoryRangeError):
            self._fail()
        else:
            self.deadline = self.clock.now + self._service_time(self.request)

    def _fail(self) -> None:
        """The driver has broken the rules of the queue: stop until it resets the device."""
        self.request = self.deadline = None
        self.status |= NEEDS_RESET
        self._interrupt(CONFIG_CHANGE)

    def _parse(self, head: int, chain: list[Segment]) -> Request:
        """Return the request of a chain (5.2.6), however it is cut into descriptors (2.7.4)."""
        readable = [s for s in chain if not s[2]]
        writable = [s for s in chain if s[2]]
        if length(readable) < HEADER.size or length(writable) < 1:
            raise QueueError("a request has a header of 16 bytes and a status byte")
        kind, _, sector = HEADER.unpack(gather(self.memory, cut(readable, 0, HEADER.size)))
        last = length(writable) - 1
        status = cut(writable, last, last + 1)[0]
        out = cut(readable, HEADER.size, length(readable))
        data = out if kind == T_OUT else cut(writable, 0, last)
        return Request(head, kind, sector, data, status)

    def _on_disk(self, request: Request) -> bool:
        sectors, rest = divmod(request.length, SECTOR)
        return rest == 0 and self.disk.holds(request.sector, sectors)

    def _service_time(self, request: Request) -> int:
        moves = request.kind in (T_IN, T_OUT) and self._on_disk(request)
        return self.timing.service(request.length // SECTOR if moves else 0)

    def on_deadline(self, now: int) -> None:
        """Complete the request under way, and take the next."""
        request, self.request, self.deadline = self.request, None, None
        if request is None:
            return
        try:
            result, written = self._carry_out(request)
            self.memory.write(request.status[0], bytes([result]))
            self.queue.complete(request.head, written + 1)
            if self.queue.wants_interrupt():
                self._interrupt(USED_BUFFER)
        except MemoryRangeError:
            self._fail()
        self._start_next()

    def _carry_out(self, request: Request) -> tuple[int, int]:
        """Move the data; return the status of the request and the bytes stored in memory."""
        kind, sector, data = request.kind, request.sector, request.data
        if kind in (T_IN, T_OUT) and not self._on_disk(request):
            return S_IOERR, 0
        if kind == T_IN:
            content = self.disk.read(sector, request.length // SECTOR)
            return S_OK, scatter(self.memory, data, content)
        if kind == T_OUT:
            if self.disk.read_only:
                return S_IOERR, 0
            self.disk.write(sector, gather(self.memory, data))
            return S_OK, 0
        if kind == T_FLUSH:
            return S_OK, 0
        if kind == T_GET_ID:
            return S_OK, scatter(self.memory, cut(data, 0, len(ID)), ID)
        return S_UNSUPP, 0

    # -- state ----------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return the state as plain data (the disk's contents are not part of it)."""
        state = {name: getattr(self, name) for name in STATE}
        state["request"] = self.request and tuple(self.request)
        return state | {"queue": self.queue.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        for name in STATE:
            setattr(self, name, state[name])
        self.request = state["request"] and Request(*state["request"])
        self.queue.restore(state["queue"])
        self.irq(self.interrupt_status != 0)
