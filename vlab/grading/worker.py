"""Grades one submission in a process of its own: ``python -m vlab.grading.worker``.

A job is one line of JSON on standard input; after each check the grade so far is a line on
standard output, and in the end the whole grade. The submission itself runs in yet another
process (`vlab.grading.remote`), so nothing that it does reaches this one, and what goes wrong in
this one reaches no other submission.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlab.errors import VlabError
from vlab.grading.checks import load_checks
from vlab.grading.notebook import cells_of, handed_out, read
from vlab.grading.verdicts import Grade, grade, unrun

MEMORY = 4 << 30
"""Bytes of address space for the machines of the checks."""


def grade_file(
    path: Path,
    checks: Path,
    source: Path | None,
    own: int = 1,
    tell: Callable[[Grade], None] | None = None,
) -> Grade:
    """Return the grade of a submission's file.

    Parameters
    ----------
    checks
        The lab's checks.
    source
        The lab's source notebook, whose own cells are left out; None: there is none.
    own, tell
        As in `vlab.grading.notebook.read` and `vlab.grading.verdicts.grade`.
    """
    known = load_checks(checks)
    given = handed_out(source) if source is not None else frozenset()
    try:
        cells = cells_of(read(path, own), path.suffix == ".ipynb", given)
    except VlabError as error:
        reason = f"the submission {error}"
        return Grade(unrun(known, reason), reason)
    return grade(cells, known, tell)


def follow(parent: int, scratch: str) -> None:
    """End this process and what it has started once whoever started it is gone."""
    while os.getppid() == parent:
        time.sleep(1)
    shutil.rmtree(scratch, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Serve one job."""
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        threading.Thread(target=follow, args=(job["parent"], job["scratch"]), daemon=True).start()
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what checks print is not the answer
    limit_memory()
    tempfile.tempdir = job["scratch"]  # removed by whoever started this, however it ends
    source = Path(job["source"]) if job["source"] else None

    def tell(result: Grade) -> None:
        answer.write(json.dumps(result.to_dict()) + "\n")
        answer.flush()

    tell(grade_file(Path(job["path"]), Path(job["checks"]), source, job["own"], tell))
    answer.close()


def limit_memory() -> None:
    """Let what a submission has made of the machine's memory be an error of its check."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
