"""Attributes that machine code is told of, whose changes are counted.

Who tells it looks at one number, and at the attributes only when that has changed.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar, overload

T = TypeVar("T")


class Told(Generic[T]):
    """An attribute of an object, under the same name in its ``vars``."""

    changes: ClassVar[int] = 0
    """Grows whenever any such attribute is set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, owner: None, kind: type) -> Told[T]: ...
    @overload
    def __get__(self, owner: object, kind: type) -> T: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        return self if owner is None else vars(owner)[self.name]

    def __set__(self, owner: Any, value: T) -> None:
        vars(owner)[self.name] = value
        Told.changes += 1
