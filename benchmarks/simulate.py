"""How fast and how right `simulate` is.

``python benchmarks/simulate.py`` prints how much faster simulating a workload is than emulating
it: alternating runs, medians. Only the time of the run itself is compared: both have started,
and the interpreter's code is warm.

``python benchmarks/simulate.py --held-out`` predicts and measures cases drawn at random and
prints the errors (``--each 20 --seed 1`` cases of every workload; ``--varied``: with another
TLB, clock, cost table, timer rate or batch, too).
"""

from __future__ import annotations

import argparse
import statistics
import time

import vlab
from vlab.experiments.held_out import Errors, cases, compare
from vlab.experiments.running import TECHNIQUES

SIZES: dict[str, dict[str, int]] = {
    "compute": {"n": 300_000},
    "syscall": {"n": 1_000_000},
    "ctxswitch": {"n": 50_000},
    "memwalk": {"rounds": 50_000},
    "forktree": {"depth": 8},
    "mixed": {"n": 3_000},
}
PAIRS = 3


def seconds(mode: str, workload: str, **params: int) -> float:
    """Return the wall time of one run."""
    begin = time.perf_counter()
    vlab.run(workload, mode=mode, **params, max_instructions=10**11)
    return time.perf_counter() - begin


def speed() -> None:
    """Run the pairs and print the table."""
    print(f"{'workload':12} {'emulate s':>10} {'simulate s':>11} {'ratio':>8}")
    for workload, params in SIZES.items():
        seconds("simulate", workload, **params)
        pairs = [
            (seconds("emulate", workload, **params), seconds("simulate", workload, **params))
            for _ in range(PAIRS)
        ]
        emulate, simulate = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{workload:12} {emulate:10.3f} {simulate:11.5f} {ratio:8.0f}")


def held_out(seed: int, each: int, varied: bool) -> None:
    """Print the errors by what varies: the workload, or the setting."""
    rows: dict[str, list[Errors]] = {}
    for case in cases(seed, each, varied):
        for technique in TECHNIQUES:
            errors = compare(case, technique)
            key = next(iter(case.settings), "") if varied else case.workload
            rows.setdefault(key, []).append(errors)
            if not errors.allowed:
                figures = f"exits {errors.exits:.1%}, cycles {errors.cycles:.1%}"
                where = f"{case.workload} {case.params} {case.settings} {technique}"
                print(f"outside: {where}: {figures}", flush=True)
    print(f"| {'':12} | cases | within | exits: 95 % | worst | cycles: median | 95 % | worst |")
    print("|---|---|---|---|---|---|---|---|")
    for key, found in [*rows.items(), ("all", [e for row in rows.values() for e in row])]:
        exits = sorted(errors.exits for errors in found)
        cycles = sorted(errors.cycles for errors in found)
        at = int(0.95 * (len(found) - 1))
        within = sum(errors.allowed for errors in found)
        print(
            f"| {key:12} | {len(found)} | {within} | {exits[at]:.1%} | {exits[-1]:.1%} "
            f"| {statistics.median(cycles):.2%} | {cycles[at]:.1%} | {cycles[-1]:.1%} |"
        )


def main() -> None:
    """Print the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--varied", action="store_true")
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.held_out:
        held_out(given.seed, given.each, given.varied)
    else:
        speed()


if __name__ == "__main__":
    main()
