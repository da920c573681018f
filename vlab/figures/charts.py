"""Charts of one's own numbers, in the look of every other figure: bars and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context

from vlab.errors import ParameterError
from vlab.figures.drawing import Drawing
from vlab.figures.style import MODE_COLOURS, MODE_MARKERS, RC, REASON_HATCHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "vP*X"
OTHERS = ("#D55E00", "#CC79A7", "#56B4E9", "#999999", "#F0E442")
"""Colours that no mode has."""
WIDTH = 11
"""Inches."""
TITLE = 74
"""Characters of a title's line."""
APART = 0.055
"""Least distance of labels at the ends of curves, as a part of the height."""


def bars(
    values: Mapping[str, float],
    title: str,
    label: str,
    *,
    guess: Mapping[str, float | None] | None = None,
    log: bool = False,
    number: str = "{:,.4g}",
) -> Drawing:
    """Return a figure with one labelled bar a value.

    Parameters
    ----------
    values
        By name; names of modes have the modes' colours.
    title
        The finding, as a sentence.
    label
        What is shown, with its unit.
    guess
        Predictions by the same names, marked beside the bars; None: none was made.
    number
        How a number is written.
    """
    check({"values": list(values.values())}, log)
    with rc_context(RC):
        figure = Drawing(figsize=(WIDTH, 0.55 * len(values) + 2.2), layout="constrained")
        ax = figure.subplots()
        for row, (name, value) in enumerate(values.items()):
            style = {"color": MODE_COLOURS.get(name, OTHERS[row % len(OTHERS)])}
            if name not in MODE_COLOURS:
                style["hatch"] = REASON_HATCHES[row % 5]
            ax.barh(row, value, edgecolor="#333333", linewidth=0.6, **style)
            at = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
            ax.annotate(number.format(value), (value, row), **at)
        made = {name: n for name, n in (guess or {}).items() if name in values and n is not None}
        rows = list(values)
        if made:
            spots = [rows.index(name) for name in made]
            kind = {"marker": "|", "s": 600, "linewidths": 3, "color": "#D55E00", "zorder": 3}
            ax.scatter(list(made.values()), spots, label="your prediction", **kind)
            figure.legend(loc="outside lower center")
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.grid(axis="y", visible=False)
        if log:
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
        ax.margins(x=0.14)
        ax.set_xlabel(label + (" (log scale)" if log else ""))
        ax.set_title(fill(title, TITLE))
    said = "; ".join(f"{name} {number.format(value)}" for name, value in values.items())
    figure.alt = f"{title}. {label}: {said}."
    return figure


def curves(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    title: str,
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> Drawing:
    """Return a figure with one line a series, named at its end.

    Parameters
    ----------
    x
        Where all series have values.
    series
        Values by name; names of modes have the modes' colours and markers.
    title
        The finding, as a sentence.
    """
    wrong = [name for name, values in series.items() if len(values) != len(x)]
    if wrong:
        raise ParameterError(f"series {wrong[0]!r}: must have {len(x)} values, one for each x")
    check(series, log_y)
    with rc_context(RC):
        figure = Drawing(figsize=(WIDTH, 5.4), layout="constrained")
        ax = figure.subplots()
        for n, (name, values) in enumerate(series.items()):
            marker = MODE_MARKERS.get(name, MARKERS[n % len(MARKERS)])
            ax.plot(x, values, marker=marker, markersize=8, color=colour(name, n))
        if log_x:
            ax.set_xscale("log", base=2)
        if log_y:
            ax.set_yscale("log")
        ax.set_xticks(list(x))
        ax.minorticks_off()
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,g}")
        if not log_y:
            ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
        ax.set_xlabel(x_label + (" (log scale)" if log_x else ""))
        ax.set_ylabel(y_label + (" (log scale)" if log_y else ""))
        ax.set_title(fill(title, TITLE))
        figure.canvas.draw()
        name_ends(ax, x, series)
    said = "; ".join(
        f"{name} from {values[0]:,.4g} to {values[-1]:,.4g}" for name, values in series.items()
    )
    figure.alt = f"{title}. {y_label} for {x_label} from {x[0]:,g} to {x[-1]:,g}: {said}."
    return figure


def name_ends(ax: Axes, x: Sequence[float], series: Mapping[str, Sequence[float]]) -> None:
    """Write each name at the end of its line; names that would overlap go above each other."""
    to_axes = ax.transData + ax.transAxes.inverted()
    last = [values[-1] for values in series.values()]
    ends = [(to_axes.transform((x[-1], value))[1], n) for n, value in enumerate(last)]
    below = -1.0
    for height, n in sorted(ends):
        name = list(series)[n]
        below = max(height, below + APART)
        place: dict[str, Any] = {"transform": ax.transAxes, "va": "center"}
        ax.text(1.02, below, name, color=colour(name, n), **place)


def colour(name: str, n: int) -> str:
    """Return the colour of the nth series."""
    return MODE_COLOURS.get(name, OTHERS[n % len(OTHERS)])


def check(series: Mapping[str, Sequence[float]], log: bool) -> None:
    """Raise `ParameterError` unless there is something to draw."""
    if not series or not all(len(values) for values in series.values()):
        raise ParameterError("a chart needs at least one value")
    if log and min(min(values) for values in series.values()) <= 0:
        raise ParameterError("a logarithmic chart has only values above 0")
