"""User-level semantics against Unicorn (QEMU's translator), an engine that we did not write."""

from __future__ import annotations

import random

import pytest

from vlab.engines.interpreter import Interpreter
from vlab.engines.python import PythonEngine
from vlab.exits import ExitReason
from vlab.hardware import HardwareOptions, reset
from vlab.isa.fields import MASK64
from vlab.isa.rvc import encode, expand
from vlab.isa.table import INSTRUCTIONS, Instruction
from vlab.memory import PhysicalMemory
from vlab.state import Hart

unicorn = pytest.importorskip("unicorn")
from unicorn import riscv_const as reg  # noqa: E402

BASE, SIZE = 0x8000_0000, 1 << 16
CODE = BASE + 0x2000
DATA = BASE + 0x8000
BASES = (2, 8, 9, 11, 13)
USER_KINDS = ("op", "branch", "jal", "jalr", "load", "store", "lr", "sc", "amo", "fence")
VALUES = (0, 1, 2, 31, 32, 63, 64, 0x7F, 0x80, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
          1 << 32, 1 << 62, 1 << 63, (1 << 63) - 1, MASK64, MASK64 - 1)  # fmt: skip
REGISTERS = [getattr(reg, f"UC_RISCV_REG_X{i}") for i in range(32)]


def value(rng: random.Random) -> int:
    """Return an operand: an edge case or a random word."""
    return rng.choice(VALUES) if rng.random() < 0.6 else rng.getrandbits(64)


def instruction(rng: random.Random, row: Instruction) -> int:
    """Return a random instruction of a row; x8 is left alone as base of memory accesses."""
    rd, rs1, rs2 = (rng.randrange(32) for _ in range(3))
    imm = rng.randrange(-2048, 2048)
    if row.width:
        rs1 = 8
        imm = rng.randrange(-256, 256)
    if rd == 8:
        rd = 9
    if row.kind in ("branch", "jal"):
        imm = rng.choice((2, 4, 6, 8, 16, -8, 40))
    if row.kind == "jalr":
        rs1, imm = 8, rng.randrange(-128, 128)
    if row.format in ("SHAMT6", "SHAMT5"):
        imm = rng.randrange(64 if row.format == "SHAMT6" else 32)
    if row.format == "U":
        imm = rng.getrandbits(32)
    return encode(row, rd, rs1, rs2, imm)


class Pair:
    """A vlab hart and a Unicorn machine with equal contents."""

    def __init__(self, engine) -> None:  # type: ignore[no-untyped-def]
        self.engine = engine
        self.memory = PhysicalMemory(BASE, SIZE)
        self.hart = Hart(self.memory)
        engine.attach(self.hart)
        reset(self.hart, HardwareOptions())
        self.uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV64)
        self.uc.mem_map(BASE, SIZE)

    def check(self, rng: random.Random, words: list[tuple[int, int]]) -> None:
        """Run instructions one by one on both and compare everything after each."""
        registers = [0] + [value(rng) for _ in range(31)]
        for base in BASES:
            registers[base] = DATA + rng.choice((0, 8, 512, 0x7F8, 0x800))
        data = bytes(rng.getrandbits(8) for _ in range(0x2000))
        self.memory.write(DATA - 0x800, data)
        self.uc.mem_write(DATA - 0x800, data)
        for number, old in enumerate(registers):
            self.hart.x[number] = old
            self.uc.reg_write(REGISTERS[number], old)
        self.hart.reservation = MASK64
        for bits, length in words:
            code = bits.to_bytes(length, "little")
            self.memory.write(CODE, code)
            self.uc.mem_write(CODE, code)
            self.uc.ctl_remove_cache(CODE, CODE + 8)
            self.hart.pc = CODE
            left = self.engine.run(self.hart, 1)
            trapped = False
            try:
                self.uc.emu_start(CODE, 0, count=1)
            except unicorn.UcError:
                trapped = True
            device = left in (ExitReason.MMIO_READ, ExitReason.MMIO_WRITE)
            assert trapped == (device or bool(self.hart.vectored)), hex(bits)
            if trapped:
                self.hart.vectored, self.hart.priv = 0, 3
                return
            ours = [self.hart.x[n] for n in range(32)]
            theirs = [self.uc.reg_read(r) for r in REGISTERS]
            assert ours == theirs, hex(bits)
            assert self.hart.pc == self.uc.reg_read(reg.UC_RISCV_REG_PC), hex(bits)
            assert self.memory.read(DATA - 0x800, 0x2000) == bytes(
                self.uc.mem_read(DATA - 0x800, 0x2000)
            ), hex(bits)


USER_ROWS = [row for row in INSTRUCTIONS if row.kind in USER_KINDS]


@pytest.mark.parametrize("row", USER_ROWS, ids=lambda row: row.name)
def test_each_instruction_agrees_with_unicorn(row: Instruction) -> None:
    """An instruction with random operands leaves the registers and memory that Unicorn leaves."""
    rng = random.Random(row.name)
    pair = Pair(Interpreter())
    for _ in range(150):
        pair.check(rng, [(instruction(rng, row), 4)])


def test_reference_engine_agrees_with_unicorn() -> None:
    """The reference engine agrees with Unicorn on random straight-line programs."""
    rng = random.Random(1)
    pair = Pair(PythonEngine())
    # Whether a store by the same hart breaks its reservation is left open by the specification.
    rows = [r for r in INSTRUCTIONS if r.kind in USER_KINDS and r.kind != "sc"]
    for _ in range(60):
        pair.check(rng, [(instruction(rng, rng.choice(rows)), 4) for _ in range(20)])


def test_every_compressed_instruction_agrees_with_unicorn() -> None:
    """Every legal compressed integer instruction does what Unicorn does."""
    rng = random.Random(2)
    pair = Pair(Interpreter())
    for bits in range(0, 65536):
        if bits & 3 == 3 or expand(bits) is None or rng.random() > 0.1:
            continue
        if bits & 0xE07F == 0x8002 and bits >> 7 & 31 not in BASES:
            continue  # c.jr and c.jalr to nowhere: Unicorn reports the fetch behind it
        pair.check(rng, [(bits, 2)])
