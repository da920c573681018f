"""Grading a class: every submission once, whatever happens in between.

Each grade is written to a file of its own as soon as it is there, under a name that holds what
it depends on: the submission, the checks and the version of vlab. A run that was interrupted
goes on where it was; a submission, check or vlab that changed is graded again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlab import __version__
from vlab.errors import MachineError, ParameterError
from vlab.grading.notebook import LARGEST
from vlab.grading.verdicts import TOTAL_S
from vlab.output import write_atomically

SUFFIXES = (".ipynb", ".py")
WORKER_S = TOTAL_S + 60
"""Seconds after which the process that grades a submission is ended itself."""


RUNNING: set[subprocess.Popen[str]] = set()
"""Processes that grade now."""


@dataclass(frozen=True)
class LabFiles:
    """Where a lab's parts are.

    Attributes
    ----------
    source
        The source notebook, None if there is none.
    """

    slug: str
    checks: Path
    source: Path | None

    def digest(self) -> str:
        """Return what grades depend on besides the submission."""
        text = self.checks.read_bytes() + __version__.encode()
        return hashlib.sha256(text).hexdigest()


@dataclass(frozen=True)
class Handed:
    """One submission: whose it is, and its file."""

    student: str
    path: Path


def collect(paths: Iterable[str | Path], slug: str) -> list[Handed]:
    """Return the submissions below some paths, by student.

    A path is a file ``STUDENT.ipynb`` or ``STUDENT.py``, or a directory of such files or in
    nbgrader's layout, ``STUDENT/LAB/LAB.ipynb``.

    Raises
    ------
    MachineError
        If a path is not there, or nothing was handed in.
    ParameterError
        If two files are of the same student.
    """
    found: dict[str, Handed] = {}
    for given in map(Path, paths):
        if not given.exists():
            raise MachineError(f"{given}: no such file or directory")
        for one in _below(given, slug):
            other = found.setdefault(one.student, one)
            if other.path != one.path:
                raise ParameterError(f"two submissions of {one.student}: {other.path}, {one.path}")
    if not found:
        raise MachineError(f"no submission of lab {slug} in {', '.join(map(str, paths))}")
    return [found[name] for name in sorted(found)]


def _below(path: Path, slug: str) -> Iterable[Handed]:
    if not path.is_dir():
        if path.suffix in SUFFIXES:
            yield Handed(path.stem, path)
        return
    for entry in sorted(path.iterdir()):
        if entry.suffix in SUFFIXES and not entry.is_dir():
            yield Handed(entry.stem, entry)
        elif entry.is_dir():
            for suffix in SUFFIXES:
                file = entry / slug / f"{slug}{suffix}"
                if file.is_symlink() or file.exists():
                    yield Handed(entry.name, file)
                    break


class Classroom:
    """The grades of one lab.

    Parameters
    ----------
    lab
        The lab.
    out
        The table to be written, ``.csv``; grades and feedback go to a directory of the same name.
    """

    def __init__(self, lab: LabFiles, out: Path) -> None:
        if out.suffix != ".csv":
            raise ParameterError(f"{out}: the table of results is a .csv file")
        self.lab, self.out = lab, out
        self.folder = out.with_suffix("")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MachineError(f"{self.folder}: cannot be made ({error.strerror})") from None
        self.digest = lab.digest()

    def record(self, one: Handed) -> Path:
        """Return the file of a student's grade."""
        return self.folder / f"{one.student}.json"

    def key(self, one: Handed) -> str:
        """Return what a grade depends on."""
        digest = hashlib.sha256(self.digest.encode())
        with suppress(OSError):
            if one.path.is_symlink():
                digest.update(b"a link")
            elif one.path.is_file():
                with one.path.open("rb") as file:
                    digest.update(file.read(LARGEST + 1))
        return digest.hexdigest()

    def known(self, one: Handed) -> dict[str, Any] | None:
        """Return the grade that was given before, if it still holds."""
        try:
            stored: dict[str, Any] = json.loads(self.record(one).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return stored if stored.get("key") == self.key(one) else None

    def grade(
        self,
        submissions: Sequence[Handed],
        jobs: int = 1,
        tell: Callable[[int, int, str], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Grade what is not graded yet, so many at a time, and return all grades by student."""
        grades = {one.student: self.known(one) for one in submissions}
        todo = [one for one in submissions if grades[one.student] is None]
        with ThreadPoolExecutor(max(1, jobs)) as pool:
            waiting = {pool.submit(self._grade, one): one for one in todo}
            try:
                for number, done in enumerate(as_completed(waiting), 1):
                    one = waiting[done]
                    grades[one.student] = done.result()
                    if tell is not None:
                        tell(len(submissions) - len(todo) + number, len(submissions), one.student)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(RUNNING):
                    end(process)
                raise
        return [grade for grade in grades.values() if grade is not None]

    def _grade(self, one: Handed) -> dict[str, Any]:
        key = self.key(one)
        found = {"student": one.student, "key": key, **run_worker(one.path, self.lab)}
        text = json.dumps(found, indent=1)
        write_atomically(self.record(one), lambda: text.encode())
        return found

    def write(self, grades: Sequence[dict[str, Any]]) -> None:
        """Write the table, each student's feedback and the summary of the class."""
        from vlab.grading.feedback import page, summary

        write_atomically(self.out, lambda: table(grades).encode())
        for grade in grades:
            text = page(self.lab.slug, grade)
            write_atomically(self.folder / f"{grade['student']}.html", lambda t=text: t.encode())
        summary(self.lab.slug, grades).save(self.folder / "class.svg")


def run_worker(path: Path, lab: LabFiles) -> dict[str, Any]:
    """Grade a file in a process of its own; one that hangs or dies becomes the reason."""
    job = {"path": str(path.absolute()), "checks": str(lab.checks.absolute())}
    job["source"] = str(lab.source.absolute()) if lab.source else ""
    process = subprocess.Popen(
        [sys.executable, "-m", "vlab.grading.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    RUNNING.add(process)
    try:
        said, errors = process.communicate(json.dumps(job) + "\n", timeout=WORKER_S)
        result: dict[str, Any] = json.loads(said)
    except subprocess.TimeoutExpired:
        result = nothing(lab, f"grading did not end within {WORKER_S} seconds")
    except ValueError:
        result = nothing(lab, f"grading failed: {' '.join(errors.split())[-300:]}")
    finally:
        end(process)
        RUNNING.discard(process)
    return result


def end(process: subprocess.Popen[str]) -> None:
    """End a process and what it has started."""
    if process.poll() is None:
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()


def nothing(lab: LabFiles, reason: str) -> dict[str, Any]:
    """Return a grade of no points."""
    from vlab.grading.checks import load_checks
    from vlab.grading.verdicts import Grade, Verdict

    checks = load_checks(lab.checks)
    failed = [Verdict(c.name, c.points, c.hidden, False, reason, "", 0.0) for c in checks]
    return Grade(failed, reason).to_dict()


def table(grades: Sequence[dict[str, Any]]) -> str:
    """Return the table as CSV: a row a student, a column a check."""
    text = io.StringIO()
    names = [one["name"] for one in grades[0]["verdicts"]] if grades else []
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "score", "of", *names, "reason", "not confined"])
    for grade in grades:
        points = [one["points"] if one["passed"] else 0 for one in grade["verdicts"]]
        row = [grade["student"], grade["score"], grade["most"], *points]
        writer.writerow(map(harmless, [*row, grade["reason"], grade["confined"]]))
    return text.getvalue()


def harmless(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
