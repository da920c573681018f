"""How fast the guest runs its workloads: the engines against each other and against QEMU.

``python benchmarks/workloads.py [--pairs N] [--program NAME]...`` prints a table; `vlab bench` runs
the same.

Each program is a workload of the course's guest under ``native``, paging on. Whole processes are
measured, start-up and translation included, in processor time (user and system), in alternating
runs; a row gives the median, and how many times as long it took as vlab's engines. QEMU
(``qemu-system-riscv64``) takes part if it is installed; with ``--other NAME=COMMAND`` so does
another simulator, by a command in which
``{kernel}``, ``{disk}`` and ``{bootargs}`` are replaced. This reports and never fails.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from speed import HEAD, compared, say_means, text_of

import vlab
from vlab.experiments.catalogue import IMAGES

PROGRAMS: dict[str, tuple[str, dict[str, int]]] = {
    "integer loop": ("compute", {"n": 600_000}),
    "pointer chase, 128 pages": ("memwalk", {"pages": 128, "stride": 64, "rounds": 40_000}),
    "pointer chase, 2048 pages": ("memwalk", {"pages": 2048, "stride": 4096, "rounds": 60_000}),
    "system calls": ("syscall", {"n": 3_000_000}),
    "context switches": ("ctxswitch", {"n": 300_000}),
    "fork and exit": ("forktree", {"depth": 8}),
    "page-table churn": ("ptemod", {"rounds": 20_000}),
}
ENGINES = ("interpreter", "translator")
LIMIT = 10**12
SCALED = {"n", "rounds"}
"""Parameters that say how much work is done."""


class Runner(NamedTuple):
    """Something that runs a program, and how."""

    name: str
    command: Callable[[str, dict[str, int], Path], list[str]]


def engine(name: str) -> Runner:
    """Return vlab with one of its engines."""

    def command(workload: str, params: dict[str, int], disk: Path) -> list[str]:
        words = [f"--param={key}={value}" for key, value in params.items()]
        limit = ["--max-instructions", str(LIMIT)]
        return [sys.executable, "-m", "vlab", "run", workload, "--engine", name, *limit, *words]

    return Runner(name, command)


def bootargs(workload: str, params: dict[str, int]) -> str:
    """Return the kernel's command line."""
    chosen = vlab.workloads()[workload]
    return str(chosen.bootargs(chosen.bind(params)))


def qemu() -> Runner:
    """Return QEMU's translator."""

    def command(workload: str, params: dict[str, int], disk: Path) -> list[str]:
        return [
            "qemu-system-riscv64", "-machine", "virt", "-m", "64M", "-nographic",
            "-kernel", str(IMAGES / "native.elf"), "-append", bootargs(workload, params),
            "-drive", f"file={disk},if=none,format=raw,id=d0",
            "-device", "virtio-blk-device,drive=d0,bus=virtio-mmio-bus.0",
            "-global", "virtio-mmio.force-legacy=false",
        ]  # fmt: skip

    return Runner("qemu", command)


def other(text: str) -> Runner:
    """Return a simulator from ``NAME=COMMAND``."""
    name, _, template = text.partition("=")

    def command(workload: str, params: dict[str, int], disk: Path) -> list[str]:
        values = {"kernel": IMAGES / "native.elf", "disk": disk}
        words = bootargs(workload, params)
        return [w.format(**values, bootargs=words) for w in shlex.split(template)]

    return Runner(name, command)


def seconds(command: list[str]) -> float:
    """Return the processor time that a command and its children take."""
    before = os.times()
    subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        check=True,
    )  # fmt: skip
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


def rows(
    pairs: int,
    programs: Iterable[str] = PROGRAMS,
    others: Iterable[str] = (),
    share: float = 1,
    say: Callable[[str], None] = print,
) -> Iterator[dict[str, Any]]:
    """Run workloads on every runner, in turn; yield a row for each, and say it."""
    runners = [engine(name) for name in ENGINES]
    runners += [qemu()] if shutil.which("qemu-system-riscv64") else []
    runners += [other(text) for text in others]
    say(HEAD)
    for program in programs:
        workload, given = PROGRAMS[program]
        params = given | {key: max(1, int(given[key] * share)) for key in SCALED & set(given)}
        counted = vlab.run(workload, **params, max_instructions=LIMIT).counters_total.retired
        times: dict[str, list[float]] = {runner.name: [] for runner in runners}
        with tempfile.TemporaryDirectory() as folder:
            disk = Path(folder) / "disk.img"
            shutil.copyfile(IMAGES / "fs.img", disk)
            for _ in range(pairs):
                for runner in runners:
                    times[runner.name].append(seconds(runner.command(workload, params, disk)))
        for row in compared(program, counted, times):
            say(text_of(row))
            yield row


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--program", action="append", choices=PROGRAMS)
    parser.add_argument("--other", action="append", default=[], metavar="NAME=COMMAND")
    options = parser.parse_args()
    say_means(list(rows(options.pairs, options.program or PROGRAMS, options.other)))


if __name__ == "__main__":
    main()
