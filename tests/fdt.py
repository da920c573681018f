"""A reader of flattened device trees, written from the specification alone (0.4, chapter 5)."""

from __future__ import annotations

import struct

Tree = dict[str, dict[str, bytes]]
"""Properties by the path of their node."""


def parse(blob: bytes) -> Tree:
    """Return every node of a tree, checking the format on the way."""
    magic, total, structure, strings, _, version, compatible, boot, text_size, size = (
        struct.unpack_from(">10I", blob)
    )
    assert magic == 0xD00DFEED
    assert total <= len(blob)
    assert (version, compatible, boot) == (17, 16, 0)
    assert structure % 4 == 0
    assert structure + size <= total
    assert strings + text_size <= total
    tree: Tree = {}
    path: list[str] = []
    at, end = structure, structure + size

    def word() -> int:
        nonlocal at
        at += 4
        return struct.unpack_from(">I", blob, at - 4)[0]

    while True:
        token = word()
        if token == 1:
            stop = blob.index(b"\0", at)
            path.append(blob[at:stop].decode())
            at = stop + 4 & ~3
            assert "/".join(path) not in tree, "two nodes of one name"
            tree["/".join(path)] = {}
        elif token == 2:
            path.pop()
        elif token == 3:
            length, name_at = word(), word()
            name = blob[strings + name_at : blob.index(b"\0", strings + name_at)].decode()
            properties = tree["/".join(path)]
            assert name not in properties, f"{name} twice in {path}"
            properties[name] = blob[at : at + length]
            at = at + length + 3 & ~3
        elif token == 9:
            assert not path
            assert at == end
            return tree
        else:
            assert token == 4, f"token {token} at {at - 4}"
