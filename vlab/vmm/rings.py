"""The rings that guest and monitor share (`docs/architecture.md`, "The paravirtual ABI").

The guest may write anything into a ring at any time: every index is checked, what counts is
kept on the monitor's side, and a request is copied before it is looked at.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from vlab.memory import PhysicalMemory
from vlab.vmm.direct import EINVAL, Refused

MASK32 = (1 << 32) - 1


class ConsoleRing:
    """Characters in both directions.

    Parameters
    ----------
    physical, address
        Host-physical memory, and where in it the ring page is.
    """

    OUT_PROD, OUT_CONS, IN_PROD, IN_CONS = 0, 4, 8, 12
    OUT, OUT_SIZE = 64, 2048
    IN, IN_SIZE = 2112, 1024

    def __init__(self, physical: PhysicalMemory, address: int) -> None:
        self.physical, self.address = physical, address

    def _index(self, offset: int) -> int:
        return self.physical.load(self.address + offset, 4)

    def take(self) -> bytes:
        """Take what the guest wrote out."""
        produced, consumed = self._index(self.OUT_PROD), self._index(self.OUT_CONS)
        count = (produced - consumed) & MASK32
        if count > self.OUT_SIZE:
            raise Refused(EINVAL, f"console ring: {count} bytes in a ring of {self.OUT_SIZE}")
        ring = self.physical.read(self.address + self.OUT, self.OUT_SIZE)
        first = consumed % self.OUT_SIZE
        self.physical.store(self.address + self.OUT_CONS, 4, produced)
        return (ring + ring)[first : first + count]

    def put(self, data: bytes) -> None:
        """Give the guest input; what finds no room is lost, as on a serial line."""
        for byte in data:
            produced, consumed = self._index(self.IN_PROD), self._index(self.IN_CONS)
            if (produced - consumed) & MASK32 >= self.IN_SIZE:
                return
            self.physical.store(self.address + self.IN + produced % self.IN_SIZE, 1, byte)
            self.physical.store(self.address + self.IN_PROD, 4, produced + 1)


class Request(NamedTuple):
    """A block request, as it was when it was taken."""

    sector: int
    gpa: int
    sectors: int
    write: int
    disk: int


class BlockRing:
    """Requests to the disks, answered in the order in which they were made.

    Parameters
    ----------
    physical, address
        Host-physical memory, and where in it the ring page is.
    """

    REQ_PROD, RSP_PROD = 0, 4
    SLOT, SLOT_SIZE, SLOTS = 64, 64, 32
    STATUS = 28
    LAYOUT = struct.Struct("<QQIII")

    def __init__(self, physical: PhysicalMemory, address: int) -> None:
        self.physical, self.address = physical, address
        self.taken = self.answered = physical.load(address + self.RSP_PROD, 4)
        self.done: set[int] = set()

    def _slot(self, index: int) -> int:
        return self.address + self.SLOT + index % self.SLOTS * self.SLOT_SIZE

    def take(self) -> list[tuple[int, Request]]:
        """Take the requests that are new, each with its index."""
        produced = self.physical.load(self.address + self.REQ_PROD, 4)
        new = (produced - self.taken) & MASK32
        waiting = (self.taken - self.answered) & MASK32
        if new + waiting > self.SLOTS:
            raise Refused(EINVAL, f"block ring: {new + waiting} requests in {self.SLOTS} slots")
        requests = []
        for _ in range(new):
            slot = self.physical.read(self._slot(self.taken), self.LAYOUT.size)
            requests.append((self.taken, Request(*self.LAYOUT.unpack(slot))))
            self.taken = (self.taken + 1) & MASK32
        return requests

    def answer(self, index: int, status: int) -> None:
        """Answer a request; the guest sees it once all before it are answered."""
        self.physical.store(self._slot(index) + self.STATUS, 4, status)
        self.done.add(index)
        while self.answered in self.done:
            self.done.remove(self.answered)
            self.answered = (self.answered + 1) & MASK32
        self.physical.store(self.address + self.RSP_PROD, 4, self.answered)
