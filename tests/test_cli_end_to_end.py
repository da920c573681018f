"""The command line with the real machine behind it, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlab.experiments import TECHNIQUES

ROOT = Path(__file__).parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
VLAB = [sys.executable, "-m", "vlab"]


def vlab(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it said."""
    return subprocess.run([*VLAB, *arguments], env=ENVIRONMENT, capture_output=True, text=True)


def test_every_mode_runs_from_the_command_line() -> None:
    """`vlab run` gives the same checksum in every executing mode, and valid JSON."""
    consoles = set()
    for mode in TECHNIQUES:
        done = vlab("run", "hello", "--mode", mode, "--json", "-")
        assert done.returncode == 0, done.stderr
        data = json.loads(done.stdout)
        assert data["outcome"] == "finished"
        consoles.add(data["console"])
    assert len(consoles) == 1


def test_a_run_ends_at_its_instruction_limit() -> None:
    """The limit is exact, the result says so, and the exit status is 1."""
    done = vlab("run", "compute", "--max-instructions", "1000000", "--json", "-")
    data = json.loads(done.stdout)
    assert done.returncode == 1
    assert data["outcome"] == "limit"
    assert data["counters_total"]["retired"] == 1_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("mode", ["native", "fullvirt"])
def test_control_c_ends_a_run_within_a_second(mode: str, tmp_path: Path) -> None:
    """The interrupted run still reports what it counted."""
    report = tmp_path / "report.json"
    code = (
        "import sys, vlab.modes as m, vlab.cli as c\n"
        "run = m.run_guest\n"
        "def tell(*a, progress, **k):\n"
        "    def told(n): print('running', flush=True) if n > 10**7 else None\n"
        "    return run(*a, progress=told, **k)\n"
        "m.run_guest = tell\n"
        "sys.exit(c.main(sys.argv[1:]))"
    )
    arguments = ["run", "memwalk", "--mode", mode, "--param", "pages=4096"]
    arguments += ["--param", "rounds=100000", "--max-instructions", str(10**12)]
    arguments += ["--json", str(report)]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - sent < 5  # a second, where nothing else runs
    assert process.returncode == 130
    assert err == "vlab: interrupted\n"
    assert json.loads(report.read_text())["outcome"] == "interrupted"


def test_bad_images_and_disks_are_refused(tmp_path: Path) -> None:
    """What cannot be booted is named in one line with status 2, and no file appears."""
    image = ROOT / "vlab" / "images" / "native.elf"
    good = image.read_bytes()
    contents = {
        "empty": b"",
        "truncated.elf": good[:3000],
        "elf32.elf": good[:4] + b"\1" + good[5:],
        "x86.elf": good[:18] + b"\x3e" + good[19:],
        "odd.img": bytes(1000),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.iterdir())
    cases = [[str(tmp_path / name)] for name in contents if name != "odd.img"]
    cases += [
        [str(tmp_path)],
        [str(image), "--disk", str(tmp_path / "odd.img")],
        [str(image), "--memory", "4K"],
        [str(image), "--set", "tlb=3"],
    ]
    for case in cases:
        done = vlab("boot", *case, "--json", str(tmp_path / "out.json"))
        assert done.returncode == 2, case
        assert done.stderr.startswith("vlab: error: "), case
        assert done.stderr.count("\n") == 1, case
    assert sorted(tmp_path.iterdir()) == before
