"""Counts side by side: a panel a counter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rcParams

from vlab.figures import panels
from vlab.figures.drawing import Drawing
from vlab.figures.fitting import below
from vlab.figures.style import MODE_HATCHES, Look, mode_colour, points
from vlab.figures.words import described, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

COUNTED = {
    "traps": "traps that the guest saw",
    "exits": "exits to the monitor",
    "mmio_accesses": "device accesses",
    "walk_references": "page-table entries read",
}
"""Columns that are shown, and what they are."""

FEW = 8
"""Runs up to which each has a bar with its number."""


def counts(frame: DataFrame, exits: DataFrame, wanted: Look) -> Drawing:
    """Traps, exits, device accesses and page-table entries read, side by side."""
    runs = panels.measured(frame)
    modes, finding = panels.modes_of(runs), _finding(runs)
    if len(runs) <= FEW:
        figure = _bars(runs, modes, wanted)
    else:
        figure = wanted.figure(96, 2.4 * runs["workload"].nunique() + 14)
        axes = figure.subplots(1, len(COUNTED), sharey=True)
        for ax, (name, words) in zip(axes, COUNTED.items(), strict=True):
            panels.dots(ax, runs, name, modes, ticks=2)
            ax.set_title(words)
            ax.set_xlabel("log scale")
        for ax in axes[1:]:
            ax.tick_params(labelleft=False)
        below(figure, *axes[0].get_legend_handles_labels())
    figure.suptitle(sentence(finding))
    return described(figure, frame, [finding])


def _bars(runs: DataFrame, modes: list[str], wanted: Look) -> Drawing:
    """Draw a bar a run, its number beside it: four panels, two by two."""
    workloads = list(dict.fromkeys(runs["workload"]))
    figure = wanted.figure(66, 4.4 * len(runs) + 14)
    axes = figure.subplots(2, 2, sharey=True)
    for ax, (name, words) in zip(axes.flat, COUNTED.items(), strict=True):
        _panel(ax, runs, name, len(workloads) > 1)
        ax.set_title(words)
        ax.set_xlabel(f"number of {words.split(' that ')[0]}")
    for ax in axes[:, 1]:
        ax.tick_params(labelleft=False)
    return figure


def _panel(ax: Axes, runs: DataFrame, name: str, several: bool) -> None:
    values = runs[name].to_numpy()
    for row, run in enumerate(runs.itertuples()):
        ax.barh(
            row,
            values[row],
            color=mode_colour(str(run.mode)),
            hatch=MODE_HATCHES[str(run.mode)],
            edgecolor=rcParams["patch.edgecolor"],
            linewidth=points(0.04),
        )
    names = [f"{run.workload} · {run.mode}" if several else run.mode for run in runs.itertuples()]
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.set_xticks([])
    panels.direct_labels(ax, values, [f"{value:,}" for value in values])


def _finding(runs: DataFrame) -> str:
    """Say what of the unmodified guest's work makes exits, or how often it trapped."""
    full = runs[runs["mode"] == "fullvirt"]
    native = runs[runs["mode"] == "native"]
    if len(full) and len(native):
        traps = int(native["traps"].sum() + native["interrupts"].sum())
        return (
            f"the same work: {traps:,} traps on the bare machine, {int(full['exits'].sum()):,} "
            "exits under full virtualization"
        )
    return f"{int(runs['traps'].sum()):,} traps, {int(runs['exits'].sum()):,} exits"
