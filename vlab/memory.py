"""Host-physical memory, and guest-physical memory mapped onto it page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from vlab.errors import MachineError
from vlab.words import HUGE, address, anonymous

PAGE = 4096
MASK64 = (1 << 64) - 1


class MemoryRangeError(Exception):
    """An access outside memory. Guest-caused: whoever made the access decides what follows."""


class Memory(Protocol):
    """What a device or a walker reads and writes: physical memory of some kind."""

    base: int
    size: int

    def read(self, address: int, count: int) -> bytes: ...
    def write(self, address: int, data: bytes) -> None: ...
    def load(self, address: int, width: int) -> int: ...
    def store(self, address: int, width: int, value: int) -> None: ...
    def contains(self, address: int) -> bool: ...


class PhysicalMemory:
    """RAM of the modelled machine; pages never touched take no memory of the host.

    Parameters
    ----------
    base
        Physical address of the first byte.
    size
        Bytes, a multiple of 4096.
    """

    def __init__(self, base: int, size: int) -> None:
        if size <= 0 or size % PAGE:
            raise MachineError(f"memory={size}: must be a positive multiple of {PAGE} bytes")
        try:
            self._map = anonymous(size, large=size >= HUGE)
        except (OSError, ValueError, OverflowError) as error:
            raise MachineError(f"memory={size}: the host cannot provide it ({error})") from None
        self.base, self.size = base, size
        self.bytes = memoryview(self._map)
        self._words = self.bytes.cast("Q")
        self.pointer = address(self._map)
        self.code_map: memoryview | None = None
        """Set by an engine that caches decoded code: nonzero for a page that it must forget."""
        self.on_write: Callable[[int, int], None] | None = None
        """Set by an engine that must know of writes: called with their offset and size."""

    def contains(self, address: int) -> bool:
        """Return whether an address is in RAM."""
        return 0 <= address - self.base < self.size

    def _offset(self, address: int, count: int) -> int:
        offset = address - self.base
        if offset < 0 or offset + count > self.size:
            raise MemoryRangeError(f"{address:#x}+{count}")
        return offset

    def read(self, address: int, count: int) -> bytes:
        """Return ``count`` bytes."""
        offset = self._offset(address, count)
        return self.bytes[offset : offset + count].tobytes()

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        offset = self._offset(address, len(data))
        self.bytes[offset : offset + len(data)] = data
        if self.code_map is not None and data:
            for page in range(offset // PAGE, (offset + len(data) - 1) // PAGE + 1):
                self.code_map[page] = 0
        if self.on_write is not None:
            self.on_write(offset, len(data))

    def load(self, address: int, width: int) -> int:
        """Return ``width`` bytes as a little-endian number."""
        offset = self._offset(address, width)
        if width == 8 and not offset & 7:
            return self._words[offset >> 3]
        return int.from_bytes(self.bytes[offset : offset + width], "little")

    def store(self, address: int, width: int, value: int) -> None:
        """Store the low ``width`` bytes of a number, little-endian."""
        offset = self._offset(address, width)
        if width == 8 and not offset & 7:
            self._words[offset >> 3] = value & MASK64
        else:
            value &= (1 << 8 * width) - 1
            self.bytes[offset : offset + width] = value.to_bytes(width, "little")
        if self.code_map is not None:
            self.code_map[offset // PAGE] = 0
            if offset % PAGE + width > PAGE:
                self.code_map[offset // PAGE + 1] = 0
        if self.on_write is not None:
            self.on_write(offset, width)


class GuestMemory:
    """Guest-physical memory: each page is wherever the p2m table says.

    Parameters
    ----------
    physical
        Host-physical memory.
    p2m
        Machine frame number by guest-physical frame of RAM: a buffer of 64-bit words.
    base
        Guest-physical address of the first frame.
    """

    def __init__(self, physical: PhysicalMemory, p2m: Any, base: int) -> None:
        self.physical, self.p2m, self.base, self.size = physical, p2m, base, len(p2m) * PAGE
        self._frames = [int(frame) * PAGE for frame in p2m]

    def contains(self, address: int) -> bool:
        """Return whether an address is in guest RAM."""
        return 0 <= address - self.base < self.size

    def host_address(self, address: int) -> int:
        """Return the host-physical address of a guest-physical one."""
        offset = address - self.base
        if not 0 <= offset < self.size:
            raise MemoryRangeError(f"{address:#x}")
        return self._frames[offset >> 12] + (offset & 0xFFF)

    def _pieces(self, address: int, count: int) -> list[tuple[int, int]]:
        """Return ``(host address, bytes)`` for each page that a range touches."""
        if address < self.base or address + count > self.base + self.size:
            raise MemoryRangeError(f"{address:#x}+{count}")
        pieces = []
        while count:
            size = min(count, PAGE - address % PAGE)
            pieces.append((self.host_address(address), size))
            address, count = address + size, count - size
        return pieces

    def read(self, address: int, count: int) -> bytes:
        """Return ``count`` bytes."""
        return b"".join(self.physical.read(host, n) for host, n in self._pieces(address, count))

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        done = 0
        for host, n in self._pieces(address, len(data)):
            self.physical.write(host, data[done : done + n])
            done += n

    def load(self, address: int, width: int) -> int:
        """Return ``width`` bytes as a little-endian number."""
        if address & (PAGE - 1) > PAGE - width:
            return int.from_bytes(self.read(address, width), "little")
        return self.physical.load(self.host_address(address), width)

    def store(self, address: int, width: int, value: int) -> None:
        """Store the low ``width`` bytes of a number, little-endian."""
        if address & (PAGE - 1) > PAGE - width:
            self.write(address, (value & (1 << 8 * width) - 1).to_bytes(width, "little"))
        else:
            self.physical.store(self.host_address(address), width, value)
