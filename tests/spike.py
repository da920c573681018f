"""Spike, the RISC-V reference simulator, as an oracle: what it retires, one by one."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.simulators import spike as find

ISA = "rv64imac_zicsr_zifencei_zicntr_svadu_zicclsm_sstc"
COMMIT = re.compile(r"core   0: (\d) 0x(\w+) \(0x(\w+)\)(.*)")
REGISTER = re.compile(r" x(\d+) +0x(\w+)")
CSR = re.compile(r" c(\d+)_\w+ 0x(\w+)")
BOOT_ROM_END = 0x2000


class Commit(NamedTuple):
    """One retired instruction: where, what it wrote to a register, and to CSRs by number."""

    privilege: int
    pc: int
    bits: int
    register: tuple[int, int] | None
    csrs: dict[int, int]


def elf(image: bytes, base: int) -> bytes:
    """Return an executable that has an image at its place and no symbols."""
    names, page = b"\0.shstrtab\0", 0x1000
    sections = page + len(image)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1" + bytes(9), 2, 243, 1, base, 64, sections + 16, 0,
        64, 56, 1, 64, 2, 1,
    )  # fmt: skip
    segment = struct.pack("<IIQQQQQQ", 1, 7, page, base, base, len(image), len(image), page)
    strings = struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, sections, len(names), 0, 0, 1, 0)
    return (
        (header + segment).ljust(page, b"\0") + image + names.ljust(16, b"\0") + bytes(64) + strings
    )


def commits(image: bytes, base: int, file: Path) -> Iterator[Commit]:
    """Run an image that starts in M-mode at ``base`` and fills the RAM; yield what retires."""
    file.write_bytes(elf(image, base))
    command = [
        find() or "spike", f"--isa={ISA}", "--priv=msu", f"-m{base:#x}:{len(image):#x}",
        f"--pc={base:#x}", "-l", "--log-commits", str(file),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stderr or ():
            commit = COMMIT.match(line)
            if commit is None or int(commit[2], 16) < BOOT_ROM_END:
                continue
            register = REGISTER.search(commit[4])
            yield Commit(
                int(commit[1]),
                int(commit[2], 16),
                int(commit[3], 16),
                (int(register[1]), int(register[2], 16)) if register else None,
                {int(csr): int(value, 16) for csr, value in CSR.findall(commit[4])},
            )
    finally:
        process.kill()
        process.wait()
