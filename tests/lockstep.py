"""The history of a guest at its system calls, for tests that compare histories."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from vlab.costs import preset
from vlab.experiments.catalogue import workload
from vlab.isa.fields import PTE_A, PTE_D, PTE_PPN, PTE_R, PTE_U, PTE_V, PTE_X, SATP_PPN
from vlab.memory import PAGE, Memory
from vlab.modes import IMAGES
from vlab.modes.compose import Guest
from vlab.modes.setup import Ended, Setup
from vlab.state import Hart

CSRS = ("mstatus", "mie", "mip", "lines", "stvec", "sscratch", "sepc", "scause", "stval", "satp",
        "scounteren")  # fmt: skip


class Event(NamedTuple):
    """What can be seen of a guest at one system call."""

    instructions: int
    time: int
    pc: int
    registers: tuple[int, ...]
    csrs: tuple[int, ...]
    memory: bytes


def guest_of(name: str, mode: str, *, engine: str = "interpreter", **params: Any) -> Guest:
    """Return a machine that is about to run a workload, with the clock that all modes share."""
    chosen = workload(name)
    return Guest(
        Setup(
            mode=mode,
            image=IMAGES / ("pv.elf" if mode == "paravirt" else "native.elf"),
            disk=(IMAGES / "fs.img").read_bytes(),
            bootargs=chosen.bootargs(chosen.bind(params)),
            memory=32 << 20,
            engine=engine,
            clock="retired",
            costs=preset("teaching"),
            options={"hz": 50000},
        )
    )


def user_pages(memory: Memory, root: int) -> list[tuple[int, int]]:
    """Return ``(virtual address, leaf entry)`` of every page that user mode reaches."""
    found = []

    def visit(table: int, level: int, base: int) -> None:
        for index in range(512):
            entry = memory.load(table + 8 * index, 8)
            if not entry & PTE_V:
                continue
            va = base | index << (12 + 9 * level)
            if not entry & (PTE_R | PTE_X):
                visit((entry & PTE_PPN) << 2, level - 1, va)
            elif entry & PTE_U:
                assert level == 0
                found.append((va, entry))

    visit(root, 2, 0)
    return found


def memory_hash(memory: Memory, satp: int) -> bytes:
    """Return a hash of a process's memory: where it is mapped, how, and what is in it."""
    digest = hashlib.sha1()
    for va, entry in user_pages(memory, (satp & SATP_PPN) << 12):
        digest.update(b"%d %d " % (va, entry & 0x3FF & ~(PTE_A | PTE_D)))
        digest.update(memory.read((entry & PTE_PPN) << 2, PAGE))
    return digest.digest()


def history(guest: Guest, limit: int = 200_000_000) -> tuple[list[Event], Ended]:
    """Run a guest and return what was seen at each system call."""
    events: list[Event] = []
    machine = guest.machine

    def observe(record: Hart) -> None:
        events.append(
            Event(
                machine.guest_instructions,
                machine.clock.now,
                record.pc,
                tuple(record.x[1:32]),
                tuple(getattr(record, name) for name in CSRS),
                memory_hash(record.memory, record.satp),
            )
        )

    machine.on_syscall = observe
    return events, guest.run(limit)
