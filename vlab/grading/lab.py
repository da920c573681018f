"""A lab in the student's own notebook: `lab.check()`."""

from __future__ import annotations

import sys
from linecache import getline
from pathlib import Path
from textwrap import fill
from traceback import walk_tb
from types import FrameType
from typing import Any

from vlab.errors import MachineError
from vlab.grading.checks import Check, load_checks
from vlab.grading.imports import foreign

TOTAL = 100
"""Points of a lab: all checks and what is graded by hand."""


WIDTH, INDENT = 100, 8 * " "


class ChecksFailed(AssertionError):
    """Checks have failed; the message has each one's, a line each."""

    def _render_traceback_(self) -> list[str]:
        """Show what notebooks show: no frames of ours, for the messages are printed already."""
        return [f"{type(self).__name__}: read what is printed above"]


class Solution:
    """What a notebook has defined, as attributes; always as it is now.

    Attributes
    ----------
    asked : set of str
        Names that were looked up.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.asked.add(name)
        try:
            return self._names[name]
        except KeyError:
            raise AttributeError(f"{name} is not defined: run the cell that defines it") from None


class Lab:
    """The checks of a lab, run on what the notebook has defined.

    Parameters
    ----------
    slug
        The lab's name, as ``"01_csr"``.
    names
        Where the solution is; the notebook's own names unless told.
    checks
        The file of checks; looked for unless told.
    """

    def __init__(
        self, slug: str, names: dict[str, Any] | None = None, checks: str | Path | None = None
    ) -> None:
        self.slug = slug
        self.solution = Solution(sys._getframe(1).f_globals if names is None else names)
        self.checks = load_checks(checks or find(slug))

    def check(self, name: str = "") -> None:
        """Run the checks whose names begin so (all visible ones unless told) and print the score.

        A failed check says what was expected, what was seen and where to look.

        Raises
        ------
        ChecksFailed
            If one of them failed.
        """
        chosen = [c for c in self.checks if c.name.startswith(name) and (name or not c.hidden)]
        if not chosen:
            known = ", ".join(c.name for c in self.checks if not c.hidden)
            raise MachineError(f"there is no check {name!r}; choose from {known}")
        failed, score = [], 0
        for check in chosen:
            message = self.run(check)
            print(f"{'FAILED' if message else 'passed'}  {check.name} ({check.points} points)")
            if message:
                failed.append(f"{check.name}: {message}")
                print(fill(message, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT,
                           break_long_words=False, break_on_hyphens=False))  # fmt: skip
            else:
                score += check.points
        self.warn()
        asked = sum(check.points for check in chosen)
        print(f"{score} of the {asked} points of these checks; others are hidden, or given by hand")
        print(f"Score: {score}/{TOTAL}")
        if failed:
            raise ChecksFailed("\n".join(failed))

    def warn(self) -> None:
        """Say what the solution uses that is not there when it is graded."""
        names = self.solution._names
        for name in sorted(self.solution.asked & names.keys()):
            for package in sorted(foreign(names[name], names)):
                print(f"note: {name} uses {package}, which is not there when your work is graded")

    def run(self, check: Check) -> str:
        """Run one check and return why it failed, nothing if it passed."""
        try:
            check.run(self.solution)
        except Exception as error:
            if hasattr(error, "where"):
                return str(error)
            return f"{self.described(error)}; look at {check.where}"
        return ""

    def described(self, error: Exception) -> str:
        """Return an error as text, with the student's line that it comes from."""
        frames = [one for one in walk_tb(error.__traceback__) if self.is_students(one[0])]
        if not frames:
            return f"{type(error).__name__}: {error}"
        frame, number = frames[-1]
        code = frame.f_code
        if isinstance(error, NotImplementedError):
            return f"{code.co_name} is not written yet (NotImplementedError)"
        line = getline(code.co_filename, number).strip()
        place = f"line {number} of {code.co_name}'s cell" + (f": {line}" if line else "")
        return f"{type(error).__name__}: {error} ({place})"

    def is_students(self, frame: FrameType) -> bool:
        """Return whether code of the notebook runs there."""
        return frame.f_globals is self.solution._names


def find(slug: str) -> Path:
    """Return the checks file of a lab: above the working directory, or in its ``course``."""
    here = Path.cwd()
    for parent in (here, *here.parents):
        for path in (parent / "checks" / f"{slug}.py", parent / "course/checks" / f"{slug}.py"):
            if path.is_file():
                return path
    raise MachineError(f"no checks of lab {slug!r} above {here}: start from the course's directory")
