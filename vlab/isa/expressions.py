"""Expressions of assembly language, as GNU's and LLVM's assemblers read them.

Values are signed 64-bit words. Precedence is theirs, not C's (GNU as manual, "Infix
operators"): first ``* / % << >>``, then ``| & ^``, then ``+ -``. ``>>`` fills with zeros.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Protocol

from vlab.errors import VlabError, unknown
from vlab.isa.bits import MASK64, quotient, remainder, signed


class AssemblyError(VlabError):
    """Source text that is not assembly language, or that cannot be encoded."""


def no_such(kind: str, name: str, choices: Iterable[str], otherwise: str) -> AssemblyError:
    """Return the error for an unknown name: with the nearest one, or with ``otherwise``."""
    message = unknown(kind, name, choices)
    hint = message if "did you mean" in message else f"unknown {kind} {name!r}: {otherwise}"
    return AssemblyError(hint)


class Scope(Protocol):
    """What names mean where an expression stands."""

    def value(self, name: str) -> int:
        """Return the value of a symbol, of ``.`` or of a numeric label (``1f``)."""
        ...

    def relocation(self, function: str, value: int) -> int:
        """Return what ``%function(value)`` stands for."""
        ...


ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "\\": "\\",
           "'": "'", '"': '"'}  # fmt: skip

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|\d+(?![\w.$]))
    |(?P<name>\d+[fb](?!\w)|[A-Za-z_.$][\w.$]*)
    |'(?P<character>\\.|[^\\'])'
    |(?P<function>%[a-z_]+(?=\s*\())
    |(?P<operator><<|>>|[-+*/%&|^~()]))""",
    re.VERBOSE,
)

_BINARY: tuple[dict[str, Callable[[int, int], int]], ...] = (
    {"+": lambda a, b: a + b, "-": lambda a, b: a - b},
    {"|": lambda a, b: a | b, "&": lambda a, b: a & b, "^": lambda a, b: a ^ b},
    {
        "*": lambda a, b: a * b,
        "/": lambda a, b: quotient(a & MASK64, b & MASK64),
        "%": lambda a, b: remainder(a & MASK64, b & MASK64),
        "<<": lambda a, b: a << b if b < 64 else 0,
        ">>": lambda a, b: (a & MASK64) >> b,
    },
)
"""Operators by level of precedence, the loosest first."""


def evaluate(text: str, scope: Scope) -> int:
    """Return the value of an expression.

    Raises
    ------
    AssemblyError
        If it is malformed, divides by zero, or uses a name that the scope does not have.
    """
    return _Parser(text, scope).whole()


def unescape(text: str) -> str:
    """Return the inside of a string or character constant with its escapes replaced."""

    def character(match: re.Match[str]) -> str:
        escape = match[1]
        if escape[0] == "x":
            return chr(int(escape[1:], 16))
        if escape not in ESCAPES:
            known = " ".join("\\" + letter for letter in ESCAPES)
            raise AssemblyError(f"unknown escape \\{escape}: known are {known}")
        return ESCAPES[escape]

    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", character, text)


class _Parser:
    """A recursive-descent parser that evaluates as it goes."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.text, self.scope = text, scope
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise AssemblyError(f"{text[at:].strip()!r} is no number, symbol or operator")
            self.tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def next(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def whole(self) -> int:
        value = self.binary(0)
        if self.peek()[0] != "end":
            raise AssemblyError(f"{self.peek()[1]!r} is too much in {self.text.strip()!r}")
        return value

    def binary(self, level: int) -> int:
        if level == len(_BINARY):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek()[0] == "operator" and self.peek()[1] in _BINARY[level]:
            symbol = self.next()[1]
            right = self.binary(level + 1)
            if symbol in "/%" and right == 0:
                raise AssemblyError(f"division by zero in {self.text.strip()!r}")
            if symbol in ("<<", ">>") and right < 0:
                raise AssemblyError(f"shift by {right}: the count must be 0 or more")
            left = signed(_BINARY[level][symbol](left, right) & MASK64)
        return left

    def unary(self) -> int:
        kind, token = self.next()
        if kind == "number":
            return self.number(token)
        if kind == "character":
            return ord(unescape(token))
        if kind == "name":
            return signed(self.scope.value(token) & MASK64)
        if kind == "function":
            self.next()
            return self.scope.relocation(token[1:], self.bracket())
        if token == "(":
            return self.bracket()
        if token in ("-", "~", "+"):
            value = self.unary()
            return signed({"-": -value, "~": ~value, "+": value}[token] & MASK64)
        found = f"not {token!r}" if token else "the expression ends"
        raise AssemblyError(f"{self.text.strip()!r}: expected a value, {found}")

    def bracket(self) -> int:
        value = self.binary(0)
        if self.next()[1] != ")":
            raise AssemblyError(f"{self.text.strip()!r}: a closing parenthesis is missing")
        return value

    def number(self, token: str) -> int:
        base = {"x": 16, "b": 2}.get(token[1:2].lower(), 8 if token[0] == "0" else 10)
        try:
            value = int(token[2:] if base in (2, 16) else token, base)
        except ValueError:
            raise AssemblyError(f"{token!r} is no octal number: 0 in front means base 8") from None
        if value > MASK64:
            raise AssemblyError(f"{token} does not fit in 64 bits")
        return signed(value)
