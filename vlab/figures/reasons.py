"""Why the guest was left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rcParams

from vlab.figures.drawing import Drawing
from vlab.figures.fitting import below
from vlab.figures.style import REASON_STYLE, Look, points
from vlab.figures.words import described, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame


def style(reason: str) -> tuple[str, str, str]:
    """Return the label, colour and hatch of a reason."""
    _, colour, hatch = REASON_STYLE.get(reason, REASON_STYLE["other"])
    return REASON_STYLE[reason][0] if reason in REASON_STYLE else reason, colour, hatch


def exit_reasons(frame: DataFrame, exits: DataFrame, wanted: Look) -> Drawing:
    """Why the guest was left: shares by reason, with the number of exits."""
    runs = exits[exits["of"].isna()]
    modes = [mode for mode in ("fullvirt", "paravirt") if mode in set(runs["mode"])]
    reasons = [name for name in runs.columns if name not in ("workload", "mode", "of")]
    reasons.sort(key=lambda name: -runs[name].sum())
    across = max(1, len(modes))
    figure = wanted.figure(42 * across + 8, 2.2 * frame["workload"].nunique() + 15)
    findings = []
    axes = figure.subplots(1, across, squeeze=False, sharey=True)[0]
    for ax, mode in zip(axes, modes, strict=False):
        findings.append(_shares(ax, runs[runs["mode"] == mode].set_index("workload"), reasons))
        findings[-1] = f"{mode}: {findings[-1]}"
        ax.set_title(sentence(findings[-1]))
    for ax in axes[1:]:
        ax.tick_params(labelleft=False)
    if not modes:
        findings.append("nobody is left: there is no monitor")
        axes[0].set_axis_off()
    elif len(modes) == 2:
        figure.suptitle(sentence(_most(runs)))
    below(figure, *_legend(list(axes)))
    return described(figure, frame, findings)


def _most(runs: DataFrame) -> str:
    """Say which mode leaves the guest how often."""
    counted = runs.select_dtypes("number").sum(axis=1).groupby(runs["mode"]).sum()
    full, para = int(counted["fullvirt"]), int(counted["paravirt"])
    return f"the unmodified guest is left {full:,} times, the ported one {para:,} times"


def _shares(ax: Axes, runs: DataFrame, reasons: list[str]) -> str:
    """Stack the shares of each workload's exits; return the most frequent reason."""
    table = runs[reasons].fillna(0)
    total = table.sum(axis=1)
    left = total * 0
    for reason in reasons:
        share = (100 * table[reason] / total.where(total > 0)).fillna(0)
        label, colour, hatch = style(reason)
        if share.any():
            ax.barh(
                range(len(table)),
                share,
                left=left,
                color=colour,
                hatch=hatch,
                edgecolor=rcParams["patch.edgecolor"],
                linewidth=points(0.04),
                label=label,
            )
        left = left + share
    for row, n in enumerate(total):
        ax.annotate(
            f"{n:,.0f}", (100, row), xytext=(points(0.3), 0), textcoords="offset points",
            va="center", annotation_clip=False,
        )  # fmt: skip
    ax.set_yticks(range(len(table)), table.index)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlim(0, 100)
    ax.set_xticks([0, 25, 50, 75, 100])
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("share of exits (%), and their number")
    if not total.sum():
        return "no exits"
    top = str(table.sum().idxmax())
    return f"{100 * table[top].sum() / total.sum():.0f} % of exits by {style(top)[0]}"


def _legend(axes: list[Axes]) -> tuple[list[object], list[str]]:
    """Return each reason once."""
    found: dict[str, object] = {}
    for ax in axes:
        handles, names = ax.get_legend_handles_labels()
        found.update(zip(names, handles, strict=True))
    return list(found.values()), list(found)
