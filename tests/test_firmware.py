"""Firmware that nobody here wrote: OpenSBI reads our device tree, and answers as our SBI does."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vlab.board import RAM_BASE, Board
from vlab.costs import preset
from vlab.devices.disk import DiskImage
from vlab.devicetree import describe, flatten
from vlab.memory import PhysicalMemory
from vlab.modes.compose import Guest, Setup
from vlab.sbi import BASE, DBCN, HSM, IPI, RFENCE, SRST, TIME

OPENSBI = Path("/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.elf")
MEMORY = 32 << 20
KERNEL = RAM_BASE + 0x20_0000
ALL = (1 << 64) - 1

needs_opensbi = pytest.mark.skipif(not OPENSBI.exists(), reason="needs the package opensbi")
needs_qemu = pytest.mark.skipif(not shutil.which("qemu-system-riscv64"), reason="needs QEMU")

S0, S1, A0, A1, T0, T1 = 8, 9, 10, 11, 5, 6
ROW = 64


def ld(rd: int, offset: int, base: int) -> int:
    return offset << 20 | base << 15 | 3 << 12 | rd << 7 | 0x03


def sd(source: int, offset: int, base: int) -> int:
    return (offset >> 5) << 25 | source << 20 | base << 15 | 3 << 12 | (offset & 31) << 7 | 0x23


def addi(rd: int, source: int, number: int) -> int:
    return (number & 0xFFF) << 20 | source << 15 | rd << 7 | 0x13


STOP = [0x0000_52B7, addi(T0, T0, 0x555), 0x0010_0337, 0x0053_2023, 0x0000_006F]
"""lui t0, 5; addi t0, t0, 0x555; lui t1, 0x100; sw t0, (t1); j . : store PASS in the finisher."""


def kernel(calls: list[tuple[int, ...]]) -> bytes:
    """Return a Linux-style image that makes SBI calls and leaves their results in its table."""
    body = [0x0000_0417, addi(S0, S0, 0x400 - 64), addi(S1, 0, len(calls))]  # auipc s0, 0
    loop = [ld(17, 0, S0), ld(16, 8, S0), *(ld(A0 + i, 16 + 8 * i, S0) for i in range(6))]
    loop += [0x0000_0073, sd(A0, 0, S0), sd(A1, 8, S0), addi(S0, S0, ROW), addi(S1, S1, -1)]
    back = -4 * len(loop)
    imm = back & 0x1FFF
    bnez = (imm >> 12) << 31 | (imm >> 5 & 63) << 25 | S1 << 15 | 1 << 12
    bnez |= (imm >> 1 & 15) << 8 | (imm >> 11 & 1) << 7 | 0x63
    words = [*body, *([*loop, bnez] if calls else []), *STOP]
    header = struct.pack("<IIQQQ24xI4x", 0x0400_006F, 0x13, 0x20_0000, 0x2000, 0, 0x0543_5352)
    code = header + struct.pack(f"<{len(words)}I", *words)
    table = b"".join(struct.pack("<8Q", *(call + (0,) * 8)[:8]) for call in calls)
    return code.ljust(0x400, b"\0") + table


def boot(mode: str, calls: list[tuple[int, ...]], firmware: Path | None) -> tuple[Any, list]:
    """Run a kernel that makes the calls; return how it ended and the results."""
    setup = Setup(
        mode=mode, image=kernel(calls), disk=bytes(512), bootargs="", memory=MEMORY,
        engine="interpreter", clock="cycles", costs=preset(), options={}, firmware=firmware,
    )  # fmt: skip
    guest = Guest(setup)
    ended = guest.run(100_000_000)
    memory = guest.machine.board.memory
    rows = (
        struct.unpack("<qQ", memory.read(KERNEL + 0x400 + ROW * n, 16)) for n in range(len(calls))
    )
    return ended, list(rows)


def said(console: str) -> dict[str, str]:
    """Return the lines ``key : value`` of OpenSBI's banner."""
    lines = (line.split(":", 1) for line in console.splitlines() if " : " in line)
    return {key.strip(): value.strip() for key, value in lines}


EXPECTED = {
    "Platform Name": "riscv-virtio,vlab",
    "Platform HART Count": "1",
    "Platform Timer Device": "aclint-mtimer @ 10000000Hz",
    "Platform IPI Device": "aclint-mswi",
    "Platform Console Device": "uart8250",
    "Platform Shutdown Device": "sifive_test",
    "Domain0 Next Mode": "S-mode",
}


@needs_qemu
def test_opensbi_on_qemu_accepts_our_device_tree(tmp_path: Path) -> None:
    """Given our tree instead of QEMU's, OpenSBI finds every device that it has a driver for."""
    board = Board(PhysicalMemory(RAM_BASE, 4096), DiskImage(bytes(512)), print, lambda *_: None)
    (tmp_path / "dtb").write_bytes(flatten(describe(board, MEMORY)))
    (tmp_path / "kernel").write_bytes(kernel([]))
    command = ["qemu-system-riscv64", "-machine", "virt", "-m", "32M", "-nographic"]
    command += ["-monitor", "none", "-dtb", str(tmp_path / "dtb")]
    command += ["-kernel", str(tmp_path / "kernel")]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0
    assert said(result.stdout).items() >= EXPECTED.items()


@needs_opensbi
@pytest.mark.parametrize("mode", ["native", "fullvirt"])
def test_opensbi_runs_on_the_board(mode: str) -> None:
    """OpenSBI starts in M-mode, finds the devices, and hands over to a kernel in S-mode."""
    ended, _ = boot(mode, [], OPENSBI)
    assert (ended.outcome, ended.exit_code) == ("finished", 0)
    assert said(ended.console).items() >= EXPECTED.items()


AGREED = [
    *((BASE, 3, extension) for extension in (BASE, TIME, IPI, RFENCE, HSM, SRST, 0, 1, 2, 8)),
    (BASE, 3, 0x0BAD_CA11),
    (BASE, 4),
    (BASE, 7),
    (0x0BAD_CA11, 0),
    (TIME, 0, ALL),
    (TIME, 1),
    (IPI, 0, 1, 0),
    (IPI, 0, 0, ALL),
    (IPI, 0, 0, 0),
    (IPI, 1),
    *((RFENCE, function, 1, 0, 0, 4096, 0) for function in (0, 1, 2)),
    (RFENCE, 7),
    (HSM, 0, 0, KERNEL, 0),
    (HSM, 0, 1, KERNEL, 0),
    (HSM, 2, 0),
    (HSM, 2, 1),
    (HSM, 9),
    (SRST, 0, 3, 0),
    (SRST, 0, 0, 2),
    (SRST, 1),
]
"""Calls whose answers the specification fixes and OpenSBI 1.1 gives accordingly."""


@needs_opensbi
def test_our_sbi_answers_as_opensbi_does() -> None:
    """The same kernel gets the same errors and values from the machine's SBI and from OpenSBI."""
    ended, ours = boot("native", AGREED, None)
    assert (ended.outcome, ended.exit_code) == ("finished", 0)
    ended, theirs = boot("native", AGREED, OPENSBI)
    assert (ended.outcome, ended.exit_code) == ("finished", 0)
    assert all(error <= 0 for error, _ in ours)  # else the kernel's table is as it was
    for call, mine, other in zip(AGREED, ours, theirs, strict=True):
        assert mine[0] == other[0], call
        if mine[0] == 0:
            assert mine[1] == other[1], call


def test_a_monitor_serves_the_same_sbi() -> None:
    """A kernel gets the same answers from the SBI on the hardware and on a virtual CPU."""
    calls = [*AGREED, (DBCN, 2, ord("x")), (DBCN, 0, 5, KERNEL, 0), (DBCN, 0, 5, 0, 0)]
    native, results = boot("native", calls, None)
    for mode in ("emulate", "fullvirt"):
        ended, same = boot(mode, calls, None)
        assert same == results
        assert ended.console == native.console
