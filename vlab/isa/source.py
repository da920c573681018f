"""Assembly source, cut into statements."""

from __future__ import annotations

import re
from typing import NamedTuple

_PIECE = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\])*")
    |(?P<character>'(?:\\.|[^\\'])')
    |(?P<comment>\#.*|//.*)
    |(?P<separator>;)""",
    re.VERBOSE,
)
_BLOCK = re.compile(
    r"""/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'|(?:\#|//)[^\n]*""", re.DOTALL
)
_LINE_END = "\v"
"""Stands for the end of a line within a comment, which does not end a statement."""

_LABEL = re.compile(r"\s*([A-Za-z_.$][\w.$]*|\d+)\s*:")


class Statement(NamedTuple):
    """A label, a directive or an instruction; ``label`` or ``name`` is empty.

    Attributes
    ----------
    line : int
        Number of the source line, from 1.
    text : str
        The source line, without blanks around it.
    label, name : str
        The label; or the mnemonic or directive, in lower case.
    operands : list of str
    after_semicolon : bool
        Whether it follows another statement in the same line.
    """

    line: int
    text: str
    label: str
    name: str
    operands: list[str]
    after_semicolon: bool


def statements(source: str) -> list[Statement]:
    """Return the statements of a source text.

    Comments begin with ``#`` or ``//``, or are enclosed in ``/* */``; ``;`` separates
    statements, as in GNU's assembler for RISC-V.
    """
    originals = source.split("\n")
    found, number = [], 1
    for line in _BLOCK.sub(_blank, source).split("\n"):
        at = number
        for position, piece in enumerate(_pieces(line)):
            blanks = piece[: len(piece) - len(piece.lstrip())]
            first = at + blanks.count(_LINE_END)
            at += piece.count(_LINE_END)
            text = originals[first - 1].strip()
            while label := _LABEL.match(piece):
                found.append(Statement(first, text, label[1], "", [], position > 0))
                piece = piece[label.end() :]
            name, _, rest = re.sub(r"\s+", " ", piece.strip(), count=1).partition(" ")
            if name:
                found.append(Statement(first, text, "", name.lower(), split(rest), position > 0))
        number += 1 + line.count(_LINE_END)
    return found


def split(text: str) -> list[str]:
    """Return the operands of a statement: what stands between the outer commas."""
    found, depth, start = [], 0, 0
    quoted = [range(*m.span()) for m in _PIECE.finditer(text) if m["string"] or m["character"]]
    for at, letter in enumerate(text):
        if any(at in span for span in quoted):
            continue
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append(text[start:at].strip())
            start = at + 1
    last = text[start:].strip()
    return [*found, last] if last or found else []


def _pieces(line: str) -> list[str]:
    """Return the statements of a line, without its comment."""
    pieces, start = [], 0
    for match in _PIECE.finditer(line):
        if match["comment"]:
            line = line[: match.start()]
            break
        if match["separator"]:
            pieces.append(line[start : match.start()])
            start = match.end()
    return [*pieces, line[start:]]


def _blank(match: re.Match[str]) -> str:
    """Return a block comment as blanks that can be counted as lines; other text as it is."""
    text = match[0]
    return " " + _LINE_END * text.count("\n") if text.startswith("/*") else text
