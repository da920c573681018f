"""Trying a lab out: the solution, what is handed out, and wrong solutions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vlab.errors import MachineError
from vlab.grading.checks import load_checks
from vlab.grading.handed import LabFiles
from vlab.grading.making import released, solved
from vlab.grading.notebook import parse
from vlab.grading.verdicts import Grade, grade

HEADER = re.compile(r'"""(.*?)\n\ncheck: ([^\n]*)\nwhere: ([^\n]*)\n"""\n(.*)', re.DOTALL)


@dataclass(frozen=True)
class Mutant:
    """A wrong solution: code that replaces a part of the right one.

    Attributes
    ----------
    check, where
        The check that must see it, and the place that the feedback must name.
    """

    name: str
    text: str
    check: str
    where: str
    code: str


def mutants(slug: str, course: Path) -> list[Mutant]:
    """Return the mutants of a lab."""
    found = []
    for path in sorted((course / "mutants" / slug).glob("*.py")):
        parts = HEADER.fullmatch(path.read_text("utf-8"))
        if parts is None:
            raise MachineError(f"{path}: begins with no docstring that has check: and where:")
        found.append(Mutant(path.stem, *parts.groups()))
    return found


def work(lab: LabFiles, with_solution: bool) -> list[str]:
    """Return the cells in which students write: solved, or as they are handed out."""
    if lab.source is None:
        raise MachineError(f"lab {lab.slug}: has no source notebook")
    edit = solved if with_solution else released
    cells = parse(lab.source.read_text("utf-8"))
    return [edit(c.text) for c in cells if c.tags.get("solution") and not c.tags.get("grade")]


def report(lab: LabFiles, course: Path) -> tuple[list[str], bool]:
    """Return what came of it, a line each, and whether all is as it should be."""
    checks = load_checks(lab.checks)
    solution, empty = (grade(work(lab, kind), checks) for kind in (True, False))
    lines = [
        line(solution.score == solution.most, f"solution: {points(solution)}", failures(solution)),
        line(empty.score == 0, f"release: {points(empty)}", ""),
    ]
    known = mutants(lab.slug, course)
    lines.append(line(len(known) >= 5, f"{len(known)} mutants (at least 5)", ""))
    for mutant in known:
        seen = grade([*work(lab, True), mutant.code], checks)
        caught = [one for one in seen.verdicts if one.name == mutant.check and not one.passed]
        named = bool(caught) and f"look at {mutant.where}" in caught[0].message
        said = caught[0].message if caught else f"not caught by “{mutant.check}”"
        lines.append(line(named, f"mutant {mutant.name}: {points(seen)}", said))
    return lines, not any(one.startswith("WRONG") for one in lines)


def line(good: bool, what: str, more: str) -> str:
    """Return a line of the report."""
    return f"{'ok   ' if good else 'WRONG'}  {what}" + (f"\n         {more}" if more else "")


def points(result: Grade) -> str:
    """Return a score as text."""
    return f"{result.score}/{result.most}"


def failures(result: Grade) -> str:
    """Return what failed."""
    return "; ".join(f"{one.name}: {one.message}" for one in result.verdicts if not one.passed)
