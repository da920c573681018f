"""Comparing a student's answers with the reference, in words that lead to the mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlab.errors import VlabError


class WrongAnswer(VlabError):
    """A student's function answered something else than the machine needs.

    Attributes
    ----------
    expected, seen
        What the reference says, and what was answered.
    where
        Name of the function to look at.
    situation
        What was asked: the instruction, the access, the call.
    """

    def __init__(self, situation: str, expected: str, seen: str, where: str) -> None:
        super().__init__(f"{situation}: expected {expected}, seen {seen}; look at {where}")
        self.situation, self.expected, self.seen, self.where = situation, expected, seen, where


def shown(value: Any) -> str:
    """Return a value as text: addresses and registers in hexadecimal, long ones cut."""
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, Mapping):
            text = "{" + ", ".join(f"{_key(k)}: {shown(v)}" for k, v in value.items()) + "}"
        elif isinstance(value, list | tuple):
            text = "[" + ", ".join(shown(item) for item in value) + "]"
        else:
            text = repr(value)
        return text if len(text) <= 300 else text[:297] + "..."
    return str(value) if -1000 < value < 10 else f"{value:#x}"


def _key(key: Any) -> str:
    return repr(key) if isinstance(key, str) else shown(key)


def agree(situation: str, expected: Any, seen: Any, where: str) -> None:
    """Raise `WrongAnswer` unless the two are equal, of dictionaries naming what differs."""
    if type(seen) is type(expected) and seen == expected:
        return
    if isinstance(expected, dict) and isinstance(seen, dict):
        for key in [*expected, *(key for key in seen if key not in expected)]:
            if key not in seen:
                what = f"{_key(key)} to become {shown(expected[key])}"
                raise WrongAnswer(situation, what, f"no {_key(key)} in {shown(seen)}", where)
            if key not in expected:
                what = f"{_key(key)} to stay as it is"
                raise WrongAnswer(situation, what, f"{_key(key)}: {shown(seen[key])}", where)
            if seen[key] != expected[key]:
                raise WrongAnswer(
                    situation,
                    f"{_key(key)}: {shown(expected[key])}",
                    f"{_key(key)}: {shown(seen[key])}",
                    where,
                )
    if seen == expected and not isinstance(expected, int | dict):
        return
    raise WrongAnswer(situation, shown(expected), shown(seen), where)


def in_student_lines(message: str, before: int) -> str:
    """Return an assembler's message with the line counted from the student's first."""
    head, _, rest = message.partition(":")
    number = head.removeprefix("line ")
    if not number.isdigit():
        return message
    if int(number) <= before:
        return f"in the program that calls it:{rest}"
    return f"line {int(number) - before}:{rest}"
