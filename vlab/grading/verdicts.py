"""Grading one submission: every check against the process in which it runs."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from vlab.grading.checks import Check
from vlab.grading.remote import RemoteSolution, Submission, SubmissionDied, SubmissionError
from vlab.grading.text import plain

TOTAL_S = 120
"""Seconds for a whole submission."""

DEATHS, LEFT_OUT = 4, 2
"""Times that a submission's process is started anew after it had to be ended, and cells that
are left out because they end it."""

CHECK_S = 30
"""Seconds for one check, the machine's time included."""


class CheckLate(SubmissionError):
    """A check did not end; what its submission would have answered next is not known."""


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
        self.cells = list(cells)
        self.left_out: list[str] = []
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
            self.submission = self.start()
            self.result.errors = [*self.left_out, *self.submission.errors]
            self.result.confined = self.submission.freedom
        return RemoteSolution(self.submission)

    def start(self) -> Submission:
        """Return a process in which the cells have run, but those that it did not survive."""
        while True:
            try:
                return Submission(self.cells, self.until)
            except SubmissionDied as error:
                if error.cell is not None:
                    self.cells[error.cell] = ""
                    self.left_out.append(f"{error}; it was left out")
                if len(self.left_out) > LEFT_OUT or not any(map(str.strip, self.cells)):
                    self.result.reason = str(error)
                    raise
                if error.cell is None:
                    raise

    def run(self, check: Check) -> None:
        """Run one check and note its verdict."""
        begin, message = time.monotonic(), ""
        try:
            if begin > self.until:
                raise SubmissionDied(f"not run: {TOTAL_S} seconds were used up before")
            with alarm(CHECK_S):
                check.run(self.solution())
        except SubmissionError as error:
            message = f"{error}; look at {check.where}"
            self.end_if_dead(always=isinstance(error, CheckLate))
        except Exception as error:
            message = plain(str(error)) if hasattr(error, "where") else said(error, check)
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


def grade(
    cells: Sequence[str], checks: Sequence[Check], tell: Callable[[Grade], None] | None = None
) -> Grade:
    """Run checks on what cells define, in a process that is confined as the platform allows.

    Parameters
    ----------
    tell
        Called after each check, with what there is so far.
    """
    begin, grading = time.monotonic(), Grading(cells)
    try:
        for check in checks:
            grading.run(check)
            grading.result.seconds = round(time.monotonic() - begin, 2)
            if tell is not None:
                tell(grading.result)
    finally:
        grading.end_if_dead(always=True)
    return grading.result


def unrun(checks: Sequence[Check], message: str) -> list[Verdict]:
    """Return verdicts on checks that were not run."""
    return [Verdict(c.name, c.points, c.hidden, False, message, "", 0.0) for c in checks]


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raise `CheckLate` in what takes longer, where the platform can and we may."""
    main = threading.current_thread() is threading.main_thread()
    if not hasattr(signal, "setitimer") or not main:
        yield
        return

    def late(*_: Any) -> None:
        raise CheckLate(f"the check did not end within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def said(error: Exception, check: Check) -> str:
    """Return an error of a check as one line."""
    return f"{type(error).__name__}: {plain(str(error), 400)}; look at {check.where}"
