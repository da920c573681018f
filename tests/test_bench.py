"""``vlab bench``: what it runs and reports; never how fast that is."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from vlab.cli import main
from vlab.experiments import bench as bench_module
from vlab.experiments.bench import bench, speed_frame, suite

TINY = ["--pairs", "1", "--scale", "1/2000"]


def test_programs_race_and_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each program runs on every simulator with one result; JSON and figure hold the ratios."""
    data, picture = tmp_path / "b.json", tmp_path / "b.svg"
    command = f"again={sys.executable} {Path(suite().__file__).parent / 'simulators.py'}"
    arguments = ["bench", "--only", "records,chase-32", *TINY, "--against"]
    arguments += [f"{command} interpreter {{elf}}", "--json", str(data), "--figure", str(picture)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    found = json.loads(data.read_text("utf-8"))
    rows = found["speed"]
    assert {row["program"] for row in rows} == {"records", "chase-32"}
    assert {"translator", "interpreter", "again"} <= {row["simulator"] for row in rows}
    for row in rows:
        assert row["instructions"] > 1000
        assert len(row["seconds"]) == found["pairs"] == 1
        assert row["simulator"] not in row["ratios"]
        assert row["simulator"] in printed
    assert "geometric mean" in printed
    frame = speed_frame(found)
    assert (frame["low"] <= frame["ratio"]).all()
    assert picture.read_text("utf-8").startswith("<?xml")


def test_somebodys_coremark_is_booted_as_it_is(tmp_path: Path) -> None:
    """An ELF file for the board runs on both engines, whatever it prints."""
    suite()
    from bare_metal import build  # beside the suite

    elf = build("records", tmp_path, Fraction(1, 2000))
    rows = bench(["coremark"], pairs=1, coremark=elf)["speed"]
    assert [row["program"] for row in rows] == ["coremark"] * len(rows)
    assert {"translator", "interpreter"} <= {row["simulator"] for row in rows}


def test_the_rest_reports(capsys: pytest.CaptureFixture[str]) -> None:
    """Exits by kind, cold start and memory have rows; what is not asked for does not run."""
    found = bench(["exits", "cold", "memory"], pairs=1, scale="1/2000")
    assert "speed" not in found
    kinds = {row["kind"] for row in found["exits"]}
    assert {"device access", "upcall and return"} <= kinds
    assert all(row["microseconds"][0] > 0 for row in found["exits"])
    caches = [(row["run"], row["cache"]) for row in found["cold_start"]]
    assert ("hello", "fresh") in caches
    assert ("hello", "warm") in caches
    assert found["memory"][-1]["machine"].endswith("idle, 16 MiB each")
    assert "exits/s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--only", "alu,chess"], "unknown benchmark 'chess'"),
        (["--pairs", "0"], "pairs=0: must be from 1"),
        (["--scale", "fast"], "scale='fast': must be a number above 0"),
        (["--scale", "1/0"], "must be a number above 0"),
        (["--against", "qemu"], "write it as NAME=COMMAND, with {elf}"),
        (["--against", "x=no-such-simulator {elf}"], "there is no command 'no-such-simulator'"),
        (["--coremark", "no/such.elf"], "no such file"),
        (["--only", "coremark"], "give its file"),
        (["--figure", "x.gif"], "an .svg, .pdf or .png file"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong is said in one line, with exit status 2, before anything runs."""
    assert main(["bench", *arguments]) == 2
    said = capsys.readouterr()
    assert reason in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_an_installed_package_says_that_it_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without ``benchmarks/`` beside the package there is one clear line."""
    monkeypatch.setattr(bench_module, "BENCHMARKS", tmp_path)
    assert main(["bench"]) == 2
    assert "needs a checkout" in capsys.readouterr().err
