"""Processes that grade one submission each (`vlab.grading.worker`), seen from the grader."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from tempfile import TemporaryDirectory
from typing import Any

from vlab.grading.handed import Handed, LabFiles
from vlab.grading.text import plain
from vlab.grading.verdicts import TOTAL_S

WORKER_S = TOTAL_S + 60
"""Seconds after which the process that grades a submission is ended itself."""

RUNNING: set[subprocess.Popen[str]] = set()
"""Processes that grade now."""


def run_worker(one: Handed, lab: LabFiles) -> dict[str, Any]:
    """Grade a submission in a process of its own; one that hangs or dies becomes the reason.

    A grade is ``broken`` if that process died: perhaps not by the submission's fault.
    """
    job = {
        "path": str(one.path.absolute()),
        "own": one.own,
        "checks": str(lab.checks.absolute()),
        "source": str(lab.source.absolute()) if lab.source else "",
        "parent": os.getpid(),
    }
    with TemporaryDirectory(prefix="vlab-grading-", ignore_cleanup_errors=True) as scratch:
        said, reason, broken = _run(job | {"scratch": scratch})
    return complete(said, lab, reason) | {"broken": broken}


def _run(job: dict[str, Any]) -> tuple[str, str, bool]:
    """Return what a worker said, why it came to no end, and whether it died."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vlab.grading.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    RUNNING.add(process)
    reason, broken = "", False
    try:
        said, errors = process.communicate(json.dumps(job) + "\n", timeout=WORKER_S)
        broken = process.returncode != 0
        if broken:
            reason = f"grading ended with status {process.returncode}: {plain(errors[-300:])}"
    except subprocess.TimeoutExpired:
        end(process)
        said, _ = process.communicate()
        reason = f"grading did not end within {WORKER_S} seconds"
    finally:
        end(process)
        RUNNING.discard(process)
    return said, reason, broken


def complete(said: str, lab: LabFiles, reason: str) -> dict[str, Any]:
    """Return the last grade that a worker told, with checks that it did not come to as failed."""
    from vlab.grading.checks import load_checks
    from vlab.grading.verdicts import Grade, unrun

    lines = said.rpartition("\n")[0].splitlines()
    result: dict[str, Any] = json.loads(lines[-1]) if lines else Grade().to_dict()
    if not lines:
        reason = reason or "grading told nothing"
    if reason:
        checks = load_checks(lab.checks)
        missing = unrun(checks[len(result["verdicts"]) :], f"not run: {reason}")
        result["verdicts"] += [asdict(one) for one in missing]
        result |= {"reason": result["reason"] or reason, "most": sum(c.points for c in checks)}
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
