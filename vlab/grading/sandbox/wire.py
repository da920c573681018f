"""Messages between grader and submission: plain data as JSON, one line each.

Neither side believes what the other sends: a message has a limit of size and depth, and only
numbers, texts, bytes, lists, tuples and dictionaries come out.
"""

from __future__ import annotations

import json
from typing import Any

LIMIT = 1 << 20
"""Bytes of a message."""

DEPTH = 32
BITS = 4096
"""Of a whole number."""


class WireError(Exception):
    """A message that is none, or a value that cannot be sent."""


def pack(value: Any, depth: int = 0) -> Any:
    """Return a value as what JSON can hold; what JSON has not is tagged."""
    kind = type(value)
    if value is None or kind in (bool, float, str):
        return value
    if kind is int:
        if value.bit_length() > BITS:
            raise WireError(f"a number of {value.bit_length()} bits: at most {BITS}")
        return value
    if depth > DEPTH:
        raise WireError(f"data nested more than {DEPTH} deep")
    if kind in (bytes, bytearray):
        return {"b": value.hex()}
    if kind is list:
        return [pack(item, depth + 1) for item in value]
    if kind is tuple:
        return {"t": [pack(item, depth + 1) for item in value]}
    if kind in (set, frozenset):
        return {"s": [pack(item, depth + 1) for item in sorted(value, key=repr)]}
    if kind is dict:
        return {"d": [[pack(k, depth + 1), pack(v, depth + 1)] for k, v in value.items()]}
    raise WireError(f"a value of type {kind.__name__}: only numbers, texts, bytes, lists, tuples, "
                    "sets and dictionaries can be given")  # fmt: skip


def unpack(value: Any) -> Any:
    """Return the value that `pack` packed."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise WireError("a malformed message")
    ((tag, body),) = value.items()
    try:
        if tag == "b":
            return bytes.fromhex(body)
        if tag == "t":
            return tuple(unpack(item) for item in body)
        if tag == "s":
            return {unpack(item) for item in body}
        if tag == "d":
            return {unpack(k): unpack(v) for k, v in body}
    except (TypeError, ValueError):
        pass
    raise WireError("a malformed message")


def encode(value: Any) -> bytes:
    """Return a message with a value, its end of line included."""
    try:
        data = json.dumps(pack(value), separators=(",", ":")).encode("ascii") + b"\n"
    except (RecursionError, ValueError) as error:
        raise WireError(str(error)[:200]) from None
    if len(data) > LIMIT:
        raise WireError(f"{len(data):,} bytes in one answer: at most {LIMIT:,}")
    return data


def decode(line: bytes) -> Any:
    """Return the value of a message."""
    try:
        return unpack(json.loads(line))
    except (ValueError, RecursionError, MemoryError) as error:
        raise WireError(f"a malformed message ({type(error).__name__})") from None
