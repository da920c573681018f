"""Names in assembly language: registers (RISC-V ABIs, table 1) and CSRs (`vlab.isa.fields.Csr`)."""

from __future__ import annotations

from vlab.isa.fields import Csr

ABI = (
    *("zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"),
    *(f"a{n}" for n in range(8)),
    *(f"s{n}" for n in range(2, 12)),
    *("t3", "t4", "t5", "t6"),
)
"""ABI names, in the order of the register numbers."""

REGISTERS = {f"x{n}": n for n in range(32)} | {name: n for n, name in enumerate(ABI)} | {"fp": 8}

_NUMBERED = (
    ("pmpcfg", Csr.PMPCFG0, range(0, 16, 2)),
    ("pmpaddr", Csr.PMPADDR0, range(64)),
    ("hpmcounter", Csr.CYCLE, range(3, 32)),
    ("mhpmcounter", Csr.MCYCLE, range(3, 32)),
    ("mhpmevent", Csr.MCOUNTINHIBIT, range(3, 32)),
)
"""Families of CSRs: name, the number that 0 has or would have, and the members."""

CSRS = {row.name.lower(): int(row) for row in Csr} | {
    f"{name}{n}": first + n for name, first, members in _NUMBERED for n in members
}
CSR_NAMES = {number: name for name, number in CSRS.items()}

ORDER = "iorw"
"""What ``fence`` orders, most significant bit first: input, output, reads, writes."""


def fence_set(bits: int) -> str:
    """Return the accesses of a ``pred`` or ``succ`` field as letters, ``0`` if there are none."""
    return "".join(c for n, c in enumerate(ORDER) if bits >> (3 - n) & 1) or "0"
