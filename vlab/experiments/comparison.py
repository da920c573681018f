"""Results side by side: a table, figures, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlab.experiments.result import Result

if TYPE_CHECKING:
    from pandas import DataFrame

    from vlab.figures import Drawing

COLUMNS = (
    "guest_instructions",
    "traps",
    "interrupts",
    "syscalls",
    "page_faults",
    "exits",
    "hypercalls",
    "mmio_accesses",
    "tlb_misses",
    "walk_references",
)
"""Counters that have a column of their own in the table."""


@dataclass(repr=False)
class Comparison:
    """Runs of the same workloads in several modes."""

    runs: Sequence[Result]

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.runs)} runs>"

    @property
    def measured(self) -> list[Result]:
        """The runs that executed the guest."""
        return [run for run in self.runs if run.of is None]

    def find(self, workload: str, mode: str, of: str | None = None) -> Result | None:
        """Return that run, or None if it was not made."""
        for run in self.runs:
            if (run.workload, run.mode, run.of) == (workload, mode, of):
                return run
        return None

    def to_frame(self) -> DataFrame:
        """Return one row a run.

        ``slowdown`` is modelled cycles relative to ``native``, ``throughput`` its inverse (useful
        guest work per modelled cycle); ``*_error`` is how far a prediction is from the run it
        predicts, as a fraction of it. Both are missing where there is nothing to compare with.
        """
        from pandas import DataFrame

        return DataFrame([self._row(run) for run in self.runs])

    def _row(self, run: Result) -> dict[str, Any]:
        native = self.find(run.workload, "native")
        actual = self.find(run.workload, run.of) if run.of else None
        cycles = run.cycles.total
        return {
            "workload": run.workload,
            "mode": run.mode,
            "of": run.of,
            "outcome": run.outcome,
            "exit_code": run.exit_code,
            **{name: _value(run, name) for name in COLUMNS},
            "cycles": cycles,
            "slowdown": cycles / native.cycles.total if native and native.cycles.total else None,
            "throughput": native.cycles.total / cycles if native and cycles else None,
            **{f"cycles_{name}": n for name, n in run.cycles.by_category.items()},
            "cycles_error": _error(cycles, actual.cycles.total) if actual else None,
            "exits_error": _error(run.counters.exits, actual.counters.exits) if actual else None,
            "syscalls_error": (
                _error(run.counters.syscalls, actual.counters.syscalls) if actual else None
            ),
            "instructions_total": run.counters_total.retired,
            "wall_s": run.wall_s,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"runs": […]}``, ready for JSON."""
        return {"runs": [run.to_dict() for run in self.runs]}

    def to_json(self) -> str:
        """Return the comparison as JSON text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False)

    def plot(self, kind: str = "overview", size: str = "screen", theme: str = "light") -> Drawing:
        """Return a figure.

        Parameters
        ----------
        kind
            ``overview`` (everything side by side), ``slowdown`` (cycles relative to native),
            ``counts``, ``cycles`` (by category, relative to native), ``exits`` (by reason),
            ``translation`` and ``heatmap`` (page walks), ``throughput``, or ``prediction``
            (by `simulate`, against the runs that it predicts).
        size, theme
            ``screen``, ``slide``, ``paper`` or ``poster``; ``light`` or ``dark``.
        """
        from vlab.figures import draw
        from vlab.figures.origin import of_runs

        return draw(kind, self.to_frame(), self.exits_frame(), of_runs(self.runs), size, theme)

    def save(
        self,
        path: str | Path,
        kind: str = "overview",
        size: str = "screen",
        theme: str = "light",
    ) -> Path:
        """Write a figure to an ``.svg``, ``.pdf`` or ``.png`` file and return its path."""
        from vlab.figures import check_format

        check_format(path)
        return self.plot(kind, size, theme).save(path, size, theme)

    def exits_frame(self) -> DataFrame:
        """Return one row a run, one column an exit reason."""
        from pandas import DataFrame

        return DataFrame(
            [
                {"workload": run.workload, "mode": run.mode, "of": run.of}
                | dict(run.counters.exits_by_reason)
                for run in self.runs
            ]
        )

    def to_text(self) -> str:
        """Return the table for a terminal."""
        from vlab.experiments.table import text_table

        return text_table(self)

    def _repr_html_(self) -> str:
        from vlab.experiments.table import html_table

        return html_table(self)


def _value(run: Result, name: str) -> int:
    return run.guest_instructions if name == "guest_instructions" else getattr(run.counters, name)


def _error(predicted: int, actual: int) -> float | None:
    if actual:
        return (predicted - actual) / actual
    return 0.0 if predicted == 0 else None
