"""Grades one submission in a process of its own: ``python -m vlab.grading.worker``.

A job is one line of JSON on standard input, the grade one line on standard output. The
submission itself runs in yet another process (`vlab.grading.remote`), so nothing that it does
reaches this one, and what goes wrong in this one reaches no other submission.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from vlab.errors import VlabError
from vlab.grading.checks import load_checks
from vlab.grading.notebook import cells_of, handed_out, read
from vlab.grading.verdicts import Grade, Verdict, grade


def grade_file(path: Path, checks: Path, source: Path | None) -> Grade:
    """Return the grade of a submission's file.

    Parameters
    ----------
    checks
        The lab's checks.
    source
        The lab's source notebook, whose own cells are left out; None: there is none.
    """
    known = load_checks(checks)
    given = handed_out(source) if source is not None else frozenset()
    try:
        cells = cells_of(read(path), path.suffix == ".ipynb", given)
    except VlabError as error:
        reason = f"the submission {error}"
        failed = [Verdict(c.name, c.points, c.hidden, False, reason, "", 0.0) for c in known]
        return Grade(failed, reason)
    return grade(cells, known)


def main() -> None:
    """Serve one job."""
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what checks print is not the answer
    source = Path(job["source"]) if job["source"] else None
    result = grade_file(Path(job["path"]), Path(job["checks"]), source)
    answer.write(json.dumps(result.to_dict()) + "\n")
    answer.close()


if __name__ == "__main__":
    main()
