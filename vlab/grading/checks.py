"""Checks: functions of a student's solution that raise if something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlab.errors import MachineError

Function = Callable[[Any], None]


@dataclass(frozen=True)
class Check:
    """A named check.

    Attributes
    ----------
    hidden
        Whether students see it only in their feedback.
    where
        What to look at if it fails and the error does not say more exactly.
    run
        Called with the solution; raises if it is wrong.
    """

    name: str
    points: int
    hidden: bool
    where: str
    run: Function


def check(
    name: str, *, points: int, hidden: bool = False, where: str = ""
) -> Callable[[Function], Function]:
    """Declare a function of a checks file as a check."""

    def declare(function: Function) -> Function:
        function.check = Check(name, points, hidden, where, function)  # type: ignore[attr-defined]
        return function

    return declare


def load_checks(path: str | Path) -> list[Check]:
    """Return the checks of a file, in its order."""
    path = Path(path)
    if not path.is_file():
        raise MachineError(f"{path}: there are no checks")
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), names)
    checks = [value.check for value in names.values() if hasattr(value, "check")]
    return [one for one in checks if isinstance(one, Check)]
