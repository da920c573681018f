"""The command line: one line of error, status 2, nothing written; otherwise what was asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vlab.cli import main
from vlab.errors import GuestCrash

pytestmark = pytest.mark.usefixtures("fake_machine")


def test_list_names_every_workload_and_mode(capsys) -> None:
    """`vlab list` shows workloads with their parameters, and the modes."""
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "ptemod" in out
    assert "n=10" in out
    assert "paravirt" in out


def test_run_shows_console_and_summary(capsys) -> None:
    """The guest's output goes to standard output, the summary to standard error."""
    assert main(["run", "hello", "--mode", "fullvirt", "--param", "n=3"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "hello checksum=0123\n"
    assert "hello · fullvirt · exit 0" in captured.err


def test_json_to_standard_output_is_json_alone(capsys) -> None:
    """`--json -` leaves standard output to the JSON."""
    assert main(["run", "hello", "--mode", "simulate", "--of", "paravirt", "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["mode"], data["of"]) == ("simulate", "paravirt")


def test_compare_writes_json_and_figure(capsys, tmp_path: Path) -> None:
    """`vlab compare` prints the table and writes what it was asked to write."""
    json_file, figure = tmp_path / "c.json", tmp_path / "c.svg"
    args = ["compare", "hello", "--modes", "native,fullvirt"]
    assert main([*args, "--json", str(json_file), "--figure", str(figure)]) == 0
    assert len(json.loads(json_file.read_text())["runs"]) == 2
    assert figure.stat().st_size > 1000
    assert "x native" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["run"], "the following arguments are required: WORKLOAD"),
        (["run", "helo"], "unknown workload 'helo': did you mean 'hello'?"),
        (["run", "hello", "--mode", "paravirtual"], "did you mean 'paravirt'?"),
        (["run", "hello", "--of", "native"], "only 'simulate' predicts"),
        (["run", "hello", "--param", "n"], "--param 'n': write it as NAME=VALUE"),
        (["run", "hello", "--param", "m=1"], "unknown parameter of workload 'hello' 'm'"),
        (["run", "hello", "--param", "n=-5"], "must be a whole number from 1 to 1000"),
        (["run", "hello", "--param", "seed=5"], "--param seed: is an option"),
        (["run", "hello", "--seed", "x"], "invalid int value: 'x'"),
        (["run", "hello", "--set", "memory=-64M"], "must be a size such as 64M"),
        (["run", "hello", "--json", "nowhere/x.json"], "there is no directory nowhere"),
        (["run", "hello", "--json", "."], "it is a directory"),
        (["run", "hello", "--max-instructions", "0"], "max_instructions=0"),
        (["compare", "helo"], "unknown workload 'helo'"),
        (["compare", "--modes", "native,zen"], "unknown mode 'zen'"),
        (["compare", "--figure", "x.gif"], "an .svg, .pdf or .png file"),
        (["boot", "no-such-file"], "no-such-file: no such file"),
        (["boot", "."], "is a directory"),
        (["boot", __file__, "--disk", "no-disk"], "no-disk: no such file"),
        (["boot", __file__, "--memory", "0"], "memory='0'"),
        (["boot", __file__, "--mode", "simulate"], "cannot boot an image"),
        (["boot", __file__, "--interactive"], "needs a terminal"),
        (["shell"], "needs a terminal"),
        (["shell", "--mode", "simulate"], "has no shell"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], message: str, capsys, tmp_path: Path, monkeypatch
) -> None:
    """Whatever is wrong: one line, status 2, no file."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("vlab: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_failed_run_leaves_the_old_file(fake_machine, tmp_path: Path, monkeypatch) -> None:
    """A result file from before is not touched by a run that fails."""
    old = tmp_path / "result.json"
    old.write_text("old")

    def fail(mode, **given):
        raise GuestCrash("it cannot go on")

    monkeypatch.setattr(fake_machine, "run_guest", fail)
    assert main(["run", "hello", "--json", str(old)]) == 2
    assert old.read_text() == "old"


@pytest.mark.parametrize(
    ("outcome", "status"), [("limit", 1), ("crashed", 1), ("interrupted", 130)]
)
def test_the_exit_status_says_how_it_ended(
    fake_machine, monkeypatch, capsys, outcome: str, status: int
) -> None:
    """A limit or a crash is a failure; an interrupted run ends like an interrupted program."""
    original = fake_machine.run_guest

    def ending(mode, **given):
        ended = original(mode, **given)
        ended.outcome, ended.exit_code = outcome, None
        ended.crash = "jumped into nowhere" if outcome == "crashed" else None
        return ended

    monkeypatch.setattr(fake_machine, "run_guest", ending)
    assert main(["run", "hello"]) == status
    err = capsys.readouterr().err
    assert "Traceback" not in err
    if outcome == "crashed":
        assert "jumped into nowhere" in err


def test_control_c_is_one_line_and_130(fake_machine, monkeypatch, capsys) -> None:
    """An interrupt outside the run loop ends in one line too."""

    def interrupted(mode, **given):
        raise KeyboardInterrupt

    monkeypatch.setattr(fake_machine, "run_guest", interrupted)
    assert main(["run", "hello"]) == 130
    assert capsys.readouterr().err == "vlab: interrupted\n"


def test_help_is_instant_and_complete() -> None:
    """`vlab --help` loads no library and names every command."""
    code = (
        "import sys, vlab.cli as c\n"
        "try: c.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'pandas', 'matplotlib', 'numba', 'llvmlite'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.endswith("[]\n")
    for command in ("list", "run", "compare", "boot", "shell", "guests", "info"):
        assert f"\n    {command} " in out


def test_info_shows_versions(capsys) -> None:
    """`vlab info` names what a result depends on."""
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "vlab" in out
    assert "llvmlite" in out


def test_guests_diff_shows_the_size_of_the_port(capsys) -> None:
    """`vlab guests diff` counts what differs between the two images, in lines."""
    assert main(["guests", "diff"]) == 0
    out = capsys.readouterr().out
    assert "kernel/arch/pv/" in out
    assert "the port replaces" in out
