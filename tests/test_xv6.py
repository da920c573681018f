"""A kernel that nobody here wrote: xv6-riscv, as it is (see docs/xv6.md)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import vlab
from vlab.experiments.consoles import Script

KERNEL, DISK = os.environ.get("VLAB_XV6_KERNEL"), os.environ.get("VLAB_XV6_DISK")
pytestmark = pytest.mark.skipif(
    not (KERNEL and DISK), reason="VLAB_XV6_KERNEL and VLAB_XV6_DISK name no xv6"
)

COMMANDS = ("ls", "echo hello xv6", "cat README", "forktest")
TYPED = "".join(f"{command}\n" for command in COMMANDS)
LAST = b"fork test OK\n$ "
LIMIT = 3_000_000_000


class Sitting(Script):
    """Types the commands, and leaves when the last one is done: xv6 itself never ends."""

    def __init__(self) -> None:
        super().__init__(TYPED)
        self.seen = b""

    def write(self, data: bytes) -> None:
        self.seen = (self.seen + data)[-len(LAST) :]
        if self.seen == LAST:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["native", "emulate", "fullvirt"])
def test_xv6_boots_to_its_shell_and_runs_programs(mode: str, tmp_path: Path) -> None:
    """An unmodified xv6 boots in M-mode, mounts its disk, and its shell runs what is typed."""
    disk = shutil.copy(DISK, tmp_path / "fs.img")
    result = vlab.boot(KERNEL, mode, disk=disk, console=Sitting(), max_instructions=LIMIT)
    assert result.outcome == "interrupted", result.summary()
    text = result.console
    assert "xv6 kernel is booting" in text
    assert "init: starting sh" in text
    shown = text[text.index("init: starting sh") :]
    listing = [line.split() for line in shown.splitlines() if line.count(" ") >= 3]
    assert ["README", "2", "2"] in [words[:3] for words in listing]
    assert "hello xv6" in shown.replace("echo hello xv6", "")
    assert "Dennis Ritchie" in shown
    assert "fork test OK" in shown
    if mode == "fullvirt":
        reasons = result.counters_total.exits_by_reason
        assert min(reasons[r] for r in ("csr", "xret", "fence", "mmio", "pt_write")) > 0
        assert result.counters_total.traps_by_cause["ecall_u"] == reasons["syscall"]
