"""nbgrader's own commands work on a lab: released, handed in, graded, with feedback."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbgrader", reason="needs the extra `instructor`")

COURSE = Path(__file__).parent.parent / "course"
SLUG = "01_csr"


def nbgrader(folder: Path, *words: str) -> None:
    """Run one of nbgrader's commands."""
    command = [sys.executable, "-m", "nbgrader", *words]
    beside = str(Path(sys.executable).parent)  # nbgrader calls alembic by its name
    environment = {**os.environ, "PATH": os.pathsep.join([beside, os.environ.get("PATH", "")])}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_lab_goes_through_nbgrader(tmp_path: Path) -> None:
    """The solution gets all points but those by hand, what was handed out gets none."""
    for part in ("source", "checks"):
        shutil.copytree(COURSE / part, tmp_path / part)
    shutil.copy(COURSE / "nbgrader_config.py", tmp_path)
    nbgrader(tmp_path, "generate_assignment", SLUG)
    for student, part in (("ana", "source"), ("bia", "release")):
        folder = tmp_path / "submitted" / student / SLUG
        folder.mkdir(parents=True)
        shutil.copy(tmp_path / part / SLUG / f"{SLUG}.ipynb", folder)
    nbgrader(tmp_path, "autograde", SLUG)
    nbgrader(tmp_path, "generate_feedback", SLUG)
    nbgrader(tmp_path, "export")
    with (tmp_path / "grades.csv").open(encoding="utf-8") as file:
        grades = {row["student_id"]: float(row["raw_score"]) for row in csv.DictReader(file)}
    assert grades == {"ana": 90.0, "bia": 0.0}
    for student in grades:
        page = tmp_path / "feedback" / student / SLUG / f"{SLUG}.html"
        assert "emulate" in page.read_text("utf-8")
