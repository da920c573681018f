"""Memory of the host that Python and machine code share."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

MASK64 = (1 << 64) - 1

HUGE = 4 << 20
"""Bytes from which the memory of an engine lies in large pages, where the host has them."""


def anonymous(size: int, large: bool = False) -> mmap.mmap:
    """Return zeroed memory of the host; where it is private, reading it takes none either.

    Parameters
    ----------
    size
        Bytes.
    large
        Whether to have it in large pages, which are fewer and take more memory.
    """
    if not hasattr(mmap, "MAP_ANONYMOUS"):
        return mmap.mmap(-1, size)
    private = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # the host may be built without
            private.madvise(mmap.MADV_HUGEPAGE if large else mmap.MADV_NOHUGEPAGE)
    return private


def zeros(count: int) -> memoryview:
    """Return 64-bit words, all zero, at the begin of a page."""
    return memoryview(anonymous(8 * count, 8 * count >= HUGE)).cast("Q")


def copy_of(data: bytes | memoryview) -> memoryview:
    """Return the bytes of ``data`` as 64-bit words; their number is a multiple of eight."""
    words = zeros(len(data) // 8)
    words.cast("B")[:] = data
    return words


def moved(words: memoryview, to: memoryview) -> memoryview:
    """Return the words at another place, as which they go on."""
    to[:] = words
    return to


def shared_word(holder: str, index: int, meaning: str) -> Any:
    """Return a property that is one of the words in an object's attribute ``holder``.

    They may be those of machine code (`moved`). A number that is no word raises `ValueError`.
    """
    words_of = attrgetter(holder)

    def get(owner: Any) -> int:
        return words_of(owner)[index]  # type: ignore[no-any-return]

    def put(owner: Any, value: int) -> None:
        words_of(owner)[index] = value

    return property(get, put, doc=meaning)


def name_words(record: type, layout: Mapping[str, tuple[int, int]]) -> None:
    """Give a class a property for each word of a layout that is one alone: of its ``words``.

    What is written to one is cut to 64 bits.
    """
    for name, (first, count) in layout.items():
        if count == 1:
            setattr(record, name, _word_at(first))


def _word_at(index: int) -> property:
    def get(record: Any) -> int:
        return record.words[index]  # type: ignore[no-any-return]

    def put(record: Any, value: int) -> None:
        record.words[index] = value & MASK64

    return property(get, put)


def clear(words: memoryview) -> None:
    """Make words zero."""
    words.cast("B")[:] = bytes(words.nbytes)


def address(buffer: Any) -> int:
    """Return the host address of what a writable buffer holds; it is valid while that lives."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
