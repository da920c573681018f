"""nbgrader's own commands work on every lab: released, handed in, graded, with feedback.

All nine labs, where the extra `instructor` is installed: ``pytest tests/test_nbgrader.py``.
"""

from __future__ import annotations

import csv
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import bench
import pytest

from vlab.grading import making
from vlab.grading.files import find_lab
from vlab.grading.trying import Mutant

pytest.importorskip("nbgrader", reason="needs the extra `instructor`")

COURSE = Path(__file__).parent.parent / "course"


def nbgrader(folder: Path, *words: str) -> None:
    """Run one of nbgrader's commands."""
    command = [sys.executable, "-m", "nbgrader", *words]
    beside = str(Path(sys.executable).parent)  # nbgrader calls alembic by its name
    environment = {**os.environ, "PATH": os.pathsep.join([beside, os.environ.get("PATH", "")])}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def hand_in(folder: Path, student: str, slug: str, notebook: str) -> None:
    """Put a notebook where nbgrader looks for it."""
    file = folder / "submitted" / student / slug / f"{slug}.ipynb"
    file.parent.mkdir(parents=True)
    file.write_text(notebook, "utf-8")


def with_a_bug(notebook: str, mutant: Mutant) -> str:
    """Return a solved notebook with a mutant's code before the check that must see it."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        tags, text = bench.tags(cell), bench.source(cell)
        if f'lab.check("{mutant.check}")' in text:
            break
        if tags.get("solution") and not tags.get("grade"):
            work = cell
    work["source"] = f"{bench.source(work)}\n{mutant.code}"
    return json.dumps(content)


@pytest.mark.slow
@pytest.mark.parametrize("slug", bench.slugs())
def test_a_lab_goes_through_nbgrader(slug: str, tmp_path: Path) -> None:
    """The solution gets all but the points by hand, the release none, a bug what it deserves."""
    for part in ("source", "checks"):
        shutil.copytree(COURSE / part, tmp_path / part)
    shutil.copy(COURSE / "nbgrader_config.py", tmp_path)
    nbgrader(tmp_path, "generate_assignment", slug)
    source, release = (
        (tmp_path / part / slug / f"{slug}.ipynb").read_text("utf-8")
        for part in ("source", "release")
    )
    mutant = next(iter(bench.mutants_of(slug).values()))
    hand_in(tmp_path, "ana", slug, source)
    hand_in(tmp_path, "bia", slug, release)
    hand_in(tmp_path, "caio", slug, with_a_bug(source, mutant))
    (ours, _) = making.release(find_lab(slug, COURSE), tmp_path / "ours")
    hand_in(tmp_path, "davi", slug, ours.read_text("utf-8"))
    for command in ("autograde", "generate_feedback"):
        nbgrader(tmp_path, command, slug)
    nbgrader(tmp_path, "export")
    with (tmp_path / "grades.csv").open(encoding="utf-8") as file:
        grades = {row["student_id"]: float(row["raw_score"]) for row in csv.DictReader(file)}
    verdicts = bench.grade(slug, [*bench.solution_cells(slug), mutant.code])
    deserved = sum(one.points for one in verdicts.values() if one.error is None)
    assert grades == {"ana": 90.0, "bia": 0.0, "caio": deserved, "davi": 0.0}
    said = {student: feedback(tmp_path, student, slug) for student in grades}
    assert "FAILED" not in said["ana"]
    assert all("NotImplementedError" in said[student] for student in ("bia", "davi"))
    for name, verdict in verdicts.items():
        if verdict.error is not None:
            assert " ".join(f"FAILED {name}".split()) in said["caio"]
            assert " ".join(str(verdict.error).split()) in said["caio"]


def feedback(folder: Path, student: str, slug: str) -> str:
    """Return the text of a page of feedback."""
    page = (folder / "feedback" / student / slug / f"{slug}.html").read_text("utf-8")
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())
