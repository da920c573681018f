"""What an exit takes of the host's time, by kind: served in machine code, and in Python.

``python benchmarks/exits.py [PAIRS]`` prints a row per kind. Each kind is the exits of a workload
that consists of little else; the guest's own instructions are in its time. The second
column is how much more a call takes when the handler is overridden by a Python method that only
calls the stock one: the round trip into Python. Processor time; medians of alternating measurements
of several runs each, with the spread of the differences.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import vlab


class Kind(NamedTuple):
    """A kind of exit: where many of them are, which handler serves them, and how many runs."""

    name: str
    mode: str
    workload: str
    params: dict[str, int]
    handler: str
    runs: int


KINDS = (
    Kind("CSR, return, reflected call", "fullvirt", "syscall", {"n": 20_000}, "on_trap", 1),
    Kind("system call, reflected", "fullvirt", "syscall", {"n": 20_000}, "on_ecall", 4),
    Kind("page fault and its fill", "fullvirt", "pagefault", {"pages": 4000}, "on_page_fault", 6),
    Kind("fill", "fullvirt", "pagefault", {"pages": 4000}, "on_hidden_fault", 6),
    Kind("device access", "fullvirt", "diskpio", {"n": 64}, "on_emulated_access", 3),
    Kind("upcall and return", "paravirt", "syscall", {"n": 50_000}, "on_trap", 1),
    Kind("system call, as an upcall", "paravirt", "syscall", {"n": 50_000}, "on_syscall", 2),
)


def overriding(stock: type, name: str, calls: list[int]) -> type:
    """Return a monitor whose handler is a Python method that calls the stock one."""

    def handler(self: Any, *arguments: Any) -> Any:
        calls[0] += 1
        return getattr(stock, name)(self, *arguments)

    return type("Overriding", (stock,), {name: handler})


def seconds(kind: Kind, monitor: type | None) -> tuple[float, int]:
    """Return the processor time of the runs, and their exits."""
    exits, begin = 0, time.process_time()
    for _ in range(kind.runs):
        result = vlab.run(kind.workload, mode=kind.mode, monitor=monitor, **kind.params)
        exits += result.counters_total.exits
    return time.process_time() - begin, exits


def measure(kind: Kind, pairs: int, share: float = 1) -> dict[str, Any]:
    """Return what an exit of a kind takes; of the workload only a share is run."""
    kind = kind._replace(params={k: max(2, int(n * share)) for k, n in kind.params.items()})
    stock = vlab.FullVirt if kind.mode == "fullvirt" else vlab.ParaVirt
    calls = [0]
    mine = overriding(stock, kind.handler, calls)
    seconds(kind, mine)
    ours, more = [], []
    for _ in range(pairs):
        own, exits = seconds(kind, None)
        calls[0] = 0
        python, _ = seconds(kind, mine)
        ours.append(own / exits * 1e6)
        more.append((python - own) / max(1, calls[0]) * 1e6)
    return {"kind": kind.name, "mode": kind.mode, "microseconds": ours, "more_in_python": more}


def races(
    pairs: int, share: float = 1, say: Callable[[str], None] = print
) -> Iterator[dict[str, Any]]:
    """Measure every kind; yield the rows, and say them as they come."""
    say(f"{'exit':30} {'exits/s':>10} {'µs each':>8} {'µs more, in Python':>19} {'spread':>13}")
    for kind in KINDS:
        row = measure(kind, pairs, share)
        each, more = statistics.median(row["microseconds"]), row["more_in_python"]
        spread = f"{min(more):.1f}-{max(more):.1f}"
        say(
            f"{kind.name:30} {1e6 / each:10,.0f} {each:8.2f} "
            f"{statistics.median(more):19.2f} {spread:>13}"
        )
        yield row


def main() -> None:
    """Run the pairs and print the table."""
    list(races(int(sys.argv[1]) if len(sys.argv) > 1 else 3))


if __name__ == "__main__":
    main()
