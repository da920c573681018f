"""A cell that cannot be built: where, and what would be right."""

from __future__ import annotations

import re

from vlab.errors import VlabError

NUMBER = re.compile(r"-?\d\w*")
QUOTED = re.compile(r"'([^']+)'")


class CellError(VlabError):
    """The program of a cell cannot be built.

    Attributes
    ----------
    line, column
        Where, from 1; line 0 if it is no one line's fault.
    message
        What is wrong, and what would be right.
    """

    def __init__(self, source: str, line: int, message: str, column: int = 0, shift: int = 0):
        lines = source.splitlines()
        self.line, self.message = line, message
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        self.column = column or _column(text, message)
        where = f"line {line + shift}: " if text else ""
        caret = f"\n    {text}\n    {' ' * (self.column - 1)}^" if text else ""
        super().__init__(f"{where}{message}{caret}")

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows in place of a traceback: where in the cell."""
        return [f"CellError: {self}"]


def _column(text: str, message: str) -> int:
    """Return the column of what the message quotes, or of the first word of the line."""
    for word in [*QUOTED.findall(message), *NUMBER.findall(message)]:
        if word in text:
            return text.index(word) + 1
    return len(text) - len(text.lstrip()) + 1
