"""Split virtqueue, the device's side (Virtual I/O Device specification 1.2, section 2.7)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlab.memory import Memory

QUEUE_MAX = 128
NEXT, WRITE, INDIRECT = 1, 2, 4  # descriptor flags
NO_INTERRUPT = 1  # flag of the available ring
DESCRIPTOR = struct.Struct("<QIHH")

Segment = tuple[int, int, bool]
"""Address, length, and whether the device may write there."""

STATE = ("num", "desc", "driver", "device", "ready", "taken", "used")


class QueueError(Exception):
    """The driver broke a rule of the queue."""


class Virtqueue:
    """Where the rings are and how far the device has come.

    Attributes
    ----------
    desc, driver, device : int
        Addresses of the descriptor table, the available ring and the used ring.
    taken, used : int
        Free-running 16-bit indices: the next available entry, the next used one.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.num = self.desc = self.driver = self.device = 0
        self.taken = self.used = 0
        self.ready = False

    def set_ready(self, ready: bool) -> None:
        """Start or stop the queue; one of an impossible size does not start."""
        power = self.num & (self.num - 1) == 0
        ready = ready and power and 0 < self.num <= QUEUE_MAX
        if ready and not self.ready:
            self.taken = self.used = 0
        self.ready = ready

    def next_chain(self) -> tuple[int, list[Segment]] | None:
        """Take the next available chain: its head and its segments; None if there is none."""
        available = self.memory.load(self.driver + 2, 2)
        waiting = (available - self.taken) & 0xFFFF
        if waiting > self.num:
            raise QueueError(f"{waiting} chains available in a queue of {self.num}")
        if not waiting:
            return None
        head = self.memory.load(self.driver + 4 + 2 * (self.taken % self.num), 2)
        self.taken = (self.taken + 1) & 0xFFFF
        return head, self._walk(head)

    def _walk(self, index: int) -> list[Segment]:
        chain: list[Segment] = []
        while True:
            if index >= self.num:
                raise QueueError(f"descriptor {index} of {self.num}")
            if len(chain) == self.num:
                raise QueueError("a chain of descriptors has a loop")
            raw = self.memory.read(self.desc + DESCRIPTOR.size * index, DESCRIPTOR.size)
            address, length, flags, following = DESCRIPTOR.unpack(raw)
            if flags & INDIRECT:
                raise QueueError("indirect descriptors were not offered")
            writable = bool(flags & WRITE)
            if chain and chain[-1][2] and not writable:
                raise QueueError("a readable descriptor follows a writable one")
            chain.append((address, length, writable))
            if not flags & NEXT:
                return chain
            index = following

    def complete(self, head: int, written: int) -> None:
        """Put a chain in the used ring: the element first, then the index."""
        element = self.device + 4 + 8 * (self.used % self.num)
        self.memory.write(element, struct.pack("<II", head, written & 0xFFFF_FFFF))
        self.used = (self.used + 1) & 0xFFFF
        self.memory.store(self.device + 2, 2, self.used)

    def wants_interrupt(self) -> bool:
        """Return whether the driver wants to be told of used buffers."""
        return not self.memory.load(self.driver, 2) & NO_INTERRUPT

    def state(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {name: getattr(self, name) for name in STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        self.__dict__.update(state)


def length(segments: list[Segment]) -> int:
    """Return how many bytes segments cover together."""
    return sum(size for _, size, _ in segments)


def cut(segments: list[Segment], begin: int, end: int) -> list[Segment]:
    """Return bytes ``begin`` to ``end`` of what segments cover together."""
    pieces, at = [], 0
    for address, size, writable in segments:
        first, last = max(begin, at), min(end, at + size)
        if first < last:
            pieces.append((address + first - at, last - first, writable))
        at += size
    return pieces


def gather(memory: Memory, segments: list[Segment]) -> bytes:
    """Read what segments cover."""
    return b"".join(memory.read(address, size) for address, size, _ in segments)


def scatter(memory: Memory, segments: list[Segment], data: bytes) -> int:
    """Write data over segments, and return how many bytes they cover."""
    done = 0
    for address, size, _ in segments:
        memory.write(address, data[done : done + size])
        done += size
    return done
