"""Heat maps: a number for each pair of something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib import colormaps
from matplotlib.colors import LogNorm

from vlab.figures import panels
from vlab.figures.drawing import Drawing, Recipe
from vlab.figures.style import Look, look
from vlab.figures.words import described, sentence

if TYPE_CHECKING:
    from pandas import DataFrame

COLOURS = "cividis"
"""Even in lightness, and the same to colour-blind eyes (Nuñez et al. 2018)."""


def heatmap(frame: DataFrame, exits: DataFrame, wanted: Look) -> Drawing:
    """Page-table entries read per thousand instructions: workload × mode."""
    runs = panels.per_thousand(panels.measured(frame), "walk_references")
    modes = panels.modes_of(runs)
    table = runs.pivot(index="workload", columns="mode", values="rate").rename_axis(columns=None)
    table = table.loc[list(dict.fromkeys(runs["workload"])), modes]
    what = "page-table entries read per 1000 instructions"
    walked = runs.groupby("mode")["walk_references"].sum()
    finding = _extreme(table, what)
    if {"native", "fullvirt"} <= set(walked.index) and walked["native"]:
        times = walked["fullvirt"] / walked["native"]
        finding = f"shadow tables are walked {times:.1f} times as much as the guest's own natively"
    figure = _grid(table, wanted, what, "")
    figure.suptitle(sentence(finding))
    return described(figure, frame, [finding])


def sweep_map(
    table: DataFrame, what: str, *, origin: dict[str, Any] | None = None, size: str = "screen",
    theme: str = "light",
) -> Drawing:  # fmt: skip
    """Return the heat map of a table, for example of page walks by workload and TLB size.

    Parameters
    ----------
    table
        One number a row and column; the names of the axes are those of its index and columns.
    what
        What the numbers are, with their unit.
    """

    def make(wanted: Look) -> Drawing:
        figure = _grid(table, wanted, what, str(table.columns.name or ""))
        figure.suptitle(sentence(_extreme(table, what)))
        rows = "; ".join(
            f"{row}: " + ", ".join(f"{column} {value:.3g}" for column, value in cells.items())
            for row, cells in table.iterrows()
        )
        figure.alt = f"{sentence(_extreme(table, what))}. {rows}."
        return figure

    return Recipe("sweep_map", make, origin or {}).draw(look(size, theme))


def _grid(table: DataFrame, wanted: Look, what: str, below: str) -> Drawing:
    figure = wanted.figure(16 + 8 * len(table.columns), 2.2 * len(table) + 11)
    ax = figure.subplots()
    values = table.to_numpy(dtype=float)
    positive = values[values > 0]
    low, high = (positive.min(), positive.max()) if len(positive) else (1, 1)
    norm = LogNorm(low / 1.01, high * 1.01, clip=True)
    ax.imshow(values, cmap=COLOURS, norm=norm, aspect="auto")
    ax.grid(visible=False)
    ax.set_xticks(range(len(table.columns)), [str(name) for name in table.columns])
    ax.set_yticks(range(len(table)), [str(name) for name in table.index])
    ax.tick_params(length=0)
    ax.set_xlabel(f"{below}; in the cells: {what}" if below else f"in the cells: {what}")
    if table.index.name and table.index.name != "workload":
        ax.set_ylabel(str(table.index.name))
    for (row, column), value in _cells(values):
        shade = colormaps[COLOURS](norm(value if value > 0 else low))
        dark = 0.3 * shade[0] + 0.6 * shade[1] + 0.1 * shade[2] < 0.5
        ink = "#FFFFFF" if dark else "#000000"
        ax.text(column, row, number(value), ha="center", va="center", color=ink)
    return figure


def _cells(values: Any) -> Any:
    return (((r, c), v) for r, row in enumerate(values) for c, v in enumerate(row) if v == v)


def number(value: float) -> str:
    """Return a number as a cell has it: three digits."""
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _extreme(table: DataFrame, what: str) -> str:
    """Say where the map is highest, and how it differs there along the row."""
    values = table.stack()
    row, column = values.idxmax()
    least = table.loc[row].min()
    where = f"{row}, {column} {table.columns.name or ''}".strip()
    return f"{what}: most in {where} ({number(values.max())}; least there {number(least)})"
