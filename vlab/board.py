"""The board: the one device set, the same in every mode (QEMU's ``virt`` memory map)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlab.bus import Bus
from vlab.clock import Clock
from vlab.devices.ata import AtaDisk
from vlab.devices.clint import Clint
from vlab.devices.deadline import Deadline
from vlab.devices.device import Device
from vlab.devices.disk import DiskImage, DiskTiming
from vlab.devices.finisher import Finisher
from vlab.devices.plic import Plic
from vlab.devices.rtc import Rtc
from vlab.devices.uart import Uart
from vlab.devices.virtio_blk import VirtioBlk
from vlab.errors import MachineError
from vlab.isa.fields import MEI, MSI, MTI, SEI
from vlab.memory import Memory

RAM_BASE = 0x8000_0000
FINISHER, RTC, CLINT, PLIC = 0x10_0000, 0x10_1000, 0x200_0000, 0xC00_0000
UART, VIRTIO, ATA = 0x1000_0000, 0x1000_1000, 0x1000_9000
IRQ = {"virtio-blk": 1, "ata": 9, "uart": 10, "rtc": 11}
"""Interrupt sources at the PLIC."""


class Board:
    """Devices at their addresses, wired to each other and to one hart.

    Parameters
    ----------
    memory
        What DMA reaches: physical memory, or a monitor's view of the guest's.
    disk
        The image behind both disks, or None.
    output
        Called with every byte that the console prints.
    set_interrupt
        ``set_interrupt(bit, level)`` drives a wire of the hart (a bit of ``mip``).
    timing
        Service times of the disks.
    """

    def __init__(
        self,
        memory: Memory,
        disk: DiskImage | None,
        output: Callable[[int], None],
        set_interrupt: Callable[[int, bool], None],
        timing: DiskTiming | None = None,
    ) -> None:
        self.memory, self.disk = memory, disk
        self.set_interrupt = set_interrupt
        self.clock = clock = Clock()
        self.bus = bus = Bus()
        timing = timing or DiskTiming()

        def line(bit: int) -> Callable[[bool], None]:
            return lambda level: set_interrupt(bit, level)

        self.finisher = Finisher()
        self.clint = Clint(clock, line(MSI), line(MTI))
        self.plic = Plic(line(MEI), line(SEI))
        self.rtc = Rtc(clock, self.plic.wire(IRQ["rtc"]))
        self.uart = Uart(output, self.plic.wire(IRQ["uart"]))
        bus.insert(self.finisher, FINISHER)
        bus.insert(self.rtc, RTC)
        bus.insert(self.clint, CLINT)
        bus.insert(self.plic, PLIC)
        bus.insert(self.uart, UART)
        self.sources = {number: name for name, number in IRQ.items()}
        self.disks: list[Any] = []
        if disk is not None:
            self.virtio = VirtioBlk(disk, memory, clock, self.plic.wire(IRQ["virtio-blk"]), timing)
            self.ata = AtaDisk(disk, clock, self.plic.wire(IRQ["ata"]), timing)
            self.disks = [self.virtio, self.ata]
            bus.insert(self.virtio, VIRTIO)
            bus.insert(self.ata, ATA)

    def attach(self, device: Device, base: int) -> None:
        """Attach a device of one's own at an address."""
        if any(device.name == other.name for other in self.bus.devices):
            raise MachineError(f"device {device.name!r}: there is one of that name already")
        if self.memory.contains(base) or self.memory.contains(base + device.size - 1):
            raise MachineError(f"device {device.name!r} at {base:#x}: that is where RAM is")
        if device.interrupt is not None:
            if device.interrupt in self.sources:
                taken = f"interrupt {device.interrupt} is the {self.sources[device.interrupt]}'s"
                raise MachineError(f"device {device.name!r}: {taken}")
            self.sources[device.interrupt] = device.name
            device.irq = self.plic.wire(device.interrupt)  # type: ignore[method-assign]
        device.clock = self.clock
        self.bus.insert(device, base)

    @property
    def exit_code(self) -> int | None:
        """What the guest ended the run with, None while it runs."""
        return self.finisher.exit_code

    def busy(self) -> bool:
        """Return whether a device is working on a request."""
        return any(disk.busy for disk in self.disks)

    def state(self) -> dict[str, Any]:
        """Return the time, the state of every device and the disk's contents as plain data."""
        devices = {device.name: device.state() for device in self.bus.devices}
        disk = None if self.disk is None else bytes(self.disk.data)
        return {"now": self.clock.now, "devices": devices, "disk": disk}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        saved = state["devices"]
        if {device.name for device in self.bus.devices} != set(saved):
            raise MachineError(f"a state of {', '.join(saved)}: this board has other devices")
        self.clock.now = state["now"]
        if self.disk is not None and self.disk.data != state["disk"]:
            self.disk.data[:] = state["disk"]
            self.disk.dirty = True
        # The controller comes first: then the wires that the others pull tell it nothing new.
        for device in sorted(self.bus.devices, key=lambda device: device is not self.plic):
            device.restore(saved[device.name])
        Deadline.changes += 1
