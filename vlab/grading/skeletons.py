"""The lab that ``vlab lab new`` writes: small, complete and to be changed."""

from __future__ import annotations

import json
from typing import Any

CHECKS = '''"""Checks of this lab: the student's answers against the reference."""

import random

from vlab.grading import check
from vlab.labs.answers import agree

PAGE = 4096


def pages(address, count):
    """The reference: how many pages a range of bytes touches."""
    return 0 if count == 0 else (address + count - 1) // PAGE - address // PAGE + 1


def asks(solution, address, count):
    situation = f"pages_touched({address:#x}, {count})"
    agree(situation, pages(address, count), solution.pages_touched(address, count), "pages_touched")


@check("one page", points=20, where="pages_touched")
def one_page(solution):
    asks(solution, 0x8000_0000, 1)
    asks(solution, 0x8000_0000, PAGE)
    asks(solution, 0x8000_0FFF, 1)


@check("several pages", points=30, where="pages_touched")
def several_pages(solution):
    asks(solution, 0x8000_0FFF, 2)
    asks(solution, 0x8000_0000, 3 * PAGE)
    asks(solution, 0x8000_0001, 3 * PAGE)
    asks(solution, 0x8000_0000, 0)


@check("any range", points=40, hidden=True, where="pages_touched")
def any_range(solution):
    rng = random.Random(1)
    for _ in range(200):
        asks(solution, rng.randrange(1 << 40), rng.choice((0, 1, rng.randrange(5 * PAGE))))
'''

MUTANTS = {
    name: f'"""{text}\n\ncheck: {check}\nwhere: pages_touched\n"""\n\n\n'
    f"def pages_touched(address, count):\n    return {code}\n"
    for name, text, check, code in (
        ("rounds_down", "Rounds down.", "one page", "count // 4096"),
        ("rounds_up", "Forgets where the range begins.", "several pages", "-(-count // 4096)"),
        ("one_too_many", "One page too many at a boundary.", "one page",
         "(address + count) // 4096 - address // 4096 + 1"),
        ("empty_is_a_page", "An empty range touches a page.", "several pages",
         "max(1, (address + count - 1) // 4096 - address // 4096 + 1)"),
        ("always_one", "Every range is one page.", "several pages", "1"),
    )
}  # fmt: skip


def notebook(name: str) -> str:
    """Return the source notebook, in nbgrader's markup."""
    cells = [
        _text(f"# Lab {name}\n\nSay what students will have understood in the end."),
        _code(f'from vlab.grading import Lab\n\nlab = Lab("{name}")'),
        _text(
            "`pages_touched(address, count)` says how many pages of 4 KiB a range of bytes touches."
        ),
        _code(
            "def pages_touched(address, count):\n"
            '    """Return the number of pages that `count` bytes from `address` touch."""\n'
            "    ### BEGIN SOLUTION\n"
            "    return 0 if count == 0 else (address + count - 1) // 4096 - address // 4096 + 1\n"
            "    ### END SOLUTION",
            grade_id="pages-touched",
            solution=True,
        ),
        _code('lab.check("one page")', grade_id="one-page", points=20),
        _code('lab.check("several pages")', grade_id="several-pages", points=30),
        _code(
            "# Hidden: any range (40 points).\n### BEGIN HIDDEN TESTS\n"
            'lab.check("any range")\n### END HIDDEN TESTS',
            grade_id="any-range",
            points=40,
        ),
        _text("## Open question\n\nDraw a figure that answers a question."),
        _code(
            "### BEGIN SOLUTION\nimport matplotlib.pyplot as plt\n\n"
            "plt.plot([pages_touched(0xFFF, n) for n in range(0, 9000, 500)])\n### END SOLUTION",
            grade_id="figure",
            solution=True,
            points=10,
        ),
    ]
    head = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    content = {"cells": cells, "metadata": head, "nbformat": 4, "nbformat_minor": 5}
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return json.dumps(content, indent=1) + "\n"


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def _code(
    source: str, grade_id: str = "", points: int | None = None, solution: bool = False
) -> dict[str, Any]:
    tags: dict[str, Any] = {}
    if grade_id:
        tags = {
            "schema_version": 3,
            "grade_id": grade_id,
            "grade": points is not None,
            "solution": solution,
            "locked": not solution,
            "task": False,
        }
        if points is not None:
            tags["points"] = points
    metadata = {"nbgrader": tags} if tags else {}
    return {
        "cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [],
        "source": source,
    }  # fmt: skip
