"""The deadline of a device, whose changes are counted so that nobody has to look at all of them."""

from __future__ import annotations

from typing import Any, ClassVar

from vlab.told import Told


class Deadline:
    """An attribute: the cycle at which something acts next, or None."""

    changes: ClassVar[int] = 0
    """Grows whenever any deadline is set."""

    def __get__(self, device: Any, kind: type | None = None) -> int | None:
        found: int | None = None if device is None else vars(device).get("deadline")
        return found

    def __set__(self, device: Any, due: int | None) -> None:
        vars(device)["deadline"] = due
        Deadline.changes += 1
        Told.changes += 1


def is_counted(kind: type) -> bool:
    """Return whether a class has this kind of deadline."""
    declared = (vars(part)["deadline"] for part in kind.__mro__ if "deadline" in vars(part))
    return isinstance(next(declared, None), Deadline)
