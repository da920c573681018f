"""Charts of one's own numbers, in the look of every other figure: bars and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import TYPE_CHECKING, Any

from matplotlib import rcParams

from vlab.errors import ParameterError
from vlab.figures.drawing import Drawing, Recipe
from vlab.figures.panels import short
from vlab.figures.style import MODE_MARKERS, MODES, Look, look, mode_colour, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "vP*X"
OTHERS = ("#D55E00", "#CC79A7", "#56B4E9", "#999999", "#F0E442")
"""Colours that no mode has."""
GREY = "#CCCCCC"
PLAIN_BAR = "#56B4E9"
WIDTH = 53
"""Ems."""
MANY = 100_000
"""From here on ticks have units: ``100k``."""
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

    def paint(wanted: Look) -> Drawing:
        figure = wanted.figure(WIDTH, 2.6 * len(values) + 10.6)
        ax = figure.subplots()
        for row, (name, value) in enumerate(values.items()):
            shade = mode_colour(name) if name in MODES else PLAIN_BAR
            ax.barh(row, value, color=shade)
            at = {"xytext": (points(0.4), 0), "textcoords": "offset points", "va": "center"}
            ax.annotate(number.format(value), (value, row), **at)
        made = {name: n for name, n in (guess or {}).items() if name in values and n is not None}
        rows = list(values)
        if made:
            spots = [rows.index(name) for name in made]
            kind = {"marker": "|", "s": points(1.6) ** 2, "linewidths": points(0.2)}
            kind |= {"color": "#D55E00", "zorder": 3}
            ax.scatter(list(made.values()), spots, label="your prediction", **kind)
            figure.legend(loc="outside lower center")
        ax.set_yticks(range(len(rows)), rows)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.grid(axis="y", visible=False)
        if log:
            ax.set_xscale("log")
            ax.set_xlim(left=10.0 ** floor(log10(min(values.values()) / 1.5)))
            ax.xaxis.set_major_formatter(plain)
        elif max(map(abs, values.values())) >= MANY:
            ax.xaxis.set_major_formatter(lambda value, _: short(value))
        ax.margins(x=0.14)
        ax.set_xlabel(label + (" (log scale)" if log else ""))
        entitle(figure, title)
        said = "; ".join(f"{name} {number.format(value)}" for name, value in values.items())
        figure.alt = f"{title}. {label}: {said}."
        return figure

    return Recipe("bars", paint).draw(look())


def curves(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    title: str,
    x_label: str,
    y_label: str,
    *,
    reference: str | None = None,
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
    reference
        A series that others are held against, drawn wide and grey beneath them.
    """
    wrong = [name for name, values in series.items() if len(values) != len(x)]
    if wrong:
        raise ParameterError(f"series {wrong[0]!r}: must have {len(x)} values, one for each x")
    check(series, log_y)

    def paint(wanted: Look) -> Drawing:
        figure = wanted.figure(WIDTH, 26)
        ax = figure.subplots()
        for n, (name, values) in enumerate(series.items()):
            if name == reference:
                ax.plot(
                    x, values, color=GREY, linewidth=points(0.6), solid_capstyle="round", zorder=1.5
                )
                continue
            marker = MODE_MARKERS.get(name, MARKERS[n % len(MARKERS)])
            ax.plot(x, values, marker=marker, markersize=points(0.53), color=colour(name, n))
        if log_x:
            ax.set_xscale("log", base=2)
        if log_y:
            ax.set_yscale("log")
        ax.set_xticks(list(x))
        ax.minorticks_off()
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(plain)
        if not log_y:
            ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
        ax.set_xlabel(x_label + (" (log scale)" if log_x else ""))
        ax.set_ylabel(y_label + (" (log scale)" if log_y else ""))
        entitle(figure, title)
        figure.canvas.draw()
        name_ends(ax, x, series, reference)
        said = "; ".join(
            f"{name} from {values[0]:,.4g} to {values[-1]:,.4g}" for name, values in series.items()
        )
        figure.alt = f"{title}. {y_label} for {x_label} from {x[0]:,g} to {x[-1]:,g}: {said}."
        return figure

    return Recipe("curves", paint).draw(look())


def entitle(figure: Drawing, title: str) -> None:
    """Write the title over the whole figure."""
    figure.suptitle(title, fontsize=rcParams["axes.titlesize"])


def plain(value: float, _: object = None) -> str:
    """Return a number without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,g}"


def name_ends(
    ax: Axes, x: Sequence[float], series: Mapping[str, Sequence[float]], reference: str | None
) -> None:
    """Write each name at the end of its line; names that would overlap go above each other."""
    to_axes = ax.transData + ax.transAxes.inverted()
    last = [values[-1] for values in series.values()]
    ends = [(to_axes.transform((x[-1], value))[1], n) for n, value in enumerate(last)]
    below = -1.0
    for height, n in sorted(ends):
        name = list(series)[n]
        below = max(height, below + APART)
        place: dict[str, Any] = {"transform": ax.transAxes, "va": "center"}
        ink = "#666666" if name == reference else colour(name, n)
        ax.text(1.02, below, name, color=ink, **place)


def colour(name: str, n: int) -> str:
    """Return the colour of the nth series."""
    return mode_colour(name) if name in MODES else OTHERS[n % len(OTHERS)]


def check(series: Mapping[str, Sequence[float]], log: bool) -> None:
    """Raise `ParameterError` unless there is something to draw."""
    if not series or not all(len(values) for values in series.values()):
        raise ParameterError("a chart needs at least one value")
    if log and min(min(values) for values in series.values()) <= 0:
        raise ParameterError("a logarithmic chart has only values above 0")
