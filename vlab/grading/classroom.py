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
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlab.errors import MachineError, ParameterError
from vlab.grading.handed import Handed, LabFiles
from vlab.grading.notebook import LARGEST
from vlab.grading.text import harmless, plain
from vlab.grading.workers import RUNNING, end, run_worker
from vlab.output import write_atomically


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
        self.stopped = False

    def record(self, one: Handed) -> Path:
        """Return the file of a student's grade."""
        return self.folder / f"{file_name(one.student)}.json"

    def key(self, one: Handed) -> str:
        """Return what a grade depends on."""
        digest = hashlib.sha256(self.digest.encode())
        with suppress(OSError):
            if any(part.is_symlink() for part in (one.path, *one.path.parents)[: one.own]):
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
        return stored if stored.get("key") == self.key(one) and not stored["broken"] else None

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
                        tell(
                            len(submissions) - len(todo) + number,
                            len(submissions),
                            plain(one.student),
                        )
            except BaseException:
                self.stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(RUNNING):
                    end(process)
                raise
        return [grade for grade in grades.values() if grade is not None]

    def _grade(self, one: Handed) -> dict[str, Any]:
        key = self.key(one)
        found = {"student": one.student, "key": key, **run_worker(one, self.lab)}
        if self.stopped:
            raise KeyboardInterrupt
        text = json.dumps(found, indent=1)
        write_atomically(self.record(one), lambda: text.encode())
        return found

    def write(self, grades: Sequence[dict[str, Any]]) -> None:
        """Write the table, each student's feedback and the summary of the class."""
        from vlab.grading.feedback import page, summary

        write_atomically(self.out, lambda: table(grades).encode())
        for grade in grades:
            text = page(self.lab.slug, grade)
            path = self.folder / f"{file_name(grade['student'])}.html"
            write_atomically(path, lambda t=text: t.encode())
        summary(self.lab.slug, grades).save(self.folder / "class.svg")


def file_name(student: str) -> str:
    """Return a name that every file system takes, for a student's files."""
    kept = re.sub(r"[^\w.@+-]", "_", student, flags=re.ASCII)
    if kept == student and len(kept) <= 100:
        return kept
    return f"{kept[:80]}-{hashlib.sha256(os.fsencode(student)).hexdigest()[:10]}"


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
