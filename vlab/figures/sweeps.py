"""One number over another, a line for each of something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FixedLocator

from vlab.errors import ParameterError, unknown
from vlab.figures.drawing import Drawing, Recipe
from vlab.figures.maps import number
from vlab.figures.panels import decades, short
from vlab.figures.style import MODE_MARKERS, REASON_STYLE, Look, look, mode_colour, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P")
COLOURS = tuple(REASON_STYLE[name][1] for name in ("csr", "mmio", "hypercall", "syscall", "xret"))


def sweep(
    frame: DataFrame,
    x: str,
    y: str,
    by: str = "mode",
    *,
    labels: tuple[str, str] | None = None,
    origin: dict[str, Any] | None = None,
    size: str = "screen",
    theme: str = "light",
) -> Drawing:
    """Return lines of column ``y`` over column ``x``, labelled at their ends.

    Parameters
    ----------
    by
        Column that tells the lines apart.
    labels
        What ``x`` and ``y`` are, with their units; the columns' names unless told.
    """
    for name in (x, y, by):
        if name not in frame.columns:
            raise ParameterError(unknown("column", name, map(str, frame.columns)))
    across, up = labels or (x, y)

    def make(wanted: Look) -> Drawing:
        figure = wanted.figure(58, 32)
        ax = figure.subplots()
        ends = {}
        for i, (name, rows) in enumerate(frame.groupby(by, sort=False)):
            rows = rows.sort_values(x)
            known = name in MODE_MARKERS
            ax.plot(
                rows[x],
                rows[y],
                linestyle=LINES[i % len(LINES)],
                marker=MODE_MARKERS[name] if known else MARKERS[i % len(MARKERS)],
                color=mode_colour(name) if known else COLOURS[i % len(COLOURS)],
                markersize=points(0.6),
                linewidth=points(0.14),
                clip_on=False,
            )
            ends[str(name)] = float(rows[y].iloc[-1])
        _scales(ax, frame, x, y)
        ax.set_xlabel(across)
        ax.set_ylabel(up)
        if len(ends) > 1:
            _label_ends(ax, ends, wanted)
        finding = _finding(frame, x, y, by, across, up)
        figure.suptitle(finding)
        figure.alt = f"{finding}. " + "; ".join(
            f"{name}: " + ", ".join(f"{a:g} {number(b)}" for a, b in zip(r[x], r[y], strict=True))
            for name, r in frame.groupby(by, sort=False)
        )
        return figure

    return Recipe("sweep", make, origin or {}).draw(look(size, theme))


def _scales(ax: Axes, frame: DataFrame, x: str, y: str) -> None:
    """Make what spans more than a decade logarithmic; the sweep's values are its ticks."""
    values = sorted(set(frame[x]))
    if values[0] > 0 and values[-1] / values[0] > 10:
        ax.set_xscale("log")
    ticks = values if len(values) <= 9 else values[:: -(-len(values) // 9)]
    ax.set_xticks(ticks, [short(value) for value in ticks])
    ax.minorticks_off()
    low, high = frame[y].min(), frame[y].max()
    if low > 0 and high / low > 10:
        ax.set_yscale("log")
        ax.set_ylim(low / 1.3, high * 1.3)
        ax.yaxis.set_major_locator(FixedLocator(decades(*ax.get_ylim())))
    else:
        ax.set_ylim(0, 1.1 * high or 1)
        ax.yaxis.get_major_locator().set_params(nbins=5)
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(lambda value, _: short(value))


def _label_ends(ax: Axes, ends: dict[str, float], wanted: Look) -> None:
    """Write each line's name at its end, moved apart where they would overlap."""
    height = 0.6 * ax.figure.get_figheight() / wanted.em  # ems, about
    place = {
        name: float(ax.transAxes.inverted().transform(ax.transData.transform((1, value)))[1])
        for name, value in ends.items()
    }
    last = -1.0
    for name in sorted(place, key=place.__getitem__):
        last = max(place[name], last + 1.4 / height)
        ax.annotate(
            name, (1, last), xycoords="axes fraction", xytext=(points(0.8), 0),
            textcoords="offset points", va="center", annotation_clip=False,
        )  # fmt: skip


def _finding(frame: DataFrame, x: str, y: str, by: str, across: str, up: str) -> str:
    """Say which line changes most."""
    best, text = 0.0, ""
    for name, rows in frame.groupby(by, sort=False):
        rows = rows.sort_values(x)
        a, b = float(rows[y].iloc[0]), float(rows[y].iloc[-1])
        change = max(a, b) / max(1e-9, min(a, b))
        if change > best:
            best, text = change, f"{name}: from {number(a)} to {number(b)} {up}"
    return f"{text} with {short(frame[x].min())} to {short(frame[x].max())} {across}"
