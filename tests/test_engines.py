"""The engines agree with each other, bit for bit (see also `engines_abreast.py`)."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from abreast_long import run
from engines_abreast import Abreast

from vlab.engines.loops import TRANSLATED
from vlab.engines.tiered import unavailable

PROGRAMS, WITH_LOOPS, LENGTH = 80, 20, 4000

pytestmark = pytest.mark.xdist_group("engines")


@cache
def outcome(seed: int) -> Counter[str]:
    """Run a random program on all engines; return what happened in it."""
    abreast = Abreast(seed)
    abreast.run(LENGTH)
    return abreast.seen


@pytest.mark.parametrize("seed", range(PROGRAMS + WITH_LOOPS))
def test_engines_agree_on_random_programs(seed: int) -> None:
    """After every slice of a random program all engines hold the same state, counters too."""
    assert outcome(seed)["programs"] == 1


def test_random_programs_exercise_everything() -> None:
    """The programs above load, store, fault, trap, translate and switch, all of it often."""
    seen: Counter[str] = Counter()
    for seed in range(PROGRAMS):
        seen.update(outcome(seed))
    percent = {"loads": 6, "stores": 3, "tlb_misses": 1.5, "privilege 0": 5, "privilege 1": 15}
    for name, least in percent.items():
        assert 100 * seen[name] > least * seen["retired"], name
    for cause in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15):
        assert seen[f"trap {cause}"] > 20, cause
    for code in (1, 3, 5, 7, 9, 11):
        assert seen[f"interrupt {code}"] > 5, code
    for name in ("ad_updates", "tlb_flushes", "mmio_read", "mmio_write", "time", "code_stores"):
        assert seen[name] > 20, name


@pytest.mark.skipif(bool(unavailable()), reason=f"no translator: {unavailable()}")
@pytest.mark.parametrize("kind", TRANSLATED)
def test_random_programs_translate_everything(kind: str) -> None:
    """Every kind of instruction that can be in a translated block or a compiled loop often is."""
    seen: Counter[str] = Counter()
    for seed in range(PROGRAMS + WITH_LOOPS):
        seen.update(outcome(seed))
    assert seen[f"block {kind}"] > 100
    assert seen[f"loop {kind}"] > 5


def test_the_long_run_counts_what_retires() -> None:
    """A slice of ``python -m tests.abreast_long`` retires as much as told, without a difference."""
    assert run(seed=9000, instructions=10_000)["retired"] >= 10_000
