"""What machines take of the host's memory: one with 128 MiB, and a hundred small ones.

``python benchmarks/memory.py`` prints resident bytes (Linux: ``/proc/self/status``), what the
guest itself has touched, and the difference.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import vlab

MIB = 1 << 20
MODES = ("native", "fullvirt", "paravirt")
SMALL = 100


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def main() -> None:
    """Measure and print."""
    vlab.run("hello", mode="fullvirt")
    np.zeros(1)
    print(f"{'machine':24} {'resident MiB':>13}")
    for mode in MODES:
        before = resident()
        session = vlab.session("mixed", mode, memory="128M")
        started = resident()
        session.run()
        ran = resident()
        session.snapshot()
        saved = resident()
        print(f"{mode + ', 128 MiB, new':24} {started - before:13.1f}")
        print(f"{mode + ', after mixed':24} {ran - before:13.1f}")
        print(f"{mode + ', after a snapshot':24} {saved - before:13.1f}")
    before, machines = resident(), []
    for _ in range(SMALL):
        session = vlab.session(None, "native", memory="16M")
        session.until(idle=True)
        machines.append(session)
    print(f"{f'{SMALL} idle, 16 MiB each':24} {resident() - before:13.1f}")


if __name__ == "__main__":
    main()
