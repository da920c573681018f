"""Interpreting against translating: what an instruction of the guest costs an emulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vlab.costs import Costs, preset
from vlab.errors import ParameterError
from vlab.figures.drawing import Drawing, Recipe
from vlab.figures.fitting import below
from vlab.figures.origin import of_runs
from vlab.figures.panels import decades, short
from vlab.figures.style import Look, ink, look, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

STYLES = {"interpreter": ("s", "#E69F00"), "dbt": ("P", "#CC79A7")}
"""Marker and colour of each technique."""

NAMES = {"interpreter": "interpreter", "dbt": "dynamic binary translation"}


def technique_frame(runs: Sequence[Any], costs: str | Costs = "teaching") -> DataFrame:
    """Return one row a run of `emulate`, boot included: what a guest instruction cost.

    ``cycles`` are those of the emulator's program, per guest instruction; ``translating`` is the
    part that translating is. ``executions`` says how often each translated instruction was
    executed, on average.
    """
    from pandas import DataFrame

    table, rows = preset(costs), []
    for run in runs:
        c, by = run.counters_total, run.cycles_total.by_category
        work = by["guest_user"] + by["guest_kernel"] + by["emulation"]
        translating = c.instructions_translated * table["dbt_translation"]
        rows.append(
            {
                "workload": run.workload,
                "technique": run.emulation,
                "cycles": work / c.retired,
                "translating": translating / c.retired,
                "executions": c.retired / c.instructions_translated
                if c.instructions_translated
                else None,
            }
        )
    return DataFrame(rows)


def techniques(
    runs: Sequence[Any],
    *,
    costs: str | Costs = "teaching",
    size: str = "screen",
    theme: str = "light",
) -> Drawing:
    """Return what an instruction costs by each technique, and where translating pays back.

    Parameters
    ----------
    runs
        Of `emulate`, the same workloads by both techniques.
    costs
        The table that they were priced with.
    """
    frame = technique_frame(runs, costs)
    pairs = frame.pivot_table("cycles", "workload", "technique", sort=False)
    if set(pairs.columns) != set(STYLES) or pairs.isna().to_numpy().any():
        raise ParameterError("techniques: runs of the same workloads by interpreter and by dbt")
    recipe = Recipe("techniques", lambda wanted: _draw(frame, wanted), of_runs(runs))
    return recipe.draw(look(size, theme))


def break_even(frame: DataFrame) -> tuple[float, float, float, float]:
    """Return how often a translated instruction must be executed to pay for its translation.

    Also, as means over the workloads: the cycles of an interpreted instruction, of a translated
    one when it is translated already, and of translating one.
    """
    made = frame[frame["technique"] == "dbt"]
    one = float((made["translating"] * made["executions"]).mean())
    ready = float((made["cycles"] - made["translating"]).mean())
    interpreted = float(frame[frame["technique"] == "interpreter"]["cycles"].mean())
    return one / max(1e-9, interpreted - ready), interpreted, ready, one


def _draw(frame: DataFrame, wanted: Look) -> Drawing:
    workloads = list(dict.fromkeys(frame["workload"]))
    figure = wanted.figure(92, max(34, 2.1 * len(workloads) + 14))
    left, right = figure.subplots(1, 2)
    _by_workload(left, frame, workloads)
    even, interpreted, ready, one = break_even(frame)
    _by_executions(right, frame, even, interpreted, ready, one)
    below(figure, *left.get_legend_handles_labels())
    pivot = frame.pivot_table("cycles", "workload", "technique", sort=False)
    wins = int((pivot["dbt"] < pivot["interpreter"]).sum())
    finding = f"Translation pays for itself after some {even:.0f} executions"
    figure.suptitle(f"{finding}: in {wins} of {len(workloads)} workloads, boot included")
    numbers = "; ".join(
        f"{name}: interpreter {row['interpreter']:.1f}, dbt {row['dbt']:.1f}"
        for name, row in pivot.iterrows()
    )
    figure.alt = (
        f"{finding}. Cycles per guest instruction when translated already: {ready:.1f}, "
        f"interpreted: {interpreted:.1f}; translating one: {one:.0f}. With translation, by "
        f"workload: {numbers}."
    )
    return figure


def _by_workload(ax: Axes, frame: DataFrame, workloads: list[str]) -> None:
    for technique, (marker, colour) in STYLES.items():
        rows = frame[frame["technique"] == technique]
        ax.scatter(
            rows["cycles"],
            [workloads.index(name) for name in rows["workload"]],
            s=points(0.7) ** 2,
            marker=marker,
            color=colour,
            label=NAMES[technique],
            zorder=3,
            clip_on=False,
        )
    ax.set_yticks(range(len(workloads)), workloads)
    ax.set_ylim(len(workloads) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    for row in range(0, len(workloads), 2):
        ax.axhspan(row - 0.5, row + 0.5, color=ink(), alpha=0.05, linewidth=0, zorder=0)
    ax.set_xlim(0, 1.08 * frame["cycles"].max())
    ax.xaxis.get_major_locator().set_params(nbins=5)
    ax.set_xlabel("cycles of the emulator per guest instruction")
    ax.set_title("What an instruction costs")


def _by_executions(
    ax: Axes, frame: DataFrame, even: float, interpreted: float, ready: float, one: float
) -> None:
    made = frame[frame["technique"] == "dbt"]
    low, high = 0.7 * min(even, made["executions"].min()), 1.5 * made["executions"].max()
    steps = [low * (high / low) ** (n / 60) for n in range(61)]
    for technique, curve in (
        ("interpreter", [interpreted for _ in steps]),
        ("dbt", [ready + one / x for x in steps]),
    ):
        ax.plot(steps, curve, color=STYLES[technique][1], linewidth=points(0.14))
    marker, colour = STYLES["dbt"]
    ax.scatter(
        made["executions"],
        made["cycles"],
        s=points(0.7) ** 2,
        marker=marker,
        color=colour,
        zorder=3,
    )
    ax.axvline(even, color=ink(), linestyle=":", linewidth=points(0.1))
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ticks = decades(low, high)
    ax.set_xticks(ticks, [short(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_ylim(0, 1.1 * max(made["cycles"].max(), ready + one / low))
    ax.yaxis.get_major_locator().set_params(nbins=5)
    ax.set_xlabel("executions of each translated instruction (log scale)")
    ax.set_ylabel("cycles per guest instruction")
    ax.set_title("Where translating pays back")
