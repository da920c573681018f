"""The parts that figures are composed of: each draws on given axes and returns its finding."""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING, Any

from vlab.figures.style import CATEGORY_STYLE, MODE_COLOURS, MODE_MARKERS, MODES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


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


def dots(ax: Axes, frame: DataFrame, column: str, modes: list[str]) -> str:
    """Draw one row a workload and one marker a mode; predictions are hollow.

    Returns the scale of the horizontal axis for its label: logarithmic, but linear next to
    zero if there are zeros.
    """
    workloads = list(dict.fromkeys(frame["workload"]))
    for i, mode in enumerate(modes):
        rise = 0.24 * ((len(modes) - 1) / 2 - i)
        runs = measured(frame[frame["mode"] == mode]).dropna(subset=[column])
        guesses = frame[frame["of"] == mode].dropna(subset=[column])
        for rows, size, fill, order in (
            (runs, 100, MODE_COLOURS[mode], 3),
            (guesses, 260, "none", 4),
        ):
            ax.scatter(
                rows[column],
                [workloads.index(name) - rise for name in rows["workload"]],
                s=size,
                marker=MODE_MARKERS[mode],
                facecolors=fill,
                edgecolors=MODE_COLOURS[mode],
                linewidths=1.4,
                zorder=order,
                clip_on=False,
                label=mode if fill != "none" else None,
            )
    ax.set_yticks(range(len(workloads)), workloads)
    ax.set_ylim(len(workloads) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    for row in range(0, len(workloads), 2):
        ax.axhspan(row - 0.5, row + 0.5, color="#F4F4F4", zorder=0)
    return _scale(ax, frame[frame["mode"].isin(modes) | frame["of"].isin(modes)][column].dropna())


def _scale(ax: Axes, values: Any) -> str:
    positive = values[values > 0]
    if not len(positive):
        return "linear scale"
    low, high = positive.min(), positive.max()
    if (values <= 0).any():
        least = 10.0 ** max(-2, floor(log10(low)))
        ax.set_xscale("symlog", linthresh=least)
        ax.set_xlim(0, high * 1.3)
        name = f"log scale above {least:g}"
    else:
        ax.set_xscale("log")
        margin = max(1.15, (high / low) ** 0.04)
        ax.set_xlim(low / margin, high * margin)
        name = "log scale"
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    ax.grid(axis="x", which="major")
    return name


def slowdown(ax: Axes, frame: DataFrame) -> str:
    """Modelled cycles relative to native (absolute without it), by workload and mode."""
    column = "slowdown" if frame["slowdown"].notna().any() else "cycles"
    scale = dots(ax, frame, column, modes_of(frame))
    if column == "cycles":
        ax.set_xlabel(f"modelled cycles ({scale})")
        return extremes(measured(frame), column, "{mode}: {worst} takes most cycles", "{:.3g}")
    ax.axvline(1, color="#666666", linewidth=1)
    ax.set_xlabel(f"modelled cycles, native = 1 ({scale})")
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
    return f"most page walks: {worst['workload']}, {worst['rate']:.3g} per 1000"


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
                edgecolor="#333333",
                linewidth=0.6,
                label=label,
            )
        left = [a + b for a, b in zip(left, widths, strict=True)]
    ax.set_yticks(range(len(modes)), modes)
    ax.set_ylim(len(modes) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)


def cost(frame: DataFrame) -> str:
    """Say where full virtualization costs least and most."""
    template = "{mode}: {low} in {best}, {high} in {worst}"
    return extremes(measured(frame), "slowdown", template, "{:.2f}×")


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
        best=best["workload"],
        worst=worst["workload"],
        low=number.format(best[column]),
        high=number.format(worst[column]),
    )
