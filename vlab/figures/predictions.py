"""Predicted against measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator, NullLocator

from vlab.figures import panels
from vlab.figures.drawing import Drawing
from vlab.figures.fitting import below
from vlab.figures.style import MODE_MARKERS, Look, ink, mode_colour, points
from vlab.figures.words import described, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


def prediction(frame: DataFrame, exits: DataFrame, wanted: Look) -> Drawing:
    """Modelled cycles as simulated and as measured, and how far off, by workload and mode."""
    figure = wanted.figure(90, 2.4 * frame["workload"].nunique() + 16)
    guesses = frame[frame["of"].notna()].dropna(subset=["cycles_error"])
    finding = _finding(guesses)
    if not len(guesses):
        figure.subplots().set_axis_off()
        figure.suptitle(sentence(finding))
        return described(figure, frame, [finding])
    left, right = figure.subplots(1, 2)
    modes = [mode for mode in panels.modes_of(frame) if mode in set(guesses["of"])]
    _diagonal(left, guesses, modes)
    left.set_title("On the line: predicted as measured")
    shown = panels.measured(frame).merge(
        guesses[["workload", "of", "cycles_error"]], left_on=["workload", "mode"],
        right_on=["workload", "of"], suffixes=("_none", ""),
    )  # fmt: skip
    shown = shown.assign(of=None, off=100 * shown["cycles_error"].astype(float))
    most = max(0.1, 1.15 * shown["off"].abs().max())
    panels.dots(right, shown, "off", modes)
    right.set_xscale("linear")
    right.set_xlim(-most, most)
    right.xaxis.set_major_locator(MaxNLocator(5))
    right.axvline(0, color=ink(), alpha=0.6, linewidth=points(0.07))
    right.xaxis.set_major_formatter(lambda value, _: f"{value:+g}" if value else "0")
    right.set_xlabel("predicted − measured cycles (% of measured)")
    right.set_title("How far off")
    below(figure, *left.get_legend_handles_labels())
    figure.suptitle(sentence(finding))
    return described(figure, frame, [finding])


def _diagonal(ax: Axes, guesses: DataFrame, modes: list[str]) -> None:
    """Draw predicted cycles over measured ones."""
    measured = guesses["cycles"] / (1 + guesses["cycles_error"].astype(float))
    low, high = 0.6 * measured.min(), 1.7 * measured.max()
    ax.plot([low, high], [low, high], color=ink(), alpha=0.6, linewidth=points(0.07), zorder=1)
    for mode in modes:
        rows = guesses["of"] == mode
        ax.scatter(
            measured[rows],
            guesses.loc[rows, "cycles"],
            s=points(0.75) ** 2,
            marker=MODE_MARKERS[mode],
            facecolors="none",
            edgecolors=mode_colour(mode),
            linewidths=points(0.1),
            zorder=3,
            label=mode,
        )
    for axis, scale, limit in (
        (ax.xaxis, ax.set_xscale, ax.set_xlim),
        (ax.yaxis, ax.set_yscale, ax.set_ylim),
    ):
        scale("log")
        limit(low, high)
        axis.get_major_locator().set_params(numticks=5)
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(lambda value, _: panels.short(value))
    ax.set_xlabel("measured cycles (log scale)")
    ax.set_ylabel("predicted cycles (log scale)")


def _finding(guesses: DataFrame) -> str:
    if not len(guesses):
        return "nothing was both predicted and measured"
    off = guesses["cycles_error"].astype(float).abs()
    worst = guesses.loc[off.idxmax()]
    return (
        f"simulate is off by {100 * off.median():.2g} % in the median, by {100 * off.max():.2g} % "
        f"at worst ({worst['workload']}, {worst['of']})"
    )
