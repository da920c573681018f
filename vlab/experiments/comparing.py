"""Run the same workloads in every mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vlab.errors import ModeError
from vlab.experiments.catalogue import workload as find_workload
from vlab.experiments.catalogue import workloads as all_workloads
from vlab.experiments.comparison import Comparison
from vlab.experiments.result import Result
from vlab.experiments.running import MODES, TECHNIQUES, check_mode, check_technique, run


def compare(
    workloads: Iterable[str] | str | None = None,
    modes: Iterable[str] | str | None = None,
    *,
    technique: str | None = None,
    on_run: Callable[[int, int, str], None] | None = None,
    **options: Any,
) -> Comparison:
    """Run workloads in modes, with the same parameters, and put the results side by side.

    Parameters
    ----------
    workloads
        Names from ``vlab.workloads()``; all of them unless told.
    modes
        All five unless told. ``simulate`` predicts each of the other modes that are asked
        for, or all of them if it is alone.
    technique
        How ``emulate`` emulates: ``interpreter`` (unless told) or ``dbt``, which is not predicted.
    on_run
        Called before each run with its number, how many there are, and what it is.
    **options
        As in `vlab.run` (``engine``, ``clock``, ``set``, ``seed``, ``costs``, …); a workload's
        own parameters may be given if there is one workload.
    """
    names = _names(workloads) or list(all_workloads())
    plan = list(_plan(_names(modes) or list(MODES)))
    if technique is not None:
        plan = _emulating(plan, technique)
    for name in names:
        find_workload(name)
    jobs = [(name, mode, of) for name in names for mode, of in plan]
    results: list[Result] = []
    for number, (name, mode, of) in enumerate(jobs):
        if on_run is not None:
            on_run(number, len(jobs), f"{name} · {mode}" + (f" of {of}" if of else ""))
        how = technique if mode == "emulate" else None
        result = run(name, mode, of=of, technique=how, **options)
        result.machine = None
        if result.outcome == "interrupted":
            raise KeyboardInterrupt
        results.append(result)
    return Comparison(results)


def _emulating(plan: list[tuple[str, str | None]], technique: str) -> list[tuple[str, str | None]]:
    """Return the plan without predictions of a technique that is not predicted."""
    check_technique(technique, "emulate")
    if ("emulate", None) not in plan:
        if ("simulate", "emulate") in plan:
            check_technique(technique, "simulate", "emulate")
        raise ModeError(f"technique {technique!r}: only 'emulate' has one, which is not compared")
    return [job for job in plan if technique != "dbt" or job != ("simulate", "emulate")]


def _names(given: Iterable[str] | str | None) -> list[str]:
    """Return names once each, in order."""
    return list(dict.fromkeys([given] if isinstance(given, str) else given or ()))


def _plan(modes: list[str]) -> Iterator[tuple[str, str | None]]:
    """Yield (mode, of), the predictions last."""
    for mode in modes:
        check_mode(mode)
    executing = [mode for mode in modes if mode in TECHNIQUES]
    yield from ((mode, None) for mode in executing)
    if "simulate" in modes:
        yield from (("simulate", of) for of in executing or TECHNIQUES)
