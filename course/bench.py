"""The labs of this directory, for tests and pages: solutions, checks and mutants, run in-process.

Submissions are never run like this: `vlab grade` gives each a process of its own.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vlab.grading import Check, load_checks

HERE = Path(__file__).parent
MARK = re.compile(r"^\s*### (BEGIN|END) SOLUTION\n", re.MULTILINE)
REGION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION\n?", re.MULTILINE | re.DOTALL)
STUB = r"\1# YOUR CODE HERE\n\1raise NotImplementedError()\n"
HEADER = re.compile(r'"""(.*?)\n\ncheck: ([^\n]*)\nwhere: ([^\n]*)\n"""\n(.*)', re.DOTALL)


@dataclass(frozen=True)
class Mutant:
    """A wrong solution.

    Attributes
    ----------
    check, where
        The check that must see it, and the place that the feedback must name.
    code
        Runs after the right solution and replaces a part of it.
    """

    name: str
    text: str
    check: str
    where: str
    code: str


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
    cells = [cell for cell in notebook(slug) if tags(cell).get("solution")]
    return [source(cell) for cell in cells if not tags(cell)["grade"]]


def solution_source(slug: str) -> str:
    """Return the solution as a program."""
    return "\n\n".join(MARK.sub("", cell) for cell in solution_cells(slug))


def release_cells(slug: str) -> list[str]:
    """Return the students' cells as they are handed out."""
    return [REGION.sub(STUB, cell) for cell in solution_cells(slug)]


def figure_source(slug: str) -> str:
    """Return a program that draws the figure which answers the open question."""
    cells = [c for c in notebook(slug) if c["cell_type"] == "code" and not tags(c).get("locked")]
    texts = [MARK.sub("", source(cell)) for cell in cells]
    return "\n\n".join(text for text in texts if "import Lab" not in text)


def mutant(slug: str, name: str) -> Mutant:
    """Return a mutant by its name."""
    found = HEADER.fullmatch((HERE / "mutants" / slug / f"{name}.py").read_text("utf-8"))
    assert found is not None, f"{slug}/{name}.py has no header with check and where"
    return Mutant(name, *found.groups())


def mutant_files(slug: str) -> list[Path]:
    """Return the files of a lab's mutants."""
    return sorted((HERE / "mutants" / slug).glob("*.py"))


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


def grade(slug: str, cells: str | list[str]) -> dict[str, Verdict]:
    """Run all checks of a lab on a solution."""
    return run_checks(checks_of(slug), run_cells([cells] if isinstance(cells, str) else cells))


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
