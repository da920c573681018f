"""Grading one submission: every check against the process in which it runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vlab.grading.checks import Check
from vlab.grading.remote import RemoteSolution, Submission, SubmissionDied, SubmissionError

TOTAL_S = 120
"""Seconds for a whole submission."""

DEATHS = 4
"""Times that a submission's process is started anew after it had to be ended."""


@dataclass
class Verdict:
    """What one check found.

    Attributes
    ----------
    message
        Why it failed: what was expected, what was seen, where to look. Empty if it passed.
    """

    name: str
    points: int
    hidden: bool
    passed: bool
    message: str
    where: str
    seconds: float


@dataclass
class Grade:
    """The verdicts on a submission.

    Attributes
    ----------
    reason
        Why it could not be graded at all, empty if it was.
    errors
        What its cells raised when they were run.
    confined
        Why its process was not confined, empty if it was.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    reason: str = ""
    errors: list[str] = field(default_factory=list)
    printed: str = ""
    confined: str = ""
    seconds: float = 0.0

    @property
    def score(self) -> int:
        """Points of the checks that passed."""
        return sum(one.points for one in self.verdicts if one.passed)

    @property
    def most(self) -> int:
        """Points that could be had."""
        return sum(one.points for one in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {**asdict(self), "score": self.score, "most": self.most}


class Grading:
    """One submission being graded: its process, started anew if it had to be ended."""

    def __init__(self, cells: Sequence[str]) -> None:
        self.cells = cells
        self.until = time.monotonic() + TOTAL_S
        self.result = Grade()
        self.submission: Submission | None = None
        self.starts = 0

    def solution(self) -> RemoteSolution:
        """Return what the submission defines, in a process that lives."""
        if self.submission is None:
            if self.result.reason:
                raise SubmissionDied(self.result.reason)
            if self.starts > DEATHS:
                raise SubmissionDied("not run: the submission had to be ended too often")
            self.starts += 1
            try:
                self.submission = Submission(self.cells, self.until)
            except SubmissionDied as error:
                self.result.reason = str(error)
                raise
            self.result.errors = self.submission.errors
            self.result.confined = self.submission.freedom
        return RemoteSolution(self.submission)

    def run(self, check: Check) -> None:
        """Run one check and note its verdict."""
        begin, message = time.monotonic(), ""
        try:
            if begin > self.until:
                raise SubmissionDied(f"not run: {TOTAL_S} seconds were used up before")
            check.run(self.solution())
        except SubmissionError as error:
            message = f"{error}; look at {check.where}"
        except Exception as error:
            message = str(error) if hasattr(error, "where") else said(error, check)
        self.end_if_dead()
        passed, seconds = not message, round(time.monotonic() - begin, 2)
        self.result.verdicts.append(
            Verdict(check.name, check.points, check.hidden, passed, message, check.where, seconds)
        )

    def end_if_dead(self, always: bool = False) -> None:
        """Remove a process that has ended."""
        if self.submission is not None and (always or self.submission.process.poll() is not None):
            self.result.printed = self.submission.output()
            self.submission.remove()
            self.submission = None


def grade(cells: Sequence[str], checks: Sequence[Check]) -> Grade:
    """Run checks on what cells define, in a process that is confined as the platform allows."""
    begin, grading = time.monotonic(), Grading(cells)
    try:
        for check in checks:
            grading.run(check)
    finally:
        grading.end_if_dead(always=True)
    grading.result.seconds = round(time.monotonic() - begin, 2)
    return grading.result


def said(error: Exception, check: Check) -> str:
    """Return an error of a check as one line."""
    text = " ".join(str(error).split())[:400]
    return f"{type(error).__name__}: {text}; look at {check.where}"
