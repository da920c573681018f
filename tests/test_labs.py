"""The labs: what is handed out scores nothing, solutions score all, and no planted bug passes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bench
import pages
import pytest

from vlab.grading.checks import load_checks
from vlab.grading.making import visible
from vlab.grading.verdicts import grade

LABS = bench.slugs()
MUTANTS = [(slug, name) for slug in LABS for name in bench.mutants_of(slug)]
PURE = {
    "01_csr": ["decode_csr", "emulate_csr"],
    "02_trap": ["take_trap", "return_from_trap", "interrupt_to_take"],
    "03_shadow": ["walk_tables", "shadow_entry"],
}
"""Labs whose solutions are functions without memory, so that answers can be written down."""


def points(verdicts: dict[str, Any], **having: Any) -> int:
    return sum(
        one.points
        for one in verdicts.values()
        if one.error is None and all(getattr(one, name) == value for name, value in having.items())
    )


def test_there_are_eight_labs() -> None:
    """The course has at least eight labs, each with at least five wrong solutions."""
    assert len(LABS) >= 8
    for slug in LABS:
        assert len(bench.mutants_of(slug)) >= 5, slug


@pytest.mark.parametrize("slug", LABS)
def test_points_add_up(slug: str) -> None:
    """A lab has 100 points: its checks, each in a cell of its own, and one figure by hand."""
    checks = {check.name: check for check in bench.checks_of(slug)}
    cells = [cell for cell in bench.notebook(slug) if bench.tags(cell).get("grade")]
    automatic = [cell for cell in cells if not bench.tags(cell)["solution"]]
    by_hand = [cell for cell in cells if bench.tags(cell)["solution"]]
    seen = {}
    for cell in automatic:
        (name,) = re.findall(r'^lab\.check\("(.*)"\)$', bench.source(cell), re.MULTILINE)
        check = seen[name] = checks[name]
        assert bench.tags(cell)["points"] == check.points
        assert bench.tags(cell)["locked"]
        assert ("BEGIN HIDDEN TESTS" in bench.source(cell)) == check.hidden, name
    assert seen == checks
    assert len(by_hand) == 1
    assert sum(bench.tags(cell)["points"] for cell in cells) == 100
    ids = [bench.tags(cell)["grade_id"] for cell in bench.notebook(slug) if bench.tags(cell)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("slug", LABS)
def test_the_source_scores_full_marks(slug: str) -> None:
    """The solution in the source notebook passes every check."""
    verdicts = bench.grade(slug, bench.solution_cells(slug))
    assert {name: one.error for name, one in verdicts.items() if one.error} == {}


@pytest.mark.parametrize("slug", LABS)
def test_the_release_scores_nothing(slug: str) -> None:
    """What students are given passes no check before they write something."""
    verdicts = bench.grade(slug, bench.release_cells(slug))
    assert [name for name, one in verdicts.items() if one.error is None] == []


@pytest.mark.parametrize("slug", LABS)
def test_confined_submissions_score_the_same(slug: str) -> None:
    """Grading asks a solution in a process of its own, without vlab, and finds the same."""
    checks = bench.checks_of(slug)
    solution, release = (
        grade(cells(slug), checks) for cells in (bench.solution_cells, bench.release_cells)
    )
    assert [one.message for one in solution.verdicts if not one.passed] == []
    assert release.score == 0


@pytest.mark.parametrize("slug", LABS)
def test_students_checks_are_the_visible_ones(slug: str, tmp_path: Path) -> None:
    """The file of checks that students get works, and holds no hidden check."""
    path = tmp_path / f"{slug}.py"
    path.write_text(visible((bench.HERE / "checks" / f"{slug}.py").read_text("utf-8")), "utf-8")
    given, all_of_them = load_checks(path), bench.checks_of(slug)
    assert [one.name for one in given] == [one.name for one in all_of_them if not one.hidden]
    verdicts = bench.run_checks(given, bench.run_cells(bench.solution_cells(slug)))
    assert [name for name, one in verdicts.items() if one.error] == []


@pytest.mark.parametrize(("slug", "name"), MUTANTS)
def test_a_mutant_is_caught(slug: str, name: str) -> None:
    """A planted bug fails the check that it names, and the feedback names the place to look at."""
    mutant = bench.mutants_of(slug)[name]
    solution = bench.run_cells([*bench.solution_cells(slug), mutant.code])
    checks = [check for check in bench.checks_of(slug) if check.name == mutant.check]
    verdict = bench.run_checks(checks, solution)[mutant.check]
    assert verdict.error is not None
    assert verdict.error.where == mutant.where  # type: ignore[attr-defined]
    for part in ("expected", "seen", "situation"):
        assert getattr(verdict.error, part)


@pytest.mark.parametrize("slug", PURE)
def test_known_answers_score_the_visible_points_only(slug: str) -> None:
    """A submission that knows the visible checks' answers by heart gets their points alone."""
    solution = bench.run_cells(bench.solution_cells(slug))
    known: dict[str, Any] = {}

    def recorder(name: str) -> Any:
        def record(*arguments: Any) -> Any:
            answer = getattr(solution, name)(*arguments)
            known[repr((name, arguments))] = answer
            return answer

        return record

    def by_heart(name: str) -> Any:
        return lambda *arguments: known.get(repr((name, arguments)))

    visible = [check for check in bench.checks_of(slug) if not check.hidden]
    bench.run_checks(visible, SimpleNamespace(**{name: recorder(name) for name in PURE[slug]}))
    cheat = SimpleNamespace(**{name: by_heart(name) for name in PURE[slug]})
    verdicts = bench.run_checks(bench.checks_of(slug), cheat)
    assert points(verdicts, hidden=False) == sum(check.points for check in visible)
    assert points(verdicts, hidden=True) == 0


@pytest.mark.parametrize("slug", LABS)
def test_the_page_for_teachers_is_current(slug: str) -> None:
    """Figures' data and the messages of three planted bugs are what they are now."""
    written = (pages.PAGES / f"{slug}.md").read_text("utf-8")
    assert written == pages.page(slug), "run `python course/pages.py`"
    assert written.count("<!-- bug ") >= 3


@pytest.mark.parametrize("slug", LABS)
def test_notebooks_hold_no_output(slug: str) -> None:
    """Source notebooks are stored without output and without the author's paths."""
    text = (bench.HERE / "source" / slug / f"{slug}.ipynb").read_text("utf-8")
    for cell in json.loads(text)["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
