"""Recorded counts, priced again with any cost table: cycles are counts times costs.

Nothing is run again. That is exact where the counts do not depend on the costs: under
``clock="retired"``. A guest whose clock counts cycles sees the costs as time, so another table
would have given it other timer ticks; then the answer is for the counts as they were recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vlab.costs import CATEGORIES, PRICES, Costs, preset, price_list
from vlab.presets import PRESETS

if TYPE_CHECKING:
    from vlab.counters import Counters
    from vlab.experiments.comparison import Comparison
    from vlab.experiments.result import Result

GROUPS = {
    "hardware": "the hardware",
    "emulate": "the emulator",
    "fullvirt": "the monitor of full virtualization",
    "paravirt": "the monitor of paravirtualization",
}
"""Whose work a cost is."""

EMULATION = {"dbt": "emulate"}
"""Price lists of a technique's variants."""


def charges(counters: Counters, technique: str, costs: Costs) -> list[tuple[str, str, int]]:
    """Return what is charged: ``(category, cost, how often)``, a row a category and cost.

    The cycles of a category are the sum of how often times cost over its rows, whatever the costs
    are; `costs` only says which keys have a cost of their own.
    """
    names = {row.name for row in costs.rows}
    total: dict[tuple[str, str], int] = {}
    for category, counter, cost in price_list(technique):
        counted = getattr(counters, counter)
        if isinstance(counted, Mapping):
            parts = [
                (cost + key if cost + key in names else f"{cost}other", n)
                for key, n in counted.items()
            ]
        else:
            parts = [(cost, counted)]
        for name, n in parts:
            if n:
                total[category, name] = total.get((category, name), 0) + n
    return [(category, name, n) for (category, name), n in total.items()]


def group_of(cost: str) -> str:
    """Return the group of a cost: the only technique that is charged it, or the hardware."""
    users = {
        EMULATION.get(technique, technique)
        for technique, prices in PRICES.items()
        if any(cost == p.cost or (p.cost[-1] == "." and cost.startswith(p.cost)) for p in prices)
    }
    return users.pop() if len(users) == 1 else "hardware"


class Repricing:
    """The runs of a comparison as counts that wait for costs.

    Parameters
    ----------
    comparison
        What `vlab.compare` returned.
    costs
        The table to begin with: a preset's name, or a table of one's own.
    """

    def __init__(self, comparison: Comparison, costs: str | Costs = "teaching") -> None:
        self.comparison = comparison
        self.costs = preset(costs)
        self.rows = [(run, charges(run.counters, run.technique, self.costs)) for run in self.runs]

    @property
    def runs(self) -> list[Result]:
        """The runs that executed the guest."""
        return self.comparison.measured

    @property
    def exact(self) -> bool:
        """Whether no count depends on the costs."""
        return all(run.settings.get("clock") == "retired" for run in self.runs)

    def cycles(self, costs: Costs) -> list[dict[str, int]]:
        """Return the cycles of each run by category."""
        result = []
        for _, rows in self.rows:
            cycles = dict.fromkeys(CATEGORIES, 0)
            for category, name, n in rows:
                cycles[category] += n * costs[name]
            result.append(cycles)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return counts, costs, presets and sources as plain data."""
        tables = {name: preset(name) for name in PRESETS}
        return {
            "exact": self.exact,
            "groups": GROUPS,
            "costs": [
                {
                    "name": row.name,
                    "unit": row.unit,
                    "sentence": row.sentence,
                    "group": group_of(row.name),
                    "cycles": row.cycles,
                    "source": row.source,
                }
                for row in self.costs.rows
            ],
            "presets": {
                name: {row.name: [row.cycles, row.source] for row in table.rows}
                for name, table in tables.items()
            },
            "preset": self.costs.name,
            "runs": [
                {"workload": run.workload, "mode": run.mode, "charges": [list(r) for r in rows]}
                for run, rows in self.rows
            ],
        }
