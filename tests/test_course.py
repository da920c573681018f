"""The course's documents speak of what is there."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from vlab.cli import parser
from vlab.grading.files import labs

ROOT = Path(__file__).parent.parent
COURSE = ROOT / "course"
PAGES = sorted([*COURSE.glob("*.md"), *(COURSE / "instructor").glob("*.md")])
PLAN = (COURSE / "lecture_plan.md").read_text("utf-8")
LECTURES = PLAN.split("\n## ")[1:13]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file of the repository."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_parse(page: Path) -> None:
    """Every `vlab` command of a page is one that the command line accepts."""
    for line in re.findall(r"^vlab .*$", page.read_text("utf-8"), re.MULTILINE):
        parser().parse_args(line.split("#")[0].split()[1:])


def test_every_lab_is_in_the_list() -> None:
    """The list of labs, the syllabus and the pages for teachers know every lab."""
    for slug in labs(COURSE):
        assert f"source/{slug}/{slug}.ipynb" in (COURSE / "README.md").read_text("utf-8")
        assert slug in (COURSE / "syllabus.md").read_text("utf-8")
        assert (COURSE / "instructor" / f"{slug}.md").is_file()


def test_every_notebook_has_a_lecture() -> None:
    """There is a lecture for each notebook, in order."""
    notebooks = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert [re.search(r"notebooks/(\S+\.ipynb)", text)[1] for text in LECTURES] == notebooks


@pytest.mark.parametrize("text", LECTURES, ids=lambda text: text[:2])
def test_lectures_fill_ninety_minutes_with_sections_that_exist(text: str) -> None:
    """A lecture's minutes follow each other up to 90; the sections named are the notebook's."""
    times = [tuple(map(int, pair)) for pair in re.findall(r"^\| (\d+)–(\d+) \|", text, re.M)]
    assert times[0][0] == 0
    assert times[-1][1] == 90
    assert all(one[1] == following[0] for one, following in pairwise(times))
    path = ROOT / "notebooks" / re.search(r"notebooks/(\S+\.ipynb)", text)[1]
    cells = json.loads(path.read_text("utf-8"))["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells)
    sections = {int(number) for number in re.findall(r"^## (\d+)\.", source, re.MULTILINE)}
    assert {int(number) for number in re.findall(r"§(\d+)", text)} <= sections
