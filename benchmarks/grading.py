"""Grading a class of three hundred, a tenth of it hostile: ``python benchmarks/grading.py [N]``.

Submissions of lab 1 are made of its solution and its mutants, and of programs that try to harm
the grader or each other. Printed are the seconds in all and for each submission, and
whether every score is the one that the honest part deserves.
"""

from __future__ import annotations

import csv
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from vlab.grading.checks import load_checks
from vlab.grading.classroom import Classroom
from vlab.grading.files import find_lab
from vlab.grading.handed import collect
from vlab.grading.trying import mutants, work
from vlab.grading.verdicts import grade

COURSE = Path(__file__).parent.parent / "course"
SLUG, STUDENTS, JOBS = "01_csr", 300, os.cpu_count() or 1

AFTERWARDS = {
    "prints a forged score": "print('Score: 100/100')",
    "raises SystemExit": "raise SystemExit(0)",
    "patches the clock": "import time\ntime.time = time.monotonic = lambda: 0.0",
    "patches what it finds": "import sys\nfor m in list(sys.modules.values()):\n"
    "    setattr(m, 'agree', print)",
    "deletes files": "import os\nfor d, _, files in os.walk(HOME):\n    for f in files:\n"
    "        os.remove(os.path.join(d, f))",
    "kills the grader": "import os, itertools\nfor n in itertools.count(os.getppid()):\n"
    "    os.kill(n, 9)",
    "imports the reference": "from vlab.labs.csr import *",
}
"""Hostile ends of right solutions: all points are deserved."""

INSTEAD = {
    "loops for ever": "while True: pass",
    "takes all memory": "x = ['x' * (1 << 20) for _ in range(1 << 20)]",
    "forks": "import os\nwhile True:\n    os.fork()",
    "prints gigabytes": "while True: print('x' * 65536)",
    "ends its process": "import os\nos._exit(0)",
    "crashes": "import ctypes\nctypes.string_at(0)",
}
"""Hostile programs that define nothing: no point is deserved."""


def make(folder: Path, count: int) -> dict[str, int]:
    """Write submissions and return the score that each deserves."""
    rng = random.Random(1)
    lab = find_lab(SLUG, COURSE)
    checks = load_checks(lab.checks)
    right = "\n\n".join(work(lab, with_solution=True))
    kinds = [(right, grade([right], checks).score)]
    for mutant in mutants(SLUG, COURSE):
        text = f"{right}\n\n{mutant.code}"
        kinds.append((text, grade([text], checks).score))
    kinds.append(("", 0))
    home = f"HOME = {str(folder)!r}\n"
    hostile = [(f"{right}\n\n{home}{code}\n", kinds[0][1]) for code in AFTERWARDS.values()]
    hostile += [(f"{home}{code}\n", 0) for code in INSTEAD.values()]
    deserved = {}
    for number in range(count):
        name = f"student{number:03}"
        text, score = (
            hostile[number // 10 % len(hostile)] if number % 10 == 9 else rng.choice(kinds)
        )
        (folder / f"{name}.py").write_text(text, "utf-8")
        deserved[name] = score
    return deserved


def main() -> None:
    """Make a class, grade it and report."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else STUDENTS
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "handed"
        folder.mkdir()
        deserved = make(folder, count)
        classroom = Classroom(find_lab(SLUG, COURSE), Path(directory) / "results.csv")
        begin = time.perf_counter()
        grades = classroom.grade(collect([folder], SLUG), JOBS)
        classroom.write(grades)
        seconds = time.perf_counter() - begin
        with classroom.out.open(encoding="utf-8") as file:
            scores = {row["student"]: int(row["score"]) for row in csv.DictReader(file)}
        wrong = [name for name in deserved if scores.get(name) != deserved[name]]
        there = len(list(folder.iterdir()))
    print(f"{count} submissions, {JOBS} at a time: {seconds:.0f} s, {seconds / count:.2f} s each")
    print(f"wrong scores: {len(wrong)} {wrong[:5]}; files still there: {there} of {count}")


if __name__ == "__main__":
    main()
