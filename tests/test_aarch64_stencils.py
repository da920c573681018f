"""The translator's code for aarch64, on any host: as it is patched, and as it runs in Unicorn."""

from __future__ import annotations

import ctypes
import io
import random
import re
from collections.abc import Iterator
from functools import cache

import pytest
from aarch64_translator import AWAY, BASE, CODE, DATA, HANDLERS, attached, call, image, new_hart
from elftools.elf.elffile import ELFFile

from vlab.engines.code_cache import DECODE, DISPATCH, FIRST_ROW, HEAT
from vlab.engines.csrs import COUNTERS, PLACES
from vlab.engines.executable import jump_to
from vlab.engines.fixed_registers import OFFSETS, variants
from vlab.engines.intrinsics import ARITHMETIC, INTRINSICS
from vlab.engines.lowering import Module
from vlab.engines.python import PythonEngine
from vlab.engines.stencil_table import COUNT, number_of, relocations_of
from vlab.engines.stencils import HOLES, KINDS, generate, hole
from vlab.engines.tiered import unavailable
from vlab.isa.fields import MASK64
from vlab.isa.table import Instruction, standard_rows
from vlab.state import Hart

capstone = pytest.importorskip("capstone")
unicorn = pytest.importorskip("unicorn")
from unicorn import arm64_const as arm64  # noqa: E402

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=f"no translator: {unavailable()}")

PAGE_21, LOW_12, JUMP = 275, 277, 282
"""R_AARCH64_ADR_PREL_PG_HI21, _ADD_ABS_LO12_NC, _JUMP26."""

FIRST = 0x800
"""Offset in the page of the code that is translated."""

# -- patching -------------------------------------------------------------


def disassembled(code: bytes) -> list[tuple[str, str]]:
    """Return mnemonics and operands."""
    disassembler = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    return [(i.mnemonic, i.op_str) for i in disassembler.disasm(code, 0)]


def stencils() -> Iterator[tuple[int, bytes, list[tuple[int, int, int, int]]]]:
    """Return number, code and relocations of each, as LLVM emits them."""
    elf = ELFFile(io.BytesIO(image()))
    for section in elf.iter_sections():
        if section.name.startswith(".st."):
            yield number_of(section.name), section.data(), relocations_of(elf, section.name) or []


def value_of(moves: list[tuple[str, str]]) -> tuple[str, int]:
    """Return which register a ``movz`` or ``movn`` and a ``movk`` make, and what is in it.

    The disassembler prints the first as ``mov`` of the resulting value.
    """
    (first, operands), (second, low) = moves
    register, high = operands.split(", ", 1)
    parts = high.split(", lsl #")
    value = int(parts[0].removeprefix("#"), 0) << (int(parts[1]) if len(parts) > 1 else 0)
    value = {"mov": value, "movz": value, "movn": ~value}[first]
    assert second == "movk"
    again, bits = low.split(", ", 1)
    assert again == register
    return register, value & ~0xFFFF & (1 << 64) - 1 | int(bits.removeprefix("#"), 0)


def known(instruction: tuple[str, str], values: list[int]) -> tuple[str, str]:
    """Return an instruction with a guest's register in place of the one that LLVM was told."""
    mnemonic, operands = instruction
    for name, (offset, _) in OFFSETS.items():
        value = values[HOLES.index(name)]
        told = f"#{value}" if value < 10 else f"#{value:#x}"
        operands = operands.replace(f"[x0, #{offset:#x}]", f"[x0, {told}]" if value else "[x0]")
    return mnemonic, operands


@pytest.mark.parametrize("seed", range(3))
def test_patched_stencils_hold_their_operands(seed: int) -> None:
    """A disassembler finds each operand in the register LLVM meant, and all else untouched."""
    rng, hart = random.Random(seed), attached()
    sizes = hart.owned[-1].index.tolist()[1::4]
    assert len(list(stencils())) == sum(size > 0 for size in sizes) <= COUNT
    for number, raw, relocations in stencils():
        corners = (0, 1, -1, 0xFFFF, 0x10000, -0x10000, -0x10001, (1 << 31) - 1, -1 << 31)
        values = [rng.choice([*corners, rng.randrange(-1 << 31, 1 << 31)]) for _ in HOLES]
        for which in map(HOLES.index, OFFSETS):
            values[which] = 8 * rng.randrange(33)
        for which, value in enumerate(values[:13]):
            hart.holes[which] = value & MASK64
        end = call("copy", hart, number, hart.jit_pool)
        code = ctypes.string_at(hart.jit_pool, end - hart.jit_pool)
        assert len(code) in (len(raw), len(raw) - 4)
        before, after = disassembled(raw), disassembled(code)
        touched, pages = set(), {}
        for at, kind, which, addend in sorted(relocations):
            place = at // 4
            touched.add(place)
            if kind == JUMP:
                assert before[place][0] == "b"
                assert which == HOLES.index("next")
                if at < len(code):
                    assert after[place][0] == "b"
                    assert int(after[place][1].removeprefix("#"), 0) == len(code)
            elif kind == PAGE_21:
                pages[before[place][1].split(",")[0]] = place
            else:
                assert kind == LOW_12
                register = before[place][1].split(",")[0]
                found = value_of([after[pages.pop(register)], after[place]])
                assert found == (register, values[which] + addend & (1 << 64) - 1)
        assert not pages
        for place, (mnemonic, operands) in enumerate(after):
            assert place in touched or (mnemonic, operands) == known(before[place], values)


def test_accesses_to_registers_stay_in_order() -> None:
    """Each access to a guest's register is volatile: offsets that differ may be of the same one."""
    text = generate(Module(INTRINSICS, ARITHMETIC))
    count = sum(text.count(hole(name)) for name in OFFSETS)
    for other in variants(text):
        assert not any(hole(name) in other for name in OFFSETS)
        assert len(re.findall(r"(?:load|store) volatile i64\b.*%r(?:s1|s2|d)\.x", other)) == count


# -- running --------------------------------------------------------------


class Aarch64:
    """An aarch64 processor on this process's memory, as far as it is mapped, place by place."""

    def __init__(self, hart: Hart) -> None:
        self.hart, self.mapped = hart, set()
        self.cpu = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.map(hart.pointer, 8 * len(hart.words))
        self.map(hart.memory.pointer, hart.memory.size)
        self.map(hart.page_slots, 16 * 2050)
        self.map(hart.handlers, 8 * HANDLERS)
        self.map(hart.jit_pool, 1 << 16)

    def map(self, begin: int, size: int) -> None:
        """Let the processor reach a range of this process's memory."""
        for page in range(begin & ~0xFFF, begin + size, 0x1000):
            if page not in self.mapped:
                self.mapped.add(page)
                self.cpu.mem_map_ptr(page, 0x1000, unicorn.UC_PROT_ALL, page)

    def run(self, code: int, slot: int, budget: int) -> tuple[int, int, int, int]:
        """Run a block until it leaves; return the handler, slot, budget and accesses."""
        names = (arm64.UC_ARM64_REG_X1, arm64.UC_ARM64_REG_X2, arm64.UC_ARM64_REG_X3)
        self.cpu.reg_write(arm64.UC_ARM64_REG_X0, self.hart.pointer)
        for name, value in zip(names, (slot, budget, 0), strict=True):
            self.cpu.reg_write(name, value)
        with pytest.raises(unicorn.UcError) as error:
            self.cpu.emu_start(code, 0, count=10_000)
        assert error.value.errno == unicorn.UC_ERR_FETCH_UNMAPPED
        away = self.cpu.reg_read(arm64.UC_ARM64_REG_PC) - AWAY
        assert self.cpu.reg_read(arm64.UC_ARM64_REG_X0) == self.hart.pointer
        assert away % 16 == 0
        return away // 16, *(self.cpu.reg_read(name) for name in names)


TRANSLATED = [row for row in standard_rows() if row.kind in {*KINDS, "csr"}]
STATE = ("mstatus", "sscratch", "sepc", "scause", "stval", "reservation", "csr_accesses")
"""Fields that blocks change, besides registers."""

ECALL = 0x73
CORNERS = (0, 1, MASK64, 1 << 63, (1 << 63) - 1, 1 << 31, 0xFFFF_FFFF)


class Both:
    """A hart whose blocks run on aarch64, and the reference."""

    def __init__(self, tlb_hits: bool) -> None:
        self.hart = attached(tlb_hits)
        self.reference = new_hart(PythonEngine())
        self.reference.memory.write(BASE, bytes(self.hart.memory.bytes))
        self.cpu = Aarch64(self.hart)

    def load(self, words: list[int], rng: random.Random) -> None:
        """Put the same instructions, memory and registers into both; x5 points to DATA."""
        hart, data = self.hart, rng.randbytes(4096)
        values = [rng.choice((*CORNERS, rng.getrandbits(64))) for _ in range(32)]
        for one in (hart, self.reference):
            one.memory.write(CODE + FIRST, b"".join(w.to_bytes(4, "little") for w in words))
            one.memory.write(DATA, data)
            for number in range(1, 32):
                one.x[number] = values[number]
            one.x[5], one.pc, one.reservation = DATA + 2048, CODE + FIRST, MASK64
            one.limit = one.budget = 0
        for offset in range(0, 4096, 2):
            ctypes.c_uint64.from_address(hart.page_slots + 8 * offset).value = AWAY + 16 * DECODE

    def agree(self, budget: int) -> tuple[str, int]:
        """Translate and run the block; return how it was left, after how many instructions."""
        hart, reference = self.hart, self.reference
        head = hart.page_slots + 8 * FIRST
        call("translate", hart, head)
        code = ctypes.c_uint64.from_address(head).value
        assert hart.jit_pool <= code < hart.jit_pool + hart.jit_used
        self.cpu.map(code, hart.jit_pool + hart.jit_used - code)
        hart.limit = hart.budget = budget
        handler, slot, left, data = self.cpu.run(code, head, budget)
        pc = hart.page_pc + (slot - hart.page_slots) // 8
        if handler == DISPATCH:
            pc = hart.pc
        before = reference.loads, reference.stores
        if budget > left:
            PythonEngine().run(reference, budget - left)
        assert list(hart.x[1:32]) == list(reference.x[1:32])
        assert pc == reference.pc
        assert hart.memory.bytes == reference.memory.bytes
        for name in STATE:
            assert getattr(hart, name) == getattr(reference, name), name
        counted = reference.loads - before[0], reference.stores - before[1]
        assert (data & 0xFFFF_FFFF, data >> 32) == counted
        ways = {DECODE: "slot", HEAT: "slot", DISPATCH: "dispatch"}
        return ways.get(handler, "slow"), budget - left


@cache
def both(tlb_hits: bool) -> Both:
    """Return the two, made once."""
    return Both(tlb_hits)


def encoding(row: Instruction, rng: random.Random) -> int:
    """Return an instruction with random operands; most of memory's are aligned and in DATA.

    Of the others some write the register that they read.
    """
    bits = row.match | rng.getrandbits(32) & ~row.mask & 0xFFFF_FFFF
    if row.width and rng.random() < 0.9:
        bits = bits & ~(31 << 15) | 5 << 15
        place = {"I": 20, "S": 7}.get(row.format)
        if place is not None:
            bits &= ~(row.width - 1 << place)
    elif row.kind == "csr":
        csr = rng.choice(PLACES)
        bits = bits & 0xF_FFFF | csr << 20
        if csr in COUNTERS:  # csrrs of nothing: any other access is an illegal instruction
            bits = bits & ~(31 << 15 | 7 << 12) | 2 << 12
    elif {"rd", "rs1"} <= {*row.fields} and rng.random() < 0.3:
        bits = bits & ~(31 << 15) | (bits >> 7 & 31) << 15
    return bits


@pytest.mark.parametrize("row", TRANSLATED, ids=lambda row: row.name)
def test_a_block_on_aarch64_does_what_the_reference_does(row: Instruction) -> None:
    """Registers, memory, pc, budget and accesses come out as the reference engine has them."""
    rng, seen = random.Random(row.index), set()
    plain = [r for r in TRANSLATED if r.kind not in ("jal", "jalr")]
    for trial in range(16):
        rows = [row, *rng.choices(plain, k=rng.randrange(4))]
        words = [encoding(r, rng) for r in rows]
        one = both(trial % 8 != 0 or row.width == 0)
        one.load([*words, ECALL], rng)
        seen.add(one.agree(rng.choice((1, 4, 1000, 1000))))
    if row.kind in ("jal", "jalr"):
        assert {("dispatch", 1), ("slow", 0)} <= seen
    elif row.width:
        assert {name for name, count in seen if not count} == {"slow"}
    assert max(count for _, count in seen) >= (1 if row.kind in ("jal", "jalr", "branch") else 2)


@pytest.mark.parametrize("bits", [0x0010_0113, 0x0000_0263], ids=["addi", "beq"])
def test_too_little_budget_is_the_interpreters(bits: int) -> None:
    """A block as long as the budget is not entered: the row's handler goes on, nothing changes."""
    one = both(True)
    one.load([bits, 0x13, ECALL], random.Random(1))
    assert one.agree(2) == ("slow", 0)
    one.load([bits, 0x13, ECALL], random.Random(1))
    assert one.agree(3)[1] > 0


def test_a_stub_leads_anywhere() -> None:
    """The jump to a compiled loop goes to its address, whichever that is."""
    one = both(True)
    place = one.hart.jit_pool + (8 << 20)
    code = jump_to(AWAY + 16 * FIRST_ROW, "aarch64")
    ctypes.memmove(place, code, len(code))
    one.cpu.map(place, len(code))
    assert one.cpu.run(place, 1, 2)[0] == FIRST_ROW
