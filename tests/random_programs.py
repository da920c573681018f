"""Random bare-metal programs: all privileges, translation, faults, self-modification, PMP.

A program starts in M-mode at `BASE`, sets everything up by its own instructions, and goes on
for ever through code written for U, S and M mode: trap handlers skip what trapped, ``ecall``
goes one privilege up, and a fetch that fails begins anew somewhere. Registers x2, x8 and x16–x28
hold addresses that nothing else writes, so that loads and stores hit what they are meant to hit.
The same image runs on any engine or simulator.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from handlers import BOOT_TABLES, STARTS, constant, instruction, m_handler, s_handler
from plain_snippets import CONFIGS, ENTRIES, LEAVES, PMPS, PTES, WORDS
from snippets import LOOPS, WEIGHTS, Snippets

from vlab.isa.fields import PTE_A, PTE_D, PTE_G, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X, SATP_SV39, Csr

BASE, SIZE = 0x8000_0000, 1 << 20
M_VECTOR, S_VECTOR, M_HANDLER, S_HANDLER = (BASE + o for o in (0x300, 0x380, 0x400, 0x800))
M_CODE, BOOT_TABLE, S_CODE, U_CODE = (BASE + o for o in (0x1000, 0x5000, 0x6000, 0xA000))
CODE_SIZE = 0x3000
DATA, DATA_PAGES = BASE + 0x1_0000, 8
ROOTS = BASE + 0x4_0000, BASE + 0x4_1000
IDENTITY_1, IDENTITY_0 = BASE + 0x4_2000, BASE + 0x4_3000
ALIAS_1 = BASE + 0x4_4000, BASE + 0x4_6000
ALIAS_0 = BASE + 0x4_5000, BASE + 0x4_7000
NOWHERE, MTIMECMP = 0x4000_0000, 0x200_4000
ALIAS, SUPER, GIGA, HIGH = 0x4000_0000, 0x4020_0000, 0xC000_0000, 0xFFFF_FFFF_C000_0000
ALIAS_PAGES = 32
"""Pages at `ALIAS`: the first half of data, the second of code (and again of data)."""

EDGES = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 63,
         (1 << 64) - 1, (1 << 63) - 1, 1 << 32)  # fmt: skip


@dataclass
class Area:
    """Code meant for one privilege; the page behind it is its table of values."""

    name: str
    code: int
    pages: tuple[int, ...]
    """Data pages that the privilege may mostly use."""

    @property
    def table(self) -> int:
        return self.code + CODE_SIZE


AREAS = (
    Area("M", M_CODE, (0, 1, 2, 3, 4, 5, 6)),
    Area("S", S_CODE, (4, 5, 6, 4, 5, 6, 3)),
    Area("U", U_CODE, (0, 1, 2, 0, 1, 2, 3)),
)
CODE_PAGES = [area.code + 4096 * n for area in AREAS for n in range(CODE_SIZE >> 12)]


class Program:
    """One random program.

    Parameters
    ----------
    seed
        Equal seeds give equal programs.
    strict
        Keep to what the specification determines: fences after each change of code or of page
        tables, no reserved encodings, no choice among legal values of a WARL field.
    loops
        Add ways back, and functions.
    """

    def __init__(self, seed: int, strict: bool = False, loops: bool = False) -> None:
        self.rng = random.Random(seed)
        self.strict = strict
        self.open = seed % 2 == 1
        """PMP lets all accesses through at first, as firmware and kernels set it."""

        self.image = bytearray(SIZE)
        for offset in range(0, DATA_PAGES * 4096, 8):
            self.store(DATA + offset, self.value())
        self._page_tables()
        delegates_illegal = self.rng.random() < 0.3
        starts = {}
        for area in AREAS:
            snippets = Snippets(self.rng, area.name, strict, not delegates_illegal)
            weights = WEIGHTS[area.name] | (LOOPS if loops else {})
            code, starts[area.name] = snippets.fill(CODE_SIZE - 8, weights)
            self.put(area.code, code + instruction("jal", imm=-len(code)))
        for area in AREAS:
            self._values(area, starts)
        for vector, handler in ((M_VECTOR, M_HANDLER), (S_VECTOR, S_HANDLER)):
            for at in range(vector, vector + 64, 4):
                self.put(at, instruction("jal", imm=handler - at))
        code, self.again = m_handler(BOOT_TABLE - M_HANDLER, strict)
        self.put(M_HANDLER, code)
        self.put(S_HANDLER, s_handler(strict))
        self._boot(delegates_illegal)

    def put(self, address: int, data: bytes) -> None:
        """Put bytes into the image."""
        self.image[address - BASE : address - BASE + len(data)] = data

    def store(self, address: int, value: int, width: int = 8) -> None:
        """Put a number into the image."""
        self.put(address, value.to_bytes(width, "little"))

    def value(self) -> int:
        """Return an operand: an edge case, or a random word."""
        return self.rng.choice(EDGES) if self.rng.random() < 0.7 else self.rng.getrandbits(64)

    def satp(self, which: int) -> int:
        """Return a value of satp for one of the two address spaces."""
        return SATP_SV39 | (1 + which) << 44 | ROOTS[which] >> 12

    def _values(self, area: Area, starts: dict[str, list[int]]) -> None:
        """Fill an area's table: what its code loads addresses and operands from."""
        rng, table = self.rng, area.table
        pages = [DATA + 4096 * page for page in area.pages]
        aliases = [ALIAS + 4096 * page for page in (*area.pages, rng.randrange(16))]
        odd = [1 << 45, 0x5000_0000, BASE + SIZE, ALIAS + (2 << 21), ALIAS + 0x60_0000]
        odd += [] if self.strict else [BASE + SIZE - 4]
        bases = {
            2: pages[0] + 0x400,
            8: pages[1] + 0x200,
            16: pages[2] + 0x840,
            17: rng.choice(pages) + rng.choice((0xFFC, 0xFF9, 0xFFE)),
            18: rng.choice(aliases) + 0xFFA,
            19: rng.choice(aliases) + 0x100,
            20: (BASE if area.name == "M" else SUPER) + (DATA - BASE) + 0x800,
            21: area.code + 0x1800,
            22: rng.choice(ALIAS_0) + 0x80,
            23: (BASE if area.name == "M" else GIGA) + (DATA - BASE) + 0x2FFC,
            24: rng.choice(odd),
            25: self.satp(0),
            26: self.satp(1),
            28: HIGH + (DATA - BASE) + 0x4000 if area.name == "S" else pages[3] + 0x80,
        }
        for register, value in bases.items():
            self.store(table + 8 * register, value)
        for i in range(32):
            self.store(table + PTES + 8 * i, self.leaf(i))
            self.store(table + STARTS + 8 * i, area.code + rng.choice(starts[area.name]))
            target, other = rng.randrange(3), rng.random() < 0.2
            target = target if other else AREAS.index(area)
            offset = rng.choice(starts[AREAS[target].name])
            alias = ALIAS + (16 + 3 * target << 12)
            self.store(table + ENTRIES + 8 * i, alias + offset)
            plain = Snippets(rng, "U", self.strict, False).plain()
            self.store(table + WORDS + 4 * i, plain, 4)
        for i in range(16):
            self._protection(table, i)
            other = AREAS[2 - i // 8]
            self.store(table + LEAVES + 8 * i, other.code + rng.choice(starts[other.name]))

    def _protection(self, table: int, number: int) -> None:
        """Write one PMP address and one configuration of entries 0 to 3 (entry 7 lets all pass)."""
        rng = self.rng
        page = DATA + 4096 * rng.randrange(DATA_PAGES)
        if not self.strict:
            page += 64 * rng.choice((0, 0, 1, 8))
        ones = (1 << rng.choice((9, 9, 10) if self.strict else (9, 9, 10, 3))) - 1
        top = rng.random() < 0.3
        self.store(table + PMPS + 8 * number, page >> 2 if top else page >> 2 & ~ones | ones >> 1)
        modes = (0, 8, 24) if self.strict else (0, 8, 16, 24)
        low = [rng.choice((0, 1, 3, 5, 7, 7)) | rng.choice(modes) for _ in range(4)]
        low[0] = 0x1F if self.open else low[0]
        self.put(table + CONFIGS + 8 * number, bytes([*low, 0, 0, 0, 0x1F]))

    # -- page tables ------------------------------------------------------------

    def leaf(self, entry: int) -> int:
        """Return an entry for an alias page: mostly usable, sometimes broken."""
        rng, code = self.rng, entry - 16
        if rng.random() < 0.1:
            broken = (0, PTE_V, PTE_V | PTE_W, NOWHERE >> 2 | 0xCF, 1 << 55 | 0xCF, 0xCE)
            return rng.choice(broken)
        flags = PTE_V | rng.choice((0, PTE_A, PTE_A | PTE_D))
        if not self.strict:  # the address spaces differ, so that no page is really global
            flags |= rng.choice((0, 0, PTE_G))
        if 0 <= code < len(CODE_PAGES):
            page = CODE_PAGES[code]
            flags |= PTE_U if page >= U_CODE and rng.random() < 0.9 else 0
            flags |= rng.choice((PTE_R | PTE_X, PTE_R | PTE_X, PTE_X, PTE_R))
            if not self.strict and rng.random() < 0.5:
                flags |= PTE_R | PTE_W
        else:
            page = DATA + 4096 * rng.choice((entry % 8, entry % 8, rng.randrange(DATA_PAGES)))
            flags |= PTE_U if (page - DATA >> 12 < 4) ^ (rng.random() < 0.1) else 0
            flags |= rng.choice((*[PTE_R | PTE_W] * 4, PTE_R, PTE_X, PTE_X))
        return page >> 2 | flags

    def _page_tables(self) -> None:
        usable = PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D
        for which, root in enumerate(ROOTS):
            user = PTE_U if which == 0 else 0
            self.store(root + 8 * 1, ALIAS_1[which] >> 2 | PTE_V)
            self.store(root + 8 * 2, IDENTITY_1 >> 2 | PTE_V)
            self.store(root + 8 * 3, BASE >> 2 | usable & ~PTE_D | user)
            self.store(root + 8 * 511, BASE >> 2 | usable)
            self.store(ALIAS_1[which], ALIAS_0[which] >> 2 | PTE_V)
            self.store(ALIAS_1[which] + 8, BASE >> 2 | usable & ~(PTE_A | PTE_D) | user)
            self.store(ALIAS_1[which] + 16, (BASE + 0x1000) >> 2 | usable | user)
            self.store(ALIAS_1[which] + 24, NOWHERE >> 2 | PTE_V)
            for page in range(ALIAS_PAGES):
                self.store(ALIAS_0[which] + 8 * page, self.leaf(page))
        self.store(IDENTITY_1, IDENTITY_0 >> 2 | PTE_V)
        for page in range(SIZE >> 12):
            address = BASE + page * 4096
            number, flags = address - DATA >> 12, usable
            if 0 <= number < DATA_PAGES:
                flags = PTE_V | PTE_R | (PTE_U if number < 4 else 0)
                flags |= self.rng.choice((*[PTE_W] * 5, PTE_W | PTE_X, PTE_X))
                flags |= self.rng.choice((0, PTE_A, PTE_A | PTE_D))
            elif U_CODE <= address <= U_CODE + CODE_SIZE:
                flags |= PTE_U
            self.store(IDENTITY_0 + 8 * page, address >> 2 | flags)

    # -- the beginning ------------------------------------------------------------

    def _boot(self, delegates_illegal: bool) -> None:
        """Write the first instructions: CSRs, registers, then down to some privilege's code."""
        rng = self.rng
        delegated = rng.choice((0, 0xA1F8, 0xA000, 0x8100, rng.getrandbits(16))) & 0xA1F8
        csrs = {
            Csr.PMPADDR0 + 7: (1 << 54) - 1,
            Csr.PMPCFG0: 0x1F << 56,
            **({Csr.PMPADDR0: (1 << 54) - 1, Csr.PMPCFG0: 0x1F} if self.open else {}),
            Csr.MTVEC: M_VECTOR | rng.choice((0, 1)),
            Csr.STVEC: S_VECTOR | rng.choice((0, 1)),
            Csr.MEDELEG: delegated | (4 if delegates_illegal else 0),
            Csr.MIDELEG: rng.choice((0, 0x222, 0x202)),
            Csr.MIE: rng.choice((0, 0xAAA, 0xAAA)),
            **{Csr.PMPADDR0 + entry: 0 for entry in range(self.open, 4)},
            Csr.MCOUNTEREN: rng.choice((0, 5, 7)),
            Csr.SCOUNTEREN: rng.choice((0, 5, 7)),
            Csr.MENVCFG: 1 << 61 if self.strict else 0,  # hardware sets A and D (Svadu)
            Csr.SATP: rng.choice((self.satp(0), self.satp(1), 0)),
            Csr.MSTATUS: rng.choice((0, 0x800, 0x1800)),
            Csr.MSCRATCH: rng.getrandbits(64),
            Csr.MINSTRET: 0,
        }
        code = instruction("auipc", 5, imm=BOOT_TABLE - BASE)
        for n, (csr, value) in enumerate(csrs.items()):
            self.store(BOOT_TABLE + 8 * n, value)
            code += instruction("ld", 6, 5, imm=8 * n) + instruction("csrrw", 0, 6, imm=csr)
        if self.strict:  # no timer interrupt: mtimecmp of the CLINT is 0 at first, in Spike
            code += constant(6, MTIMECMP) + instruction("addi", 7, imm=-1)
            code += instruction("sd", 0, 6, 7)
        code += instruction("sfence.vma")
        for register in (1, 3, 4, *range(6, 8), *range(9, 16), 29, 5):
            self.store(BOOT_TABLE + 0x200 + 8 * register, self.value())
            code += instruction("ld", register, 5, imm=0x200 + 8 * register)
        code += instruction("jal", imm=M_HANDLER + self.again - BASE - len(code))
        assert len(code) <= M_VECTOR - BASE
        self.put(BASE, code)
        for privilege, area in ((0, AREAS[2]), (1, AREAS[1]), (3, AREAS[0])):
            self.store(BOOT_TABLE + BOOT_TABLES + 8 * privilege, area.table)
