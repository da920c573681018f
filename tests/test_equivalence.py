"""Popek & Goldberg's equivalence: a program at any privilege cannot tell that it is virtualized.

Between a store to a page table and the fence after it, hardware may use the old translation or
the new (privileged specification, section 12.2.1); the hart uses the old one, the monitor the
new. Programs that change the page that they run in by such a store could tell, and are not
among these seeds.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from random_programs import BASE, SIZE, Program

import vlab

MEMORY = 4 << 20
SEEDS, LENGTH, STRIDE = (*range(10), 11, 12), 6000, 97
CSRS = (
    "mstatus", "mepc", "mcause", "mtval", "mtvec", "medeleg", "mideleg", "mie", "mip",
    "mscratch", "sstatus", "sepc", "scause", "stval", "stvec", "sscratch", "satp",
    "pmpcfg0", "pmpaddr0",
)  # fmt: skip


def state(session: vlab.Session) -> dict[str, object]:
    """Return all that the program could look at."""
    return {
        "pc": session.pc,
        "privilege": session.privilege,
        **{csr: session.csrs[csr] for csr in CSRS},
        **session.registers,
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_privileged_program_cannot_tell_the_monitor(seed: int, tmp_path: Path) -> None:
    """A random program of M, S and U mode goes the same way on the hardware and deprivileged."""
    image = tmp_path / "program.bin"
    image.write_bytes(bytes(Program(seed, strict=True).image))
    both = [
        vlab.session(image=image, mode=mode, memory=MEMORY, clock="retired")
        for mode in ("native", "fullvirt")
    ]
    for done in range(0, LENGTH, STRIDE):
        for session in both:
            session.run(STRIDE)
        native, fullvirt = (state(session) for session in both)
        assert native == fullvirt, f"seed {seed}, within {STRIDE} instructions after {done}"
        memory = [session.memory(BASE, SIZE, "guest-physical") for session in both]
        assert memory[0] == memory[1], f"seed {seed}, within {STRIDE} instructions after {done}"
