"""`lab.check()`: what a student reads in the notebook."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import bench
import pytest

from vlab.errors import MachineError
from vlab.grading import Lab
from vlab.grading.imports import foreign
from vlab.grading.sandbox.confinement import PRELOADED

SLUG = "01_csr"
CHECKS = bench.HERE / "checks" / f"{SLUG}.py"
UNIX = {"resource", "fcntl", "termios", "tty", "pty", "grp", "pwd", "syslog", "posix"}


def lab(*more: str) -> Lab:
    """Return the lab in a notebook in which it is solved, with more cells behind."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in [*bench.solution_cells(SLUG), *more]:
        exec(cell, names)
    return Lab(SLUG, names, CHECKS)


def test_checks_are_named_and_end_with_the_score(capsys: pytest.CaptureFixture[str]) -> None:
    """Every visible check has its line, and the last line is the score of a hundred."""
    lab().check()
    lines = capsys.readouterr().out.splitlines()
    visible = [check for check in bench.checks_of(SLUG) if not check.hidden]
    assert lines[: len(visible)] == [f"passed  {c.name} ({c.points} points)" for c in visible]
    assert lines[-1] == f"Score: {sum(check.points for check in visible)}/100"


def test_checks_are_filtered_by_the_beginning_of_their_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A beginning chooses; one that no check has is refused with those that there are."""
    lab().check("decode: the")
    assert capsys.readouterr().out.endswith("Score: 10/100\n")
    with pytest.raises(MachineError, match="choose from decode: the six forms, decode: other"):
        lab().check("divide")


def test_a_failure_is_told_with_its_place_and_raised(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed and what is raised lead to the mistake; other checks run all the same."""
    mutant = bench.mutants_of(SLUG)["writes_read_only"]
    wanted = "emulate: what is illegal: csrrw a0, time, a1"
    with pytest.raises(AssertionError, match=wanted) as caught:
        lab(mutant.code).check("emulate")
    assert len(caught.value._render_traceback_()) == 1  # in a notebook, after what is printed
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    said = " ".join(printed.split())
    assert "FAILED emulate: what is illegal (10 points)" in said
    assert "expected None, as the instruction is illegal here" in said
    assert "look at emulate_csr" in said
    assert "passed emulate: no write" in said


def test_errors_are_told_with_the_students_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A part that is not written yet is named; another error comes with its line."""
    with pytest.raises(AssertionError, match="decode_csr is not written yet"):
        lab("def decode_csr(bits):\n    raise NotImplementedError()\n").check("emulate: no")
    with pytest.raises(AssertionError, match=r"KeyError: 99 \(line 3 of emulate_csr's cell\)"):
        lab("\ndef emulate_csr(bits, priv, x, csrs):\n    return csrs[99]\n").check("emulate: no")


def test_what_is_not_there_when_it_is_graded_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A function that leans on vlab or numpy passes in the notebook, with a note."""
    lab("import vlab.labs.csr as c\ndef decode_csr(bits): return c.fields_of(bits)\n").check(
        "decode"
    )
    said = capsys.readouterr().out
    assert "note: decode_csr uses vlab, which is not there when your work is graded" in said
    lab().check("decode")
    assert "note:" not in capsys.readouterr().out


def test_uses_are_found_through_helpers_methods_and_local_imports() -> None:
    """Calls, bases, nested functions and imports inside of functions are followed."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "import numpy as np, math, struct\n"
        "def helper(x): return np.zeros(x)\n"
        "def through(x): return helper(x)\n"
        "def inside(x):\n    import pandas\n    return pandas\n"
        "class Base:\n    def f(self): return [(lambda: np)() for _ in 'x']\n"
        "class Derived(Base): pass\n"
        "def plain(x): return plain(math.sin(x) + struct.calcsize('Q'))\n",
        names,
    )
    found = {
        name: foreign(names[name], names) for name in ("through", "inside", "Derived", "plain")
    }
    assert found == {
        "through": {"numpy"}, "inside": {"pandas"}, "Derived": {"numpy"}, "plain": set()
    }  # fmt: skip


@pytest.mark.parametrize("slug", bench.slugs())
def test_solutions_use_nothing_that_is_not_there(slug: str, capsys: Any) -> None:
    """The source notebooks keep to the rule that they state."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in bench.solution_cells(slug):
        exec(cell, names)
    assert {n: foreign(v, names) for n, v in names.items() if foreign(v, names)} == {}
    text = "".join(bench.source(cell) for cell in bench.notebook(slug)[:1])
    assert "standard library and nothing else" in " ".join(text.split())


def test_students_need_nothing_of_unix() -> None:
    """A lab's checks run where modules of Unix cannot be imported and timers are not there."""
    program = (
        "import sys, signal\n"
        f"for name in {sorted(UNIX - {'posix'})!r}: sys.modules[name] = None\n"
        "for name in ('SIGALRM', 'setitimer', 'alarm', 'SIGKILL', 'pthread_kill'):\n"
        "    if hasattr(signal, name): delattr(signal, name)\n"
        "import os\n"
        "for name in ('fork', 'killpg', 'getppid', 'mkfifo', 'getuid', 'sched_getaffinity'):\n"
        "    if hasattr(os, name): delattr(os, name)\n"
        "sys.path[:0] = ['course', '.']\n"
        "import bench\n"
        "from vlab.grading import Lab\n"
        "for slug in ('01_csr', '06_device', '08_driver'):\n"
        "    names = {'__name__': '__main__'}\n"
        "    for cell in bench.solution_cells(slug): exec(cell, names)\n"
        "    Lab(slug, names, bench.HERE / 'checks' / f'{slug}.py').check()\n"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Score: ") == 3


def test_imports_of_unix_modules_are_guarded() -> None:
    """No module imports what Windows has not, but inside a function or after a question."""
    root = Path(__file__).parent.parent / "vlab"
    for path in root.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not UNIX & set(names), path


def test_what_submissions_may_import_is_the_standard_library() -> None:
    """Everything that is loaded for submissions comes with Python."""
    assert {name.split(".")[0] for name in PRELOADED} <= sys.stdlib_module_names
