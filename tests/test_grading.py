"""Grading: what a submission's honest part deserves, and nothing that it can do to change that."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlab.cli import main
from vlab.grading import making, skeletons
from vlab.grading.checks import load_checks
from vlab.grading.classroom import Classroom
from vlab.grading.files import find_lab
from vlab.grading.handed import collect
from vlab.grading.notebook import cells_of
from vlab.grading.remote import RemoteSolution, Submission, SubmissionDied, SubmissionError
from vlab.grading.sandbox.wire import WireError, decode, encode
from vlab.grading.verdicts import grade

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="confined on Linux alone")
HONEST = (
    "def pages_touched(a, n):\n    return 0 if n == 0 else (a + n - 1) // 4096 - a // 4096 + 1\n"
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.integers() | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with one lab, as ``vlab lab new`` makes it."""
    folder = tmp_path / "course"
    (folder / "checks").mkdir(parents=True)
    making.skeleton("10_pages", folder)
    return folder


@given(PLAIN)
def test_plain_data_arrives_as_it_was(value: Any) -> None:
    """Numbers, texts, bytes, lists, tuples and dictionaries keep value and type."""
    arrived = decode(encode(value))
    assert arrived == value
    assert repr(arrived) == repr(value)


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_noise_is_no_message(noise: bytes) -> None:
    """Whatever bytes arrive, they are a value or a `WireError`."""
    with suppress(WireError):
        decode(noise)


def nested(depth: int) -> list[Any]:
    """Return lists within lists."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [1 << 5000, object(), nested(40), "x" * (2 << 20), nested(100_000), print],
    ids=["long number", "object", "deep", "large", "very deep", "function"],
)  # fmt: skip
def test_what_is_no_plain_data_is_refused(value: Any) -> None:
    """Long numbers, deep or large data and objects are not sent."""
    with pytest.raises(WireError):
        encode(value)


HOSTILE = {
    "delete": ("import os; os.remove(PATH)", "Operation not permitted"),
    "read": ("return open(PATH).read()", "Operation not permitted"),
    "write": ("open(PATH, 'w')", "Operation not permitted"),
    "rename": ("import os; os.rename(PATH, PATH + 'x')", "Operation not permitted"),
    "fork": ("import os; os.fork()", "Operation not permitted"),
    "kill": ("import os; os.kill(os.getppid(), 9)", "Operation not permitted"),
    "list": ("import os; return os.listdir('/')", "Operation not permitted"),
    "network": ("import _socket; _socket.socket()", "No module named"),
    "process": ("import subprocess; subprocess.run(['true'])", "No module named"),
    "thread": ("import _thread; _thread.start_new_thread(print, ())", "can't start new thread"),
    "vlab": ("import vlab; return vlab", "No module named 'vlab'"),
    "exit": ("import os; os._exit(0)", "ended its process (status 0)"),
    "system exit": ("raise SystemExit(0)", "raised SystemExit"),
    "interrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    "memory": ("return len('x' * (1 << 33))", "MemoryError"),
    "forged answer": ("import os; os.write(ANSWERS, b'[1]\\n'); return 1", "instead of an answer"),
    "noise": ("import os; os.write(ANSWERS, b'\\xff{\\n')", "malformed message"),
    "object": ("return object()", "a value of type object"),
    "deep": ("v = []\n    for _ in range(99): v = [v]\n    return v", "nested more than"),
    "bad error": (
        "class E(Exception):\n        def __str__(self): raise ValueError\n    raise E()",
        "an error that cannot be printed",
    ),
    "crash": ("import ctypes; ctypes.string_at(0)", "crashed"),
}


@LINUX
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_calls_reach_nothing(name: str, tmp_path: Path) -> None:
    """A function that tries to do more than compute fails, and the reason is clear."""
    body, reason = HOSTILE[name]
    target = tmp_path / "target"
    target.write_text("precious")
    code = f"PATH, ANSWERS = {str(target)!r}, 3\ndef f():\n    {body}\ndef g():\n    return 7\n"
    submission = Submission([code])
    try:
        assert submission.freedom == ""
        with pytest.raises(SubmissionError) as caught:
            RemoteSolution(submission).f()
        assert reason in str(caught.value)
        assert target.read_text() == "precious"
        if not isinstance(caught.value, SubmissionDied):
            assert RemoteSolution(submission).g() == 7
    finally:
        submission.remove()


@LINUX
def test_raw_system_calls_are_refused(tmp_path: Path) -> None:
    """Going past Python, to the C library, changes nothing."""
    target = tmp_path / "target"
    target.write_text("precious")
    code = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"def f():\n    return [libc.unlink({str(target).encode()!r}), libc.fork(), "
        "libc.socket(2, 1, 0), libc.kill(1, 0), libc.prctl(22, 0, 0, 0, 0), libc.setuid(0)]\n"
    )
    submission = Submission([code])
    try:
        assert RemoteSolution(submission).f() == [-1] * 6
        assert target.exists()
    finally:
        submission.remove()


@LINUX
def test_a_call_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless loop costs its own check's points; the next check starts the process anew."""
    monkeypatch.setattr("vlab.grading.remote.Submission.ask.__kwdefaults__", {"seconds": 0.5})
    submission = Submission(["def f():\n    while True: pass\n"])
    with pytest.raises(SubmissionDied, match=r"did not end within 0\.5 seconds"):
        RemoteSolution(submission).f()
    submission.remove()


def test_patching_ones_own_process_changes_no_verdict(course: Path) -> None:
    """What a submission replaces in its process is its own; the checks run elsewhere."""
    checks = load_checks(course / "checks" / "10_pages.py")
    patches = (
        "import builtins, random, time, sys\n"
        "builtins.AssertionError = builtins.Exception = ValueError\n"
        "random.Random = lambda *a: None\ntime.monotonic = lambda: 0\n"
        "for m in list(sys.modules.values()):\n"
        "    for n in ('agree', 'grade', 'encode', 'Verdict'):\n"
        "        if hasattr(m, n): setattr(m, n, lambda *a, **k: b'[]')\n"
        "print('Score: 100/100')\n"
    )
    wrong = "def pages_touched(a, n):\n    return 1\n"
    assert grade([patches + HONEST], checks).score == 90
    result = grade([patches + wrong], checks)
    assert result.score == 20
    assert "Score: 100/100" in result.printed


def test_known_answers_score_visible_points_only(course: Path) -> None:
    """A table of the visible checks' answers fails the hidden ones."""
    checks = load_checks(course / "checks" / "10_pages.py")
    seen: dict[tuple[int, int], int] = {}

    class Spy:
        def pages_touched(self, a: int, n: int) -> int:
            seen[a, n] = 0 if n == 0 else (a + n - 1) // 4096 - a // 4096 + 1
            return seen[a, n]

    for check in checks:
        if not check.hidden:
            check.run(Spy())
    code = f"def pages_touched(a, n):\n    return {seen!r}.get((a, n), 0)\n"
    assert grade([code], checks).score == 50


def submissions(folder: Path) -> Path:
    """Hand in: right, half right, unreadable in several ways, and hostile."""
    folder.mkdir(exist_ok=True)
    files: dict[str, bytes] = {
        "ana.py": HONEST.encode(),
        "bia.py": b"def pages_touched(a, n):\n    return 1\n",
        "caio.py": b"def pages_touched(a, n):\n    return -(-n // 4096)\n",
        "davi.ipynb": b"{not a notebook",
        "eva.py": b"\xff\xfe\x00",
        "fabio.py": HONEST.encode() + b"\nimport os\nos._exit(0)\n",
        "gil.py": HONEST.encode() + b"\nraise SystemExit('Score: 100/100')\n",
        "hugo.py": b"this is no Python\n",
        "ines.ipynb": json.dumps({"cells": "none"}).encode(),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    if hasattr(os, "symlink"):
        (folder / "joao.py").symlink_to(folder / "ana.py")
    nbgrader = folder / "karla" / "10_pages"
    nbgrader.mkdir(parents=True)
    source = skeletons.notebook("10_pages")
    (nbgrader / "10_pages.ipynb").write_text(source.replace("### BEGIN", "# my").replace("END", ""))
    return folder


EXPECTED = {"ana": 90, "bia": 20, "caio": 20, "davi": 0, "eva": 0, "fabio": 0, "gil": 90,
            "hugo": 0, "ines": 0, "joao": 0, "karla": 90}  # fmt: skip


@LINUX
def test_a_class_is_graded(course: Path, tmp_path: Path) -> None:
    """Table, feedback and summary are written; every honest score is right, every reason clear."""
    handed = submissions(tmp_path / "handed")
    out = tmp_path / "results.csv"
    command = ["grade", str(handed), "--lab", "10", "--out", str(out), "--jobs", "2"]
    assert main([*command, "--course", str(course)]) == 0
    rows = {row["student"]: row for row in csv.DictReader(out.open(encoding="utf-8"))}
    assert {name: int(row["score"]) for name, row in rows.items()} == EXPECTED
    reasons = {name: row["reason"] for name, row in rows.items() if row["reason"]}
    assert set(reasons) == {"davi", "eva", "fabio", "ines", "joao"}
    assert "symbolic link" in reasons["joao"]
    assert "UTF-8" in reasons["eva"]
    assert "ended its process" in reasons["fabio"]
    feedback = (tmp_path / "results" / "bia.html").read_text("utf-8")
    assert "several pages: failed, 0 of 30 points" in feedback
    assert "pages_touched(0x80000fff, 2): expected 2, seen 1; look at pages_touched" in feedback
    assert (tmp_path / "results" / "class.svg").read_text("utf-8").startswith("<?xml")


def test_grading_goes_on_where_it_was(course: Path, tmp_path: Path) -> None:
    """A grader that is killed in the middle loses nothing and grades nothing twice."""
    handed = tmp_path / "handed"
    handed.mkdir()
    for n in range(8):
        (handed / f"s{n}.py").write_text(HONEST)
    out = tmp_path / "results.csv"
    command = [sys.executable, "-m", "vlab", "grade", str(handed), "--lab", "10", "--jobs", "1"]
    command += ["--out", str(out), "--course", str(course), "--unconfined"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    folder = tmp_path / "results"
    while len(list(folder.glob("*.json"))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait()
    before = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.json")}
    assert 2 <= len(before) < 8
    assert subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0
    after = {p.name: p.stat().st_mtime_ns for p in folder.glob("*.json")}
    assert len(after) == 8
    assert {name: after[name] for name in before} == before
    assert len(out.read_text("utf-8").splitlines()) == 9


def test_what_changed_is_graded_again(course: Path, tmp_path: Path) -> None:
    """Another submission, or other checks, make the old grade void."""
    file = tmp_path / "ana.py"
    file.write_text(HONEST)
    classroom = Classroom(find_lab("10_pages", course), tmp_path / "results.csv")
    (one,) = collect([file], "10_pages")
    assert classroom.grade([one])[0]["score"] == 90
    assert classroom.known(one) is not None
    file.write_text("pages_touched = None")
    assert classroom.known(one) is None
    assert classroom.grade([one])[0]["score"] == 0
    checks = course / "checks" / "10_pages.py"
    checks.write_text(checks.read_text("utf-8") + "\n", "utf-8")
    assert Classroom(find_lab("10", course), tmp_path / "results.csv").known(one) is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none", "--lab", "10", "--out", "r.csv"], "no such file"),
        ([".", "--lab", "99", "--out", "r.csv"], "unknown lab '99'"),
        ([".", "--lab", "10", "--out", "r.txt"], ".csv"),
        ([".", "--lab", "10", "--out", "r.csv", "--jobs", "0"], "at least 1"),
        ([".", "--lab", "10", "--out", "r.csv", "--course", "nowhere"], "is no course"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], reason: str, course: Path, capsys: Any, monkeypatch: Any
) -> None:
    """What is wrong is said in one line, with exit status 2."""
    monkeypatch.chdir(course.parent)
    (course.parent / "ana.py").write_text(HONEST)
    assert main(["grade", *arguments, "--unconfined"]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


def test_a_new_lab_works_and_its_mutants_are_caught(course: Path, capsys: Any) -> None:
    """What ``vlab lab new`` writes passes ``vlab lab test``; a check that is too kind fails it."""
    assert main(["lab", "test", "10_pages", "--course", str(course)]) == 0
    checks = course / "checks" / "10_pages.py"
    kind = checks.read_text("utf-8").replace("3 * PAGE)\n    asks(solution, 0x8000_0000, 0)", "1)")
    checks.write_text(kind, "utf-8")
    assert main(["lab", "test", "10_pages", "--course", str(course)]) == 1
    assert "WRONG  mutant empty_is_a_page" in capsys.readouterr().out


def test_the_release_gives_nothing_away(course: Path, tmp_path: Path) -> None:
    """Neither solutions nor hidden checks are in what students get, and it can be worked on."""
    assert (
        main(["lab", "release", "10", "--course", str(course), "--out", str(tmp_path / "r")]) == 0
    )
    notebook = (tmp_path / "r/10_pages/10_pages.ipynb").read_text("utf-8")
    checks = (tmp_path / "r/checks/10_pages.py").read_text("utf-8")
    assert "// 4096" not in notebook
    assert "YOUR CODE HERE" in notebook
    assert "any range" not in checks
    assert "hidden" not in checks.lower()
    assert [check.name for check in load_checks(tmp_path / "r/checks/10_pages.py")] == [
        "one page", "several pages",
    ]  # fmt: skip
    cells = cells_of((tmp_path / "r/10_pages/10_pages.ipynb").read_bytes(), True)
    assert any("YOUR CODE HERE" in cell for cell in cells)


def test_otter_tests_are_written(course: Path, tmp_path: Path) -> None:
    """The export has a test file for each check, with its points."""
    assert main(["lab", "export", "10", "--course", str(course), "--out", str(tmp_path / "o")]) == 0
    tests = []
    for path in sorted((tmp_path / "o/tests").glob("*.py")):
        names: dict[str, Any] = {}
        exec(path.read_text("utf-8"), names)
        assert names["OK_FORMAT"] is True
        tests.append(names["test"])
    assert [test["points"] for test in tests] == [20, 30, 40]
    assert [test["suites"][0]["cases"][0]["hidden"] for test in tests] == [False, False, True]
