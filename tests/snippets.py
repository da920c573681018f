"""Snippets of random code: what `random_programs` fills its code pages with."""

from __future__ import annotations

import random

from plain_snippets import CONFIGS, LEAVES, PMPS, PTES, PlainSnippets

from vlab.isa.fields import Csr
from vlab.isa.rvc import encode
from vlab.isa.table import INSTRUCTIONS

READABLE = (Csr.SSTATUS, Csr.SIE, Csr.SIP, Csr.STVEC, Csr.SCOUNTEREN, Csr.SSCRATCH, Csr.SEPC,
            Csr.SCAUSE, Csr.STVAL, Csr.SATP, Csr.MSTATUS, Csr.MISA, Csr.MEDELEG, Csr.MIDELEG,
            Csr.MIE, Csr.MIP, Csr.MTVEC, Csr.MCOUNTEREN, Csr.MSCRATCH, Csr.MEPC, Csr.MCAUSE,
            Csr.MTVAL, Csr.MHARTID, Csr.PMPCFG0, Csr.PMPADDR0, Csr.PMPADDR0 + 3, Csr.INSTRET,
            Csr.MINSTRET, 0x7C0, 0x9FF)  # fmt: skip
LOOSE = (*[Csr.TIME] * 4, Csr.CYCLE, Csr.MCYCLE, Csr.HPMCOUNTER3, Csr.MCOUNTINHIBIT, Csr.PMPADDR15,
         Csr.MENVCFG, Csr.SENVCFG, Csr.STIMECMP, Csr.MVENDORID, Csr.PMPCFG2)  # fmt: skip
"""Read only where the specification leaves the value to the implementation."""

ANY_VALUE = (Csr.SSCRATCH, Csr.SEPC, Csr.STVAL), (Csr.MTVAL, Csr.MSCRATCH, Csr.MEPC, Csr.SEPC)
"""Hold whatever is written, for S and for M."""

MASKED = (
    ((Csr.SIE, 0x222), (Csr.SIP, 2), (Csr.SCOUNTEREN, 7)),
    ((Csr.MIE, 0xAAA), (Csr.MIP, 0x222), (Csr.MIP, 0x222), (Csr.SIE, 0x222), (Csr.MCOUNTEREN, 7)),
)
"""CSRs and the bits of them that can be written, for S and for M."""

STATUS_BITS = (1 << 1, 1 << 3, 1 << 5, 1 << 7, 1 << 8, 1 << 18, 1 << 18, 1 << 19, 1 << 19)
TRAPPING = (1 << 21, 1 << 22)
TVM = (1 << 20,)
"""Makes fences trap, which strict programs cannot do without."""


class Snippets(PlainSnippets):
    """Also those that only S and M mode may execute.

    Parameters
    ----------
    privilege
        ``"U"``, ``"S"`` or ``"M"``: where the code is meant to run.
    strict
        As for `random_programs.Program`.
    sets_traps
        Whether to set the bits of mstatus that make S-mode instructions trap.
    """

    def __init__(self, rng: random.Random, privilege: str, strict: bool, sets_traps: bool) -> None:
        super().__init__(rng, strict)
        self.privilege = privilege
        if privilege != "U":
            self.in_loops = (*self.in_loops, "plain_csr")
        self.status = STATUS_BITS + (TRAPPING if sets_traps else ()) + (() if strict else TVM)

    def read_csr(self) -> None:
        csr = self.rng.choice(READABLE if self.strict else READABLE + 2 * LOOSE)
        self.put("csrrs", self.target(), 0, imm=csr)

    # -- snippets for S and M -------------------------------------------------------------

    def set_csr(self) -> None:
        rng, machine = self.rng, self.privilege == "M" or self.rng.random() < 0.1
        if rng.random() < 0.5:
            name = rng.choice(("csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"))
            rs1 = rng.randrange(32) if name.endswith("i") else self.source()
            self.put(name, self.target(), rs1, imm=rng.choice(ANY_VALUE[machine]))
        else:
            csr, value = rng.choice(MASKED[machine])
            self.bits(5, value & rng.getrandbits(12))
            self.put(rng.choice(("csrrw", "csrrs", "csrrc")), self.target(), 5, imm=csr)

    def plain_csr(self) -> None:
        """Read and write CSRs that do nothing of their own."""
        rng = self.rng
        for _ in range(rng.randrange(1, 4)):
            if rng.random() < 0.4:
                csr = rng.choice((Csr.SSTATUS, Csr.SCAUSE, Csr.INSTRET, Csr.INSTRET))
                csr = (
                    csr if self.strict or rng.random() < 0.8 else rng.choice((Csr.CYCLE, Csr.TIME))
                )
                self.put(rng.choice(("csrrs", "csrrc", "csrrsi")), self.target(), 0, imm=csr)
            else:
                name = rng.choice(("csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"))
                rs1 = rng.randrange(32) if name.endswith("i") else self.source()
                csr = rng.choice(ANY_VALUE[0] if self.strict else (*ANY_VALUE[0], Csr.SCAUSE))
                self.put(name, self.target(), rs1, imm=csr)

    def allow(self) -> None:
        """Access a page while something more is allowed, and when it no longer is."""
        row = self.rng.choice([r for r in INSTRUCTIONS if r.kind in ("load", "store")])
        base, bits = self.rng.choice((18, 19)), self.rng.choice((1 << 18, 1 << 19))
        access = encode(row, self.target(), base, self.source(), row.width)
        self.bits(5, bits)
        self.put("csrrs", 0, 5, imm=Csr.SSTATUS)
        self.put_bits(access, 4)
        self.bits(5, bits)
        self.put("csrrc", 0, 5, imm=Csr.SSTATUS)
        self.put_bits(access, 4)

    def let_in(self) -> None:
        """Keep an interrupt pending for a while, then enable it."""
        rng = self.rng
        self.put("csrrci", 0, 2, imm=Csr.SSTATUS)
        self.bits(5, 0x222)
        self.put("csrrs", 0, 5, imm=Csr.SIE)
        self.put("csrrsi", 0, 2, imm=Csr.SIP)
        self.put_bits(self.plain(), 4)
        self.put("addi", 5, imm=2)
        name = rng.choice(("csrrs", "csrrsi"))
        self.put(name, self.target(), 2 if name == "csrrsi" else 5, imm=Csr.SSTATUS)

    def set_status(self) -> None:
        machine = self.privilege == "M" or self.rng.random() < 0.1
        bits = self.rng.choice(self.status if machine else STATUS_BITS)
        csr = Csr.MSTATUS if machine and self.rng.random() < 0.6 else Csr.SSTATUS

        def change() -> None:
            self.bits(5, bits)
            self.put(self.rng.choice(("csrrs", "csrrc")), self.target(), 5, imm=csr)

        self.around(change)

    def swap_csr(self) -> None:
        """Write anything to a CSR that code depends on, and put the old value back."""
        csr = self.rng.choice((Csr.MTVEC, Csr.STVEC, Csr.MEDELEG, Csr.MIDELEG, Csr.PMPADDR0))
        if self.strict:
            csr = Csr.PMPADDR0
        self.put("csrrw", 5, self.source(), imm=csr)
        self.put("csrrw", 6, 5, imm=csr)

    def fence(self) -> None:
        self.put(
            "sfence.vma", 0, self.rng.choice((0, 16, 18, 19, 20)), self.rng.choice((0, 0, 1, 7))
        )

    def remap(self) -> None:
        """Change an entry of the alias pages."""

        def change() -> None:
            entry = self.rng.choice((self.rng.randrange(-16, -8), self.rng.randrange(-16, 16)))
            kind = 16 if entry >= 0 else 0
            self.put("ld", 5, 27, imm=PTES + 8 * (kind + self.rng.randrange(16)))
            self.put("sd", 0, 22, 5, 8 * entry)
            if self.strict:
                self.put("sfence.vma")
            elif self.rng.random() < 0.5:
                self.fence()

        self.around(change)

    def read_table(self) -> None:
        self.put("ld", self.target(), 22, imm=8 * self.rng.randrange(-16, 16))

    def switch(self) -> None:
        """Change the address space."""

        def change() -> None:
            self.put("csrrw", self.target(), self.rng.choice((25, 25, 26, 26, 0)), imm=Csr.SATP)
            if self.strict or self.rng.random() < 0.3:
                self.put("sfence.vma")

        self.around(change)

    def protect(self) -> None:
        """Change the PMP over the data (M-mode)."""

        def change() -> None:
            values, entry = PMPS + 8 * self.rng.randrange(16), self.rng.randrange(4)
            self.put("ld", 5, 27, imm=values)
            self.put("csrrw", 6, 5, imm=Csr.PMPADDR0 + entry)
            self.put("addi", 5)
            self.put("ld", 5, 27, imm=CONFIGS + 8 * self.rng.randrange(16))
            self.put("addi", 6, imm=0x1F)  # entry 7 lets pass what no other does
            self.put("slli", 6, 6, imm=56)
            self.put("or", 5, 5, 6)
            self.put("csrrw", 6, 5, imm=Csr.PMPCFG0)
            if self.strict:
                self.put("sfence.vma")

        self.around(change)

    def borrow(self) -> None:
        """Load and store with another privilege's permissions (MPRV, in M-mode)."""
        self.previous(self.rng.choice((0, 0x800)))
        self.bits(5, 1 << 17)
        self.put("csrrs", 0, 5, imm=Csr.MSTATUS)
        self.memory()
        self.bits(5, 1 << 17)
        self.put("csrrc", 0, 5, imm=Csr.MSTATUS)

    def leave(self) -> None:
        """Return from a trap that never was, to the code behind or to that of another privilege."""
        machine = self.privilege == "M" and self.rng.random() < 0.8
        to = self.rng.choice("SSUM") if machine else self.rng.choice("SSU")
        if machine:
            self.previous({"U": 0, "S": 0x800, "M": 0x1800}[to])
        else:
            self.bits(5, 0x100)
            self.put("csrrs" if to == "S" else "csrrc", 0, 5, imm=Csr.SSTATUS)
        if to == self.privilege:
            self.put("auipc", 30)
            self.put("addi", 30, 30, imm=16)
        else:
            place = self.rng.randrange(8) + (8 if to == "S" else 0)
            self.put("addi", 30)
            self.put("ld", 30, 27, imm=LEAVES + 8 * place)
        self.put("csrrw", 0, 30, imm=Csr.MEPC if machine else Csr.SEPC)
        self.put("mret" if machine else "sret")

    def previous(self, value: int) -> None:
        """Set mstatus.MPP, by no way over the reserved value."""
        self.bits(5, 0x1800)
        self.put("csrrs", 0, 5, imm=Csr.MSTATUS)
        if value == 0x800:
            self.bits(5, 0x1800)
            self.put("csrrc", 0, 5, imm=Csr.MSTATUS)
            self.bits(5, 0x800)
            self.put("csrrs", 0, 5, imm=Csr.MSTATUS)
        elif value == 0:
            self.put("csrrc", 0, 5, imm=Csr.MSTATUS)


USER = {"arithmetic": 16, "memory": 24, "short_memory": 6, "atomic": 5, "reserve": 4, "branch": 8,
        "call": 3, "loop": 6, "modify": 3, "far": 1, "system_call": 2, "garbage": 0.3,
        "order": 1, "read_csr": 0.5}  # fmt: skip
SUPERVISOR = {"set_csr": 4, "plain_csr": 4, "let_in": 1, "set_status": 4, "allow": 2,
              "fence": 2, "remap": 4, "read_table": 2, "switch": 2, "leave": 1,
              "read_csr": 3}  # fmt: skip
MACHINE = {
    "set_csr": 5,
    "set_status": 4,
    "swap_csr": 1,
    "protect": 3,
    "borrow": 8,
    "leave": 4,
    "read_csr": 4,
}
WEIGHTS = {"U": USER, "S": USER | SUPERVISOR, "M": USER | SUPERVISOR | MACHINE}
"""How often each snippet is chosen, by privilege."""

LOOPS = {"again": 12, "function": 5, "long_loop": 6, "cases": 4}
"""Added to these where pages are to contain loops."""
