"""Write the measured parts of the pages for teachers: figures' data, and what the checks say.

    python course/pages.py [NN_slug ...]

Between ``<!-- figure -->`` and ``<!-- end -->`` goes the data that the source notebook's figure
shows; between ``<!-- bug NAME -->`` and ``<!-- end -->`` what a check says about a mutant.
"""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

from bench import figure_source, grade, mutants_of, run_cells, slugs, solution_cells

PAGES = Path(__file__).parent / "instructor"


BLOCK = re.compile(r"(<!-- (figure|bug \w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def number(value: float) -> str:
    """Return a value of a figure as text."""
    value = float(value)
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"


def figure_table(slug: str) -> str:
    """Draw the figure of the source notebook and return its data as a table."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lab = SimpleNamespace(solution=run_cells(solution_cells(slug)))
    with redirect_stdout(StringIO()):
        exec(compile(figure_source(slug), slug, "exec"), {"lab": lab})
    text = []
    for axes in plt.gcf().axes:
        title, across, up = axes.get_title(), axes.get_xlabel(), axes.get_ylabel()
        lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
        text.append(f"**{title}**\n" if title else f"({up})\n")
        if lines:
            columns = [number(x) for x in lines[0].get_xdata()]
            text.append(f"| {across or up} | {' | '.join(columns)} |")
            text.append("|---" * (len(columns) + 1) + "|")
            for line in lines:
                values = " | ".join(number(y) for y in line.get_ydata())
                text.append(f"| {line.get_label()} ({up}) | {values} |")
        else:
            ticks = [label.get_text() for label in axes.get_xticklabels()]
            text.append(f"| {up} | {' | '.join(ticks)} |")
            text.append("|---" * (len(ticks) + 1) + "|")
            for bars in axes.containers:
                values = " | ".join(number(bar.get_height()) for bar in bars)
                text.append(f"| {bars.get_label()} | {values} |")
        text.append("")
    plt.close("all")
    return "\n".join(text)


def bug_text(slug: str, name: str) -> str:
    """Return a mutant's description and what the check that must see it says."""
    planted = mutants_of(slug)[name]
    verdict = grade(slug, [*solution_cells(slug), planted.code])
    failed = verdict[planted.check]
    lost = sum(one.points for one in verdict.values() if one.error is not None)
    return (
        f"*{planted.text}* (`{name}`, loses {lost} of 90 points). "
        f"The check “{planted.check}” says:\n\n```\n{failed.error}\n```\n"
    )


def page(slug: str) -> str:
    """Return the page of a lab as it should be."""
    text = (PAGES / f"{slug}.md").read_text("utf-8")

    def fill(match: re.Match[str]) -> str:
        kind = match[2]
        content = figure_table(slug) if kind == "figure" else bug_text(slug, kind.split()[1])
        return f"{match[1]}{content}\n{match[3]}"

    return BLOCK.sub(fill, text)


if __name__ == "__main__":
    for slug in sys.argv[1:] or slugs():
        (PAGES / f"{slug}.md").write_text(page(slug), "utf-8")
        print(slug)
