"""Lab 8: an exit storm in a disk driver, found in a trace and mended in assembly language.

The student writes a function and a text::

    diagnose(rows)   -> dict with pc, address, count: the instruction that makes most exits
    DRIVER           assembly language that defines ``read_sectors``

``read_sectors`` (a0: first sector, a1: buffer, a2: number of sectors) returns when the data
are there. The guest runs bare, in M-mode. What `SETUP` has prepared, the driver may use:
``VIRTIO`` and ``ATA`` (addresses of the devices' registers), ``QUEUE_SIZE``, and the labels
``descriptors``, ``available`` and ``used`` of the virtio disk's queue, which is ready.
"""

from __future__ import annotations

import random
from collections import Counter as Tally
from dataclasses import dataclass
from typing import Any

from vlab.board import ATA, RAM_BASE, VIRTIO
from vlab.costs import preset
from vlab.counters import Counters
from vlab.isa.assembler import assemble
from vlab.isa.expressions import AssemblyError
from vlab.isa.fields import MASK64
from vlab.labs.answers import WrongAnswer, in_student_lines, shown
from vlab.memory import PAGE
from vlab.modes.compose import Guest
from vlab.modes.fullvirt import FullVirt
from vlab.modes.setup import Setup

SECTOR, MOST_SECTORS, QUEUE_SIZE = 512, 8, 4
SYMBOLS = {"VIRTIO": VIRTIO, "ATA": ATA, "QUEUE_SIZE": QUEUE_SIZE}
LIMIT = 3_000_000

EXITS_A_SECTOR = 1000
"""Exits after which a driver is taken for one that waits in vain; programmed I/O needs 300."""

GUARD = "not the driver's" * 8
"""What lies behind the array of the available ring."""

SETUP = """
        la   sp, stack_top
        li   t0, VIRTIO
        sw   zero, 0x70(t0)      # status: reset, acknowledge, driver
        li   t1, 1
        sw   t1, 0x70(t0)
        li   t1, 3
        sw   t1, 0x70(t0)
        li   t1, 1               # VERSION_1 is bit 32
        sw   t1, 0x24(t0)
        sw   t1, 0x20(t0)
        li   t1, 11
        sw   t1, 0x70(t0)
        sw   zero, 0x30(t0)      # queue 0
        li   t1, QUEUE_SIZE
        sw   t1, 0x38(t0)
        la   t1, descriptors
        sw   t1, 0x80(t0)
        la   t1, available
        sw   t1, 0x90(t0)
        la   t1, used
        sw   t1, 0xa0(t0)
        li   t1, 1
        sw   t1, 0x44(t0)
        li   t1, 15
        sw   t1, 0x70(t0)
        la   s0, requests
        la   s3, sums
        slti x0, x0, 1           # the measured region begins
next:   ld   a0, 0(s0)
        bltz a0, finish
        ld   s1, 8(s0)
        addi s0, s0, 16
        la   a1, buffer
        mv   a2, s1
        call read_sectors
        la   t0, buffer
        slli t1, s1, 9
        add  t1, t0, t1
        li   t2, 0
1:      ld   t3, 0(t0)
        slli t4, t2, 1
        add  t2, t2, t4
        add  t2, t2, t3
        sd   zero, 0(t0)
        addi t0, t0, 8
        bltu t0, t1, 1b
        sd   t2, 0(s3)
        addi s3, s3, 8
        j    next
finish: slti x0, x0, 2           # and ends
        li   t0, 0x100000
        li   t1, 0x5555
        sw   t1, 0(t0)
        j    finish
"""

STORAGE = f"""
        .data
        .balign 16
descriptors: .space 16 * QUEUE_SIZE
available:   .space 6 + 2 * QUEUE_SIZE
guard:       .ascii "{GUARD}"
        .balign 16
used:        .space 6 + 8 * QUEUE_SIZE
        .balign 4096
buffer:      .space 8 * 512
        .space 1024
stack_top:   .dword 0
"""

PIO = """
# The driver that makes the storm: programmed I/O, sector by sector, word by word.
read_sectors:
        li   t0, ATA
        li   t1, 0xe0
        sb   t1, 6(t0)           # device: LBA
        sb   a2, 2(t0)           # sector count
        sb   a0, 3(t0)           # the sector's number, byte by byte
        srli t1, a0, 8
        sb   t1, 4(t0)
        srli t1, a0, 16
        sb   t1, 5(t0)
        li   t1, 0x20
        sb   t1, 7(t0)           # command: read sectors
sector: lbu  t1, 0x206(t0)       # alternate status
        andi t1, t1, 8           # DRQ: data are there
        beqz t1, sector
        lbu  t1, 7(t0)           # status: withdraws the interrupt
        addi t2, a1, 512
word:   lhu  t1, 0(t0)           # data
        sh   t1, 0(a1)
        addi a1, a1, 2
        bltu a1, t2, word
        addi a2, a2, -1
        bnez a2, sector
        ret
"""


@dataclass
class Served:
    """What became of a run of a driver.

    Attributes
    ----------
    wrong
        Numbers of the requests whose data were not those on the disk.
    trampled
        Whether memory behind the available ring was written.
    rows
        A dictionary for each exit of the measured region: pc, reason, address.
    labels
        Addresses of the labels in the driver's text.
    """

    requests: int
    wrong: list[int]
    trampled: bool
    exits: int
    rows: list[dict[str, Any]]
    counters: Counters
    ended: str
    labels: dict[str, int]


def make_disk(seed: int, sectors: int = 256) -> bytes:
    """Return a disk full of random bytes."""
    return random.Random(seed).randbytes(sectors * SECTOR)


def make_requests(seed: int, count: int, sectors: int = 256) -> list[tuple[int, int]]:
    """Return requests: first sector and number of sectors."""
    rng = random.Random(seed)
    sizes = [rng.randint(1, MOST_SECTORS) for _ in range(count)]
    return [(rng.randrange(sectors - size), size) for size in sizes]


def checksum(data: bytes) -> int:
    """Return what the guest computes of the data that it read."""
    total = 0
    for n in range(0, len(data), 8):
        total = (total * 3 + int.from_bytes(data[n : n + 8], "little")) & MASK64
    return total


class DriverMonitor(FullVirt):
    """Trap-and-emulate; every exit is written down, and after ``most`` there is no more."""

    most = 0

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.rows: list[dict[str, Any]] = []
        self.address: int | None = None

    def on_page_fault(self, cause: int, va: int) -> None:
        self.address = va
        super().on_page_fault(cause, va)
        self.address = None

    def exited(self, reason: str) -> None:
        super().exited(reason)
        if self.machine.region.begin is not None and self.machine.region.end is None:
            address = self.address if reason == "mmio" else None
            self.rows.append({"pc": self.vcpu.pc, "reason": reason, "address": address})
            if len(self.rows) == self.most:
                seen = f"{self.most} exits, {blamed(self.rows)}, and no end: what does it wait for?"
                where = "DRIVER: read_sectors"
                raise WrongAnswer("requests for the disk", "the program to end", seen, where)


def serve(driver: str, requests: list[tuple[int, int]], disk: bytes, pages: int = 64) -> Served:
    """Run a driver under a trap-and-emulate monitor.

    Parameters
    ----------
    driver
        The text that defines ``read_sectors``.
    requests
        First sector and number of sectors of each.
    pages
        Size of the guest's memory.
    """
    if not isinstance(driver, str):
        raise WrongAnswer("DRIVER", "a text in assembly language", shown(driver), "DRIVER")
    words = ", ".join(str(word) for request in [*requests, (-1, 0)] for word in request)
    text = f"{SETUP}\n{driver}\n{STORAGE}\n.balign 16\nsums: .space {8 * len(requests)}\n"
    text += f"requests: .dword {words}\n"
    try:
        image = assemble(text, RAM_BASE, SYMBOLS)
    except AssemblyError as error:
        message = in_student_lines(str(error), SETUP.count("\n") + 1)
        raise WrongAnswer("assembling DRIVER", "no error", message, "DRIVER") from None
    most = EXITS_A_SECTOR * (1 + sum(count for _, count in requests))
    monitor = type("DriverMonitor", (DriverMonitor,), {"most": most})
    setup = Setup("fullvirt", image.code, disk, "", pages * PAGE, "interpreter", "cycles",
                  preset(), {}, monitor=monitor)  # fmt: skip
    guest = Guest(setup)
    ended = guest.run(LIMIT)
    sums = image.labels["sums"]
    wrong = []
    for n, (sector, count) in enumerate(requests):
        expected = checksum(disk[sector * SECTOR : (sector + count) * SECTOR])
        if guest.machine.guest_memory.load(sums + 8 * n, 8) != expected:
            wrong.append(n)
    guard = guest.machine.guest_memory.read(image.labels["guard"], len(GUARD))
    trampled = guard != GUARD.encode()
    how = f"exit {ended.exit_code}" if ended.outcome == "finished" else ended.outcome
    how = f"{how}: {ended.crash}" if ended.crash else how
    rows = guest.mode.rows
    return Served(
        len(requests), wrong, trampled, len(rows), rows, ended.counters, how, image.labels
    )


def blamed(rows: list[dict[str, Any]]) -> str:
    """Return as text which instruction made most of some exits."""
    (pc, reason, address), count = Tally(
        (row["pc"], row["reason"], row["address"]) for row in rows
    ).most_common(1)[0]
    why = f"for the device register at {address:#x}" if address is not None else f"({reason})"
    return f"{count} of them at pc {pc:#x} {why}"


def hottest(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Return what `diagnose` has to return; of several the lowest pc."""
    counts: dict[tuple[int, int], int] = {}
    for row in rows:
        if row["reason"] == "mmio":
            key = row["pc"], row["address"]
            counts[key] = counts.get(key, 0) + 1
    (pc, address), count = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return {"pc": pc, "address": address, "count": count}
