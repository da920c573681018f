"""How much faster simulating a workload is than emulating it: alternating runs, medians.

``python benchmarks/simulate.py`` prints a row per workload. Only the time of the run itself
is compared: both have started, and the interpreter's code is warm.
"""

from __future__ import annotations

import statistics
import time

import vlab

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


def main() -> None:
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


if __name__ == "__main__":
    main()
