"""The documentation: every page is found, every link leads somewhere, every example runs."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import vlab
from vlab.cli import parser
from vlab.engines.custom import STANDARD
from vlab.isa.table import INSTRUCTIONS, remove

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
TOOLS = ("sphinx", "myst_nb", "furo")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def blocks(page: Path, language: str) -> list[str]:
    found = FENCE.findall(page.read_text("utf-8"))
    chosen = [(indent, text) for indent, kind, text in found if kind == language]
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in chosen]


def contents() -> set[Path]:
    """The pages that the table of contents names."""
    lines = (DOCS / "index.md").read_text("utf-8").splitlines()
    entries = [line for line in lines if re.fullmatch(r"[\w./]+", line)]
    found = {DOCS / "index.md"}
    for entry in entries:
        kinds = [(DOCS / f"{entry}{kind}").resolve() for kind in (".md", ".ipynb")]
        found |= {path for path in kinds if path.exists()} or {DOCS / f"{entry} is missing"}
    return found


def test_every_page_is_in_the_table_of_contents() -> None:
    """What is written can be found, and what is listed exists."""
    notebooks = set((ROOT / "notebooks").glob("*.ipynb"))
    course = set((ROOT / "course").glob("*.md"))
    listed, written = contents(), {*PAGES, *notebooks, *course, ROOT / "guests" / "README.md"}
    assert listed == written, "the table of contents is in docs/index.md"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link is a file of the repository, and its anchor a heading in it."""
    for target in LINK.findall(page.read_text("utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_parse(page: Path) -> None:
    """Every `vlab` command in the pages is one that the command line accepts."""
    for block in blocks(page, "sh"):
        for words in re.findall(r"(?:^|/)vlab ([^#\n]*)", block, re.MULTILINE):
            options = parser().parse_args([w.strip('"') for w in re.findall(r'".*?"|\S+', words)])
            assert callable(options.command)


HOWTO = [page for page in PAGES if page.parent.name == "howto" and blocks(page, "python")]


@pytest.mark.parametrize("page", HOWTO, ids=name)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of a how-to run as they stand, one after the other."""
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "example"}
    source = tmp_path / "example.py"
    source.write_text("\n".join(blocks(page, "python")), "utf-8")
    try:
        exec(compile(source.read_text("utf-8"), str(source), "exec"), space)
    finally:
        for row in INSTRUCTIONS[len(STANDARD) :]:
            remove(row.name)


def configuration() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_public_name() -> None:
    """The page of the API is generated from the public names, each of which has a docstring."""
    page = configuration().api()
    for public in vlab.__all__:
        if not public.startswith("__"):
            assert f"vlab.{public}\n" in page
            assert getattr(vlab, public).__doc__


def test_the_reference_has_every_command() -> None:
    """The page of the command line is generated from its parser, and explains each argument."""
    page = configuration().commands()
    assert "## `vlab compare`" in page
    rows = [row.split(" | ") for row in page.splitlines() if row.startswith("| `")]
    assert rows
    assert not [row for row in rows if not row[1].strip()]


@pytest.mark.slow
@pytest.mark.skipif(
    not all(importlib.util.find_spec(tool) for tool in TOOLS), reason="needs the extra 'docs'"
)
def test_it_builds_without_warnings(tmp_path: Path) -> None:
    """Sphinx accepts every page; notebooks are executed by their own test."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"]
    command += ["-D", "nb_execution_mode=off", "-d", str(tmp_path / "trees"), "-c", "docs", "."]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [*command, str(tmp_path / "site")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "site" / "docs" / "index.html").is_file()
    pages = {path.stem for path in (tmp_path / "site").rglob("*.html")}
    assert {"03_history", "api", "cli", "add_a_device"} <= pages
    shown = (tmp_path / "site" / "notebooks" / "03_history.html").read_text("utf-8")
    assert "Pick the milestones" not in shown
    assert "pick the milestones" not in shown
