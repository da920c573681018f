"""Booting the course's kernel on a machine with the student's part in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import vlab
from vlab.labs.answers import WrongAnswer, agree

LIMIT = 20_000_000
"""Guest instructions; the workloads of the checks take a tenth of it at most."""


def boot(
    lab: Any,
    student: Any,
    workload: str = "hello",
    *,
    where: str,
    set: Mapping[str, Any] | None = None,
    seed: int = 0,
    **params: Any,
) -> vlab.Result:
    """Run a workload on the student's machine and on the stock one, and compare.

    Parameters
    ----------
    lab
        A module of `vlab.labs` with a ``monitor`` function.
    where
        What to look at if the run comes out differently although every answer was right.
    set, seed, **params
        As in `vlab.run`.
    """
    monitor = lab.monitor(student)
    mode, options = monitor.technique, {"set": set, "seed": seed, **params}
    run = vlab.run(workload, mode, monitor=monitor, max_instructions=LIMIT, **options)
    stock = vlab.run(workload, mode, **options)
    situation = f"{workload} under {mode}"
    if run.outcome != "finished":
        ended = f"{run.outcome}: {run.crash}" if run.crash else run.outcome
        raise WrongAnswer(situation, f"exit code {stock.exit_code}", ended, where)
    agree(f"{situation}, console", stock.console, run.console, where)
    agree(f"{situation}, exits by reason", by_reason(stock), by_reason(run), where)
    return run


def by_reason(run: vlab.Result) -> dict[str, int]:
    """Return the exits of a run."""
    return dict(run.counters_total.exits_by_reason)
