"""A stand-in for the machine: invents counts, so that results can be tested without guests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from vlab.costs import price
from vlab.counters import Counters, Tally

WORK = {
    # name: (instructions, system calls, page-table writes, device accesses)
    "hello": (60_000, 40, 30, 100),
    "compute": (50_000_000, 4, 20, 10),
    "ptemod": (4_000_000, 6_000, 40_000, 10),
    "diskpio": (3_000_000, 700, 60, 68_000),
}


def fake_run_guest(mode: str, *, of: str | None, bootargs: str, costs: Any, **kwargs: Any) -> Any:
    """Return what `vlab.modes.run_guest` would, from four numbers a workload."""
    name = bootargs.split("run=")[1].split()[0]
    instructions, syscalls, updates, accesses = WORK[name]
    technique = of or mode
    c = Counters(
        retired_user=instructions * 4 // 5,
        retired_kernel=instructions // 5,
        syscalls=syscalls,
        walk_references=3 * updates + instructions // 5000,
        returns=syscalls,
        traps_by_cause=Tally(ecall_u=syscalls, store_page=updates // 8),
    )
    if technique == "fullvirt":
        c.walk_references *= 2
        c.exits_by_reason.update(
            syscall=syscalls, xret=syscalls, csr=6 * syscalls, pt_write=updates, mmio=accesses
        )
        c.shadow_fills = updates // 2
        c.exits_by_reason["shadow_fill"] = updates // 2
    if technique == "paravirt":
        c.exits_by_reason.update(hypercall=syscalls + updates // 16, syscall=syscalls)
        c.hypercalls_by_name.update(iret=syscalls, mmu_update=updates // 16)
        c.mmu_updates = updates
    else:
        c.mmio_by_device.update(uart=accesses)
    if mode == "simulate":
        c.retired_user = c.retired_user * 102 // 100
    cycles = price(c, costs, technique)
    return SimpleNamespace(
        console=f"{name} checksum=0123\n",
        exit_code=0,
        outcome="finished",
        crash=None,
        counters=c,
        counters_total=c + c,
        cycles=cycles,
        cycles_total=price(c + c, costs, technique),
        image_sha256=None if mode == "simulate" else "ab" * 32,
    )


FAKE_WORKLOADS = [
    {
        "name": name,
        "program": name,
        "summary": f"the {name} workload",
        "params": {"n": {"default": 10, "min": 1, "max": 1000, "help": "how often"}},
    }
    for name in WORK
]
