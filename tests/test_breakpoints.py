"""Breakpoints at the speed of each engine: where they halt is where single steps would."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import pytest
from engines_abreast import Abreast
from random_programs import ALIAS, CODE_PAGES, M_HANDLER, M_VECTOR, S_VECTOR

import vlab
from vlab.engines.halting import planted
from vlab.engines.tiered import unavailable
from vlab.exits import ExitReason
from vlab.hardware import HardwareOptions, reset
from vlab.isa.assembler import assemble
from vlab.memory import PhysicalMemory
from vlab.modes.compose import make_engine
from vlab.state import Hart

PROGRAMS, WITH_LOOPS, LENGTH = range(40), range(80, 95), 3000

pytestmark = pytest.mark.xdist_group("engines")


class Halting(Abreast):
    """All engines with the same program and breakpoints, which change as it runs.

    The reference engine makes single steps.
    """

    halts: frozenset[int] = frozenset()

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.places = [M_VECTOR, S_VECTOR, M_HANDLER]

    def slice(self, budget: int) -> None:
        """Run a slice; every now and then with other breakpoints."""
        rng, first = self.rng, self.harts[0]
        if rng.random() < 0.1:
            self.places = [*self.places[-60:], first.pc]
        if rng.random() < 0.03:
            code = rng.choice((*CODE_PAGES, ALIAS + 4096 * rng.randrange(16, 32)))
            anywhere = code + 2 * rng.randrange(2048)
            known = rng.choices(self.places[-12:], k=rng.randrange(1, 4))
            self.halts = frozenset([*known, anywhere]) if rng.random() < 0.8 else frozenset()
        super().slice(budget)
        if first.exit_reason == ExitReason.BUDGET and first.budget:
            assert first.pc in self.halts
            self.seen["halts"] += 1

    def execute(self, engine: Any, hart: Hart, budget: int) -> ExitReason:
        """Run one engine up to a breakpoint."""
        return engine.run_until(hart, budget, self.halts)


@cache
def outcome(seed: int) -> Counter[str]:
    """Run a random program on all engines; return what happened in it."""
    abreast = Halting(seed)
    abreast.run(LENGTH)
    return abreast.seen


@pytest.mark.parametrize("seed", [*PROGRAMS, *WITH_LOOPS])
def test_engines_halt_where_single_steps_do(seed: int) -> None:
    """With breakpoints that come and go every engine holds what single steps lead to."""
    assert outcome(seed)["programs"] == 1


def test_random_programs_halt_often() -> None:
    """The programs above halt often, also where loops are compiled."""
    for seeds, least in ((PROGRAMS, 1000), (WITH_LOOPS, 150)):
        assert sum(outcome(seed)["halts"] for seed in seeds) > least


BASE = 0x8000_0000
LOOP = """
    addi a0, zero, 2047
again:
    addi a1, a1, 3
    amoadd.d a2, a1, (sp)
    addi a0, a0, -1
    bne a0, zero, again
    jal zero, again - 4
"""


@pytest.mark.parametrize("engine", ["interpreter", "translator"])
def test_breakpoints_in_a_hot_loop(engine: str) -> None:
    """A breakpoint set in a loop that runs compiled halts at each turn; removed, at none."""
    memory = PhysicalMemory(BASE, 1 << 20)
    memory.write(BASE, assemble(LOOP).code)
    hart, runs = Hart(memory), make_engine(engine)
    runs.attach(hart)
    compiles = engine == "translator" and not unavailable()
    if compiles:
        hart.hot_loops.wait, hart.hot_loops.enough = True, 1000
    reset(hart, HardwareOptions())
    hart.pc, hart.x[2] = BASE, BASE + 0x8000
    for _ in range(3):
        assert runs.run_until(hart, 100_000, frozenset()) == ExitReason.BUDGET
        assert hart.budget == 0
    if compiles:
        assert any(hart.hot_loops.installed.values())
    halts = {BASE + 8, BASE + 12}
    runs.run_until(hart, 100, halts)
    for _ in range(5):
        assert hart.pc in halts
        before, pc = hart.limit - hart.budget, hart.pc
        runs.run_until(hart, 9_000_000, halts)
        assert hart.pc in halts - {pc}
        assert hart.limit - hart.budget - before < 8
    runs.run_until(hart, 1_000_000, frozenset())
    assert hart.budget == 0
    assert not planted(hart)


RARELY = """
again:
    addi a1, a1, 1
    andi a2, a1, 1023
    bne a2, zero, on
    addi a3, a3, 1
on:
    jal zero, again
"""


def test_a_breakpoint_beside_the_hot_path() -> None:
    """A place that a compiled loop rarely comes to halts each time, and the loop is compiled."""
    memory = PhysicalMemory(BASE, 1 << 20)
    memory.write(BASE, assemble(RARELY).code)
    hart, runs = Hart(memory), make_engine("translator")
    runs.attach(hart)
    reset(hart, HardwareOptions())
    hart.pc, rare = BASE, BASE + 12
    if not unavailable():
        hart.hot_loops.wait, hart.hot_loops.enough = True, 100
    for halts in (set(), {rare}, {rare}, {rare, BASE + 2}, set()):
        for turn in range(1, 12):
            before = hart.x[11]
            reason = runs.run_until(hart, 999 if turn % 3 else 20_000, halts)
            assert reason == ExitReason.BUDGET
            if hart.budget:
                assert (hart.pc, hart.x[11] % 1024) == (rare, 0)
            else:
                assert turn % 3 or not halts
            crossed = hart.x[11] // 1024 - before // 1024
            assert crossed <= 1 or not halts
    if not unavailable():
        assert any(hart.hot_loops.installed.values())


def test_single_steps_of_the_reference_engine_agree_on_a_guest() -> None:
    """A session of a guest halts at the same instructions on every engine."""
    seen = []
    for engine in ("python", "interpreter", "translator"):
        session = vlab.session("syscall", n=4, engine=engine)
        session.breakpoints |= {session.symbols.address(name) for name in ("syscall", "swtch")}
        places = []
        while session.run().reason == "breakpoint":
            places.append((session.pc, session.instructions, session.cycles.total))
        seen.append((places, session.result().counters_total))
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0][0]) > 4
