"""What a submission is made of: the cells in which the student wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vlab.errors import VlabError

LARGEST = 8 << 20
"""Bytes of a submission that are read."""

MARK = re.compile(r"^(?=# (?:%%|In\[))", re.MULTILINE)
"""Where a cell begins in a program that was made of a notebook."""


class UnreadableSubmission(VlabError):
    """A file that is no notebook or Python program; the message says why."""


def read(path: Path, own: int = 1) -> bytes:
    """Return the content of a submission's file.

    Parameters
    ----------
    own
        Components at the end of the path that the student has chosen, or could have.

    Raises
    ------
    UnreadableSubmission
        If it is missing, behind a link, something else than a file, or too large.
    """
    try:
        if any(part.is_symlink() for part in (path, *path.parents)[:own]):
            raise UnreadableSubmission("is behind a symbolic link, which is not followed")
        if not path.is_file():
            raise UnreadableSubmission("is not a file" if path.exists() else "is not there")
        if path.stat().st_size > LARGEST:
            raise UnreadableSubmission(f"has {path.stat().st_size:,} bytes: at most {LARGEST:,}")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableSubmission(f"cannot be read ({error.strerror})") from None


def cells_of(data: bytes, is_notebook: bool, given: frozenset[str] = frozenset()) -> list[str]:
    """Return the code that a submission consists of, cell by cell; of other cells, nothing.

    Parameters
    ----------
    given
        Sources of the cells that were handed out and are not for students to fill: left out, as
        are the cells of checks.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableSubmission("is not text in UTF-8") from None
    if "\0" in text:
        raise UnreadableSubmission("is not text: it has zero bytes")
    if not is_notebook:
        return MARK.split(text)
    return [cell.text if cell.is_work(given) else "" for cell in parse(text)]


class Cell:
    """One code cell of a notebook."""

    def __init__(self, source: Any, metadata: Any) -> None:
        lines = source if isinstance(source, list) else [source]
        self.text = "".join(line for line in lines if isinstance(line, str))
        tags = metadata.get("nbgrader") if isinstance(metadata, dict) else None
        self.tags: dict[str, Any] = tags if isinstance(tags, dict) else {}

    def is_work(self, given: frozenset[str]) -> bool:
        """Return whether a student may have written the cell for the checks to use."""
        if self.tags.get("grade"):
            return False
        return bool(self.tags.get("solution")) or self.text.strip() not in given


def parse(text: str) -> list[Cell]:
    """Return the code cells of a notebook."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableSubmission("is not a notebook: it is no JSON") from None
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        raise UnreadableSubmission("is not a notebook: it has no cells")
    return [
        Cell(cell.get("source", ""), cell.get("metadata", {}))
        for cell in cells
        if isinstance(cell, dict) and cell.get("cell_type") == "code"
    ]


def handed_out(source: Path) -> frozenset[str]:
    """Return the cells of a lab's source that are neither solutions nor checks."""
    cells = parse(source.read_text("utf-8"))
    return frozenset(cell.text.strip() for cell in cells if not cell.tags.get("solution"))
