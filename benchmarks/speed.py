"""The engines against other simulators on the same bare-metal programs, in alternating runs.

``python benchmarks/speed.py [PROGRAM …] [--pairs 3] [--scale 4] [--simulators translator,qemu]``
prints the user processor time of whole processes, start-up and translation included: medians, and
how many times as long the others take as vlab's engines (more than 1: vlab is ahead), with
the spread over the runs. `vlab bench` runs the same.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from bare_metal import PROGRAMS, build
from simulators import Simulator, known, measure

ENGINES = ("translator", "interpreter")
USUAL = (*ENGINES, "qemu", "spike", "unicorn")
HEAD = f"{'program':26} {'G instr':>8} {'simulator':12} {'s':>8} {'M instr/s':>10}" + "".join(
    f"{'/ ' + engine:>26}" for engine in ENGINES
)


def race(
    program: str,
    elf: Path,
    simulators: Iterable[Simulator],
    pairs: int,
    alike: bool = True,
) -> list[dict[str, Any]]:
    """Run a program on all simulators, in turn, and return a row for each.

    ``alike``: they must print the same.
    """
    simulators = list(simulators)
    runs: dict[str, list[Any]] = {s.name: [] for s in simulators}
    for _ in range(pairs):
        for simulator in simulators:
            runs[simulator.name].append(measure(simulator, elf))
    printed = {run.printed for made in runs.values() for run in made}
    if alike and len(printed) != 1:
        raise RuntimeError(f"{program}: the simulators print different results: {sorted(printed)}")
    count = max(run.instructions for made in runs.values() for run in made)
    times = {name: [run.seconds for run in made] for name, made in runs.items()}
    return compared(program, count, times)


def compared(program: str, count: int, times: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return a row for each simulator, from its seconds turn by turn.

    ``ratios[engine]`` holds, for each turn, how many times as long as vlab's engine it took.
    """
    rows = []
    for name, taken in times.items():
        ratios = {
            engine: [t / max(1e-3, own) for t, own in zip(taken, times[engine], strict=True)]
            for engine in ENGINES
            if engine in times and engine != name
        }
        rows.append(
            {
                "program": program,
                "instructions": count,
                "simulator": name,
                "seconds": taken,
                "ratios": ratios,
            }
        )
    return rows


def races(
    programs: Iterable[str],
    simulators: Iterable[Simulator],
    pairs: int,
    scale: Fraction,
    say: Callable[[str], None] = print,
) -> Iterator[dict[str, Any]]:
    """Build and run programs; yield the rows, and say them as they come."""
    simulators = list(simulators)
    say(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for name in programs:
            for row in race(name, build(name, Path(folder), scale), simulators, pairs):
                say(text_of(row))
                yield row


def text_of(row: dict[str, Any]) -> str:
    """Return a row as text."""
    seconds = statistics.median(row["seconds"])
    count = row["instructions"]
    speed = f"{count / max(1e-3, seconds) / 1e6:10,.0f}" if count else f"{'':10}"
    line = f"{row['program']:26} {count / 1e9:8.2f} {row['simulator']:12} {seconds:8.2f} {speed}"
    for engine in ENGINES:
        each = row["ratios"].get(engine)
        spread = f"{statistics.median(each):.2f} ({min(each):.2f}-{max(each):.2f})" if each else ""
        line += f"{spread:>26}"
    return line


def means(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """Return the geometric mean over programs of each simulator's ratio to each engine."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        for engine, each in row["ratios"].items():
            found.setdefault((row["simulator"], engine), []).append(statistics.median(each))
    return {pair: statistics.geometric_mean(each) for pair, each in found.items()}


def say_means(rows: list[dict[str, Any]], say: Callable[[str], None] = print) -> None:
    """Say the geometric means."""
    for (simulator, engine), mean in means(rows).items():
        if simulator not in ENGINES:
            say(f"{simulator} takes {mean:.2f} times as long as the {engine}, geometric mean")


def main() -> None:
    """Build, run in alternation, print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("programs", nargs="*", help=f"of {', '.join(PROGRAMS)}; all by default")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--scale", type=Fraction, default=4, help="how much work; 4: 2 s on QEMU")
    parser.add_argument("--simulators", default="translator,interpreter,qemu")
    options = parser.parse_args()
    installed = known()
    chosen = [installed[n] for n in options.simulators.split(",") if n in installed]
    rows = list(races(options.programs or PROGRAMS, chosen, options.pairs, options.scale))
    say_means(rows)


if __name__ == "__main__":
    main()
