"""Write the measured parts of the pages for teachers: figures' data, and what the checks say.

    python course/pages.py [--measure] [NN_slug ...]

Between ``<!-- figure -->`` and ``<!-- end -->`` goes the data that the source notebook's figure
shows; between ``<!-- bug NAME -->`` and ``<!-- end -->`` what a check says about a mutant. With
``--measure``, ``<!-- measured -->`` gets what depends on the computer: the seconds that each check
takes, besides the points that each mutant loses.
"""

from __future__ import annotations

import ast
import difflib
import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

from bench import (
    checks_of,
    figure_source,
    grade,
    mutants_of,
    run_cells,
    run_checks,
    slugs,
    solution_cells,
)

PAGES = Path(__file__).parent / "instructor"


BLOCK = re.compile(r"(<!-- (figure|measured|bug \w+) -->\n).*?(<!-- end -->)", re.DOTALL)


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
        title = title.replace("\n", " ")
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


def definitions(code: str) -> dict[str, list[str]]:
    """Return the lines of each function, class and constant of a program, by its name."""
    found = {}
    for node in ast.parse(code).body:
        names = [target.id for target in getattr(node, "targets", ()) if hasattr(target, "id")]
        for name in [*names, getattr(node, "name", None)]:
            if name is not None:
                found[name] = code.splitlines()[node.lineno - 1 : node.end_lineno]
    return found


def planted_lines(slug: str, code: str) -> str:
    """Return the lines by which a mutant differs from the solution, as a difference."""
    right, wrong = definitions("\n".join(solution_cells(slug))), definitions(code)
    lines = []
    for name, text in wrong.items():
        difference = difflib.unified_diff(right.get(name, []), text, lineterm="", n=0)
        lines += [line for line in list(difference)[2:] if not line.startswith("@@")]
    return "\n".join(lines)


def bug_text(slug: str, name: str) -> str:
    """Return a mutant's description, what the check that must see it says, and the bug itself."""
    planted = mutants_of(slug)[name]
    verdict = grade(slug, [*solution_cells(slug), planted.code])
    failed = verdict[planted.check]
    lost = sum(one.points for one in verdict.values() if one.error is not None)
    return (
        f"*{planted.text}* (`{name}`, loses {lost} of 90 points). "
        f"The check “{planted.check}” says:\n\n```\n{failed.error}\n```\n\n"
        f"What was planted there:\n\n```diff\n{planted_lines(slug, planted.code)}\n```\n"
    )


def measured(slug: str) -> str:
    """Return tables of the seconds of each check, and of the points that each mutant loses."""
    solution, checks = run_cells(solution_cells(slug)), checks_of(slug)
    run_checks(checks, solution)
    text = ["| check | seconds, warm |", "|---|---|"]
    for name, one in run_checks(checks, solution).items():
        hidden = ", hidden" if one.hidden else ""
        text.append(f"| {name}{hidden} | {one.seconds:.2f} |")
    text += ["", "| mutant | seen by | loses, of 90 |", "|---|---|---|"]
    for name, mutant in mutants_of(slug).items():
        verdict = grade(slug, [*solution_cells(slug), mutant.code])
        lost = sum(one.points for one in verdict.values() if one.error is not None)
        text.append(f"| {mutant.text} (`{name}`) | {mutant.check} | {lost} |")
    return "\n".join([*text, ""])


def page(slug: str, measure: bool = False) -> str:
    """Return the page of a lab as it should be; what was measured stays unless told."""
    text = (PAGES / f"{slug}.md").read_text("utf-8")

    def fill(match: re.Match[str]) -> str:
        kind = match[2]
        if kind == "measured":
            return f"{match[1]}{measured(slug)}\n{match[3]}" if measure else match[0]
        content = figure_table(slug) if kind == "figure" else bug_text(slug, kind.split()[1])
        return f"{match[1]}{content}\n{match[3]}"

    return BLOCK.sub(fill, text)


if __name__ == "__main__":
    words = sys.argv[1:]
    for slug in [word for word in words if word != "--measure"] or slugs():
        (PAGES / f"{slug}.md").write_text(page(slug, "--measure" in words), "utf-8")
        print(slug)
