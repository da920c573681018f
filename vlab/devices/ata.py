"""ATA disk in PIO mode (AT Attachment with Packet Interface - 6, T13/1410D).

The processor moves every word itself, and the disk interrupts for every sector.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vlab.devices.deadline import Deadline
from vlab.devices.disk import SECTOR, DiskImage, DiskTiming

if TYPE_CHECKING:
    from vlab.clock import Clock

DATA, ERROR_FEATURES, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE, STATUS_COMMAND = range(8)
ALT_STATUS_CONTROL = 0x206

BSY, DRDY, DSC, DRQ, ERR = 0x80, 0x40, 0x10, 0x08, 0x01
READY = DRDY | DSC
ABRT, IDNF = 0x04, 0x10
DIAGNOSED = 0x01  # error register after a reset: device 0 passed, device 1 passed or absent
DEVICE_LBA, DEVICE_SLAVE = 0x40, 0x10
CONTROL_SRST, CONTROL_NIEN = 0x04, 0x02

READ_SECTORS, WRITE_SECTORS = (0x20, 0x21), (0x30, 0x31)
FLUSH_CACHE, IDENTIFY_DEVICE, SET_FEATURES = 0xE7, 0xEC, 0xEF

STATE = (
    "registers", "error", "status", "control", "command", "lba", "left", "buffer", "position",
    "pending", "deadline",
)  # fmt: skip


class AtaDisk:
    """Device 0 of an ATA channel; device 1 is absent.

    Parameters
    ----------
    disk
        What is on the disk.
    clock
        Tells the time.
    irq
        The interrupt wire (INTRQ).
    timing
        Service times.
    """

    name = "ata"
    compatible = "ata-generic"
    size = 0x1000
    deadline = Deadline()

    def __init__(
        self,
        disk: DiskImage,
        clock: Clock,
        irq: Callable[[bool], None],
        timing: DiskTiming | None = None,
    ) -> None:
        self.disk, self.clock, self.irq = disk, clock, irq
        self.timing = timing or DiskTiming()
        self.control = 0
        self._reset()

    def _reset(self) -> None:
        """Power-on or software reset: the signature of 9.12, no command under way."""
        self.registers = {COUNT: 1, LBA_LOW: 1, LBA_MID: 0, LBA_HIGH: 0, DEVICE: 0}
        self.registers[ERROR_FEATURES] = 0
        self.error, self.status = DIAGNOSED, READY
        self.command = self.lba = self.left = self.position = 0
        self.buffer = b""
        self.pending = False
        self.deadline = None

    @property
    def busy(self) -> bool:
        """Whether the disk works on a request (and does not wait for the processor)."""
        return self.deadline is not None

    @property
    def _absent(self) -> bool:
        return bool(self.registers[DEVICE] & DEVICE_SLAVE)

    def _update(self) -> None:
        self.irq(self.pending and not self._absent and not self.control & CONTROL_NIEN)

    def _interrupt(self) -> None:
        self.pending = True
        self._update()

    # -- registers ------------------------------------------------------------

    def read(self, offset: int, size: int) -> int:
        """Read a register; the data register as many bytes as the access has."""
        if offset == DATA:
            return self._read_data(size)
        if offset == ERROR_FEATURES:
            return self.error
        if offset in (STATUS_COMMAND, ALT_STATUS_CONTROL):
            if self._absent:
                return 0
            if offset == STATUS_COMMAND:
                self.pending = False
                self._update()
            return self.status
        return self.registers.get(offset, 0)

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a register; the disk ignores most of them while it executes a command."""
        if offset == ALT_STATUS_CONTROL:
            self._write_control(value & 0xFF)
        elif self.status & BSY:
            return
        elif offset == DATA:
            self._write_data(value, size)
        elif self.status & DRQ:
            return
        elif offset == STATUS_COMMAND:
            if not self._absent:
                self._execute(value & 0xFF)
        elif offset in self.registers:
            self.registers[offset] = value & 0xFF
            self._update()  # a device that is not selected releases INTRQ

    def _write_control(self, value: int) -> None:
        held, self.control = self.control & CONTROL_SRST, value
        if value & CONTROL_SRST:
            self._reset()
            self.status = BSY
        elif held:
            self.status = READY
        self._update()

    # -- data -----------------------------------------------------------------

    @property
    def _writing(self) -> bool:
        return self.command in WRITE_SECTORS

    def _read_data(self, size: int) -> int:
        if self._absent or not self.status & DRQ or self._writing:
            return 0
        piece = self.buffer[self.position : self.position + size]
        self.position += len(piece)
        if self.position == SECTOR:
            self._finish_sector()
        return int.from_bytes(piece, "little")

    def _write_data(self, value: int, size: int) -> None:
        if self._absent or not self.status & DRQ or not self._writing:
            return
        room = SECTOR - self.position
        piece = (value & (1 << 8 * size) - 1).to_bytes(size, "little")[:room]
        self.buffer += piece
        self.position += len(piece)
        if self.position == SECTOR:
            first = self.left == self._count
            self._work(self.timing.service(1) if first else self.timing.per_sector)

    def _finish_sector(self) -> None:
        """The processor has taken a sector."""
        self.left -= 1
        self.lba += 1
        if self.left:
            self._work(self.timing.per_sector)
        else:
            self.status = READY

    # -- commands -------------------------------------------------------------

    @property
    def _count(self) -> int:
        return self.registers[COUNT] or 256

    def _execute(self, command: int) -> None:
        self.command, self.error, self.left, self.position, self.buffer = command, 0, 0, 0, b""
        self.pending = False
        self._update()
        if command in READ_SECTORS or command in WRITE_SECTORS:
            self._transfer()
        elif command == IDENTIFY_DEVICE:
            self.left = 1
            self._work(self.timing.per_sector)
        elif command == FLUSH_CACHE:
            self._work(self.timing.access)
        elif command == SET_FEATURES:
            self.status = READY
            self._interrupt()
        else:
            self._fail(ABRT)

    def _transfer(self) -> None:
        reg = self.registers
        self.lba = (
            (reg[DEVICE] & 0xF) << 24 | reg[LBA_HIGH] << 16 | reg[LBA_MID] << 8 | reg[LBA_LOW]
        )
        self.left = self._count
        if not reg[DEVICE] & DEVICE_LBA or (self._writing and self.disk.read_only):
            self._fail(ABRT)
        elif not self.disk.holds(self.lba, self.left):
            self._fail(IDNF)
        elif self._writing:
            self.status = READY | DRQ  # the first sector is asked for without an interrupt
        else:
            self._work(self.timing.service(1))

    def _fail(self, error: int) -> None:
        self.error, self.status = error, READY | ERR
        self._interrupt()

    def _work(self, cycles: int) -> None:
        self.status = BSY
        self.deadline = self.clock.now + cycles

    def on_deadline(self, now: int) -> None:
        """The medium has delivered or taken a sector."""
        self.deadline = None
        self.status, self.position = READY, 0
        if self._writing:
            self.disk.write(self.lba, self.buffer)
            self.lba, self.left, self.buffer = self.lba + 1, self.left - 1, b""
        elif self.command in READ_SECTORS:
            self.buffer = self.disk.read(self.lba, 1)
        elif self.command == IDENTIFY_DEVICE:
            self.buffer = identification(self.disk)
        if self.left:
            self.status |= DRQ
        self._interrupt()

    # -- state ----------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return the state as plain data (the disk's contents are not part of it)."""
        state = {name: getattr(self, name) for name in STATE}
        return state | {"registers": dict(self.registers)}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        self.__dict__.update(state)
        self.registers = dict(state["registers"])
        self._update()


def identification(disk: DiskImage) -> bytes:
    """Return what IDENTIFY DEVICE transfers (ATA-6, 8.15.8, table 27)."""
    sectors = min(disk.sectors, (1 << 28) - 1)
    words = [0] * 256
    words[0] = 0x0040  # not removable
    words[1], words[3], words[6] = min(16383, max(1, sectors // (16 * 63))), 16, 63
    words[10:20] = _text("VLAB-ATA-1", 10)
    words[23:27] = _text("1", 4)
    words[27:47] = _text("vlab ATA disk", 20)
    words[47] = 0x8000  # no READ MULTIPLE
    words[49] = 0x0200  # LBA
    words[50] = 0x4000
    words[60], words[61] = sectors & 0xFFFF, sectors >> 16
    words[80] = 0x0040  # ATA/ATAPI-6
    words[83] = words[86] = 0x1000  # FLUSH CACHE: supported, enabled
    for validity in (83, 84, 87):
        words[validity] |= 0x4000
    return struct.pack("<256H", *words)


def _text(text: str, words: int) -> list[int]:
    """Return an ATA string: padded with spaces, the first character in the high byte."""
    return list(struct.unpack(f">{words}H", text.ljust(2 * words).encode()))
