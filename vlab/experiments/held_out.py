"""Held-out cases: parameters drawn at random, measured and predicted.

``simulate`` is judged on parameters that it was not calibrated on. They are drawn from what a
workload allows, log-uniformly (so that small sizes are as frequent as large ones), as long as
executing them takes a moment only; some with another TLB, clock, cost table or timer rate.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from vlab.experiments.calibrate import RUNS
from vlab.experiments.catalogue import workload, workloads
from vlab.experiments.running import run

MAX_EXITS, MAX_SYSCALLS, MAX_CYCLES = 0.02, 0.02, 0.10
"""Relative errors that a prediction may have."""

Params = Mapping[str, int]

AMOUNT: dict[str, Callable[[Params], float]] = {
    "compute": lambda p: p["n"] / 20_000,
    "syscall": lambda p: p["n"] / 10_000,
    "ctxswitch": lambda p: p["n"] / 1_000,
    "ptemod": lambda p: p["rounds"] * p["pages"] / 2_000,
    "memwalk": lambda p: p["pages"] * 4096 // p["stride"] * p["rounds"] / 2_000_000,
    "forktree": lambda p: p["fanout"] ** p["depth"] / 70,
    "diskpio": lambda p: p["n"] / 300,
    "diskvirtio": lambda p: p["n"] / 1_000,
    "console": lambda p: p["n"] * p["width"] / 10_000,
    "timer": lambda p: max(p["n"] / 200, p["n"] * p["work"] / 2_000_000),
    "mixed": lambda p: p["n"] / 200,
}
"""How much of a workload these parameters are; up to 1 is executed in a moment."""

CALIBRATED = {name: [workload(name).bind(params) for params in runs] for name, runs in RUNS.items()}


OPTIONS: dict[str, tuple[Any, ...]] = {
    "tlb_entries": (16, 32, 128, 256),
    "tlb_ways": (1, 2, 8),
    "asid_bits": (0, 2),
    "hz": (20, 1000),
    "batch": (1, 8, 64),
    "clock": ("retired",),
    "costs": ("xeon-2006",),
}
"""Settings other than the default; ``clock`` and ``costs`` are of the run, not of the machine."""


class Case(NamedTuple):
    """A workload, its parameters, and settings other than the default."""

    workload: str
    params: dict[str, Any]
    settings: dict[str, Any]

    def run(self, mode: str, of: str | None = None) -> Any:
        """Run it, or predict it."""
        machine = {k: v for k, v in self.settings.items() if k not in ("clock", "costs")}
        rest: dict[str, Any] = {k: v for k, v in self.settings.items() if k not in machine}
        return run(self.workload, mode=mode, of=of, set=machine, **rest, **self.params)


class Errors(NamedTuple):
    """Relative errors of a prediction."""

    exits: float
    syscalls: float
    cycles: float

    @property
    def allowed(self) -> bool:
        """Whether the prediction is as good as promised."""
        return (
            self.exits <= MAX_EXITS and self.syscalls <= MAX_SYSCALLS and self.cycles <= MAX_CYCLES
        )


def error(measured: int, predicted: int) -> float:
    """Return the relative error; one count more or less is none."""
    off = abs(measured - predicted)
    return off / max(1, measured) if off > 1 else 0.0


def compare(case: Case, technique: str) -> Errors:
    """Measure a case under a technique, predict it, and return the errors."""
    measured, predicted = case.run(technique), case.run("simulate", of=technique)
    return Errors(
        error(measured.counters.exits, predicted.counters.exits),
        error(measured.counters.syscalls, predicted.counters.syscalls),
        error(measured.cycles.total, predicted.cycles.total),
    )


def draw(generator: random.Random, name: str, most: float = 1) -> dict[str, int]:
    """Return parameters of a workload, drawn at random from those it was not calibrated on.

    Parameters
    ----------
    most
        Upper limit of `AMOUNT`.
    """
    while True:
        params = {}
        for key, parameter in workload(name).params.items():
            low, high = max(1, parameter.min), parameter.max
            params[key] = round(low * (high / low) ** generator.random())
            if parameter.min == 0 and generator.random() < (0.5 if high == 1 else 0.05):
                params[key] = 0
        small = AMOUNT.get(name, lambda _: 0.0)(params) <= most
        if small and (not params or params not in CALIBRATED[name]):
            return params


def cases(seed: int, each: int, varied: bool = False, most: float = 1) -> Iterator[Case]:
    """Yield ``each`` random cases of every workload; ``varied``: with settings changed, too."""
    generator = random.Random(seed)
    for name in workloads():
        for _ in range(each if workload(name).params else 1):
            params, settings = draw(generator, name, most), dict[str, Any]()
            if varied:
                option = generator.choice(sorted(OPTIONS))
                settings[option] = generator.choice(OPTIONS[option])
            yield Case(name, params, settings)
