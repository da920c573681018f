"""A machine takes little of the host's memory beyond what its guest touches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads the resident memory from Linux's /proc"
)

MEASURE = """
import re, sys
from pathlib import Path
import vlab

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) >> 10

mode, count, size = sys.argv[1], int(sys.argv[2]), sys.argv[3]
vlab.run("hello", mode=mode)
before = resident()
machines = []
for _ in range(count):
    session = vlab.session(None, mode, memory=size)
    session.until(idle=True)
    machines.append(session)
machines[0].snapshot()
machines[0].back(10)
print(resident() - before)
"""


def grown(mode: str, count: int, size: str) -> int:
    """Return by how many MiB a process grows that makes machines and looks at one of them."""
    command = [sys.executable, "-c", MEASURE, mode, str(count), size]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("mode", ["native", "fullvirt", "paravirt"])
def test_one_large_machine(mode: str) -> None:
    """With 128 MiB of memory, idle at its prompt, saved and stepped back: under 60 MiB."""
    assert grown(mode, 1, "128M") < 60


def test_many_small_machines() -> None:
    """Ten idle machines take less than a tenth of what a hundred may: 4 GiB."""
    assert grown("native", 10, "16M") < 400
