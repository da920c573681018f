"""Grading a class of three hundred, a tenth of it hostile: ``python benchmarks/grading.py [N]``.

Submissions of lab 1 are made of its solution and its mutants, and of programs that try to harm
the grader or each other. The grader is killed when half of them are graded, and started again.
Printed are what became of each kind of hostile submission, whether every score is the one that
the honest part deserves, what the second start graded anew, and the seconds.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vlab.grading.checks import load_checks
from vlab.grading.files import find_lab
from vlab.grading.trying import mutants, work
from vlab.grading.verdicts import grade

COURSE = Path(__file__).parent.parent / "course"
SLUG, STUDENTS, JOBS = "01_csr", 300, os.cpu_count() or 1

AFTERWARDS = {
    "prints a forged score": "print('Score: 100/100')",
    "raises SystemExit": "raise SystemExit(0)",
    "patches the clock": "import time\ntime.time = time.monotonic = lambda: 0.0",
    "patches vlab": "import sys\nimport vlab.grading.verdicts as v\nv.grade = print",
    "patches the checks": "import sys\nfor m in list(sys.modules.values()):\n"
    "    m.agree = m.check = m.Verdict = print",
    "reads the checks": "CHECKS = open(f'{COURSE}/checks/01_csr.py').read()",
    "searches the process": "import gc\n"
    "FOUND = [o for o in gc.get_objects() if 'hidden' in repr(o)]\nprint(len(FOUND))",
    "imports the reference": "from vlab.labs.csr import *\nemulate_csr = effect_of",
    "deletes the home directory": "import os\nhome = os.path.expanduser('~')\n"
    "for f in os.listdir(home):\n    os.remove(os.path.join(home, f))",
    "deletes the grader's folder": "import os\nfor d, _, files in os.walk(HOME):\n"
    "    for f in files:\n        os.remove(os.path.join(d, f))\n"
    "os.remove(f'{HOME}/student000.py')",
    "kills the grader": "import os\nos.kill(os.getppid(), 9)",
    "crashes in a cell of its own": "# %%\nimport ctypes\nctypes.string_at(0)",
    "loops in a cell of its own": "# %%\nwhile True: pass",
}
"""Hostile ends of right solutions: all points are deserved."""

INSTEAD = {
    "loops for ever": "while True: pass",
    "takes all memory": "x = []\nwhile True: x.append('x' * (1 << 20))",
    "forks": "import os\nwhile True:\n    os.fork()",
    "prints gigabytes": "while True: print('x' * 65536)",
    "ends its process": "import os\nos._exit(0)",
    "loops in its functions": "def decode_csr(bits):\n    while True: pass\n"
    "emulate_csr = decode_csr",
    "forges answers": "import os\ndef decode_csr(bits):\n"
    '    os.write(3, b\'{"score": 100, "passed": true}\\n\')\nemulate_csr = decode_csr',
}
"""Hostile programs that define nothing, or nothing right: no point is deserved."""


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
    names = f"HOME, COURSE = {str(folder)!r}, {str(COURSE)!r}\n"
    hostile = [(f"{right}\n\n{names}{code}\n", kinds[0][1]) for code in AFTERWARDS.values()]
    hostile += [(f"{names}{code}\n", 0) for code in INSTEAD.values()]
    deserved = {}
    for number in range(count):
        name = f"student{number:03}"
        text, score = (
            hostile[number // 10 % len(hostile)] if number % 10 == 9 else rng.choice(kinds)
        )
        (folder / f"{name}.py").write_text(text, "utf-8")
        deserved[name] = score
    return deserved


def run(folder: Path, out: Path, until: int | None = None) -> None:
    """Grade, or begin to, and be killed when so many grades are there."""
    command = [sys.executable, "-m", "vlab", "grade", str(folder), "--lab", SLUG]
    command += ["--out", str(out), "--jobs", str(JOBS), "--course", str(COURSE)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        if until is not None and len(records(out)) >= until:
            process.kill()
        time.sleep(0.1)


def records(out: Path) -> dict[str, int]:
    """Return when each grade was written."""
    return {path.stem: path.stat().st_mtime_ns for path in out.with_suffix("").glob("*.json")}


def what_became_of(out: Path, count: int) -> None:
    """Print score and reason of each kind of hostile submission."""
    for number, kind in enumerate([*AFTERWARDS, *INSTEAD]):
        if 10 * number + 9 >= count:
            break
        path = out.with_suffix("") / f"student{10 * number + 9:03}.json"
        grade = json.loads(path.read_text("utf-8"))
        failed = [one["message"] for one in grade["verdicts"] if not one["passed"]]
        printed = f"printed {grade['printed'][-40:]!r}" if grade["printed"] else "changed nothing"
        said = [grade["reason"], *grade["errors"], *failed, printed]
        why = next(text for text in said if text)
        print(f"{kind:28} {grade['score']:3}/{grade['most']}  {why[:90]}")


def main() -> None:
    """Make a class, grade it and report."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else STUDENTS
    with tempfile.TemporaryDirectory() as directory:
        folder, out = Path(directory) / "handed", Path(directory) / "results.csv"
        folder.mkdir()
        deserved = make(folder, count)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        begin = time.perf_counter()
        run(folder, out, until=count // 2)
        killed = records(out)
        run(folder, out)
        seconds = time.perf_counter() - begin
        again = sum(records(out)[name] != written for name, written in killed.items())
        with out.open(encoding="utf-8") as file:
            scores = {row["student"]: int(row["score"]) for row in csv.DictReader(file)}
        what_became_of(out, count)
        wrong = [name for name in deserved if scores.get(name) != deserved[name]]
        harmed = {path.name: path.read_bytes() for path in folder.iterdir()} != before
    print(f"{count} submissions, {JOBS} at a time: {seconds:.0f} s, {seconds / count:.2f} s each")
    print(f"killed after {len(killed)}; of these graded again: {again}; in the end: {len(scores)}")
    print(
        f"wrong scores: {len(wrong)} {wrong[:5]}; submissions harmed: {'yes' if harmed else 'no'}"
    )


if __name__ == "__main__":
    main()
