"""The emulated translator's host code, run on the modelled machine, does what the guest's does."""

from __future__ import annotations

import json
import random

import llvmlite
import pytest

from vlab.engines import block_tables
from vlab.engines.block_cache import enter_block, new_block
from vlab.engines.block_tables import BLOCK_WORDS, CODE, get
from vlab.engines.block_translator import HELPER_ENTRY
from vlab.engines.python import PythonEngine
from vlab.engines.traced import TracedPython
from vlab.hardware import HardwareOptions, reset
from vlab.isa.table import BY_NAME, PLACES, Instruction, standard_rows
from vlab.memory import PAGE, PhysicalMemory
from vlab.state import FAST_ENTRIES, LAYOUT, WORDS, Hart

BASE = 0x8000_0000
GUEST, DATA, RECORD, SET, CACHE = (BASE + (n << 16) for n in range(1, 6))
"""Where the guest's page, its data, its record, the lookup's set and the code cache are."""

OFFSET = 0xFFC  # the block ends with the page
EBREAK = b"\x73\x00\x10\x00"
OWN = [row for row in standard_rows() if row.name in block_tables.recorded()]
HELPED = [row for row in standard_rows() if row.name not in block_tables.recorded()]


def encoding(row: Instruction, rng: random.Random) -> int:
    """Return an instruction of a row with random operands; memory operands are within DATA."""
    bits = row.match | rng.getrandbits(32) & ~row.mask & 0xFFFFFFFF
    if row.kind in ("load", "store"):  # rs1 = x5 holds DATA + 2048
        bits = bits & ~(31 << 15) | 5 << 15
    return bits


class Both:
    """A guest's instruction, executed by the reference, and as the code it is translated to."""

    def __init__(self, bits: int, registers: list[int]) -> None:
        self.reference, self.host = self.hart(), self.hart()
        for hart in (self.reference, self.host):
            hart.memory.write(GUEST + OFFSET, bits.to_bytes(4, "little"))
            hart.memory.write(DATA, bytes(range(256)) * 16)
        for number in range(1, 32):
            self.reference.x[number] = registers[number]
        self.reference.pc = GUEST + OFFSET
        self.inner = Hart(self.host.memory)
        self.inner.ram_base, self.inner.ram_size = BASE, self.host.memory.size
        block_tables.attach_tables(self.inner, 1 << 20)
        for number in range(1, 32):
            self.inner.x[number] = registers[number]

    @staticmethod
    def hart() -> Hart:
        hart = Hart(PhysicalMemory(BASE, 8 << 20))
        PythonEngine().attach(hart)
        reset(hart, HardwareOptions())
        hart.intercept = (1 << 64) - 1
        return hart

    def translate(self) -> int:
        """Translate the instruction and return the address of its code."""
        inner, memory = self.inner, self.host.memory
        pa = GUEST + OFFSET
        block = new_block(inner, pa, pa << 2 | 1)
        code = bytes(inner.tables[inner.block_code : inner.block_used])
        memory.write(CACHE, code)
        for entry in (0, HELPER_ENTRY):
            memory.write(CACHE + entry, EBREAK)
        page = DATA & -PAGE
        for index in range(FAST_ENTRIES):
            at = SET + index * 32
            for word, value in enumerate((page, page, page, 0)):
                memory.store(at + 8 * word, 8, value)
        memory.write(RECORD, bytes(inner.words)[: 8 * WORDS])
        return CACHE + get(inner, block + CODE) - inner.block_code

    def run(self, code: int) -> int:
        """Run the code to the dispatcher or the helper, and return where it came out."""
        hart = self.host
        hart.pc, hart.x[10], hart.x[11], hart.x[12], hart.x[13] = code, RECORD, 1, GUEST, SET
        PythonEngine().run(hart, 200)
        return hart.pc - CACHE

    def registers(self) -> list[int]:
        """Return the guest's registers in the record that the code worked on."""
        return [self.host.memory.load(RECORD + 8 * n, 8) for n in range(32)]

    def word(self, name: str) -> int:
        """Return a field of that record."""
        return self.host.memory.load(RECORD + 8 * LAYOUT[name][0], 8)


def random_registers(rng: random.Random) -> list[int]:
    """Return values for 32 registers; x5 points into the middle of DATA."""
    corners = (0, 1, (1 << 64) - 1, 1 << 63, (1 << 63) - 1, 1 << 31, 0xFFFF_FFFF)
    values = [rng.choice(corners) if rng.random() < 0.4 else rng.getrandbits(64) for _ in range(32)]
    return [0, *values[1:5], DATA + 2048, *values[6:]]


@pytest.mark.parametrize("row", OWN, ids=lambda row: row.name)
def test_host_code_does_what_the_instruction_does(row: Instruction) -> None:
    """Registers, memory and pc come out as the reference engine has them."""
    rng = random.Random(row.index)
    for _ in range(12):
        bits = encoding(row, rng)
        both = Both(bits, random_registers(rng))
        code = both.translate()
        out = both.run(code)
        if row.kind in ("load", "store") and out == HELPER_ENTRY:
            continue  # misaligned
        assert out == 0, hex(bits)
        PythonEngine().run(both.reference, 1)
        assert both.registers() == list(both.reference.x[:32]), hex(bits)
        if row.kind in ("branch", "jal", "jalr"):
            assert both.word("pc") == both.reference.pc, hex(bits)
        assert both.host.memory.read(DATA, PAGE) == both.reference.memory.read(DATA, PAGE)


@pytest.mark.parametrize("row", HELPED, ids=lambda row: row.name)
def test_other_rows_reach_the_helper_with_their_operands(row: Instruction) -> None:
    """What has no code of its own calls the helper: row, registers, immediate, pc."""
    rng = random.Random(row.index)
    bits = encoding(row, rng)
    both = Both(bits, random_registers(rng))
    assert both.run(both.translate()) == HELPER_ENTRY
    operands = both.host.x[14] & 0xFFFFFFFF
    rd = (bits >> 7 & 31) or 32
    assert operands == row.index | rd << 8 | (bits >> 15 & 31) << 16 | (bits >> 20 & 31) << 24
    if "csr" in row.fields:
        assert both.host.x[15] == bits >> PLACES["csr"]
    assert both.word("pc") == GUEST + OFFSET


def test_misses_go_the_slow_way_and_come_back_behind() -> None:
    """An access that misses the lookup reaches the helper, which is told where to go on."""
    bits = BY_NAME["ld"].match | 3 << 7 | 6 << 15
    both = Both(bits, [0] * 6 + [0x4000_0000] + [0] * 25)
    assert both.run(both.translate()) == HELPER_ENTRY
    hart = both.host
    hart.pc = CACHE + hart.x[16]
    hart.memory.store(RECORD + 8 * 3, 8, 77)  # what the helper would have loaded
    hart.x[10], hart.x[11], hart.x[12], hart.x[13] = RECORD, 1, GUEST, SET
    PythonEngine().run(hart, 200)
    assert hart.pc == CACHE
    assert both.registers()[3] == 77


def test_a_block_takes_its_length_from_the_budget_or_is_left() -> None:
    """With less budget than instructions the block leaves at once, nothing done."""
    both = Both(BY_NAME["addi"].match | 3 << 7 | 7 << 20, [0] * 32)
    code = both.translate()
    hart = both.host
    hart.pc, hart.x[10], hart.x[11], hart.x[12], hart.x[13] = code, RECORD, 0, GUEST, SET
    PythonEngine().run(hart, 200)
    assert hart.pc == CACHE
    assert both.registers()[3] == 0
    assert both.word("pc") == GUEST + OFFSET


def test_recorded_stencils_are_what_llvm_makes() -> None:
    """The record, which makes counts the same everywhere, is not stale."""
    from vlab.engines.host_code import stencils

    version = json.loads(block_tables.RECORD.read_text("utf-8"))["llvmlite"]
    if llvmlite.__version__ != version:
        pytest.skip(f"recorded with llvmlite {version}")
    made = stencils()
    assert set(made) == set(block_tables.recorded())
    for name, stencil in made.items():
        assert stencil["code"] == block_tables.recorded()[name]["code"], name
        assert [list(h) for h in stencil["holes"]] == block_tables.recorded()[name]["holes"], name
        assert stencil["path"] == block_tables.recorded()[name]["path"], name


def test_the_dispatcher_is_asked_as_often_as_is_counted() -> None:
    """A loop's code is run: linked exits stay in the cache, all others come to the dispatcher."""
    from vlab.isa.assembler import assemble

    text = """
        li t0, 9
    loop:
        addi t0, t0, -1
        andi t1, t0, 1
        beqz t1, even
        addi t2, t2, 100
    even:
        addi t2, t2, 1
        bnez t0, loop
        ebreak
    """
    code = assemble(text, GUEST).code
    both = Both(0, [0] * 32)
    memory, inner = both.host.memory, both.inner
    memory.write(GUEST, code)
    both.translate()
    block_tables.attach_tables(inner, 1 << 20)
    inner.priv = 3
    asked, pc = 0, GUEST
    while True:
        inner.block_due = 1
        enter_block(inner, pc)
        asked += 1
        memory.write(CACHE, bytes(inner.tables[inner.block_code : inner.block_used]))
        for entry in (0, HELPER_ENTRY):
            memory.write(CACHE + entry, EBREAK)
        place = CACHE + get(inner, inner.block_last + CODE) - inner.block_code
        hart = both.host
        hart.pc, hart.x[10], hart.x[11], hart.x[12], hart.x[13] = place, RECORD, 900, GUEST, SET
        PythonEngine().run(hart, 2000)
        if hart.pc - CACHE == HELPER_ENTRY:
            break
        pc = both.word("pc")
        left = both.word("value")  # the exit through which the code came out
        inner.block_last = owner(inner, left)
    traced = TracedPython()
    guest = Hart(PhysicalMemory(BASE, 8 << 20))
    traced.attach(guest)
    reset(guest, HardwareOptions())
    guest.memory.write(GUEST, code)
    guest.intercept, guest.pc = 1 << 3, GUEST
    traced.run(guest, 10_000)
    assert both.registers()[5:8] == list(guest.x[5:8]) == [0, 0, 9 + 400]
    assert asked == guest.block_dispatches < guest.block_entries


def owner(hart: Hart, exit: int) -> int:
    """Return the block that an exit is of."""
    return hart.block_list + (exit - hart.block_list) // (8 * BLOCK_WORDS) * (8 * BLOCK_WORDS)
