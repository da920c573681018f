"""Snippets of random code: what `random_programs` fills its code pages with."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

from vlab.isa.decode import decode
from vlab.isa.fields import Csr
from vlab.isa.rvc import encode, expand
from vlab.isa.table import BY_NAME, INSTRUCTIONS, Instruction

RESERVED = {2, 8, *range(16, 32)}
BASES = (2, 2, 8, 8, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 23, 23, 28, 28, 24)
"""Address registers for data. x21 is near the code, x22 in a page table, x27 at the values."""

PTES, ENTRIES, WORDS, PMPS, CONFIGS, LEAVES = 0x200, 0x300, 0x400, 0x600, 0x680, 0x700
"""Offsets from x27: page-table entries, code by its alias, instructions, PMP values, code of U
and of S. (The handler's are at `handlers.STARTS`.)"""

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


@cache
def compressed() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the compressed arithmetic and the compressed loads and stores that are of use."""
    plain, memory = [], []
    for bits in range(65536):
        if bits & 3 == 3 or expand(bits) is None:
            continue
        d = decode(bits)
        if d.row.kind == "op" and d.rd not in RESERVED and d.row.name != "slti":
            plain.append(bits)
        harmless = d.row.kind == "store" or (d.row.kind == "load" and d.rd not in RESERVED)
        if harmless and d.rs1 in (2, 8):
            memory.append(bits)
    return tuple(plain), tuple(memory)


class Snippets:
    """Writes random code for one privilege.

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
        self.rng, self.privilege, self.strict = rng, privilege, strict
        self.status = STATUS_BITS + (TRAPPING if sets_traps else ()) + (() if strict else TVM)
        self.items: list[tuple[int, int, tuple[Instruction, int, int, int, int] | None]] = []
        self.size = 0

    # -- putting instructions down ------------------------------------------------

    def put(self, name: str, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0) -> None:
        """Put down a 32-bit instruction."""
        self.put_bits(encode(BY_NAME[name], rd, rs1, rs2, imm), 4)

    def put_bits(self, bits: int, length: int) -> None:
        """Put down an encoding."""
        self.items.append((bits, length, None))
        self.size += length

    def jump(self, row: Instruction, rd: int, rs1: int, rs2: int, distance: int) -> None:
        """Put down a branch over ``distance`` items."""
        self.items.append((0, 4, (row, rd, rs1, rs2, distance)))
        self.size += 4

    def fill(self, size: int) -> tuple[bytes, list[int]]:
        """Return random code of about that many bytes, and where in it snippets begin."""
        weights = WEIGHTS[self.privilege]
        kinds, chances = list(weights), list(weights.values())
        first = []
        while self.size < size - 160:
            first.append(len(self.items))
            getattr(self, self.rng.choices(kinds, chances)[0])()
        places = [0]
        for _, length, _ in self.items:
            places.append(places[-1] + length)
        code = bytearray()
        for n, (bits, length, branch) in enumerate(self.items):
            if branch is not None:
                row, rd, rs1, rs2, distance = branch
                goal = n + distance
                if self.strict and distance > 0:
                    goal = next((f for f in first if f >= goal), len(places) - 1)
                target = places[max(0, min(goal, len(places) - 1))]
                bits = encode(row, rd, rs1, rs2, target - places[n])
            code += bits.to_bytes(length, "little")
        return bytes(code), [places[n] for n in first]

    # -- operands -------------------------------------------------------------------

    def source(self) -> int:
        """Return a register to read."""
        return self.rng.choice((0, 1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 17, 31))

    def target(self) -> int:
        """Return a register to write."""
        return self.rng.choice((0, 1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15))

    def offset(self, row: Instruction) -> int:
        """Return the offset of an access: often aligned, often at the end of a page."""
        choices = (0, row.width, -row.width, 8, 64, 1, 2, 3, 5, 7, self.rng.randrange(-512, 1024))
        return self.rng.choice(choices)

    def plain(self) -> int:
        """Return a random arithmetic instruction."""
        rows = [r for r in INSTRUCTIONS if r.kind == "op" and r.name != "slti"]
        imm = self.rng.choice((0, 1, -1, 31, 32, 63, self.rng.getrandbits(32)))
        return encode(self.rng.choice(rows), self.target(), self.source(), self.source(), imm)

    # -- snippets for every privilege ---------------------------------------------------

    def arithmetic(self) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            if self.rng.random() < 0.5:
                self.put_bits(self.plain(), 4)
            else:
                self.put_bits(self.rng.choice(compressed()[0]), 2)

    def access(self) -> int:
        """Return a load or store."""
        row = self.rng.choice([r for r in INSTRUCTIONS if r.kind in ("load", "store")])
        base = self.rng.choice(BASES)
        return encode(row, self.target(), base, self.source(), self.offset(row))

    def memory(self) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            self.put_bits(self.access(), 4)

    def around(self, change: Callable[[], None]) -> None:
        """Make the same accesses before and after something that may change their outcome."""
        accesses = [self.access() for _ in range(self.rng.randrange(1, 4))]
        for bits in accesses:
            self.put_bits(bits, 4)
        change()
        for bits in accesses:
            self.put_bits(bits, 4)

    def short_memory(self) -> None:
        if not self.strict:  # handlers skip four bytes
            self.put_bits(self.rng.choice(compressed()[1]), 2)

    def atomic(self) -> None:
        rows = [r for r in INSTRUCTIONS if r.kind == "amo"]
        row = self.rng.choice(rows)
        self.put("addi", 15, self.rng.choice(BASES), imm=self.rng.choice((0, 4, 8, 6, -8)))
        if not self.strict or self.rng.random() < 0.9:
            self.put("andi", 15, 15, imm=-row.width)
        self.put_bits(encode(row, self.target(), 15, self.source(), 0), 4)

    def reserve(self) -> None:
        width = self.rng.choice((".w", ".d"))
        self.put("addi", 15, self.rng.choice((2, 8, 16, 19, 20)), imm=self.rng.choice((0, 8, 64)))
        self.put("andi", 15, 15, imm=-8)
        self.put("lr" + width, self.target(), 15)
        if self.rng.random() < 0.3:
            self.put_bits(self.plain(), 4)
        self.put("sc" + width, self.target(), 15, self.source())

    def branch(self) -> None:
        rows = [r for r in INSTRUCTIONS if r.kind == "branch"]
        distance = self.rng.randrange(1, 6)
        self.jump(self.rng.choice(rows), 0, self.source(), self.source(), distance)

    def call(self) -> None:
        if self.rng.random() < 0.5:
            self.jump(BY_NAME["jal"], self.rng.choice((0, 1, 5)), 0, 0, self.rng.randrange(1, 9))
        else:
            self.put("auipc", 5)
            self.put(
                "jalr",
                self.rng.choice((0, 1, 5)),
                5,
                imm=self.rng.choice((8, 9) if self.strict else (8, 9, 10, 12, 16)),
            )

    def loop(self) -> None:
        self.put("addi", 29, imm=self.rng.randrange(2, 7))
        start = len(self.items)
        for _ in range(self.rng.randrange(1, 4)):
            getattr(self, self.rng.choice(("arithmetic", "memory", "short_memory", "atomic")))()
        self.put("andi", 29, 29, imm=7)  # whoever jumped into the loop brought any number
        self.put("addi", 29, 29, imm=-1)
        self.jump(BY_NAME["blt"], 0, 0, 29, start - len(self.items))

    def modify(self) -> None:
        """Overwrite the instruction behind, or anything nearby."""
        word = WORDS + 4 * self.rng.randrange(32)
        if self.strict or self.rng.random() < 0.5:
            self.put("auipc", 6)
            self.put("addi", 5, imm=0x13)  # the load may fault: a no-op, then
            self.put("lw", 5, 27, imm=word)
            self.put("sw", 0, 6, 5, 20)
            self.put("fence.i")
            self.put("addi", 7, 7, imm=1)
        elif self.rng.random() < 0.5:
            self.put("lw", 5, 27, imm=word)
            self.put("sw", 0, 21, 5, self.rng.randrange(-255, 255) * 4)
        else:
            self.put("addi", 5, imm=1)
            name = self.rng.choice(("sb", "sh", "sd"))
            self.put(name, 0, 21, 5, self.rng.randrange(-1020, 1020) & ~1)

    def far(self) -> None:
        """Go on in another mapping of the code."""
        self.put("addi", 5)
        self.put("ld", 5, 27, imm=ENTRIES + 8 * self.rng.randrange(32))
        self.put("jalr", self.rng.choice((0, 1)), 5)

    def system_call(self) -> None:
        self.put(self.rng.choice(("ecall", "ecall", "ecall", "ebreak")))

    def garbage(self) -> None:
        if self.strict:
            self.put_bits(self.rng.choice((0, 0xFFFF_FFFF, 0x0000_0073 | 5 << 20, 0x9002_9002)), 4)
        else:
            self.put_bits(self.rng.getrandbits(32), 4)

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

    def bits(self, register: int, value: int) -> None:
        """Set a register to a bit pattern below 2³¹."""
        low = (value & 0xFFF ^ 0x800) - 0x800
        self.put("lui", register, imm=value - low)
        self.put("addi", register, register, imm=low)


USER = {"arithmetic": 16, "memory": 24, "short_memory": 6, "atomic": 4, "reserve": 3, "branch": 8,
        "call": 3, "loop": 6, "modify": 3, "far": 1, "system_call": 2, "garbage": 0.3,
        "read_csr": 0.5}  # fmt: skip
SUPERVISOR = {"set_csr": 4, "set_status": 4, "fence": 2, "remap": 4, "read_table": 2,
              "switch": 2, "leave": 1, "read_csr": 3}  # fmt: skip
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
