"""The comparison as a table, for terminals and notebooks."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlab.experiments.comparison import Comparison
    from vlab.experiments.result import Result

HEADINGS = (
    "workload",
    "mode",
    "instructions",
    "traps",
    "exits",
    "walk refs",
    "cycles",
    "x native",
    "predicted cycles",
    "exits",
    "wall s",
)


def text_table(comparison: Comparison) -> str:
    """Return aligned text, one line a run, a blank line between workloads."""
    rows = [HEADINGS, *_rows(comparison)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    lines: list[str] = []
    for row in rows:
        if len(lines) > 1 and row[0]:
            lines.append("")
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
        if row is HEADINGS:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines)


def html_table(comparison: Comparison) -> str:
    """Return the same table for a notebook."""
    head = "".join(f"<th>{escape(name)}</th>" for name in HEADINGS)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td style='text-align:{'left' if i < 2 else 'right'}'>{escape(cell)}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in _rows(comparison)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _rows(comparison: Comparison) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    previous = None
    for run in comparison.measured or comparison.runs:
        prediction = comparison.find(run.workload, "simulate", run.technique)
        rows.append(
            (
                run.workload if run.workload != previous else "",
                run.technique + _ending(run),
                f"{run.guest_instructions:,}",
                f"{run.counters.traps + run.counters.interrupts:,}",
                f"{run.counters.exits:,}",
                f"{run.counters.walk_references:,}",
                f"{run.cycles.total:,}",
                _ratio(run, comparison.find(run.workload, "native")),
                _off(prediction.cycles.total, run.cycles.total) if prediction else "",
                _off(prediction.counters.exits, run.counters.exits) if prediction else "",
                f"{run.wall_s:.2f}",
            )
        )
        previous = run.workload
    return rows


def _ending(run: Result) -> str:
    if run.outcome != "finished":
        return f" ({run.outcome})"
    return f" (exit {run.exit_code})" if run.exit_code else ""


def _ratio(run: Result, native: Result | None) -> str:
    return f"{run.cycles.total / native.cycles.total:.2f}" if native and native.cycles.total else ""


def _off(predicted: int, actual: int) -> str:
    if not actual:
        return "exact" if predicted == actual else f"{predicted:,} for 0"
    return f"{100 * (predicted - actual) / actual:+.1f} %"
