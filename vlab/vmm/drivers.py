"""The monitor's own drivers for the real devices, at register level.

They are what the native guest's drivers are (`guests/kernel/arch/native`), in the monitor.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from vlab.board import ATA, IRQ, PLIC, UART, VIRTIO
from vlab.machine import Machine
from vlab.memory import PAGE, PhysicalMemory

SECTOR = 512


class Registers:
    """Device registers; every access is counted, as the guest's own are in other modes."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.bus = machine, machine.board.bus

    def read(self, address: int, size: int) -> int:
        """Read a register."""
        self._count(address)
        return self.bus.read(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        """Write a register."""
        self._count(address)
        self.bus.write(address, size, value)

    def _count(self, address: int) -> None:
        self.machine.advance()  # the device must know what time it is
        name = self.bus.find(address).name
        self.machine.count_key("mmio_by_device", "mmio_accesses", name)


class PlicDriver:
    """The interrupt controller, context 1: S-mode of hart 0."""

    ENABLE, THRESHOLD, CLAIM = PLIC + 0x2080, PLIC + 0x201000, PLIC + 0x201004

    def __init__(self, registers: Registers, irqs: list[int]) -> None:
        self.registers = registers
        for irq in irqs:
            registers.write(PLIC + 4 * irq, 4, 1)
        registers.write(self.ENABLE, 4, sum(1 << irq for irq in irqs))
        registers.write(self.THRESHOLD, 4, 0)

    def claim(self) -> int:
        """Return the source that interrupts, 0 if none does (any more)."""
        return self.registers.read(self.CLAIM, 4)

    def complete(self, irq: int) -> None:
        """The source was served."""
        self.registers.write(self.CLAIM, 4, irq)


class UartDriver:
    """ns16550: output through its FIFO, input by interrupt."""

    irq = IRQ["uart"]
    DATA, IER, FCR, LCR, LSR = UART, UART + 1, UART + 2, UART + 3, UART + 5
    FIFO = 16
    RECEIVED, IDLE = 0x01, 0x20

    def __init__(self, registers: Registers) -> None:
        self.registers = registers
        registers.write(self.LCR, 1, 3)
        registers.write(self.FCR, 1, 7)

    def listen(self) -> None:
        """Interrupt when something was received."""
        self.registers.write(self.IER, 1, 1)

    def transmit(self, data: bytes) -> None:
        """Send bytes; an idle transmitter has room for a FIFO of them."""
        for n, byte in enumerate(data):
            if n % self.FIFO == 0:
                while not self.registers.read(self.LSR, 1) & self.IDLE:
                    pass
            self.registers.write(self.DATA, 1, byte)

    def receive(self) -> bytes:
        """Return what was received."""
        data = bytearray()
        while self.registers.read(self.LSR, 1) & self.RECEIVED:
            data.append(self.registers.read(self.DATA, 1))
        return bytes(data)


class Transfer(NamedTuple):
    """A disk transfer to or from host-physical memory."""

    sector: int
    address: int
    sectors: int
    write: bool


class VirtioDriver:
    """virtio-blk on virtio-mmio (Virtual I/O Device specification 1.1, sections 4.2 and 5.2).

    Parameters
    ----------
    registers
        Device registers.
    physical, frame
        Host-physical memory, and the frame in it where queue, header and status are.
    """

    irq = IRQ["virtio-blk"]
    DESCRIPTORS, AVAILABLE, USED, HEADER, STATUS = 0, 64, 128, 256, 272
    QUEUE_SIZE = 4
    NEXT, DEVICE_WRITES = 1, 2

    def __init__(self, registers: Registers, physical: PhysicalMemory, frame: int) -> None:
        self.registers, self.physical, self.frame = registers, physical, frame
        self.available = self.seen = 0
        physical.write(frame, bytes(PAGE))
        self._write(0x070, 0)
        self._write(0x070, 1)
        self._write(0x070, 3)
        self._write(0x024, 1)
        self._write(0x020, 1)  # VERSION_1, bit 32
        self._write(0x070, 11)
        self._write(0x030, 0)
        self._write(0x038, self.QUEUE_SIZE)
        for register, offset in (
            (0x080, self.DESCRIPTORS),
            (0x090, self.AVAILABLE),
            (0x0A0, self.USED),
        ):
            self._write(register, frame + offset & 0xFFFF_FFFF)
            self._write(register + 4, frame + offset >> 32)
        self._write(0x044, 1)
        self._write(0x070, 15)

    def _write(self, register: int, value: int) -> None:
        self.registers.write(VIRTIO + register, 4, value)

    def start(self, transfer: Transfer) -> None:
        """Put a request of three descriptors into the queue and ring the bell."""
        frame, memory = self.frame, self.physical
        size = transfer.sectors * SECTOR
        flags = self.NEXT if transfer.write else self.NEXT | self.DEVICE_WRITES
        chain = (
            (frame + self.HEADER, 16, self.NEXT, 1),
            (transfer.address, size, flags, 2),
            (frame + self.STATUS, 1, self.DEVICE_WRITES, 0),
        )
        memory.write(frame, b"".join(struct.pack("<QIHH", *row) for row in chain))
        memory.write(
            frame + self.HEADER, struct.pack("<IIQ", int(transfer.write), 0, transfer.sector)
        )
        ring = frame + self.AVAILABLE
        memory.store(ring + 4 + self.available % self.QUEUE_SIZE * 2, 2, 0)
        self.available += 1
        memory.store(ring + 2, 2, self.available)
        self._write(0x050, 0)

    def interrupt(self) -> int | None:
        """Acknowledge the interrupt; return the request's status if it is finished."""
        self._write(0x064, self.registers.read(VIRTIO + 0x060, 4))
        used = self.physical.load(self.frame + self.USED + 2, 2)
        if used == self.seen:
            return None
        self.seen = used
        return self.physical.load(self.frame + self.STATUS, 1)


class AtaDriver:
    """ATA disk in PIO mode (ATA/ATAPI-6, 28-bit LBA): every word goes through the CPU."""

    irq = IRQ["ata"]
    DATA, COUNT, LBA, DEVICE, COMMAND, CONTROL = 0, 2, 3, 6, 7, 0x206
    ERROR, DRQ, FAULT = 0x01, 0x08, 0x20
    READ_SECTORS, WRITE_SECTORS = 0x20, 0x30

    def __init__(self, registers: Registers, physical: PhysicalMemory) -> None:
        self.registers, self.physical = registers, physical
        self.left = self.address = 0
        self.write = False
        self._out(self.CONTROL, 0)

    def _out(self, register: int, value: int, size: int = 1) -> None:
        self.registers.write(ATA + register, size, value)

    def _in(self, register: int, size: int = 1) -> int:
        return self.registers.read(ATA + register, size)

    def start(self, transfer: Transfer) -> None:
        """Give the command; the first sector that is written goes without an interrupt."""
        self.address, self.left, self.write = transfer.address, transfer.sectors, transfer.write
        self._out(self.DEVICE, 0xE0 | transfer.sector >> 24 & 0xF)
        self._out(self.COUNT, transfer.sectors)
        for n in range(3):
            self._out(self.LBA + n, transfer.sector >> 8 * n & 0xFF)
        self._out(self.COMMAND, self.WRITE_SECTORS if self.write else self.READ_SECTORS)
        if self.write and self._in(self.CONTROL) & self.DRQ:
            self._move()

    def interrupt(self) -> int | None:
        """Move the next sector; return the request's status if it is finished."""
        status = self._in(self.COMMAND)
        if not self.left:
            return None
        if status & (self.ERROR | self.FAULT):
            self.left = 0
            return status
        if not self.write:
            self._move()
        self.left -= 1
        if self.left and self.write:
            self._move()
        return None if self.left else 0

    def _move(self) -> None:
        for address in range(self.address, self.address + SECTOR, 2):
            if self.write:
                self._out(self.DATA, self.physical.load(address, 2), 2)
            else:
                self.physical.store(address, 2, self._in(self.DATA, 2))
        self.address += SECTOR
