"""Putting random instructions down, and the snippets that any privilege may execute."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

from vlab.isa.decode import decode
from vlab.isa.rvc import encode, expand
from vlab.isa.table import BY_NAME, INSTRUCTIONS, PLACES, Instruction

RESERVED = {2, 8, *range(16, 32)}
BASES = (2, 2, 8, 8, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 23, 23, 28, 28, 24)
"""Address registers for data. x21 is near the code, x22 in a page table, x27 at the values."""

IN_LOOPS = ("arithmetic", "memory", "short_memory", "atomic", "reserve", "order")
"""Snippets that loops are made of."""

PTES, ENTRIES, WORDS, PMPS, CONFIGS, LEAVES = 0x200, 0x300, 0x400, 0x600, 0x680, 0x700
"""Offsets from x27: page-table entries, code by its alias, instructions, PMP values, code of U
and of S. (The handler's are at `handlers.STARTS`.)"""


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


class PlainSnippets:
    """Writes random code.

    Parameters
    ----------
    strict
        As for `random_programs.Program`.
    """

    def __init__(self, rng: random.Random, strict: bool) -> None:
        self.rng, self.strict, self.in_loops = rng, strict, IN_LOOPS
        self.items: list[tuple[int, int, tuple[Instruction, int, int, int, int] | None]] = []
        self.size = 0

    # -- putting instructions down ------------------------------------------------

    def put(self, name: str, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0) -> None:
        """Put down a 32-bit instruction; an immediate in the place of ``rs1`` is given as that."""
        row = BY_NAME[name]
        small = rs1 << PLACES["uimm"] if "uimm" in row.fields else 0
        self.put_bits(encode(row, rd, rs1, rs2, imm) | small, 4)

    def put_bits(self, bits: int, length: int) -> None:
        """Put down an encoding."""
        self.items.append((bits, length, None))
        self.size += length

    def jump(self, row: Instruction, rd: int, rs1: int, rs2: int, distance: int) -> None:
        """Put down a branch over ``distance`` items."""
        self.items.append((0, 4, (row, rd, rs1, rs2, distance)))
        self.size += 4

    def bits(self, register: int, value: int) -> None:
        """Set a register to a bit pattern below 2³¹."""
        low = (value & 0xFFF ^ 0x800) - 0x800
        self.put("lui", register, imm=value - low)
        self.put("addi", register, register, imm=low)

    def fill(self, size: int, weights: dict[str, float]) -> tuple[bytes, list[int]]:
        """Return random code of about that many bytes, and where in it snippets begin.

        Parameters
        ----------
        weights
            How often each snippet is chosen: methods by name.
        """
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
        bases = BASES if self.strict else (*BASES, 21, 22)
        self.put("addi", 15, self.rng.choice(bases), imm=self.rng.choice((0, 4, 8, 6, -8)))
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
        if not self.strict:
            self.between()
            width = self.rng.choice((width, width, ".w", ".d"))
        self.put("sc" + width, self.target(), 15, self.source())

    def between(self) -> None:
        """Do what may end a reservation, or not: which of them, the specification leaves open."""
        what = self.rng.randrange(12)
        if what < 2:
            self.put(self.rng.choice(("sw", "sd")), 0, 15, self.source(), 8 * (what - 1))
        elif what == 2:
            self.put_bits(self.access(), 4)
        elif what == 3:
            self.put(self.rng.choice(("amoadd.w", "amoswap.d")), self.target(), 15, self.source())
        elif what == 4:
            self.put(self.rng.choice(("lr.w", "sc.d")), self.target(), self.rng.choice(BASES))
        elif what == 5:
            self.put("addi", 15, 15, imm=self.rng.choice((4, 8, -8)))
        elif what == 6:
            self.put("addi", 15, self.rng.choice((*BASES, 21, 22)))

    def order(self) -> None:
        self.put(self.rng.choice(("fence", "fence", "fence.i")))

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

    def loop(self, most: int = 7) -> None:
        """Go round a few times; ``most`` is a power of two less 1."""
        self.put("addi", 29, imm=self.rng.randrange(2, most))
        start = len(self.items)
        for _ in range(self.rng.randrange(1, 4)):
            getattr(self, self.rng.choice(self.in_loops))()
        self.put("andi", 29, 29, imm=most)  # whoever jumped into the loop brought any number
        self.put("addi", 29, 29, imm=-1)
        self.jump(BY_NAME["blt"], 0, 0, 29, start - len(self.items))

    def long_loop(self) -> None:
        self.loop(63)

    def again(self) -> None:
        """Go back some way, as long as registers say so that the code in between changes."""
        rows = [r for r in INSTRUCTIONS if r.kind == "branch"]
        back = -self.rng.randrange(2, 16)
        self.jump(self.rng.choice(rows), 0, self.source(), self.source(), back)

    def function(self) -> None:
        """Call a function that lies before the call."""
        skip = len(self.items)
        self.jump(BY_NAME["jal"], 0, 0, 0, 1)
        for _ in range(self.rng.randrange(1, 4)):
            getattr(self, self.rng.choice(("arithmetic", "memory", "short_memory")))()
        self.put("jalr", 0, 1)
        self.items[skip] = (0, 4, (BY_NAME["jal"], 0, 0, 0, len(self.items) - skip))
        self.jump(BY_NAME["jal"], 1, 0, 0, skip + 1 - len(self.items))

    def cases(self) -> None:
        """Go round through one of four pieces of code at a time, chosen by a computed jump."""
        self.put("addi", 29, imm=self.rng.randrange(8, 60))
        start = len(self.items)
        self.put("andi", 5, 29, imm=3)
        self.put("slli", 5, 5, imm=2)
        self.put("auipc", 6)
        self.put("add", 6, 6, 5)
        self.put("jalr", self.rng.choice((0, 0, 0, 1)), 6, imm=12)
        table, ends = len(self.items), []
        for _ in range(4):
            self.jump(BY_NAME["jal"], 0, 0, 0, 1)
        for case in range(4):
            distance = len(self.items) - table - case
            self.items[table + case] = (0, 4, (BY_NAME["jal"], 0, 0, 0, distance))
            getattr(self, self.rng.choice(("arithmetic", "memory", "short_memory")))()
            ends.append(len(self.items))
            self.jump(BY_NAME["jal"], 0, 0, 0, 1)
        for end in ends:
            self.items[end] = (0, 4, (BY_NAME["jal"], 0, 0, 0, len(self.items) - end))
        self.put("andi", 29, 29, imm=63)
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
