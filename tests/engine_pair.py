"""Two engines run the same random program side by side, slice by slice.

As a program it runs for as long as one likes: ``python tests/engine_pair.py --programs 100000``.
"""

from __future__ import annotations

import argparse
import ctypes
import random
from collections import Counter

import numpy as np
from random_programs import BASE, CODE_PAGES, M_VECTOR, S_VECTOR, SIZE, Program

from vlab.engines.code_cache import PAGE_SLOTS, SLOT_BYTES
from vlab.engines.interpreter import Interpreter
from vlab.engines.python import PythonEngine
from vlab.exits import ExitReason
from vlab.hardware import HardwareOptions, reset
from vlab.isa.execute import raise_trap
from vlab.isa.fields import Cause
from vlab.memory import PhysicalMemory
from vlab.state import LAYOUT, WORDS, Hart

HOST_ONLY = {
    "ram_pointer", "code_map", "code_pool", "code_used", "code_limit", "page_pc", "page_slots",
    "page_bits", "decode_buckets", "decode_rows", "decode_rvc", "handlers", "scratch_slot",
    "fast", "fast_used", "data_set", "fetch_set", "bits", "length", "fault", "fault_address",
    "value", "last_address", "walk_level", "walk_address",
    "exit_addr", "exit_size", "exit_value", "exit_reg", "exit_signed",
}  # fmt: skip
"""Words that only one engine uses, or that are scratch between instructions."""

SHARED = np.ones(WORDS, dtype=bool)
for _name in HOST_ONLY:
    SHARED[LAYOUT[_name][0] : sum(LAYOUT[_name])] = False
SHARED[LAYOUT["x"][0] + 32] = False

SLICES = (1, 1, 2, 3, 7, 20, 50, 200)
LINES = (1, 3, 5, 7, 9, 11)


class EnginesDisagree(AssertionError):
    """What the two engines hold differs."""


class Pair:
    """The interpreter and the reference engine, with the same program.

    Attributes
    ----------
    seen : Counter
        What happened, by name: proof that a program exercises what it is meant to.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        program = Program(seed)
        self.engines = Interpreter(), PythonEngine()
        self.harts = tuple(self._hart(engine, program) for engine in self.engines)
        self.seen: Counter[str] = Counter()

    @staticmethod
    def _hart(engine: Interpreter | PythonEngine, program: Program) -> Hart:
        memory = PhysicalMemory(BASE, SIZE)
        memory.write(BASE, bytes(program.image))
        hart = Hart(memory)
        engine.attach(hart)
        reset(hart, HardwareOptions(8, 2, 4))
        hart.pc = BASE
        return hart

    def run(self, instructions: int) -> None:
        """Run that many instructions or more, and compare after each slice."""
        rng, first = self.rng, self.harts[0]
        while first.limit - first.budget + first.vectored < instructions:
            before = first.limit - first.budget
            self.slice(budget := rng.choice(SLICES))
            if budget > 10 and first.limit - first.budget == before:
                self.rescue()
            lines = 1 << rng.choice(LINES) if rng.random() < 0.1 else 0
            jump = rng.choice(CODE_PAGES) + 2 * rng.randrange(2048) if rng.random() < 0.02 else None
            for hart in self.harts:
                hart.lines = lines
                if jump is not None:
                    hart.pc = jump
        a, b = (hart.memory.bytes for hart in self.harts)
        if a != b:
            raise EnginesDisagree(f"seed {self.seed}: memory differs")
        self._note(first)

    def slice(self, budget: int) -> None:
        """Run both engines for a slice, and finish accesses to devices that are not there."""
        pc = self.harts[0].pc
        reasons = [e.run(h, budget) for e, h in zip(self.engines, self.harts, strict=True)]
        difference = self.difference()
        if difference or reasons[0] != reasons[1]:
            where = f"seed {self.seed}, from {pc:#x}, {budget} instructions"
            raise EnginesDisagree(f"{where}: {reasons} {', '.join(difference)}")
        reason = reasons[0]
        self.seen[reason.name.lower()] += 1
        for hart in self.harts:
            if reason == ExitReason.MMIO_READ:
                raise_trap(hart, Cause.LOAD_ACCESS, hart.exit_tval)
            elif reason == ExitReason.MMIO_WRITE:
                raise_trap(hart, Cause.STORE_ACCESS, hart.exit_tval)
            elif reason == ExitReason.TIME:
                hart.time, hart.time_fresh = hart.limit - hart.budget, 1

    def rescue(self) -> None:
        """End an endless loop of traps: the program has lost its handlers."""
        for hart in self.harts:
            hart.mtvec, hart.stvec, hart.medeleg = M_VECTOR, S_VECTOR, 0
        self.seen["rescues"] += 1

    def difference(self) -> list[str]:
        """Return which words of the records differ."""
        a, b = (np.asarray(hart.words) for hart in self.harts)
        different = np.flatnonzero((a != b) & SHARED)
        found = []
        for word in different:
            name = next(n for n, (f, c) in LAYOUT.items() if f <= word < f + c)
            index = word - LAYOUT[name][0]
            found.append(f"{name}[{index}]: {int(a[word]):#x} {int(b[word]):#x}")
        return found

    def _note(self, hart: Hart) -> None:
        for name in ("loads", "stores", "tlb_misses", "ad_updates", "tlb_flushes", "returns"):
            self.seen[name] += getattr(hart, name)
        for cause in range(16):
            self.seen[f"trap {cause}"] += hart.traps_taken[cause]
            self.seen[f"interrupt {cause}"] += hart.interrupts_taken[cause]
        for privilege in range(4):
            self.seen[f"privilege {privilege}"] += hart.retired_by_priv[privilege]
        self.seen["retired"] += hart.limit - hart.budget
        self.seen["programs"] += 1
        entries = np.asarray(hart.memory.code_map)
        self.seen["code_stores"] += sum(_stores_to(int(base)) for base in entries if base)


def _stores_to(slots: int) -> int:
    """Return how many stores a page of decoded instructions has seen."""
    return ctypes.c_uint64.from_address(slots + (PAGE_SLOTS - 1) * SLOT_BYTES).value


def main() -> None:
    """Run random programs until one shows a difference, or as many as told."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, default=1000, help="of the first program")
    parser.add_argument("--programs", type=int, default=10_000)
    parser.add_argument("--length", type=int, default=5000, help="instructions of a program")
    options = parser.parse_args()
    seen: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.programs):
        pair = Pair(seed)
        pair.run(options.length)
        seen.update(pair.seen)
        if seed % 100 == 99:
            print(f"seed {seed}: {seen['retired']:,} instructions agree", flush=True)
    print(", ".join(f"{name} {count:,}" for name, count in sorted(seen.items()) if count))


if __name__ == "__main__":
    main()
