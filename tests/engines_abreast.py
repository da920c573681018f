"""All engines run the same random program side by side, slice by slice.

As a program: ``python tests/engines_abreast.py --programs 100000``.
"""

from __future__ import annotations

import argparse
import ctypes
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from random_programs import BASE, CODE_PAGES, M_VECTOR, S_VECTOR, SIZE, Program

from vlab.engines import hot_loops
from vlab.engines.code_page import WRITES
from vlab.engines.hot_loops import Compiled, HotLoops
from vlab.engines.interpreter import Interpreter
from vlab.engines.loops import instruction_at
from vlab.engines.python import PythonEngine
from vlab.engines.tiered import Translator, unavailable
from vlab.exits import ExitReason
from vlab.hardware import HardwareOptions, reset
from vlab.isa.execute import raise_trap
from vlab.isa.fields import Cause
from vlab.memory import PhysicalMemory
from vlab.state import LAYOUT, WORDS, Hart

HOST_ONLY = {
    "ram_pointer", "code_map", "code_pool", "code_used", "code_limit", "page_pc", "page_slots",
    "page_bits", "jit_pool", "jit_used", "jit_limit", "stencil_code", "stencil_index",
    "stencil_holes", "row_kinds", "holes", "decode_buckets", "decode_rows", "decode_rvc",
    "handlers", "scratch_slot", "walk_lines", "walk_mode", "walks_again", "walks_short",
    "usual_mode", "loop_tag", "walk_stamp", "walk_stale", "tlb_seen",
    "halt_list", "halt_count", "halting", "near",
    "fast", "fast_used", "data_set", "fetch_set", "bits", "length", "fault", "fault_address",
    "value", "last_address", "walk_level", "walk_address",
    "exit_addr", "exit_size", "exit_value", "exit_reg", "exit_signed",
}  # fmt: skip
"""Words that only some engines use, or that are scratch between instructions."""

BLOCKS = [name for name in LAYOUT if name.startswith(("block", "code_bytes", "code_flushes"))]
BLOCKS += ["instructions_translated"]
"""Words of the emulated translator, which only engines under it use."""


def shared(left_out: Iterable[str]) -> np.ndarray:
    """Return which words of a record all engines share."""
    words = np.ones(WORDS, dtype=bool)
    for name in left_out:
        words[LAYOUT[name][0] : sum(LAYOUT[name])] = False
    words[LAYOUT["x"][0] + 32] = False
    return words


SHARED = shared([*HOST_ONLY, *BLOCKS])

SLICES = (1, 1, 2, 3, 7, 20, 50, 200)
LONG = (300, 400, 500)
LINES = (1, 3, 5, 7, 9, 11)


LOOPS_A_PAGE = 3


hot_loops.MOST = 100_000  # as many as all programs have


class Eager(HotLoops):
    """Compiles some of the loops of a page as soon as the page is seen to execute.

    Attributes
    ----------
    kinds : Counter
        Kinds of the instructions in the loops that were entered into slots.
    """

    def __init__(self, hart: Hart) -> None:
        super().__init__(hart, worth=300, wait=True)
        self.kinds: Counter[str] = Counter()

    def install(self, base: int, compiled: Compiled) -> None:
        """Let the slots of a loop's entries lead to it."""
        self.kinds.update(step.decoded.row.kind for step in compiled.loop.steps.values())
        super().install(base, compiled)

    def request(self, base: int, offset: int) -> None:
        """Have loops compiled: around the place, and at random ways back."""
        page = ctypes.string_at(self.hart.page_bits, 4096)
        steps = ((at, instruction_at(page, at)) for at in range(0, 4096, 2))
        ways_back = [at for at, d in steps if d and d.row.kind == "branch" and d.imm >> 63]
        rng = random.Random(offset)
        for at in (offset, *rng.sample(ways_back, min(LOOPS_A_PAGE, len(ways_back)))):
            if not self.covers(base, at):
                super().request(base, at)


class Looping(Translator):
    """A translator whose loops are compiled eagerly, each waited for."""

    def attach(self, hart: Hart) -> None:
        """Prepare a hart's record."""
        super().attach(hart)
        hart.hot_loops = Eager(hart)


FEW_PAGES, LITTLE_CODE = 3, 96 << 10
"""Caches so small that one of the translators must begin anew every now and then."""


class EnginesDisagree(AssertionError):
    """What two engines hold differs."""


@cache
def engines() -> tuple[Any, ...]:
    """Return the reference, the interpreter, and translators, eager and less so."""
    fast = () if unavailable() else (Translator(1), Looping(1), Translator(3))
    return PythonEngine(), Interpreter(), *fast


class Abreast:
    """All engines, with the same program.

    Attributes
    ----------
    seen : Counter
        What happened, by name: proof that a program exercises what it is meant to.

    Parameters
    ----------
    chosen, shared
        Other engines, and which words of their records must be equal.
    """

    def __init__(self, seed: int, chosen: Sequence[Any] = (), shared: np.ndarray = SHARED) -> None:
        self.seed, self.shared = seed, shared
        self.rng = random.Random(seed)
        loops = seed % 100 >= 80
        program, self.slices = Program(seed, loops=loops), (*SLICES, *(LONG if loops else ()))
        self.engines = tuple(chosen) or engines()
        self.ways = 4 if seed % 2 else 2  # hot loops have a short cut for four
        self.harts = tuple(self._hart(engine, program, self.ways) for engine in self.engines)
        if not chosen:
            self.harts[-1].code_limit = FEW_PAGES
            self.harts[-1].jit_limit = min(self.harts[-1].jit_limit, LITTLE_CODE)
        self.seen: Counter[str] = Counter()

    @staticmethod
    def _hart(engine: Any, program: Program, ways: int) -> Hart:
        memory = PhysicalMemory(BASE, SIZE)
        memory.write(BASE, bytes(program.image))
        hart = Hart(memory)
        engine.attach(hart)
        reset(hart, HardwareOptions(8, ways, 4))
        hart.pc = BASE
        return hart

    def run(self, instructions: int) -> None:
        """Run that many instructions or more, and compare after each slice."""
        rng, first = self.rng, self.harts[0]
        while first.limit - first.budget + first.vectored < instructions:
            before = first.limit - first.budget
            self.slice(budget := rng.choice(self.slices))
            if budget > 10 and first.limit - first.budget == before and not first.budget:
                self.rescue()
            lines = 1 << rng.choice(LINES) if rng.random() < 0.1 else 0
            jump = rng.choice(CODE_PAGES) + 2 * rng.randrange(2048) if rng.random() < 0.02 else None
            if first.time_fresh and rng.random() < 0.3:
                jump = first.pc + 4  # another access to a CSR may come first
            for hart in self.harts:
                hart.lines = lines
                if jump is not None:
                    hart.pc = jump
        for engine, hart in zip(self.engines, self.harts, strict=True):
            if hart.memory.bytes != first.memory.bytes:
                raise EnginesDisagree(f"seed {self.seed}: memory differs under {engine.name}")
        self._note()

    def slice(self, budget: int) -> None:
        """Run all engines for a slice, and finish accesses to devices that are not there."""
        pc = self.harts[0].pc
        both = zip(self.engines, self.harts, strict=True)
        reasons = [self.execute(engine, hart, budget) for engine, hart in both]
        for number in range(1, len(reasons)):
            difference = self.difference(number)
            if difference or reasons[number] != reasons[0]:
                where = f"seed {self.seed}, from {pc:#x}, {budget} instructions"
                what = f"{reasons[0].name} {reasons[number].name} {', '.join(difference)}"
                raise EnginesDisagree(f"{where}, {self.engines[number].name}: {what}")
        reason = reasons[0]
        self.seen[reason.name.lower()] += 1
        for hart in self.harts:
            if reason == ExitReason.MMIO_READ:
                raise_trap(hart, Cause.LOAD_ACCESS, hart.exit_tval)
            elif reason == ExitReason.MMIO_WRITE:
                raise_trap(hart, Cause.STORE_ACCESS, hart.exit_tval)
            elif reason == ExitReason.TIME:
                hart.time, hart.time_fresh = hart.limit - hart.budget, 1

    def execute(self, engine: Any, hart: Hart, budget: int) -> ExitReason:
        """Run one engine."""
        return engine.run(hart, budget)

    def rescue(self) -> None:
        """End an endless loop of traps: the program has lost its handlers."""
        for hart in self.harts:
            hart.mtvec, hart.stvec, hart.medeleg = M_VECTOR, S_VECTOR, 0
        self.seen["rescues"] += 1

    def difference(self, number: int) -> list[str]:
        """Return which words of an engine's record are not those of the reference."""
        a, b = (np.asarray(self.harts[n].words) for n in (0, number))
        different = np.flatnonzero((a != b) & self.shared)
        found = []
        for word in different:
            name = next(n for n, (f, c) in LAYOUT.items() if f <= word < f + c)
            index = word - LAYOUT[name][0]
            found.append(f"{name}[{index}]: {int(a[word]):#x} {int(b[word]):#x}")
        return found

    def _note(self) -> None:
        hart = self.harts[0]
        for name in ("loads", "stores", "tlb_misses", "ad_updates", "tlb_flushes", "returns"):
            self.seen[name] += getattr(hart, name)
        for cause in range(16):
            self.seen[f"trap {cause}"] += hart.traps_taken[cause]
            self.seen[f"interrupt {cause}"] += hart.interrupts_taken[cause]
        for privilege in range(4):
            self.seen[f"privilege {privilege}"] += hart.retired_by_priv[privilege]
        self.seen["retired"] += hart.limit - hart.budget
        self.seen["programs"] += 1
        slots = self.harts[1].memory.code_map
        self.seen["code_stores"] += sum(_stores_to(int(base)) for base in slots if base)
        for engine, hart in zip(self.engines, self.harts, strict=True):
            if type(engine) is Translator:
                self.seen.update(f"block {kind}" for kind in translated_kinds(hart))
            self.seen[f"{engine.name} walks again"] += hart.walks_short
            if type(engine) is Looping:
                self.seen["loops walk again"] += hart.walks_short
                for kind, count in hart.hot_loops.kinds.items():
                    self.seen[f"loop {kind}"] += count


def translated_kinds(hart: Hart) -> Iterator[str]:
    """Return the kinds of the instructions in the blocks that slots lead to now."""
    for number, base in enumerate(hart.memory.code_map):
        page = bytes(hart.memory.bytes[4096 * number : 4096 * number + 4096])
        for offset in range(0, 4096 if base else 0, 2):
            handler = ctypes.c_uint64.from_address(int(base) + offset * 8).value
            at, inside = offset, 0 <= handler - hart.jit_pool < hart.jit_limit
            while inside and at < 4096 and (decoded := instruction_at(page, at)) is not None:
                yield decoded.row.kind
                at += decoded.length
                inside = decoded.row.kind not in ("jal", "jalr")


def _stores_to(slots: int) -> int:
    """Return how many stores a page of decoded instructions has seen."""
    return ctypes.c_uint64.from_address(slots + WRITES).value


def main() -> None:
    """Run random programs until one shows a difference, or as many as told."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, default=1000, help="of the first program")
    parser.add_argument("--programs", type=int, default=10_000)
    parser.add_argument("--length", type=int, default=5000, help="instructions of a program")
    options = parser.parse_args()
    seen: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.programs):
        abreast = Abreast(seed)
        abreast.run(options.length)
        seen.update(abreast.seen)
        if seed % 100 == 99:
            print(f"seed {seed}: {seen['retired']:,} instructions agree", flush=True)
    print(", ".join(f"{name} {count:,}" for name, count in sorted(seen.items()) if count))


if __name__ == "__main__":
    main()
