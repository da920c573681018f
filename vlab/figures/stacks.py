"""Cycles by category, a panel a workload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlab.figures import panels
from vlab.figures.drawing import Drawing
from vlab.figures.fitting import below
from vlab.figures.style import CATEGORY_STYLE, Look, points
from vlab.figures.words import described, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

ON_A_SLIDE = 4
"""Workloads on a picture of given height: more would not be legible."""


def cycles(frame: DataFrame, exits: DataFrame, wanted: Look) -> Drawing:
    """Cycles by category relative to native, a panel a workload."""
    runs = panels.measured(frame)
    every = list(dict.fromkeys(runs["workload"]))
    workloads = _telling(runs, every) if wanted.fixed else every
    modes = panels.modes_of(runs)
    across = min(2 if wanted.fixed else 3, len(workloads))
    rows = -(-len(workloads) // across)
    figure = wanted.figure(31 * across if across > 1 else 50, 12.5 * rows + 9)
    grid = figure.subplots(rows, across, squeeze=False)
    for ax in grid.flat[len(workloads) :]:
        ax.set_visible(False)
    for ax, name in zip(grid.flat, workloads, strict=False):
        _relative_stack(ax, runs[runs["workload"] == name].set_index("mode"), modes)
        ax.set_title(name)
    unit = "native = 1" if "native" in modes else "the most = 1"
    for ax in grid.flat[max(0, len(workloads) - across) : len(workloads)]:
        ax.set_xlabel(f"modelled cycles, {unit}")
    for ax in grid[:, 1:].flat:
        ax.tick_params(labelleft=False)
    labels: dict[str, Any] = {}
    for ax in grid.flat:
        handles, names = ax.get_legend_handles_labels()
        labels.update(zip(names, handles, strict=True))
    order = [label for label, _, _ in CATEGORY_STYLE.values() if label in labels]
    below(figure, [labels[name] for name in order], order)
    finding = panels.cost(runs[runs["workload"].isin(workloads)])
    some = f" ({len(workloads)} of {len(every)} workloads)" if workloads != every else ""
    figure.suptitle(f"{sentence(finding)}{some}")
    return described(figure, frame, [finding])


def _telling(runs: DataFrame, workloads: list[str]) -> list[str]:
    """Return as many workloads as are legible: from the least to the most that modes differ."""
    if len(workloads) <= ON_A_SLIDE:
        return workloads
    direct = runs[runs["mode"] != "emulate"].groupby("workload")["cycles"]
    spread = (direct.max() / direct.min().clip(lower=1)).sort_values()
    last = len(spread) - 1
    chosen = {spread.index[round(i * last / (ON_A_SLIDE - 1))] for i in range(ON_A_SLIDE)}
    return [name for name in workloads if name in chosen]


def _relative_stack(ax: Axes, runs: DataFrame, modes: list[str]) -> None:
    """Stack one workload's modes; the emulator's bar is cut, and labelled, where it is longer."""
    present = [mode for mode in modes if mode in runs.index]
    base = runs.loc["native", "cycles"] if "native" in runs.index else runs["cycles"].max()
    table = runs[[f"cycles_{name}" for name in CATEGORY_STYLE]] / base
    panels.stack(ax, table, present)
    totals = table.sum(axis=1)
    direct = [totals[mode] for mode in present if mode != "emulate"] or list(totals)
    limit = 1.4 * max(direct)
    ax.set_xlim(0, limit)
    ax.xaxis.get_major_locator().set_params(nbins=5)
    for row, mode in enumerate(present):
        inside = totals[mode] > 0.73 * limit
        ax.annotate(
            f"{totals[mode]:.2f}×" + (" →" if totals[mode] > limit else ""),
            (min(totals[mode], limit), row),
            xytext=(points(-0.4 if inside else 0.4), 0),
            textcoords="offset points",
            ha="right" if inside else "left",
            va="center",
            bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": points(0.08)},
        )
