"""Simulators against the fastest engine, program by program."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vlab.errors import ParameterError
from vlab.figures.drawing import Drawing, Recipe
from vlab.figures.fitting import below
from vlab.figures.panels import decades, short
from vlab.figures.style import Look, ink, look, points
from vlab.figures.sweeps import COLOURS, MARKERS

if TYPE_CHECKING:
    from pandas import DataFrame


def speeds(
    frame: DataFrame,
    *,
    origin: dict[str, Any] | None = None,
    size: str = "screen",
    theme: str = "light",
) -> Drawing:
    """Return how many times as long each simulator takes as vlab's translator.

    Parameters
    ----------
    frame
        Columns ``program``, ``simulator``, ``ratio`` (a median), ``low`` and ``high`` (its spread).
    """
    if not len(frame):
        raise ParameterError("speeds: nothing was compared")
    recipe = Recipe("speeds", lambda wanted: _draw(frame, wanted), origin or {})
    return recipe.draw(look(size, theme))


def _draw(frame: DataFrame, wanted: Look) -> Drawing:
    programs = list(dict.fromkeys(frame["program"]))
    figure = wanted.figure(62, 2.6 * len(programs) + 12)
    ax = figure.subplots()
    findings, alt = [], []
    groups = list(frame.groupby("simulator", sort=False))
    for i, (name, rows) in enumerate(groups):
        rise = 0.2 * ((len(groups) - 1) / 2 - i)
        places = [programs.index(program) - rise for program in rows["program"]]
        colour = COLOURS[i % len(COLOURS)]
        ax.hlines(places, rows["low"], rows["high"], color=colour, linewidth=points(0.14))
        ax.scatter(
            rows["ratio"],
            places,
            s=points(0.6) ** 2,
            marker=MARKERS[i % len(MARKERS)],
            color=colour,
            label=str(name),
            zorder=3,
            clip_on=False,
        )
        mean = math.exp(sum(map(math.log, rows["ratio"])) / len(rows))
        findings.append(f"{name} {mean:.2g}×")
        pairs = zip(rows["program"], rows["ratio"], strict=True)
        alt.append(f"{name}: " + ", ".join(f"{program} {ratio:.2f}" for program, ratio in pairs))
    ax.axvline(1, color=ink(), linewidth=points(0.1))
    ax.set_yticks(range(len(programs)), programs)
    ax.set_ylim(len(programs) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    for row in range(0, len(programs), 2):
        ax.axhspan(row - 0.5, row + 0.5, color=ink(), alpha=0.05, linewidth=0, zorder=0)
    low, high = min(0.8, frame["low"].min()), max(1.25, frame["high"].max())
    ax.set_xscale("log")
    ax.set_xlim(low / 1.15, high * 1.15)
    ticks = decades(*ax.get_xlim())
    ax.set_xticks(ticks, [short(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("times as long as vlab's translator takes (log scale; right of 1: vlab is ahead)")
    below(figure, *ax.get_legend_handles_labels())
    finding = f"Time of the same programs, in geometric mean: {', '.join(findings)} vlab's"
    figure.suptitle(finding)
    figure.alt = f"{finding}. Processor time relative to vlab's translator: {'; '.join(alt)}."
    return figure
