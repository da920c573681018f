"""What machines take of the host's memory: one with 128 MiB, and a hundred small ones.

``python benchmarks/memory.py`` prints resident bytes (Linux: ``/proc/self/status``), what the
guest itself has touched, and the difference.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import vlab

STATUS = Path("/proc/self/status")
MODES = ("native", "fullvirt", "paravirt")
SMALL = 100


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    status = STATUS.read_text("ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def rows(modes: tuple[str, ...] = MODES, small: int = SMALL) -> Iterator[dict[str, Any]]:
    """Make the machines, and yield what each takes."""
    vlab.run("hello", mode="fullvirt")
    np.zeros(1)
    for mode in modes:
        before = resident()
        session = vlab.session("mixed", mode, memory="128M")
        yield {"machine": f"{mode}, 128 MiB, new", "mib": resident() - before}
        session.run()
        yield {"machine": f"{mode}, after mixed", "mib": resident() - before}
        session.snapshot()
        yield {"machine": f"{mode}, after a snapshot", "mib": resident() - before}
    before, machines = resident(), []
    for _ in range(small):
        session = vlab.session(None, "native", memory="16M")
        session.until(idle=True)
        machines.append(session)
    yield {"machine": f"{small} idle, 16 MiB each", "mib": resident() - before}


def in_a_process(
    small: int = SMALL, modes: tuple[str, ...] = MODES, say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """Measure in a process that has done nothing else, and say the rows."""
    command = [sys.executable, __file__, "--json", str(small), ",".join(modes)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    measured: list[dict[str, Any]] = json.loads(out)
    show(measured, say)
    return measured


def show(measured: Iterable[dict[str, Any]], say: Callable[[str], None] = print) -> None:
    """Say the rows."""
    say(f"{'machine':26} {'resident MiB':>13}")
    for row in measured:
        say(f"{row['machine']:26} {row['mib']:13.1f}")


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--json"]:
        small, modes = sys.argv[2:]
        print(json.dumps(list(rows(tuple(modes.split(",")), int(small)))))
    else:
        show(rows())


if __name__ == "__main__":
    main()
