"""Write a file-system image for the guest: ``mkfs.py IMAGE NAME=FILE …``.

The format is that of ``include/fs.h``; NAME is a path such as ``bin/ls``. The same
files give the same bytes: there are no dates in it, and the scratch area at its end,
which workloads read and write as raw sectors, is filled from a fixed generator.
"""

import struct
import sys
from pathlib import Path

BLOCK = 1024
SECTOR = 512
MAGIC = 0x7366626C6176
BLOCKS = 320
INODES = 128
SCRATCH_SECTORS = 128
BITMAP_BLOCK = 1
INODE_BLOCK = 2
INODE_SIZE = 64
NDIRECT = 12
T_DIR, T_FILE = 1, 2
ROOT = 1


class Image:
    """An empty file system with a root directory.

    Attributes
    ----------
    blocks : bytearray
        The image, without the scratch area.
    """

    def __init__(self) -> None:
        self.blocks = bytearray(BLOCKS * BLOCK)
        self.next_block = INODE_BLOCK + INODES * INODE_SIZE // BLOCK
        self.next_inode = ROOT + 1
        self.directories: dict[str, tuple[int, dict[str, int]]] = {
            "": (ROOT, {".": ROOT, "..": ROOT})
        }

    def _allocate(self, data: bytes) -> int:
        if self.next_block >= BLOCKS:
            raise SystemExit(f"mkfs: the files need more than {BLOCKS} blocks of {BLOCK} bytes")
        number = self.next_block
        self.next_block += 1
        self.blocks[number * BLOCK : number * BLOCK + len(data)] = data
        return number

    def _inode(self, number: int, kind: int, data: bytes) -> None:
        chunks = [data[i : i + BLOCK] for i in range(0, len(data), BLOCK)]
        if len(chunks) > NDIRECT + BLOCK // 4:
            raise SystemExit(f"mkfs: a file of {len(data)} bytes has more blocks than an inode")
        addrs = [self._allocate(chunk) for chunk in chunks[:NDIRECT]]
        addrs += [0] * (NDIRECT + 1 - len(addrs))
        if len(chunks) > NDIRECT:
            rest = [self._allocate(chunk) for chunk in chunks[NDIRECT:]]
            addrs[NDIRECT] = self._allocate(struct.pack(f"<{len(rest)}I", *rest))
        record = struct.pack("<HHI14I", kind, 1, len(data), *addrs, 0)
        at = INODE_BLOCK * BLOCK + number * INODE_SIZE
        self.blocks[at : at + INODE_SIZE] = record

    def add(self, path: str, data: bytes) -> None:
        """Add a file, in a directory of the root or in the root itself."""
        directory, _, name = path.rpartition("/")
        if directory not in self.directories:
            number = self.next_inode
            self.next_inode += 1
            self.directories[""][1][directory] = number
            self.directories[directory] = (number, {".": number, "..": ROOT})
        self.directories[directory][1][name] = self.next_inode
        self._inode(self.next_inode, T_FILE, data)
        self.next_inode += 1

    def finish(self) -> bytes:
        """Write directories, bitmap and superblock, and return the whole image."""
        for number, entries in self.directories.values():
            data = b"".join(
                struct.pack("<H14s", inode, name.encode()) for name, inode in entries.items()
            )
            self._inode(number, T_DIR, data)
        for block in range(self.next_block):
            self.blocks[BITMAP_BLOCK * BLOCK + block // 8] |= 1 << block % 8
        scratch = BLOCKS * BLOCK // SECTOR
        self.blocks[:40] = struct.pack(
            "<Q6I8x", MAGIC, BLOCKS, INODES, BITMAP_BLOCK, INODE_BLOCK, scratch, SCRATCH_SECTORS
        )
        return bytes(self.blocks) + noise(SCRATCH_SECTORS * SECTOR)


def noise(n: int) -> bytes:
    """Return n bytes of a xorshift64 generator (Marsaglia 2003) with a fixed seed."""
    state, words = 0x9E3779B97F4A7C15, []
    for _ in range(n // 8):
        state ^= state << 13 & (1 << 64) - 1
        state ^= state >> 7
        state ^= state << 17 & (1 << 64) - 1
        words.append(state)
    return struct.pack(f"<{len(words)}Q", *words)


def main(output: str, *files: str) -> None:
    """Write the image that holds ``NAME=FILE`` for each argument, in that order."""
    image = Image()
    for item in files:
        name, _, source = item.partition("=")
        image.add(name, Path(source).read_bytes())
    Path(output).write_bytes(image.finish())


if __name__ == "__main__":
    main(*sys.argv[1:])
