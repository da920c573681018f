"""The programs on the guest's disk, to tell which of them an instruction belongs to.

All programs are linked at one address. The disk's format is that of ``guests/include/fs.h``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from vlab.loader import load_image

DISK = Path(__file__).parent / "images" / "fs.img"
BLOCK, INODE = 1024, 64
DIRECT = 12
ROOT = 1
PROGRAMS = "bin"


def having(candidates: list[str], address: int, bits: int) -> list[str]:
    """Return the programs that have this instruction at this address, in the order given."""
    code = bits.to_bytes(4 if bits & 3 == 3 else 2, "little")
    return [
        name
        for name in candidates
        if any(
            address - start >= 0 and data[address - start :].startswith(code)
            for start, data in programs().get(name, ())
        )
    ]


@cache
def programs() -> dict[str, list[tuple[int, bytes]]]:
    """Return address and content of each part of each program, by the program's name."""
    disk = DISK.read_bytes()
    root = dict(_entries(_content(disk, ROOT)))
    found = dict(_entries(_content(disk, root[PROGRAMS])))
    return {
        name: [(start, data) for start, data, _ in load_image(_content(disk, inode)).segments]
        for name, inode in found.items()
        if not name.startswith(".")
    }


def _entries(directory: bytes) -> Iterator[tuple[str, int]]:
    for inode, name in struct.iter_unpack("<H14s", directory):
        if inode:
            yield name.rstrip(b"\0").decode(), inode


def _content(disk: bytes, number: int) -> bytes:
    first = struct.unpack_from("<Q4I", disk)[-1]
    _, _, size, *blocks, _ = struct.unpack_from("<HHI14I", disk, first * BLOCK + number * INODE)
    direct, indirect = blocks[:DIRECT], blocks[DIRECT]
    if indirect:
        direct += struct.unpack_from(f"<{BLOCK // 4}I", disk, indirect * BLOCK)
    wanted = direct[: -(-size // BLOCK)]
    return b"".join(disk[n * BLOCK : (n + 1) * BLOCK] for n in wanted)[:size]
