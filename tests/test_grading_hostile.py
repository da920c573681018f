"""Submissions that attack the grader, its files and its readers, and honest ones that look odd."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from vlab.cli import main
from vlab.grading import making
from vlab.grading.checks import Check, load_checks
from vlab.grading.classroom import Classroom
from vlab.grading.files import find_lab
from vlab.grading.handed import collect
from vlab.grading.notebook import cells_of
from vlab.grading.remote import RemoteSolution, Submission, SubmissionDied, SubmissionError
from vlab.grading.text import harmless, plain
from vlab.grading.verdicts import grade
from vlab.labs.answers import agree

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="confined on Linux alone")
HONEST = (
    "def pages_touched(a, n):\n    return 0 if n == 0 else (a + n - 1) // 4096 - a // 4096 + 1\n"
)
WRONG = "def pages_touched(a, n):\n    return 1\n"
SECRET = 918273645546372819


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with one lab, as ``vlab lab new`` makes it."""
    folder = tmp_path / "course"
    (folder / "checks").mkdir(parents=True)
    making.skeleton("10_pages", folder)
    return folder


@pytest.fixture
def checks(course: Path) -> list[Check]:
    """The checks of that lab."""
    return load_checks(course / "checks" / "10_pages.py")


def secret(solution: Any) -> None:
    """Ask for a number that the submission can only guess."""
    agree("find(1)", SECRET, solution.find(1), "find")


def one_check(run: Any) -> list[Check]:
    """Return a lab with a single check."""
    return [Check("the check", 90, True, "find", run)]


SEARCHES = {
    "objects": (
        "import gc\n    for o in gc.get_objects():\n"
        "        for v in list(o.values()) if type(o) is dict else gc.get_referents(o):\n"
        "            if type(v) is int and v > 1 << 59: return v"
    ),
    "frames": (
        "import sys\n    f = sys._getframe()\n    while f:\n        for v in f.f_locals.values():\n"
        "            if type(v) is int and v > 1 << 59: return v\n        f = f.f_back"
    ),
    "modules": (
        "import sys\n    for m in list(sys.modules.values()):\n"
        "        if 'checks' in repr(m) or 'vlab' in repr(m): return vars(m)"
    ),
    "the checks' file": "return open('course/checks/10_pages.py').read()",
    "the grader's memory": "import os; return open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
}


@LINUX
@pytest.mark.parametrize("name", SEARCHES)
def test_what_is_expected_is_not_in_the_submissions_process(name: str) -> None:
    """Objects, frames and modules of the process hold no answer of the reference."""
    code = f"def find(n):\n    {SEARCHES[name]}\n"
    assert grade([code], one_check(secret)).score == 0


LIARS = {
    "always equal": "class Yes:\n    __eq__ = lambda *a: True\n    __hash__ = lambda s: 1\n"
    "def find(n): return Yes()\n",
    "a lying number": "class Int(int):\n    __eq__ = lambda *a: True\n    __hash__ = int.__hash__\n"
    "def find(n): return Int(1)\n",
    "a lying dict": "class D(dict):\n    __eq__ = lambda *a: True\n    items = lambda s: [(1, 1)]\n"
    "def find(n): return D()\n",
    "no number": "def find(n): return float('nan')\n",
    "a generator": "def find(n):\n    while True: yield n\n",
    "a huge number": "def find(n): return 1 << (1 << 22)\n",
    "recursion": "def find(n): return find(n)\n",
    "an error that lies": "class E(Exception):\n"
    "    def __str__(self): return '\\ud800\\x1b[2J' * 9999\ndef find(n): raise E\n",
    "an error without end": "class E(Exception):\n    def __str__(self): raise self\n"
    "    __repr__ = __str__\ndef find(n): raise E\n",
    "a forged answer": "import os\ndef find(n):\n    os.write(3, b'[\"passed\"]\\n' * 99)\n",
    "a forged verdict": 'import os\nos.write(3, b\'{"t":["ran",""]}\\n\' * 9)\n'
    "os.write(1, b'{\"score\": 90}\\nScore: 90/90\\n')\ndef find(n): return 1\n",
    "other built-ins": "import builtins\nbuiltins.len = builtins.type = builtins.isinstance = "
    "lambda *a: True\ndef find(n): return 1\n",
    "a tracer": "import sys\ndef t(f, e, a):\n    f.f_locals.clear()\n    return t\n"
    "sys.settrace(t)\nsys.setprofile(t)\ndef find(n): return 1\n",
    "no recursion limit": "import sys\nsys.setrecursionlimit(1 << 30)\n"
    "def find(n): return find(n)\n",
    "a late exit": "import atexit, os\natexit.register(os._exit, 0)\ndef find(n): return 1\n",
    "a poke": "import ctypes\ndef find(n): ctypes.memset(id(find) - 64, 255, 4096)\n",
}


@LINUX
@pytest.mark.parametrize("name", LIARS)
def test_no_answer_but_the_right_one_passes(name: str) -> None:
    """Objects that lie, forged messages and a broken interpreter fail, with a printable reason."""
    result = grade([LIARS[name]], one_check(secret))
    (verdict,) = result.verdicts
    assert not verdict.passed
    assert verdict.message.isprintable()
    assert len(verdict.message) < 2000
    assert "look at find" in verdict.message


@LINUX
@pytest.mark.parametrize(
    "body",
    ["import re; re.match('(a+)+$', 'a' * 99 + 'b')", "while True: pass", "return 9 ** 9 ** 9"],
    ids=["pattern", "loop", "power"],
)
def test_what_does_not_end_costs_its_check_alone(
    body: str, checks: list[Check], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that takes for ever fails its checks; the others count."""
    monkeypatch.setattr("vlab.grading.remote.Submission.ask.__kwdefaults__", {"seconds": 0.4})
    code = HONEST.replace("return", f"if n == 2:\n        {body}\n    return", 1)
    assert [one.passed for one in grade([code], checks).verdicts] == [True, False, True]


@LINUX
def test_a_process_that_does_not_read_blocks_nobody() -> None:
    """Answers forged in advance, and then silence: the grader stops waiting to be heard."""
    code = (
        'import os\ndef f(x):\n    os.write(3, b\'{"t":["value",1]}\\n\' * 500)\n'
        "    while True: pass\n"
    )
    submission, begin = Submission([code]), time.monotonic()
    try:
        with pytest.raises(SubmissionDied, match="did not end within"):
            all(submission.ask("call", "f", ["x" * 10_000], seconds=1) for _ in range(100))
        assert time.monotonic() - begin < 30
    finally:
        submission.remove()


@LINUX
def test_prints_without_end_are_cut_and_harm_no_honest_answer() -> None:
    """A function that prints more than is kept still answers."""
    submission = Submission(
        ["def f():\n    for _ in range(999): print('x' * 4096)\n    return 7\n"]
    )
    try:
        assert RemoteSolution(submission).f() == 7
        assert submission.printed.stat().st_size <= 1 << 20
        assert len(submission.output()) <= 4000
    finally:
        submission.remove()


def test_a_check_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a submission makes the machine do has a limit of time; the next check begins anew."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("needs timers")
    monkeypatch.setattr("vlab.grading.verdicts.CHECK_S", 1)

    def slow(solution: Any) -> None:
        while solution.find(1):
            pass

    result = grade(["def find(n): return n"], [*one_check(slow), *one_check(lambda s: s.find(0))])
    assert [one.passed for one in result.verdicts] == [False, True]
    assert "the check did not end within 1 seconds; look at find" in result.verdicts[0].message


@pytest.mark.parametrize(
    "end",
    [
        pytest.param("import os; os._exit(0)", id="exit"),
        pytest.param("import ctypes; ctypes.string_at(0)", id="crash", marks=LINUX),
    ],
)
def test_a_cell_that_ends_the_process_is_left_out(end: str, checks: list[Check]) -> None:
    """The cells beside it count; the reason names the cell."""
    result = grade([HONEST, end, "x = 1"], checks)
    assert (result.score, result.reason) == (90, "")
    assert result.errors[0].startswith("cell 2: ")
    assert result.errors[0].endswith("it was left out")
    many = grade([end] * 9 + [HONEST], checks)
    assert many.score == 0
    assert "cell 3: " in many.reason


def test_imports_that_are_not_there_cost_nothing_else(checks: list[Check]) -> None:
    """A cell that begins with other imports loses those names alone, and its student is told."""
    head = "from __future__ import annotations\nimport numpy as np, math\nfrom vlab import run\n"
    result = grade([head + "import struct\n" + HONEST], checks)
    assert result.score == 90
    assert "No module named 'numpy' (line 2)" in result.errors[0]


def test_lines_for_the_notebook_are_no_errors(checks: list[Check]) -> None:
    """Magics are left out; an operator at the head of a line is no magic."""
    formatted = 'x = ("%d"\n     % 5)\n'
    result = grade(["%matplotlib inline\n!ls\n" + HONEST, "%%time\nx = 1", formatted], checks)
    assert (result.score, result.errors) == (90, [])


def test_a_program_made_of_a_notebook_has_its_cells() -> None:
    """``# %%`` and ``# In[3]:`` begin a cell, so one bad cell is one cell."""
    text = "a = 1\n# %% next\nb = 2\n# In[3]:\nc = 3\n"
    assert cells_of(text.encode(), False) == ["a = 1\n", "# %% next\nb = 2\n", "# In[3]:\nc = 3\n"]


def test_a_hundred_thousand_cells_are_run_or_refused(checks: list[Check]) -> None:
    """Many cells, all with errors, or one without measure, end in a few readable errors."""
    result = grade([HONEST, *["1 / 0"] * 20_000], checks)
    assert len(result.errors) <= 20
    assert all("division by zero" in error for error in result.errors)
    large = grade([HONEST, f"x = '{'y' * (2 << 20)}'"], checks)
    assert large.score == 90
    assert "at most" in large.errors[0]


ODD_NAMES = [b"=1+1", b"new\nline", b"\x1b[2Jclear", b"\xff\xfe", b"<script>alert(1)<", b"-rf",
             b"x" * 250, b"..", "\u202eevil".encode(), b"@SUM", b"\tpad", b"a;b,c\"d"]  # fmt: skip


@LINUX
def test_names_reach_no_terminal_page_or_table(
    course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names with formulas, controls, markup or beyond any length: all graded, none obeyed."""
    handed = tmp_path / "handed"
    handed.mkdir()
    for name in ODD_NAMES:
        Path(os.fsdecode(os.fsencode(handed) + b"/" + name + b".py")).write_text(HONEST)
    out = tmp_path / "out" / "results.csv"
    out.parent.mkdir()
    command = ["grade", str(handed), "--lab", "10", "--out", str(out), "--course", str(course)]
    assert main(command) == 0
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert [row["score"] for row in rows] == ["90"] * len(ODD_NAMES)
    assert not any(row["student"].startswith(("=", "@", "-", "+", "\t")) for row in rows)
    shown = capsys.readouterr().out
    assert all(line.isprintable() for line in shown.splitlines())
    pages = list((tmp_path / "out/results").glob("*.html"))
    assert len(pages) == len(ODD_NAMES)
    assert not any("<script" in page.read_text("utf-8") for page in pages)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["course", "handed", "out"]
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out/results").glob("*.json")}
    assert main(command) == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_what_a_submission_says_is_no_markup_and_no_formula(course: Path, tmp_path: Path) -> None:
    """Errors and prints with markup, halves of characters and controls are shown as text."""
    file = tmp_path / "ana.py"
    evil = "<script>alert(1)</script>\\ud800\\x1b[2J\\u202e"
    file.write_text(
        f"print('{evil}')\nclass E(Exception): pass\n"
        f"def pages_touched(a, n): raise E('{evil}')\nraise E('{evil}')\n"
    )
    classroom = Classroom(find_lab("10", course), tmp_path / "results.csv")
    classroom.write(classroom.grade(collect([file], "10_pages")))
    page = (tmp_path / "results" / "ana.html").read_text("utf-8")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    assert not set("\x1b\u202e") & set(page)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1"])
def test_no_cell_of_the_table_is_a_formula(text: str) -> None:
    """A cell that a spreadsheet would compute is marked as text."""
    assert harmless(text).startswith("'")


def test_plain_text_is_one_printable_line_of_limited_length() -> None:
    """Controls and halves of characters become question marks, and long texts are cut."""
    assert plain("a\x1b[2J\nb\ud800\u202e") == "a?[2J b??"
    assert len(plain("x" * 10_000)) == 1000


def nbgrader_layout(folder: Path, student: str, text: str) -> Path:
    """Hand in as with nbgrader, and return the lab's directory."""
    lab = folder / student / "10_pages"
    lab.mkdir(parents=True)
    (lab / "10_pages.py").write_text(text)
    return lab


@LINUX
def test_links_lead_to_nobody_elses_work(course: Path, tmp_path: Path) -> None:
    """No link in the place of the file, of the lab's directory or the student's is followed."""
    handed = tmp_path / "handed"
    right = nbgrader_layout(handed, "ana", HONEST)
    nbgrader_layout(handed, "bia", "").joinpath("10_pages.py").unlink()
    (handed / "bia/10_pages/10_pages.py").symlink_to(right / "10_pages.py")
    (handed / "caio").mkdir()
    (handed / "caio/10_pages").symlink_to(right)
    (handed / "davi").symlink_to(handed / "ana")
    (handed / "eva").mkdir()
    os.mkfifo(handed / "fifo.py")
    (handed / "empty/10_pages").mkdir(parents=True)
    classroom = Classroom(find_lab("10", course), tmp_path / "results.csv")
    grades = {g["student"]: g for g in classroom.grade(collect([handed], "10_pages"))}
    assert {name: g["score"] for name, g in grades.items()} == {
        "ana": 90, "bia": 0, "caio": 0, "davi": 0, "fifo": 0, "empty": 0,
    }  # fmt: skip
    for name in ("bia", "caio", "davi"):
        assert "symbolic link" in grades[name]["reason"]
    assert "is not there" in grades["empty"]["reason"]
    assert "not a file" in grades["fifo"]["reason"]


FILES = {
    "huge.ipynb": (None, "at most"),
    "text.ipynb": (b"\xff\xfe{}", "UTF-8"),
    "zero.py": (b"x = 1\0", "zero bytes"),
    "deep.ipynb": (b"[" * 100_000, "no JSON"),
    "list.ipynb": (b"[]", "no cells"),
    "odd.ipynb": (json.dumps({"cells": [1, {"cell_type": "code", "source": {"a": 1},
                                            "metadata": []}]}).encode(), ""),
    "nan.ipynb": (b'{"cells": NaN}', "no cells"),
    "digits.ipynb": (b'{"cells": [' + b"9" * 99_999 + b"]}", "no JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_work_are_named_for_what_they_are(
    name: str, course: Path, tmp_path: Path
) -> None:
    """Two hundred megabytes, no text, no notebook: no points, a reason, and quickly."""
    data, reason = FILES[name]
    path = tmp_path / name
    with path.open("wb") as file:
        if data is None:
            file.truncate(200 << 20)
        else:
            file.write(data)
    classroom = Classroom(find_lab("10", course), tmp_path / "results.csv")
    (found,) = classroom.grade(collect([path], "10_pages"))
    assert found["score"] == 0
    assert reason in found["reason"]
    assert found["seconds"] < 10


@LINUX
def test_an_interrupted_grader_gives_nobody_a_grade_for_it(course: Path, tmp_path: Path) -> None:
    """Ctrl-C in the middle leaves no grade behind that was not earned, and no process."""
    handed = tmp_path / "handed"
    handed.mkdir()
    for n in range(4):
        (handed / f"s{n}.py").write_text(HONEST + "import time\ntime.sleep(2)\n")
    command = [sys.executable, "-m", "vlab", "grade", str(handed), "--lab", "10", "--jobs", "2"]
    command += ["--out", str(tmp_path / "results.csv"), "--course", str(course)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in said
    for path in (tmp_path / "results").glob("*.json"):
        assert json.loads(path.read_text())["score"] == 90


@LINUX
def test_a_killed_grader_leaves_no_worker_behind(course: Path, tmp_path: Path) -> None:
    """The processes of a grader that was killed end by themselves, their scratch space goes."""
    file = tmp_path / "ana.py"
    file.write_text(HONEST + "while True: pass\n")
    command = [sys.executable, "-m", "vlab", "grade", str(file), "--lab", "10", "--jobs", "1"]
    command += ["--out", str(tmp_path / "results.csv"), "--course", str(course)]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    children: list[str] = []
    end = time.monotonic() + 20
    while not children and time.monotonic() < end:
        found = Path(f"/proc/{process.pid}/task")
        children = [w for t in found.iterdir() for w in (t / "children").read_text().split()]
        children = [pid for pid in children if b"grading.worker" in read(pid, "cmdline")]
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert children
    end = time.monotonic() + 5
    while time.monotonic() < end and any(b"grading.worker" in read(p, "cmdline") for p in children):
        time.sleep(0.1)
    assert not any(b"grading.worker" in read(pid, "cmdline") for pid in children)
    assert list(scratch.iterdir()) == []


def read(pid: str, name: str) -> bytes:
    """Return a file of a process, nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


@LINUX
def test_a_worker_that_dies_is_tried_again(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grade that was not finished for the grader's own reasons is not kept."""
    file = tmp_path / "ana.py"
    file.write_text(HONEST)
    classroom = Classroom(find_lab("10", course), tmp_path / "results.csv")
    (one,) = collect([file], "10_pages")
    monkeypatch.setattr("vlab.grading.workers.sys.executable", "/bin/false")
    (broken,) = classroom.grade([one])
    assert (broken["score"], broken["most"], broken["broken"]) == (0, 90, True)
    assert broken["reason"]
    monkeypatch.undo()
    assert classroom.known(one) is None
    assert classroom.grade([one])[0]["score"] == 90


def test_without_confinement_grading_is_refused(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Where system calls cannot be filtered, the grader says so and wants to be told to go on."""
    file = tmp_path / "ana.py"
    file.write_text(HONEST)
    why = "system calls cannot be filtered on darwin arm64"
    monkeypatch.setattr("vlab.grading.commands.freedom", lambda: why)
    command = ["grade", str(file), "--lab", "10", "--out", str(tmp_path / "r.csv")]
    command += ["--course", str(course)]
    assert main(command) == 2
    assert f"{why}, so submissions would run with your rights" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
    assert main([*command, "--unconfined"]) == 0
    assert f"NOT confined: {why}" in capsys.readouterr().out


def test_values_that_only_look_plain_are_refused() -> None:
    """Subclasses of plain types do not cross: what they say of themselves may be a lie."""
    submission = Submission(["class I(int): pass\ndef f(): return [I(1)]\n"])
    try:
        with pytest.raises(SubmissionError, match="a value of type I"):
            RemoteSolution(submission).f()
    finally:
        submission.remove()
