"""Documentation says what the code says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from vlab.cli import parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_page_of_numbers_is_current() -> None:
    """docs/numbers.md is what the lists in the code give (run `python docs/generate.py`)."""
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    assert page["NUMBERS"].read_text("utf-8") == page["numbers"]()


def test_ci_runs_the_readmes_test_command() -> None:
    """The README has one test command, and `.ci/run` takes it from there."""
    commands = [line for line in README.splitlines() if line.endswith("-m pytest")]
    assert len([line for line in commands if line.startswith("python3")]) == 1
    assert "README.md" in (ROOT / ".ci" / "run").read_text("utf-8")


@pytest.mark.parametrize("line", re.findall(r"^vlab .*$", README, re.MULTILINE))
def test_the_readmes_commands_parse(line: str) -> None:
    """Every `vlab` command in the README is one that the command line accepts."""
    words = line.split("#")[0].split()
    assert callable(parser().parse_args(words[1:]).command)


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test_the_readmes_links_lead_somewhere(target: str) -> None:
    """Every relative link of the README is a file of the repository."""
    assert (ROOT / target).exists()


def test_no_package_host_is_named() -> None:
    """Constraints are exact versions and name no host."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", pin) for pin in pins)
