"""All benchmarks, one after the other: what `vlab bench` runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cold_start
import exits
import memory
import workloads
from bare_metal import PROGRAMS
from simulators import QEMU, Simulator, known, other
from speed import USUAL, race, races, say_means, text_of

OTHERS = ("workloads", "exits", "cold", "memory")
"""What is measured besides programs."""

NAMES = (*PROGRAMS, "coremark", *OTHERS)


def simulators(against: Sequence[str]) -> list[Simulator]:
    """Return the usual simulators that are installed, and those given by a command."""
    installed = known()
    return [installed[n] for n in USUAL if n in installed] + [other(text) for text in against]


def coremark(elf: Path, pairs: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Run somebody's CoreMark (or any program for the ``virt`` board), booted as it is."""
    boot = (sys.executable, "-m", "vlab", "boot", "{elf}", "--max-instructions", str(10**12))
    found = [Simulator(e, (*boot, "--engine", e)) for e in ("translator", "interpreter")]
    if "qemu" in known():
        board = ("-machine", "virt", "-m", "128M", "-bios", "none", "-nographic")
        found.append(Simulator("qemu", (QEMU, *board, "-kernel", "{elf}")))
    rows = race("coremark", elf, found, pairs, alike=False)
    for row in rows:
        say(text_of(row))
    return rows


def run(
    only: Sequence[str] = (),
    *,
    pairs: int = 3,
    scale: Fraction | int = 4,
    against: Sequence[str] = (),
    coremark_elf: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, list[dict[str, Any]]]:
    """Run benchmarks and return their rows by section: ``speed exits cold_start memory``."""
    chosen = [name for name in NAMES if not only or name in only]
    share = float(min(1, Fraction(scale)))
    result: dict[str, list[dict[str, Any]]] = {}
    programs = [name for name in chosen if name in PROGRAMS]
    speeds: list[dict[str, Any]] = []
    if programs:
        speeds += races(programs, simulators(against), pairs, Fraction(scale), say)
    if coremark_elf is not None and "coremark" in chosen:
        speeds += coremark(coremark_elf, pairs, say)
    if "workloads" in chosen:
        speeds += workloads.rows(pairs, share=share, say=say)
    if speeds:
        say_means(speeds, say)
        result["speed"] = speeds
    if "exits" in chosen:
        say("")
        result["exits"] = list(exits.races(pairs, share, say))
    if "cold" in chosen:
        say("")
        result["cold_start"] = list(cold_start.rows(pairs, say))
    if "memory" in chosen and not memory.STATUS.exists():
        say("\nmemory: only told by Linux")
    elif "memory" in chosen:
        say("")
        result["memory"] = memory.in_a_process(max(2, int(memory.SMALL * share)), say=say)
    return result
