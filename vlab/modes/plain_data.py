"""Plain data as bytes and back: numbers, text, bytes, and containers of them; never code.

A value is a letter and, where it has a size, the size in four bytes, little-endian. Reading
builds nothing but these types and refuses everything else, so bytes from anywhere may be read.
"""

from __future__ import annotations

import struct
from typing import Any

from vlab.errors import SnapshotError

SIZE = struct.Struct("<I")
MAX_DEPTH = 20
MAX_NUMBER = 64
"""Bytes of the longest number."""

ATOMS = (type(None), bool, int, str, bytes)
CONTAINERS = (list, tuple, set, dict)
LETTERS = {list: b"l", tuple: b"u", set: b"e", dict: b"d"}
TYPES = {letter[0]: kind for kind, letter in LETTERS.items()}


def is_plain(value: Any, depth: int = 0) -> bool:
    """Return whether a value can be written: of exactly these types all the way down."""
    if type(value) in ATOMS:
        return True
    if type(value) not in CONTAINERS or depth == MAX_DEPTH:
        return False
    items = [x for pair in value.items() for x in pair] if type(value) is dict else value
    return all(is_plain(item, depth + 1) for item in items)


def encode(value: Any) -> bytes:
    """Return a plain value as bytes; the order of a set's items does not matter."""
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write(value: Any, parts: list[bytes]) -> None:
    if value is None:
        parts.append(b"n")
    elif value is True or value is False:
        parts.append(b"t" if value else b"f")
    elif isinstance(value, int):
        data = int(value).to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        parts += (b"i", SIZE.pack(len(data)), data)
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        parts += (b"s", SIZE.pack(len(data)), data)
    elif isinstance(value, (bytes, bytearray)):
        parts += (b"b", SIZE.pack(len(value)), bytes(value))
    elif isinstance(value, dict):
        parts += (b"d", SIZE.pack(len(value)))
        for key, item in value.items():
            _write(key, parts)
            _write(item, parts)
    elif isinstance(value, (list, tuple)):
        parts += (b"l" if isinstance(value, list) else b"u", SIZE.pack(len(value)))
        for item in value:
            _write(item, parts)
    elif isinstance(value, (set, frozenset)):
        parts += (b"e", SIZE.pack(len(value)), *sorted(encode(item) for item in value))
    else:
        raise SnapshotError(f"{type(value).__name__} {value!r:.40}: is not plain data")


def decode(data: bytes) -> Any:
    """Return the value that bytes say, or raise `SnapshotError`."""
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise SnapshotError(f"damaged: {len(data) - reader.at} bytes behind the end")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise SnapshotError(f"damaged: ends at byte {len(self.data)} within a value")
        piece, self.at = self.data[self.at : end], end
        return piece

    def size(self) -> int:
        count: int = SIZE.unpack(self.take(4))[0]
        if count > len(self.data) - self.at:
            raise SnapshotError(f"damaged: a value at byte {self.at} is longer than the rest")
        return count

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise SnapshotError(f"damaged: nested deeper than {MAX_DEPTH}")
        letter = self.take(1)[0]
        if letter in b"ntf":
            return {ord("n"): None, ord("t"): True, ord("f"): False}[letter]
        count = self.size()
        if letter == ord("i"):
            if count > MAX_NUMBER:
                raise SnapshotError(f"damaged: a number of {count} bytes")
            return int.from_bytes(self.take(count), "little", signed=True)
        if letter == ord("b"):
            return self.take(count)
        if letter == ord("s"):
            return self.take(count).decode("utf-8", "surrogatepass")
        kind = TYPES.get(letter)
        if kind is None:
            raise SnapshotError(f"damaged: no value begins with byte {letter:#x}")
        if kind is dict:
            return {self.key(depth): self.value(depth + 1) for _ in range(count)}
        if kind is set:
            return {self.key(depth) for _ in range(count)}
        return kind([self.value(depth + 1) for _ in range(count)])

    def key(self, depth: int) -> Any:
        key = self.value(depth + 1)
        try:
            hash(key)
        except TypeError:
            raise SnapshotError(f"damaged: a {type(key).__name__} as a key") from None
        return key
