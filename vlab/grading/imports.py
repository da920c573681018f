"""What a solution uses in the student's notebook that is not there when it is graded."""

from __future__ import annotations

import dis
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

from vlab.grading.sandbox.confinement import PRELOADED

THERE = {name.split(".")[0] for name in PRELOADED} | {"builtins", "os", "sys", "__main__"}


def foreign(value: Any, names: Mapping[str, Any]) -> set[str]:
    """Return the packages that a function or class needs and that submissions do not have.

    Parameters
    ----------
    names
        The notebook's names; functions found there are followed.
    """
    found: set[str] = set()
    seen: list[Any] = []
    _follow(value, names, found, seen)
    return found - THERE


def _follow(value: Any, names: Mapping[str, Any], found: set[str], seen: list[Any]) -> None:
    if any(value is other for other in seen):
        return
    seen.append(value)
    if isinstance(value, ModuleType):
        found.add(value.__name__.split(".")[0])
        return
    module = getattr(value, "__module__", None)
    if isinstance(module, str) and module != names.get("__name__", "__main__"):
        found.add(module.split(".")[0])
        return
    if isinstance(value, type):
        for base in value.__mro__[1:]:
            _follow(base, names, found, seen)
    for code in _codes(value):
        for line in dis.get_instructions(code):
            if line.opname == "IMPORT_NAME":
                found.add(str(line.argval).split(".")[0])
            elif line.opname in ("LOAD_GLOBAL", "LOAD_NAME") and line.argval in names:
                _follow(names[line.argval], names, found, seen)


def _codes(value: Any) -> Iterator[CodeType]:
    """Yield the code of a function, or of a class's methods, with what is nested in it."""
    parts = vars(value).values() if isinstance(value, type) else [value]
    waiting = [part.__code__ for part in parts if isinstance(part, FunctionType)]
    while waiting:
        code = waiting.pop()
        yield code
        waiting += [const for const in code.co_consts if isinstance(const, CodeType)]
