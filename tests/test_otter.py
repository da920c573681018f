"""Otter-Grader takes what ``vlab lab export`` writes.

All labs, where Otter-Grader is installed beside vlab: ``pytest tests/test_otter.py``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import bench
import pytest

from vlab.cli import main

pytest.importorskip("otter", reason="needs Otter-Grader")


def otter(folder: Path, *words: str) -> None:
    """Run one of Otter's commands."""
    command = [str(Path(sys.executable).parent / "otter"), *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("slug", bench.slugs())
def test_a_lab_goes_through_otter(slug: str, tmp_path: Path) -> None:
    """Otter gives the solution all points but those by hand, and what is handed out none."""
    assert main(["lab", "export", slug, "--course", str(bench.HERE), "--out", str(tmp_path)]) == 0
    files = [f"{part}/{slug}.py" for part in ("checks", "hidden")]
    otter(tmp_path, "generate", "-t", "tests", "-o", "autograder.zip", *files)
    shutil.copy(bench.HERE / "source" / slug / f"{slug}.ipynb", tmp_path / "solved.ipynb")
    for notebook, points in (("solved.ipynb", 90), (f"{slug}/{slug}.ipynb", 0)):
        (tmp_path / "out").mkdir(exist_ok=True)
        otter(tmp_path, "run", notebook, "-a", "autograder.zip", "-o", "out", "--no-logo")
        results = json.loads((tmp_path / "out/results.json").read_text("utf-8"))
        assert sum(test.get("score") or 0 for test in results["tests"]) == points
