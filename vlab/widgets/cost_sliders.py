"""Every entry of the cost table as a slider, and the figures that follow at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import traitlets

from vlab.costs import Costs, Cycles, preset
from vlab.errors import CostError
from vlab.experiments.comparing import compare
from vlab.experiments.comparison import Comparison
from vlab.experiments.running import TECHNIQUES
from vlab.figures.drawing import Drawing
from vlab.presets import PRESETS
from vlab.widgets.drawn import LOOK, Drawn
from vlab.widgets.repricing import Repricing


class CostSliders(Drawn):
    """Change what an event costs and see where the cycles go, without running anything again.

    Parameters
    ----------
    runs
        What `vlab.compare` returned, or names of workloads to be run now: then under
        ``clock="retired"``, where no count depends on a cost, so that the answers are exact.
    modes
        Modes to run the workloads in.
    costs
        The table to begin with: a preset's name, or a table of one's own. Without it, the preset
        that the comparison was made with.
    **options
        As in `vlab.compare`, if workloads are run.

    Attributes
    ----------
    figures : dict
        Cycles by cost, as the sliders stand; may be set.
    """

    title = "Cost sliders"
    script, style = "cost_sliders.js", "cost_sliders.css"

    figures = traitlets.Dict().tag(sync=True)
    workload = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        runs: Comparison | Iterable[str] | str = ("mixed", "compute", "syscall", "forktree"),
        modes: Iterable[str] = TECHNIQUES,
        *,
        costs: str | Costs | None = None,
        **options: Any,
    ) -> None:
        self._table = preset(costs or preset_of(runs))
        self._repricing: Repricing | None = None
        self._runs, self._modes, self._options = runs, modes, {"clock": "retired"} | options
        super().__init__(self._begin)
        self.figures = {row.name: row.cycles for row in self._table.rows}

    def _begin(self) -> None:
        runs = self._runs
        if not isinstance(runs, Comparison):

            def begin(number: int, total: int, what: str) -> None:
                self.prepare(number / total, what)

            def watch(_: int) -> None:
                self.prepare(self.status["fraction"] or 0, self.status["text"])

            runs = compare(runs, self._modes, on_run=begin, progress=watch, **self._options)
        repricing = Repricing(runs, self._table)
        if not repricing.runs:
            raise CostError(
                "there is nothing to price: no run of the comparison executed the guest"
            )
        self._repricing = repricing
        self.show(**repricing.to_dict(), style=LOOK)

    @traitlets.validate("figures")
    def _check(self, proposal: Any) -> dict[str, int]:
        """Take figures from the page, or from a cell, only if they are a table's."""
        given = dict(proposal["value"])
        changed = {name.replace(".", "__"): value for name, value in given.items()}
        self._table.replace(**changed)
        return {row.name: row.cycles for row in self._table.rows} | given

    @property
    def costs(self) -> Costs:
        """The table as the sliders stand."""
        own = {row.name: row.cycles for row in self._table.rows}
        changed = {n.replace(".", "__"): c for n, c in self.figures.items() if c != own[n]}
        return self._table.replace(**changed) if changed else self._table

    @property
    def comparison(self) -> Comparison:
        """The runs, their cycles as the sliders stand: ``sliders.comparison.plot("cycles")``."""
        if self._repricing is None:
            raise CostError("the runs are not over yet")
        priced = zip(self._repricing.runs, self._repricing.cycles(self.costs), strict=True)
        return Comparison([replace(run, cycles=Cycles(cycles)) for run, cycles in priced])

    def describe(self) -> list[str]:
        """Return slowdown and largest category of each run."""
        if self._repricing is None:
            return ["The runs are under way."]
        comparison = self.comparison
        lines = []
        for run in comparison.runs:
            native = comparison.find(run.workload, "native")
            cycles = run.cycles
            most = max(cycles.by_category, key=lambda name: cycles.by_category[name])
            times = f"{cycles.total / native.cycles.total:8.2f}×" if native else ""
            share = 100 * cycles.by_category[most] / (cycles.total or 1)
            lines.append(
                f"{run.workload:11}{run.mode:9}{cycles.total:15,} cycles{times}"
                f"   {share:3.0f} % {most.replace('_', ' ')}"
            )
        return lines

    def drawing(self) -> Drawing | None:
        """Return what each mode takes with the costs as they stand."""
        return None if self._repricing is None else self.comparison.plot("slowdown")


def preset_of(runs: Comparison | Iterable[str] | str) -> str:
    """Return the preset with which a comparison was made, or the usual one."""
    if isinstance(runs, Comparison):
        for run in runs.runs:
            if run.settings.get("costs") in PRESETS:
                return str(run.settings["costs"])
    return "teaching"
