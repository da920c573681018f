"""The engines agree with each other, bit for bit, and with an independent one."""

from __future__ import annotations

import random
from typing import Any

import pytest

from vlab.engines.interpreter import Interpreter
from vlab.engines.python import PythonEngine
from vlab.engines.tiered import Translator, unavailable
from vlab.hardware import HardwareOptions, reset
from vlab.isa.fields import MASK64, PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X, SATP_SV39
from vlab.isa.rvc import encode
from vlab.isa.table import BY_NAME, INSTRUCTIONS
from vlab.memory import PhysicalMemory
from vlab.state import LAYOUT, Hart

BASE = 0x8000_0000
SIZE = 1 << 20
CODE = BASE
DATA = BASE + 0x4_0000
TABLES = BASE + 0x8_0000
HANDLER = BASE + 0x2_0000

HOST_ONLY = {
    "ram_pointer", "code_map", "code_pool", "code_used", "code_limit", "page_pc", "page_slots",
    "page_bits", "jit_pool", "jit_used", "jit_limit", "stencil_code", "stencil_index",
    "stencil_holes", "row_kinds", "holes", "decode_buckets", "decode_rows", "decode_rvc",
    "handlers", "scratch_slot",
    "fast", "fast_used", "data_set", "fetch_set", "bits", "length", "fault", "fault_address",
    "value", "last_address", "walk_level", "walk_address",
    "exit_addr", "exit_size", "exit_value", "exit_reg", "exit_signed",
}  # fmt: skip
"""Words that only one engine uses, or that are scratch between instructions."""

INTERESTING = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
               1 << 63, MASK64, MASK64 - 1, 0x7FFF_FFFF_FFFF_FFFF, DATA, DATA + 0xFFC)  # fmt: skip


def architectural(hart: Hart) -> dict[str, list[int]]:
    """Return every word of a record that two engines must agree on."""
    return {
        name: list(hart.words[first : first + count])
        for name, (first, count) in LAYOUT.items()
        if name not in HOST_ONLY
    }


def difference(a: Hart, b: Hart) -> list[str]:
    """Return which words differ."""
    x, y = architectural(a), architectural(b)
    return [
        f"{name}[{i}]: {p:#x} {q:#x}"
        for name in x
        for i, (p, q) in enumerate(zip(x[name], y[name], strict=True))
        if p != q and not (name == "x" and i == 32)
    ]


def random_word(rng: random.Random, weights: str) -> int:
    """Return an instruction: mostly valid, with operands that often hit memory."""
    kind = rng.random()
    if kind < 0.03:
        return rng.getrandbits(32)
    row = rng.choice(INSTRUCTIONS)
    if weights == "user":
        while row.kind in ("system", "csr", "jal", "jalr", "branch"):
            row = rng.choice(INSTRUCTIONS)
    rd, rs1, rs2 = (rng.choice((0, 1, 5, 6, 7, 8, 9, 10, 11, 12)) for _ in range(3))
    imm = rng.choice((0, 1, 4, 8, 16, 32, -4, -8, 12, 2, rng.randrange(-2048, 2048)))
    if row.kind in ("load", "store", "lr", "sc", "amo"):
        rs1 = rng.choice((8, 9, 9, 10, 5))
        imm = rng.choice((0, 8, 16, 64, -8, 4, 3, rng.randrange(-2048, 2048)))
    if row.kind in ("branch", "jal"):
        imm = rng.choice((4, 8, 12, -4, -8, 2, 6, 4094, -4096, 64)) & ~1
    if row.kind == "csr":
        imm = rng.choice(CSRS)
    return encode(row, rd, rs1, rs2, imm)


CSRS = (0x100, 0x104, 0x105, 0x106, 0x140, 0x141, 0x142, 0x143, 0x144, 0x180, 0x300, 0x301,
        0x302, 0x303, 0x304, 0x305, 0x306, 0x340, 0x341, 0x342, 0x343, 0x344, 0x3A0, 0x3B0,
        0x3B1, 0xB00, 0xB02, 0xC00, 0xC01, 0xC02, 0xC03, 0xF14, 0x7C0)  # fmt: skip


def build(engine, seed: int, translated: bool, privileged: bool):  # type: ignore[no-untyped-def]
    """Return a hart with a random program, the same for the same seed."""
    rng = random.Random(seed)
    memory = PhysicalMemory(BASE, SIZE)
    for page in range(4):
        for offset in range(0, 4096, 4):
            if rng.random() < 0.25:
                pair = [rng.getrandbits(16) & ~3 | rng.choice((0, 1, 2)) for _ in range(2)]
                word = pair[0] | pair[1] << 16
            else:
                word = random_word(rng, "any" if privileged else "user")
            memory.store(CODE + page * 4096 + offset, 4, word)
    for offset in range(0, 0x4000, 8):
        memory.store(DATA + offset, 8, rng.choice(INTERESTING))
    hart = Hart(memory)
    engine.attach(hart)
    reset(hart, HardwareOptions(8, 2, 4))
    for i in range(1, 32):
        hart.x[i] = rng.choice(INTERESTING)
    hart.x[8], hart.x[9], hart.x[10] = DATA + 64, DATA + 0xFF8, DATA + 0x1000 + 128
    # the handler: skip what trapped, go on
    skip = [
        encode(BY_NAME["csrrs"], 31, 0, 0, 0x341),
        encode(BY_NAME["addi"], 31, 31, 0, 4),
        encode(BY_NAME["csrrw"], 0, 31, 0, 0x341),
        BY_NAME["mret"].match,
    ]
    for i, word in enumerate(skip):
        memory.store(HANDLER + 4 * i, 4, word)
    hart.mtvec = HANDLER
    hart.pc = CODE
    if translated:
        identity_map(memory, rng)
        hart.satp = SATP_SV39 | TABLES >> 12
        hart.priv = rng.choice((0, 1))
        hart.mcounteren = hart.scounteren = 7
        from vlab.isa.mmu import update_regime

        hart.pmpcfg[0], hart.pmpaddr[0] = 0x1F, (1 << 54) - 1
        hart.pmp_count = 1
        update_regime(hart)
    return hart, memory


def identity_map(memory: PhysicalMemory, rng: random.Random) -> None:
    """Map the RAM onto itself with 4 KiB pages of random permissions, mostly usable."""
    leaf = TABLES + 0x2000
    memory.store(TABLES + 2 * 8, 8, (TABLES + 0x1000) >> 12 << 10 | PTE_V)
    memory.store(TABLES + 0x1000, 8, leaf >> 12 << 10 | PTE_V)
    for page in range(SIZE >> 12):
        flags = PTE_V | PTE_R | PTE_X | rng.choice((PTE_W, PTE_W, PTE_W, 0))
        flags |= rng.choice((0, PTE_U)) | rng.choice((0, PTE_A)) | rng.choice((0, PTE_A | PTE_D))
        if rng.random() < 0.05:
            flags = rng.getrandbits(8)
        memory.store(leaf + 8 * page, 8, (BASE >> 12) + page << 10 | flags)


def engines() -> list[Any]:
    """Return the engines to hold against the reference: the translator at once, and soon."""
    return [Interpreter()] + ([Translator(1), Translator(3)] if unavailable() is None else [])


@pytest.fixture(params=engines(), ids=lambda e: f"{e.name}", scope="module")
def engine(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("translated", [False, True])
@pytest.mark.parametrize("privileged", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_engines_agree_on_random_programs(
    engine: Any, seed: int, privileged: bool, translated: bool
) -> None:
    """After every slice of a random program both engines hold the same state, counters too."""
    a, memory_a = build(engine, seed, translated, privileged)
    b, memory_b = build(reference := PythonEngine(), seed, translated, privileged)
    rng = random.Random(seed)
    for _ in range(60):
        budget = rng.choice((1, 1, 2, 7, 50))
        reasons = engine.run(a, budget), reference.run(b, budget)
        assert reasons[0] == reasons[1]
        assert difference(a, b) == []
        if rng.random() < 0.1:
            line = 1 << rng.choice((3, 7, 9, 11))
            a.lines, b.lines = a.lines ^ line, b.lines ^ line
        if rng.random() < 0.1:
            a.pc = b.pc = CODE + rng.randrange(0, 0x4000, 2)
        if rng.random() < 0.2:
            for hart in (a, b):
                hart.x[8], hart.x[9], hart.x[10] = DATA + 64, DATA + 0xFF8, DATA + 0x1080
        if reasons[0] in (1, 2):  # a device access: nobody is there
            a.pc = b.pc = CODE + rng.randrange(0, 0x4000, 2)
    assert memory_a.bytes == memory_b.bytes
