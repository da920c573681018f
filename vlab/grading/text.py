"""What submissions say, as text that a terminal, a page and a spreadsheet show and nothing more."""

from __future__ import annotations

from typing import Any

MOST = 1000
"""Characters of one message."""


def plain(text: str, most: int = MOST) -> str:
    """Return a text on one line, of printable characters, and not longer than so many.

    Control characters, those that turn the direction of writing, and halves of characters (which
    no file can hold) become question marks.
    """
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text[: 8 * most].split()))
    return line if len(line) <= most else f"{line[: most - 3]}..."


def printable(text: str) -> str:
    """Return a text of several lines without control characters."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def harmless(value: Any) -> Any:
    """Return a cell of a table that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
