"""The parts that figures are composed of: each draws on given axes and returns its finding."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

from matplotlib import rcParams

from vlab.figures.style import CATEGORY_STYLE, MODE_MARKERS, MODES, ink, mode_colour, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


ROOM = 0.15
"""Rows above the first and below the last, for markers at the edge."""
TECHNIQUES = {
    "native": "the bare machine",
    "emulate": "emulation",
    "fullvirt": "full virtualization",
    "paravirt": "paravirtualization",
}
"""Modes in words."""


def measured(frame: DataFrame) -> DataFrame:
    """Return the runs that executed the guest."""
    return frame[frame["of"].isna()]


def modes_of(frame: DataFrame) -> list[str]:
    """Return the techniques in a frame, in the order of the lecture."""
    present = set(frame["mode"]) | set(frame["of"].dropna())
    return [mode for mode in MODES if mode in present]


def per_thousand(frame: DataFrame, column: str) -> DataFrame:
    """Return the frame with ``column`` per thousand guest instructions added as ``rate``."""
    return frame.assign(rate=1000 * frame[column] / frame["guest_instructions"])


def dots(ax: Axes, frame: DataFrame, column: str, modes: list[str], ticks: int = 5) -> str:
    """Draw one row a workload and one marker a mode; predictions are hollow.

    Returns the scale of the horizontal axis for its label: logarithmic, but linear below the
    first tick if there are zeros.
    """
    workloads = list(dict.fromkeys(frame["workload"]))
    for i, mode in enumerate(modes):
        rise = 0.24 * ((len(modes) - 1) / 2 - i)
        runs = measured(frame[frame["mode"] == mode]).dropna(subset=[column])
        guesses = frame[frame["of"] == mode].dropna(subset=[column])
        colour = mode_colour(mode)
        for rows, size, fill, order in ((runs, 0.6, colour, 3), (guesses, 1.0, "none", 4)):
            ax.scatter(
                rows[column],
                [workloads.index(name) - rise for name in rows["workload"]],
                s=points(size) ** 2,
                marker=MODE_MARKERS[mode],
                facecolors=fill,
                edgecolors=colour,
                linewidths=points(0.09),
                zorder=order,
                clip_on=False,
                label=mode if fill != "none" else None,
            )
    ax.set_yticks(range(len(workloads)), workloads)
    ax.set_ylim(len(workloads) - 0.5 + ROOM, -0.5 - ROOM)
    ax.grid(axis="y", visible=False)
    for row in range(0, len(workloads), 2):
        ax.axhspan(row - 0.5, row + 0.5, color=ink(), alpha=0.05, linewidth=0, zorder=0)
    shown = frame["mode"].isin(modes) | frame["of"].isin(modes)
    return _scale(ax, frame[shown][column].dropna(), ticks)


def short(value: float) -> str:
    """Return a number as a tick has it: ``0.01``, ``1``, ``100``, ``10k``, ``1M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / min(size, 1e3 if unit == 'k' else size):g}{unit}"
    return f"{value:g}"


def decades(start: float, end: float, *, most: int = 5, first: int | None = None) -> list[float]:
    """Return ticks of a logarithmic axis: powers of ten, at most so many, or 1, 2, 5, ten.

    Parameters
    ----------
    first
        Least power of ten; told if ``start`` may be zero.
    """
    low = floor(log10(start)) if first is None else first
    high = ceil(log10(end))
    powers = [n for n in range(low, high + 1) if start <= 10.0**n <= end]
    if len(powers) > 1 or (first is not None and start <= 0):
        return [10.0**n for n in powers[:: -(-len(powers) // most) or 1]]
    finer = [n * 10.0**e for e in range(low, high + 1) for n in (1, 2, 5)]
    return [tick for tick in finer if start <= tick <= end]


def _scale(ax: Axes, values: Any, most: int) -> str:
    """Set a logarithmic scale with at most so many ticks, and return its name."""
    positive = values[values > 0]
    if not len(positive):
        ax.set_xlim(0, 1)
        ax.set_xticks([0])
        return "linear scale"
    low, high = positive.min(), positive.max()
    first = floor(log10(low))
    zeros = bool((values <= 0).any())
    if zeros:
        first = max(-2, first)
        ax.set_xscale("symlog", linthresh=10.0**first)
        ax.set_xlim(0, high * 1.3)
    else:
        ax.set_xscale("log")
        margin = max(1.15, (high / low) ** 0.04)
        ax.set_xlim(low / margin, high * margin)
    ticks = [0.0] * zeros + decades(*ax.get_xlim(), most=most, first=first)
    ax.set_xticks(ticks, [short(tick) for tick in ticks])
    ax.minorticks_off()
    ax.grid(axis="x", which="major")
    return "log scale"


def direct_labels(ax: Axes, values: Any, texts: list[str]) -> None:
    """Write what each horizontal bar says at its end, in a place kept free for it."""
    limit = max([float(value) for value in values] or [1.0]) or 1.0
    widest = max(map(len, texts), default=1)
    ax.set_xlim(0, limit * (1 + 0.05 * widest))
    for row, (value, text) in enumerate(zip(values, texts, strict=True)):
        ax.annotate(
            text,
            (float(value), row),
            xytext=(points(0.3), 0),
            textcoords="offset points",
            va="center",
        )


def slowdown(ax: Axes, frame: DataFrame) -> str:
    """Modelled cycles relative to native (absolute without it), by workload and mode."""
    column = "slowdown" if frame["slowdown"].notna().any() else "cycles"
    scale = dots(ax, frame, column, modes_of(frame))
    if column == "cycles":
        ax.set_xlabel(f"modelled cycles ({scale})")
        return extremes(measured(frame), column, "{mode}: {worst} takes most cycles", "{:.3g}")
    ax.axvline(1, color=ink(), alpha=0.6, linewidth=points(0.07))
    ax.set_xlabel(f"cycles, native = 1 ({scale})")
    return cost(frame)


def exits(ax: Axes, frame: DataFrame) -> str:
    """Exits to the monitor per thousand guest instructions."""
    rates = per_thousand(frame, "exits")
    monitored = [mode for mode in modes_of(frame) if mode in ("fullvirt", "paravirt")]
    scale = dots(ax, rates, "rate", monitored)
    ax.set_xlabel(f"exits per 1000 instructions ({scale})")
    runs = measured(rates)
    totals = runs.groupby("mode")["exits"].sum()
    if {"fullvirt", "paravirt"} <= set(totals.index) and totals["paravirt"]:
        ratio = totals["fullvirt"] / totals["paravirt"]
        return f"fullvirt exits {ratio:.1f} times as often as paravirt"
    return extremes(runs[runs["mode"].isin(monitored)], "rate", "{mode}: most exits in {worst}")


def translation(ax: Axes, frame: DataFrame) -> str:
    """Page-table entries read per thousand guest instructions."""
    rates = per_thousand(frame, "walk_references")
    scale = dots(ax, rates, "rate", modes_of(frame))
    ax.set_xlabel(f"PTEs read per 1000 instructions ({scale})")
    runs = measured(rates)
    native = runs[runs["mode"] == "native"]
    chosen = native if len(native) else runs
    if chosen["rate"].notna().sum() == 0:
        return "page walks"
    worst = chosen.loc[chosen["rate"].idxmax()]
    return f"most walks in {worst['workload']}: {worst['rate']:.3g} entries per 1000 instructions"


def shares(ax: Axes, frame: DataFrame) -> str:
    """Where the cycles go, by mode: the mean over workloads of each category's share."""
    runs = measured(frame)
    modes = modes_of(runs)
    columns = {name: f"cycles_{name}" for name in CATEGORY_STYLE}
    part = runs[list(columns.values())].div(runs["cycles"], axis=0).assign(mode=runs["mode"])
    mean = 100 * part.groupby("mode").mean().loc[modes]
    stack(ax, mean, modes)
    ax.set_xlim(0, 100)
    ax.set_xlabel("share of modelled cycles (%, mean over workloads)")
    useful = mean["cycles_guest_user"] + mean["cycles_guest_kernel"]
    chosen = [mode for mode in ("native", "fullvirt", "paravirt") if mode in modes] or modes
    words = ", ".join(f"{mode} {useful[mode]:.0f} %" for mode in chosen)
    return f"cycles spent on the guest's own instructions: {words}"


def stack(ax: Axes, table: DataFrame, modes: list[str]) -> None:
    """Draw one horizontal bar a mode, stacked by category; ``table`` has a row a mode."""
    left = [0.0] * len(modes)
    for name, (label, colour, hatch) in CATEGORY_STYLE.items():
        widths = [float(table.loc[mode, f"cycles_{name}"]) for mode in modes]
        if any(widths):
            ax.barh(
                range(len(modes)),
                widths,
                left=left,
                color=colour,
                hatch=hatch,
                edgecolor=rcParams["patch.edgecolor"],
                linewidth=points(0.04),
                label=label,
            )
        left = [a + b for a, b in zip(left, widths, strict=True)]
    ax.set_yticks(range(len(modes)), modes)
    ax.set_ylim(len(modes) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)


def cost(frame: DataFrame, brief: bool = False) -> str:
    """Say where full virtualization costs least and most."""
    template = "{words} takes {low} native's cycles in {best}, {high} in {worst}"
    template = "{mode}: {low} in {best}, {high} in {worst}" if brief else template
    return extremes(measured(frame), "slowdown", template, "{:.3g}×")


def extremes(runs: DataFrame, column: str, template: str, number: str = "{}") -> str:
    """Fill the template with where a mode (fullvirt, if it is there) has least and most."""
    modes = modes_of(runs)
    if not modes:
        return ""
    mode = "fullvirt" if "fullvirt" in modes else modes[-1]
    rows: Any = runs[runs["mode"] == mode].dropna(subset=[column])
    if not len(rows):
        return ""
    best, worst = rows.loc[rows[column].idxmin()], rows.loc[rows[column].idxmax()]
    return template.format(
        mode=mode,
        words=TECHNIQUES[mode],
        best=best["workload"],
        worst=worst["workload"],
        low=number.format(best[column]).replace("%", " %"),
        high=number.format(worst[column]).replace("%", " %"),
    )


def side_by_side(frame: DataFrame) -> str:
    """Say what full and paravirtualization cost, from the least to the most."""
    runs = measured(frame).dropna(subset=["slowdown"])
    parts = []
    for mode, words in (("fullvirt", "full virtualization"), ("paravirt", "paravirtualization")):
        ratios = runs[runs["mode"] == mode]["slowdown"].astype(float)
        if len(ratios):
            parts.append(f"{words}: {ratios.min():.2g}× to {ratios.max():.2g}× native")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]
