"""The bus: which device answers at which physical address."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from vlab.devices.deadline import Deadline, is_counted
from vlab.errors import MachineError


class BusError(Exception):
    """No device answers. Guest-caused: it becomes an access fault."""


class Device(Protocol):
    """What a device looks like from outside (see ``docs/architecture.md``)."""

    name: str
    size: int
    deadline: int | None

    def read(self, offset: int, size: int) -> int: ...
    def write(self, offset: int, value: int, size: int) -> None: ...
    def on_deadline(self, now: int) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...


class Mapping(NamedTuple):
    """A device at its place."""

    base: int
    end: int
    device: Device

    @property
    def name(self) -> str:
        """The device's name."""
        return self.device.name


class Bus:
    """Devices by address, in the order of their addresses."""

    def __init__(self) -> None:
        self.mappings = []
        self.devices: list[Any] = []
        """All that has a deadline and a state, in the order of attachment."""
        self.counted = True
        """Whether changes of all its deadlines are counted."""
        self._changes = -1
        self._earliest: int | None = None

    @property
    def mappings(self) -> list[Mapping]:
        """Devices at their places, by address."""
        return self._mappings

    @mappings.setter
    def mappings(self, mappings: list[Mapping]) -> None:
        self._mappings = mappings
        self._found: Mapping | None = None  # what the last access found: the next is often there

    def insert(self, device: Device, base: int) -> None:
        """Attach a device; overlapping ranges are refused."""
        end = base + device.size
        for other in self.mappings:
            if base < other.end and other.base < end:
                raise MachineError(
                    f"{device.name} at {base:#x} overlaps {other.name} at {other.base:#x}"
                )
        self.mappings.append(Mapping(base, end, device))
        self.mappings.sort(key=lambda m: m.base)
        self.watch(device)

    def watch(self, device: Any) -> None:
        """Let something without registers have a deadline and a state, too."""
        self.devices.append(device)
        self.counted = self.counted and is_counted(type(device))
        self._changes = -1

    def find(self, address: int) -> Mapping:
        """Return the mapping that an address belongs to, or raise `BusError`."""
        mapping = self._found
        if mapping is not None and mapping.base <= address < mapping.end:
            return mapping
        for mapping in self.mappings:
            if mapping.base <= address < mapping.end:
                self._found = mapping
                return mapping
        raise BusError(f"{address:#x}")

    def read(self, address: int, size: int) -> int:
        """Read a register."""
        base, end, device = self.find(address)
        if address + size > end:
            raise BusError(f"{address:#x}")
        return device.read(address - base, size) & (1 << 8 * size) - 1

    def write(self, address: int, size: int, value: int) -> None:
        """Write a register."""
        base, end, device = self.find(address)
        if address + size > end:
            raise BusError(f"{address:#x}")
        device.write(address - base, value & (1 << 8 * size) - 1, size)

    def deadline(self) -> int | None:
        """Return the earliest deadline, None if there is none."""
        if self._changes != Deadline.changes or not self.counted:
            self._changes = Deadline.changes
            due = [device.deadline for device in self.devices]
            self._earliest = min((cycle for cycle in due if cycle is not None), default=None)
        return self._earliest

    def advance(self, now: int) -> None:
        """Let devices act whose deadline has come, the earliest first."""
        while (earliest := self.deadline()) is not None and earliest <= now:
            next(d for d in self.devices if d.deadline == earliest).on_deadline(now)
