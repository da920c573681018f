"""A wire that remembers, for tests of whatever pulls wires."""

from __future__ import annotations


class Wire:
    """An interrupt wire: its level, and how often it rose."""

    def __init__(self) -> None:
        self.level = False
        self.rises = 0

    def __call__(self, level: bool) -> None:
        self.rises += level and not self.level
        self.level = bool(level)


class Wires:
    """The wires of a hart by bit number, as `Board` drives them."""

    def __init__(self) -> None:
        self.levels: dict[int, bool] = {}

    def __call__(self, bit: int, level: bool) -> None:
        self.levels[bit] = bool(level)

    def __getitem__(self, bit: int) -> bool:
        return self.levels.get(bit, False)
