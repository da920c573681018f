"""Devices of your own: declared in a notebook cell, attached to any machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vlab.clock import Clock
from vlab.devices.deadline import Deadline
from vlab.errors import MachineError, SnapshotError

SOURCES = range(1, 32)
"""Interrupt sources that the PLIC has."""
FIXED = ("name", "size", "interrupt", "clock", "irq", "compatible")
"""Attributes that are not state: what the device is, and what it was attached to."""
PLAIN = (int, float, str, bytes, bool, list, tuple, dict, type(None))


class Device:
    """A device on the bus: derive from it, and answer reads and writes of registers.

    A device knows no address, no CPU and no mode. Attach it with
    ``vlab.session(..., devices={0x1000_3000: Dice})``.

    Attributes
    ----------
    name
        What ``mmio_by_device`` counts its accesses under.
    size
        Bytes of registers.
    interrupt
        Its source at the interrupt controller, or None if it never interrupts.
    deadline
        Cycle at which `on_deadline` is called next, or None.
    clock
        ``clock.now`` is the time in cycles.

    Examples
    --------
    >>> import vlab
    >>> class Counter(vlab.Device):
    ...     name = "counter"
    ...     value = 0
    ...
    ...     def read(self, offset, size):
    ...         self.value += 1
    ...         return self.value
    """

    name = "device"
    size = 0x1000
    interrupt: int | None = None
    deadline = Deadline()
    clock: Clock

    @property
    def compatible(self) -> str:
        """How the device tree names it to the guest."""
        return f"vlab,{self.name}"

    def read(self, offset: int, size: int) -> int:
        """Return the value of the ``size`` bytes at an offset; 0 unless overridden."""
        return 0

    def write(self, offset: int, value: int, size: int) -> None:
        """Take a value; inert unless overridden."""

    def on_deadline(self, now: int) -> None:
        """The deadline has come: set the next one, or None."""
        self.deadline = None

    def irq(self, level: bool) -> None:
        """Pull the interrupt wire: replaced when the device is attached."""

    def state(self) -> dict[str, Any]:
        """Return the state, which must be plain data, for snapshots and steps backwards."""
        kinds = [kind for kind in type(self).__mro__ if issubclass(kind, Device)]
        names = {key for part in (*kinds, self) for key in vars(part) if not key.startswith("__")}
        values = {key: getattr(self, key) for key in sorted(names - {*FIXED})}
        return {key: value for key, value in values.items() if type(value) in PLAIN}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        for key in state:
            if key in FIXED or callable(getattr(self, key, None)):
                raise SnapshotError(f"device {self.name}: {key:.40} is not state")
        self.__dict__.update(state)


def make(devices: Mapping[int, Callable[[], Any]]) -> dict[int, Device]:
    """Return new devices by address, or raise `MachineError` for what is none.

    Parameters
    ----------
    devices
        Classes, or functions without arguments that return a device, by physical address:
        each machine gets devices of its own.
    """
    made = {}
    for address, factory in devices.items():
        if not isinstance(address, int) or not 0 <= address < 1 << 56 or address % 8:
            raise MachineError(f"devices: address {address!r}: must be a multiple of 8")
        if not callable(factory):
            raise MachineError(f"devices: {factory!r}: give the class, not an instance of it")
        device = factory()
        if not isinstance(device, Device):
            raise MachineError(f"devices: {factory!r} makes no vlab.Device")
        if not isinstance(device.size, int) or device.size < 1:
            raise MachineError(f"device {device.name}: size {device.size!r}: must be 1 or more")
        if device.interrupt is not None and device.interrupt not in SOURCES:
            raise MachineError(f"device {device.name}: interrupt must be from 1 to {SOURCES[-1]}")
        made[address] = device
    return made
