"""The figures that a comparison can draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.lines import Line2D

from vlab.counters import EXIT_REASONS
from vlab.errors import ParameterError, unknown
from vlab.figures import panels
from vlab.figures.drawing import Drawing
from vlab.figures.style import CATEGORY_STYLE, RC, REASON_COLOURS, REASON_HATCHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

ROW = 0.5
"""Inches of height that a workload takes."""

UNDER: dict[str, Any] = {"loc": "outside lower center", "ncols": 5}
"""Place of a legend: under everything."""


def draw(kind: str, frame: DataFrame, exits: DataFrame) -> Drawing:
    """Return the figure of that kind.

    Parameters
    ----------
    frame, exits
        ``Comparison.to_frame()`` and ``Comparison.exits_frame()``.
    """
    if kind not in KINDS:
        raise ParameterError(unknown("kind of figure", kind, KINDS))
    with rc_context(RC):
        return KINDS[kind](frame, exits)


def overview(frame: DataFrame, exits: DataFrame) -> Drawing:
    """Slowdown, exits and page walks by workload; below, where the cycles go."""
    tall = _rows(frame, 0.6)
    figure = Drawing(figsize=(20, tall + 5.6), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(tall, 3.2))
    first = figure.add_subplot(grid[0, 0])
    top = [first, *(figure.add_subplot(grid[0, i], sharey=first) for i in (1, 2))]
    bottom, legends = figure.add_subplot(grid[1, :2]), figure.add_subplot(grid[1, 2])
    findings = []
    for ax, panel in zip(
        (*top, bottom),
        (panels.slowdown, panels.exits, panels.translation, panels.shares),
        strict=True,
    ):
        findings.append(panel(ax, frame))
        ax.set_title(_sentence(findings[-1]))
    for ax in top[1:]:
        ax.tick_params(labelleft=False)
    legends.set_axis_off()
    modes = legends.legend(*_mode_legend(first, frame), loc="upper left", ncols=2)
    legends.add_artist(modes)
    legends.legend(*bottom.get_legend_handles_labels(), loc="lower left", ncols=2)
    figure.suptitle(f"The same guest operating system in {len(panels.modes_of(frame))} modes")
    return _described(figure, frame, findings)


def cycles(frame: DataFrame, exits: DataFrame) -> Drawing:
    """Cycles by category relative to native, a panel a workload."""
    runs = panels.measured(frame)
    workloads = list(dict.fromkeys(runs["workload"]))
    modes = panels.modes_of(runs)
    columns = min(3, len(workloads))
    rows = -(-len(workloads) // columns)
    figure = Drawing(figsize=(6.4 * columns, 2.6 * rows + 1.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for ax in grid.flat[len(workloads) :]:
        ax.set_visible(False)
    for ax, name in zip(grid.flat, workloads, strict=False):
        _relative_stack(ax, runs[runs["workload"] == name].set_index("mode"), modes)
        ax.set_title(name)
    labels: dict[str, Any] = {}
    for ax in grid.flat:
        handles, names = ax.get_legend_handles_labels()
        labels.update(zip(names, handles, strict=True))
    order = [label for label, _, _ in CATEGORY_STYLE.values() if label in labels]
    figure.legend([labels[n] for n in order], order, loc="outside lower center", ncols=4)
    finding = panels.cost(frame)
    figure.suptitle(f"Modelled cycles, native = 1. {_sentence(finding)}")
    return _described(figure, frame, [finding])


def _relative_stack(ax: Axes, runs: DataFrame, modes: list[str]) -> None:
    """Stack one workload's modes; a bar beyond twice the third-largest is cut and labelled."""
    present = [mode for mode in modes if mode in runs.index]
    base = runs.loc["native", "cycles"] if "native" in runs.index else runs["cycles"].max()
    table = runs[[f"cycles_{name}" for name in CATEGORY_STYLE]] / base
    panels.stack(ax, table, present)
    totals = table.sum(axis=1)
    direct = [totals[mode] for mode in present if mode != "emulate"] or list(totals)
    limit = 1.3 * max(direct)
    ax.set_xlim(0, limit)
    for row, mode in enumerate(present):
        cut = totals[mode] > limit
        text = f"{totals[mode]:.2f}×" + (" →" if cut else "")
        ax.annotate(
            text,
            (min(totals[mode], limit), row),
            xytext=(-6 if cut else 6, 0),
            textcoords="offset points",
            ha="right" if cut else "left",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
        )


def exit_reasons(frame: DataFrame, exits: DataFrame) -> Drawing:
    """Why the guest was left: shares by reason, with the number of exits."""
    runs = exits[exits["of"].isna()]
    modes = [mode for mode in ("fullvirt", "paravirt") if mode in set(runs["mode"])]
    reasons = [name for name in runs.columns if name not in ("workload", "mode", "of")]
    reasons.sort(key=lambda name: -runs[name].sum())
    figure = Drawing(
        figsize=(8.5 * max(1, len(modes)) + 1, _rows(frame, 3.2)), layout="constrained"
    )
    findings = []
    axes = figure.subplots(1, max(1, len(modes)), squeeze=False, sharey=True)[0]
    for ax, mode in zip(axes, modes, strict=False):
        table = runs[runs["mode"] == mode].set_index("workload")[reasons].fillna(0)
        total = table.sum(axis=1)
        left = total * 0
        for i, reason in enumerate(reasons):
            share = (100 * table[reason] / total.where(total > 0)).fillna(0)
            ax.barh(
                range(len(table)),
                share,
                left=left,
                color=REASON_COLOURS[i % len(REASON_COLOURS)],
                hatch=REASON_HATCHES[(i + i // len(REASON_COLOURS)) % len(REASON_HATCHES)],
                edgecolor="#333333",
                linewidth=0.6,
                label=EXIT_NAMES.get(reason, reason),
            )
            left = left + share
        for row, n in enumerate(total):
            ax.text(101.5, row, f"{n:,.0f}", va="center")
        ax.set_yticks(range(len(table)), table.index)
        ax.set_ylim(len(table) - 0.5, -0.5)
        ax.set_xlim(0, 100)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("share of exits (%), and their number")
        top = table.sum().idxmax() if len(reasons) else ""
        findings.append(f"{mode}: most exits by {EXIT_NAMES.get(str(top), str(top))}")
        ax.set_title(findings[-1])
    if reasons and modes:
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=5)
    return _described(figure, frame, findings)


EXIT_NAMES = {name: name.replace("_", " ") for name in EXIT_REASONS} | {
    "csr": "CSR access",
    "xret": "trap return",
    "wfi": "wait (wfi)",
    "fence": "sfence.vma",
    "syscall": "system call",
    "sbi": "firmware call",
    "pt_write": "page-table write",
    "mmio": "device access",
}


def translation(frame: DataFrame, exits: DataFrame) -> Drawing:
    """Page-table entries read, by workload and mode."""
    return _single(frame, panels.translation)


def throughput(frame: DataFrame, exits: DataFrame) -> Drawing:
    """Modelled throughput, and what the host measured: two axes, never mixed."""
    figure = Drawing(figsize=(19, _rows(frame, 3.2)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    modes = panels.modes_of(frame)
    scale = panels.dots(left, panels.measured(frame), "throughput", modes)
    left.set_xlabel(f"modelled: guest work per cycle (native = 1, {scale})")
    left.set_title("In the model's cycles")
    speed = frame.assign(speed=frame["instructions_total"] / frame["wall_s"] / 1e6)
    scale = panels.dots(right, panels.measured(speed), "speed", modes)
    right.set_xlabel(f"measured: million guest instructions per second ({scale})")
    right.set_title("On this computer's clock, boot included")
    figure.legend(*_mode_legend(left, panels.measured(frame)), **UNDER)
    finding = panels.extremes(
        panels.measured(frame),
        "throughput",
        "{mode} keeps {high} of native throughput in {worst}, {low} in {best}",
        "{:.1%}",
    )
    figure.suptitle(_sentence(finding))
    return _described(figure, frame, [finding])


def _single(frame: DataFrame, panel: Callable[[Axes, DataFrame], str]) -> Drawing:
    figure = Drawing(figsize=(12, _rows(frame, 3.2)), layout="constrained")
    ax = figure.subplots()
    finding = panel(ax, frame)
    ax.set_title(_sentence(finding))
    figure.legend(*_mode_legend(ax, frame), **UNDER)
    return _described(figure, frame, [finding])


def _rows(frame: DataFrame, extra: float) -> float:
    return ROW * frame["workload"].nunique() + extra


def _mode_legend(drawn: Axes, frame: DataFrame) -> tuple[list[Any], list[str]]:
    """Return what the markers on axes are, the hollow ones included."""
    handles, names = drawn.get_legend_handles_labels()
    if frame["of"].notna().any():
        hollow = {"markersize": 16, "markerfacecolor": "none", "markeredgecolor": "#000000"}
        handles.append(Line2D([], [], marker="o", linestyle="none", **hollow))
        names.append("hollow: predicted by simulate")
    return handles, names


def _sentence(finding: str) -> str:
    return finding[:1].upper() + finding[1:]


def _described(figure: Drawing, frame: DataFrame, findings: list[str]) -> Drawing:
    """Give the figure its alternative text: the findings, then the numbers."""
    rows = panels.measured(frame).dropna(subset=["slowdown"])
    numbers = "; ".join(
        f"{name}: " + ", ".join(f"{r.mode} {r.slowdown:.2f}" for r in group.itertuples())
        for name, group in rows.groupby("workload", sort=False)
    )
    words = ". ".join(_sentence(finding) for finding in findings if finding)
    figure.alt = f"{words}. Modelled cycles relative to native: {numbers}."
    return figure


KINDS: dict[str, Callable[[DataFrame, DataFrame], Drawing]] = {
    "overview": overview,
    "cycles": cycles,
    "exits": exit_reasons,
    "translation": translation,
    "throughput": throughput,
}
"""Figures by kind."""
