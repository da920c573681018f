"""Behind the rings: requests become work of the real devices (Xen's driver domain, "domain 0")."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from vlab.board import FINISHER
from vlab.devices.finisher import FAIL, PASS
from vlab.errors import MachineError
from vlab.isa.fields import SEI, STI
from vlab.machine import Machine
from vlab.memory import PAGE
from vlab.sbi import SbiTimer
from vlab.vmm.direct import EINVAL, Refused, Use
from vlab.vmm.domain import Domain
from vlab.vmm.drivers import (
    SECTOR,
    AtaDriver,
    PlicDriver,
    Registers,
    Transfer,
    UartDriver,
    VirtioDriver,
)
from vlab.vmm.rings import BlockRing, ConsoleRing, Request
from vlab.vmm.shared_info import BLOCK, CONSOLE, TIMER

CONSOLE_RING, BLOCK_RING = 1, 2
FAILED = 1
MAX_SECTOR = 1 << 28
"""28-bit LBA."""


class Driver(Protocol):
    """What drives a disk, one transfer at a time."""

    irq: int

    def start(self, transfer: Transfer) -> None: ...
    def interrupt(self) -> int | None: ...


@dataclass
class Disk:
    """A disk: its driver, and the requests that wait for it, the first one under way."""

    driver: Driver
    queue: deque[tuple[int, Request]] = field(default_factory=deque)


class Backends:
    """The monitor's side of the rings.

    Parameters
    ----------
    machine
        Whose devices are driven.
    domain
        The guest that is served.
    """

    def __init__(self, machine: Machine, domain: Domain) -> None:
        self.machine, self.domain = machine, domain
        self.physical = domain.memory.physical
        self.registers = registers = Registers(machine)
        self.timer = SbiTimer(machine.board, machine.board.set_interrupt)
        self.console = UartDriver(registers)
        self.disks: list[Disk] = []
        if machine.board.disk is not None:
            frame = domain.pool.allocate()
            if frame is None:
                raise MachineError("the monitor has no frame left for the disk's queue")
            self.disks.append(Disk(VirtioDriver(registers, self.physical, frame)))
            self.disks.append(Disk(AtaDriver(registers, self.physical)))
        irqs = [self.console.irq, *(disk.driver.irq for disk in self.disks)]
        self.plic = PlicDriver(registers, irqs)
        self.pages: dict[int, int] = {}
        self.output: ConsoleRing | None = None
        self.requests: BlockRing | None = None

    # -- from the guest ------------------------------------------------------------------

    def setup(self, ring: int, gpa: int) -> None:
        """Share a page as a ring: it stays writable, so that it cannot become a page table."""
        if ring not in (CONSOLE_RING, BLOCK_RING):
            raise Refused(EINVAL, f"ring {ring}: must be 1 (console) or 2 (block)")
        if ring in self.pages:
            raise Refused(EINVAL, f"ring {ring} is set up already")
        paging = self.domain.paging
        frame = paging.frame(gpa)
        paging.acquire(frame, Use.WRITABLE)
        self.pages[ring] = frame
        if ring == CONSOLE_RING:
            self.output = ConsoleRing(self.physical, frame * PAGE)
            self.console.listen()
        else:
            self.requests = BlockRing(self.physical, frame * PAGE)

    def notify(self, ring: int) -> None:
        """The doorbell of a ring rang."""
        if ring == CONSOLE_RING and self.output is not None:
            self.machine.count("ring_requests")
            self.console.transmit(self.output.take())
        elif ring == BLOCK_RING and self.requests is not None:
            for index, request in self.requests.take():
                self.machine.count("ring_requests")
                self.submit(index, request)
        else:
            raise Refused(EINVAL, f"there is no ring {ring}")

    def submit(self, index: int, request: Request) -> None:
        """Check a block request and give it to its disk, or answer that it failed."""
        try:
            self.check(request)
        except Refused:
            self.answer(index, FAILED)
            return
        disk = self.disks[request.disk]
        disk.queue.append((index, request))
        if len(disk.queue) == 1:
            self.start(disk)

    def check(self, request: Request) -> None:
        """Refuse what no disk can do; a buffer that is read into must not be a page table.

        The reference taken here keeps it from becoming one before the request is answered.
        """
        start = request.gpa % PAGE
        if request.disk >= len(self.disks) or request.sector + request.sectors > MAX_SECTOR:
            raise Refused(EINVAL, "no such disk or sector")
        if not 0 < request.sectors <= (PAGE - start) // SECTOR or start % 2:
            raise Refused(EINVAL, "the buffer crosses a page, or is at an odd address")
        paging = self.domain.paging
        frame = paging.frame(request.gpa - start)
        if not request.write:
            paging.acquire(frame, Use.WRITABLE)

    def shutdown(self, code: int) -> None:
        """End the run, with the test finisher."""
        code &= 0xFFFF
        self.registers.write(FINISHER, 4, code << 16 | FAIL if code else PASS)

    # -- to the devices and back -----------------------------------------------------------

    def start(self, disk: Disk) -> None:
        """Start the first request that waits for a disk."""
        _, request = disk.queue[0]
        address = self.domain.memory.host_address(request.gpa)
        write = request.write != 0
        disk.driver.start(Transfer(request.sector, address, request.sectors, write))

    def serve(self) -> None:
        """Serve what interrupts: the timer, and devices by way of the interrupt controller."""
        lines = self.machine.hart.lines
        if lines >> STI & 1:
            self.machine.board.set_interrupt(STI, False)
            self.domain.shared.pending |= TIMER
        if lines >> SEI & 1:
            self.serve_devices()

    def serve_devices(self) -> None:
        """Serve the devices that interrupt."""
        while irq := self.plic.claim():
            if irq == self.console.irq:
                self.receive()
            for disk in self.disks:
                if irq == disk.driver.irq:
                    self.finish(disk)
            self.plic.complete(irq)

    def receive(self) -> None:
        """Pass on what was typed."""
        data = self.console.receive()
        if self.output is not None:
            self.output.put(data)
            self.domain.shared.pending |= CONSOLE

    def finish(self, disk: Disk) -> None:
        """Answer the request that a disk has finished, if it has, and start the next."""
        status = disk.driver.interrupt()
        if status is None or not disk.queue:
            return
        index, request = disk.queue.popleft()
        if not request.write:
            paging = self.domain.paging
            paging.release(paging.frame(request.gpa - request.gpa % PAGE), Use.WRITABLE)
        self.answer(index, status)
        if disk.queue:
            self.start(disk)

    def answer(self, index: int, status: int) -> None:
        """Answer a block request, and tell the guest."""
        if self.requests is not None:
            self.requests.answer(index, status)
            self.domain.shared.pending |= BLOCK
