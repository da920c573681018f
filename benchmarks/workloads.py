"""How fast the guest runs its workloads: the engines against each other and against QEMU.

``python benchmarks/workloads.py [--pairs N] [--program NAME]... [--figure FILE]`` prints a table.

Each program is a workload of the course's guest under ``native``, paging on. Whole processes are
measured, start-up and translation included, in processor time (user and system), in alternating
runs; a row gives the median, and the ratio to QEMU with its spread. QEMU
(``qemu-system-riscv64``) takes part if it is installed; with ``--other NAME=COMMAND`` so does
another simulator, by a command in which
``{kernel}``, ``{disk}`` and ``{bootargs}`` are replaced. This reports and never fails.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--program", action="append", choices=PROGRAMS)
    parser.add_argument("--other", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--figure", metavar="FILE")
    options = parser.parse_args()
    runners = [engine(name) for name in ENGINES]
    runners += [qemu()] if shutil.which("qemu-system-riscv64") else []
    runners += [other(text) for text in options.other]
    ratios: dict[str, float] = {}
    head = f"{'program':26} {'runner':12} {'M instr':>8} {'s':>7} {'M instr/s':>10}"
    print(f"{head} {'/ qemu':>7} spread")
    for program in options.program or PROGRAMS:
        workload, params = PROGRAMS[program]
        counted = vlab.run(workload, **params, max_instructions=LIMIT).counters_total.retired
        times: dict[str, list[float]] = {runner.name: [] for runner in runners}
        with tempfile.TemporaryDirectory() as folder:
            disk = Path(folder) / "disk.img"
            shutil.copyfile(IMAGES / "fs.img", disk)
            for _ in range(options.pairs):
                for runner in runners:
                    times[runner.name].append(seconds(runner.command(workload, params, disk)))
        for name, taken in times.items():
            middle = statistics.median(taken)
            row = f"{program:26} {name:12} {counted / 1e6:8,.0f} {middle:7.2f} "
            row += f"{counted / middle / 1e6:10,.0f}"
            if "qemu" in times and name != "qemu":
                pairs = [q / t for q, t in zip(times["qemu"], taken, strict=True)]
                row += f" {statistics.median(pairs):7.2f} {min(pairs):.2f}-{max(pairs):.2f}"
                if name == "translator":
                    ratios[program] = statistics.median(pairs)
            print(row, flush=True)
    if ratios:
        mean = statistics.geometric_mean(ratios.values())
        print(f"translator against QEMU, geometric mean: {mean:.2f}")
        if options.figure:
            from vlab.figures import bars

            title = f"The translator runs at {mean:.2g} times QEMU's speed in the geometric mean"
            label = "speed relative to QEMU, whole processes"
            bars(ratios, title, label, number="{:.2f}×").save(options.figure)


if __name__ == "__main__":
    main()
