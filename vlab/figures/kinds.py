"""The figures that a comparison can draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D

from vlab.errors import ParameterError, unknown
from vlab.figures import panels
from vlab.figures.counts import counts
from vlab.figures.drawing import Drawing, Recipe
from vlab.figures.fitting import below
from vlab.figures.maps import heatmap
from vlab.figures.predictions import prediction
from vlab.figures.reasons import exit_reasons
from vlab.figures.stacks import cycles
from vlab.figures.style import Look, ink, look, points
from vlab.figures.words import described, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

ROW = 2.4
"""Ems of height that a workload takes where there is room."""


def draw(
    kind: str,
    frame: DataFrame,
    exits: DataFrame,
    origin: dict[str, Any] | None = None,
    size: str = "screen",
    theme: str = "light",
) -> Drawing:
    """Return the figure of that kind.

    Parameters
    ----------
    frame, exits
        ``Comparison.to_frame()`` and ``Comparison.exits_frame()``.
    origin
        What the frames come from, for the metadata (`vlab.figures.origin`).
    size, theme
        As in `Drawing.save`.
    """
    if kind not in KINDS:
        raise ParameterError(unknown("kind of figure", kind, KINDS))
    recipe = Recipe(kind, lambda wanted: KINDS[kind](frame, exits, wanted), origin or {})
    return recipe.draw(look(size, theme))


def overview(frame: DataFrame, exits: DataFrame, wanted: Look) -> Drawing:
    """Slowdown, exits and page walks by workload; below, where there is room, the cycles."""
    tall = ROW * frame["workload"].nunique() + 3
    figure = wanted.figure(96, tall + 29)
    rows = (tall,) if wanted.fixed else (tall, 15)
    grid = figure.add_gridspec(len(rows), 3, height_ratios=rows)
    first = figure.add_subplot(grid[0, 0])
    top = [first, *(figure.add_subplot(grid[0, i], sharey=first) for i in (1, 2))]
    findings = []
    for ax, panel in zip(top, (panels.slowdown, panels.exits, panels.translation), strict=True):
        findings.append(panel(ax, frame))
        ax.set_title(sentence(findings[-1]))
    first.set_title(sentence(panels.cost(frame, brief=True) or findings[0]))
    for ax in top[1:]:
        ax.tick_params(labelleft=False)
    handles, names = _mode_legend(first, frame)
    if not wanted.fixed:
        ax = figure.add_subplot(grid[1, :])
        findings.append(panels.shares(ax, frame))
        ax.set_title(sentence(findings[-1]))
        more = ax.get_legend_handles_labels()
        handles, names = [*handles, *more[0]], [*names, *more[1]]
    below(figure, handles, names)
    n = len(panels.modes_of(frame))
    figure.suptitle(panels.side_by_side(frame) or f"The same guest operating system, {n} modes")
    return described(figure, frame, findings)


def slowdown(frame: DataFrame, exits: DataFrame, wanted: Look) -> Drawing:
    """Modelled cycles relative to native."""
    return _single(frame, panels.slowdown, wanted)


def translation(frame: DataFrame, exits: DataFrame, wanted: Look) -> Drawing:
    """Page-table entries read, by workload and mode."""
    return _single(frame, panels.translation, wanted)


def throughput(frame: DataFrame, exits: DataFrame, wanted: Look) -> Drawing:
    """Modelled throughput, and what the host measured: two axes, never mixed."""
    figure = wanted.figure(90, _rows(frame, 15))
    left, right = figure.subplots(1, 2, sharey=True)
    modes, runs = panels.modes_of(frame), panels.measured(frame)
    scale = panels.dots(left, runs, "throughput", modes)
    left.set_xlabel(f"modelled: guest work per cycle (native = 1, {scale})")
    left.set_title("In the model's cycles")
    speed = runs.assign(speed=runs["instructions_total"] / runs["wall_s"] / 1e6)
    scale = panels.dots(right, speed, "speed", modes)
    right.set_xlabel(f"measured: million guest instructions per second ({scale})")
    right.set_title("On this computer's clock, boot included")
    below(figure, *_mode_legend(left, runs))
    finding = panels.extremes(
        runs,
        "throughput",
        "{mode} keeps {high} of native throughput in {worst}, {low} in {best}",
        "{:.1%}",
    )
    figure.suptitle(sentence(finding))
    return described(figure, frame, [finding])


def _single(frame: DataFrame, panel: Callable[[Axes, DataFrame], str], wanted: Look) -> Drawing:
    figure = wanted.figure(58, _rows(frame, 12))
    ax = figure.subplots()
    finding = panel(ax, frame)
    figure.suptitle(sentence(finding))
    below(figure, *_mode_legend(ax, frame))
    return described(figure, frame, [finding])


def _rows(frame: DataFrame, extra: float) -> float:
    return ROW * frame["workload"].nunique() + extra


def _mode_legend(drawn: Axes, frame: DataFrame) -> tuple[list[Any], list[str]]:
    """Return what the markers on axes are, the hollow ones included."""
    handles, names = drawn.get_legend_handles_labels()
    if frame["of"].notna().any():
        hollow = {"markerfacecolor": "none", "markeredgecolor": ink(), "markersize": points(1)}
        handles.append(Line2D([], [], marker="o", linestyle="none", **hollow))
        names.append("predicted")
    return handles, names


Kind = Callable[["DataFrame", "DataFrame", Look], Drawing]

KINDS: dict[str, Kind] = {
    "overview": overview,
    "slowdown": slowdown,
    "counts": counts,
    "cycles": cycles,
    "exits": exit_reasons,
    "translation": translation,
    "heatmap": heatmap,
    "throughput": throughput,
    "prediction": prediction,
}
"""Figures by kind."""
