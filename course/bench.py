"""The labs of this directory, for tests and pages: solutions, checks and mutants, run in-process.

Submissions are never run like this: `vlab grade` gives each a process of its own.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vlab.grading.checks import Check, load_checks
from vlab.grading.files import find_lab
from vlab.grading.making import solved
from vlab.grading.trying import Mutant, mutants, work

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Verdict:
    """What one check said: `error` is None if it passed."""

    points: int
    hidden: bool
    error: Exception | None
    seconds: float


def slugs() -> list[str]:
    """Return the labs, in order."""
    return sorted(path.name for path in (HERE / "source").iterdir() if path.is_dir())


def notebook(slug: str) -> list[dict[str, Any]]:
    """Return the cells of a source notebook."""
    text = (HERE / "source" / slug / f"{slug}.ipynb").read_text("utf-8")
    return json.loads(text)["cells"]


def tags(cell: dict[str, Any]) -> dict[str, Any]:
    """Return nbgrader's metadata of a cell."""
    return cell["metadata"].get("nbgrader", {})


def source(cell: dict[str, Any]) -> str:
    """Return the text of a cell."""
    return "".join(cell["source"]) + "\n"


def solution_cells(slug: str) -> list[str]:
    """Return the cells in which students write, with the solution in them."""
    return work(find_lab(slug, HERE), with_solution=True)


def release_cells(slug: str) -> list[str]:
    """Return the students' cells as they are handed out."""
    return work(find_lab(slug, HERE), with_solution=False)


def figure_source(slug: str) -> str:
    """Return a program that draws the figure which answers the open question."""
    cells = [c for c in notebook(slug) if c["cell_type"] == "code" and not tags(c).get("locked")]
    texts = [solved(source(cell)) for cell in cells]
    return "\n\n".join(text for text in texts if "import Lab" not in text)


def mutants_of(slug: str) -> dict[str, Mutant]:
    """Return the mutants of a lab by name."""
    return {mutant.name: mutant for mutant in mutants(slug, HERE)}


def run_cells(cells: list[str]) -> SimpleNamespace:
    """Run cells as a notebook does: one that fails does not keep the next from running."""
    names: dict[str, Any] = {}
    for cell in cells:
        with suppress(NotImplementedError):
            exec(compile(cell, "solution", "exec"), names)
    return SimpleNamespace(**names)


def checks_of(slug: str) -> list[Check]:
    """Return the checks of a lab."""
    return load_checks(HERE / "checks" / f"{slug}.py")


def grade(slug: str, cells: list[str]) -> dict[str, Verdict]:
    """Run all checks of a lab on what cells define."""
    return run_checks(checks_of(slug), run_cells(cells))


def run_checks(checks: list[Check], solution: SimpleNamespace) -> dict[str, Verdict]:
    """Run checks on what a solution has defined."""
    verdicts = {}
    for check in checks:
        begin, error = time.perf_counter(), None
        try:
            check.run(solution)
        except Exception as caught:
            error = caught
        seconds = time.perf_counter() - begin
        verdicts[check.name] = Verdict(check.points, check.hidden, error, seconds)
    return verdicts
