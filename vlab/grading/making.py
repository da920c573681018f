"""Making labs: a skeleton, what students get, and an export for Otter-Grader."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from vlab.errors import MachineError, ParameterError
from vlab.grading.handed import LabFiles
from vlab.output import write_atomically

MARK = re.compile(r"^\s*### (BEGIN|END) SOLUTION[^\n]*\n?", re.MULTILINE)
SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?### END SOLUTION[^\n]*\n?", re.M | re.S)
HIDDEN = re.compile(r"^ *### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS[^\n]*\n?", re.M | re.S)
STUB = r"\1# YOUR CODE HERE\n\1raise NotImplementedError()\n"
NAME = re.compile(r"\d\d_[a-z][a-z0-9_]*")


def solved(source: str) -> str:
    """Return a cell with its solution, without the marks."""
    return MARK.sub("", source + "\n")


def released(source: str) -> str:
    """Return a cell as students get it."""
    return HIDDEN.sub("", SOLUTION.sub(STUB, source + "\n"))


def visible(checks: str) -> str:
    """Return a file of checks without the hidden ones, and without what only they use."""
    tree = ast.parse(checks)
    lines = checks.splitlines(keepends=True)
    gone: set[int] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any(map(_is_hidden, node.decorator_list)):
            first = min(one.lineno for one in node.decorator_list)
            gone.update(range(first - 1, node.end_lineno or node.lineno))
    kept = "".join(text for number, text in enumerate(lines) if number not in gone)
    return re.sub(r"\n{4,}", "\n\n\n", kept).rstrip() + "\n"


def _is_hidden(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and any(
        word.arg == "hidden" and isinstance(word.value, ast.Constant) and word.value.value
        for word in node.keywords
    )


def release(lab: LabFiles, folder: Path) -> list[Path]:
    """Write the notebook without solutions and hidden tests, and the visible checks."""
    notebook = _notebook(lab)
    for cell in notebook["cells"]:
        cell["source"] = released("".join(cell["source"])).rstrip("\n")
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    checks = visible(lab.checks.read_text("utf-8"))
    return [
        _write(folder / lab.slug / f"{lab.slug}.ipynb", json.dumps(notebook, indent=1) + "\n"),
        _write(folder / "checks" / f"{lab.slug}.py", checks),
    ]


def export(lab: LabFiles, folder: Path) -> list[Path]:
    """Write the lab in Otter-Grader's layout: a notebook, and a test file for each check.

    Otter runs a student's code in the process of its tests, so what `vlab grade` keeps apart is
    not kept apart there; its containers must do that.
    """
    from vlab.grading.checks import load_checks

    files = release(lab, folder)
    files.append(_write(folder / "hidden" / f"{lab.slug}.py", lab.checks.read_text("utf-8")))
    for number, check in enumerate(load_checks(lab.checks), 1):
        where = f"hidden/{lab.slug}.py" if check.hidden else f"checks/{lab.slug}.py"
        code = (
            ">>> from vlab.grading.lab import Lab\n"
            f">>> Lab({lab.slug!r}, globals(), checks={where!r}).check({check.name!r})"
            "  # doctest: +ELLIPSIS\npassed  ...\n"
        )
        case = {"code": code, "hidden": check.hidden, "locked": False}
        suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
        test = {"name": f"q{number}", "points": check.points, "suites": [suite]}
        text = f"OK_FORMAT = True\n\ntest = {test!r}\n"
        files.append(_write(folder / "tests" / f"q{number}.py", text))
    return files


def skeleton(name: str, course: str | Path) -> list[Path]:
    """Write a new lab that works: a notebook with a solution, checks, and mutants."""
    if not NAME.fullmatch(name):
        raise ParameterError(f"{name!r}: a lab is named like 10_caches: two digits, then words")
    folder = Path(course)
    if not (folder / "checks").is_dir():
        raise MachineError(f"{course}: is no course: it has no directory checks")
    if (folder / "checks" / f"{name}.py").exists():
        raise ParameterError(f"lab {name} exists already in {course}")
    from vlab.grading import skeletons

    files = [
        _write(folder / "source" / name / f"{name}.ipynb", skeletons.notebook(name)),
        _write(folder / "checks" / f"{name}.py", skeletons.CHECKS),
    ]
    for mutant, text in skeletons.MUTANTS.items():
        files.append(_write(folder / "mutants" / name / f"{mutant}.py", text))
    return files


def _notebook(lab: LabFiles) -> dict[str, Any]:
    if lab.source is None:
        raise MachineError(f"lab {lab.slug}: has no source notebook")
    found: dict[str, Any] = json.loads(lab.source.read_text("utf-8"))
    return found


def _write(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"{path.parent}: cannot be made ({error.strerror})") from None
    write_atomically(path, lambda: text.encode())
    return path
