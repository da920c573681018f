"""Findings as sentences, and the alternative text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlab.figures.panels import measured

if TYPE_CHECKING:
    from pandas import DataFrame

    from vlab.figures.drawing import Drawing


def sentence(finding: str) -> str:
    """Return a finding with a capital letter."""
    return finding[:1].upper() + finding[1:]


def described(figure: Drawing, frame: DataFrame, findings: list[str]) -> Drawing:
    """Give the figure its alternative text: the findings, then the numbers."""
    rows = measured(frame).dropna(subset=["slowdown"])
    numbers = "; ".join(
        f"{name}: " + ", ".join(f"{r.mode} {r.slowdown:.2f}" for r in group.itertuples())
        for name, group in rows.groupby("workload", sort=False)
    )
    words = ". ".join(sentence(finding) for finding in findings if finding)
    figure.alt = f"{words}. Modelled cycles relative to native: {numbers}."
    return figure
