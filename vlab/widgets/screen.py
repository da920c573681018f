"""A terminal's screen: what was printed, as lines of text."""

from __future__ import annotations

import re

TAB = 8
KEPT = 1000
CONTROL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])")
UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07]*)?$")


class Screen:
    """Lines and a cursor in the last of them; colours and cursor movement are left out.

    Attributes
    ----------
    lines : list of str
        The last `KEPT` lines.
    column : int
        Where the cursor is in the last line.
    """

    def __init__(self) -> None:
        self.lines = [""]
        self.column = 0
        self._bytes = b""
        self._rest = ""

    @property
    def text(self) -> str:
        """The screen as text."""
        return "\n".join(self.lines)

    def write(self, data: bytes) -> None:
        """Take what was printed; characters may be cut anywhere."""
        data = self._bytes + data
        text = data.decode("utf-8", "ignore" if _cut(data) else "replace")
        self._bytes = data[len(data) - _cut(data) :] if _cut(data) else b""
        text = CONTROL_SEQUENCE.sub("", self._rest + text)
        rest = UNFINISHED.search(text)
        self._rest = text[rest.start() :] if rest else ""
        for letter in text[: rest.start()] if rest else text:
            self._put(letter)
        del self.lines[:-KEPT]

    def _put(self, letter: str) -> None:
        if letter == "\n":
            self.lines.append("")
            self.column = 0
        elif letter == "\r":
            self.column = 0
        elif letter == "\b":
            self.column = max(0, self.column - 1)
        elif letter == "\t":
            for _ in range(TAB - self.column % TAB):
                self._put(" ")
        elif letter >= " ":
            line = self.lines[-1].ljust(self.column)
            self.lines[-1] = line[: self.column] + letter + line[self.column + 1 :]
            self.column += 1


def _cut(data: bytes) -> int:
    """Return how many bytes at the end are the beginning of a character of UTF-8."""
    for n in range(1, min(4, len(data) + 1)):
        byte = data[-n]
        if byte >= 0xC0:
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return n if n < length else 0
        if byte < 0x80:
            return 0
    return 0
