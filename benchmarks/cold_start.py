"""How long a first and a later run take: ``python benchmarks/cold_start.py [PAIRS]``.

Whole processes: ``fresh`` has an empty cache and compiles all it needs, ``warm`` finds it. Elapsed
time, since a student waits for that; processor time beside it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

RUNS = {
    "version": ["--version"],
    "hello": ["run", "hello"],
    "hello, fullvirt": ["run", "hello", "--mode", "fullvirt"],
    "hello, dbt": ["run", "hello", "--mode", "emulate", "--technique", "dbt"],
}


def once(arguments: list[str], cache: str) -> tuple[float, float]:
    """Return elapsed and processor seconds of ``vlab`` with a cache directory."""
    before, begin = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "vlab", *arguments],
        env=os.environ | {"VLAB_CACHE_DIR": cache},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after, elapsed = os.times(), time.perf_counter() - begin
    user = after.children_user - before.children_user
    return elapsed, user + after.children_system - before.children_system


def rows(pairs: int, say: Callable[[str], None] = print) -> Iterator[dict[str, Any]]:
    """Run fresh and warm, in turn; yield the rows, and say them as they come."""
    say(f"{'vlab':18} {'cache':6} {'elapsed s':>10} {'spread':>12} {'processor s':>12}")
    for name, arguments in RUNS.items():
        taken: dict[str, list[tuple[float, float]]] = {"fresh": [], "warm": []}
        for _ in range(pairs):
            with tempfile.TemporaryDirectory() as cache:
                for kind in taken:
                    taken[kind].append(once(arguments, cache))
        for kind, runs in taken.items():
            elapsed, processor = ([run[n] for run in runs] for n in (0, 1))
            spread = f"{min(elapsed):.2f}-{max(elapsed):.2f}"
            say(
                f"{name:18} {kind:6} {statistics.median(elapsed):10.2f} {spread:>12} "
                f"{statistics.median(processor):12.2f}"
            )
            yield {"run": name, "cache": kind, "elapsed": elapsed, "processor": processor}


def main() -> None:
    """Run the pairs and print the table."""
    list(rows(int(sys.argv[1]) if len(sys.argv) > 1 else 3))


if __name__ == "__main__":
    main()
