"""What the names in an assembly source mean: symbols, numeric labels, relocation functions."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

from vlab.isa.bits import MASK64, signed
from vlab.isa.expressions import AssemblyError, no_such
from vlab.isa.names import REGISTERS

FUNCTIONS = ("hi", "lo", "pcrel_hi", "pcrel_lo")


class Names:
    """Names, as one walk through the source leaves them to the next.

    A name that is not known yet counts as 0, except in the final walk.

    Parameters
    ----------
    symbols
        Values to begin with.
    here
        Returns the current address.
    """

    def __init__(self, symbols: dict[str, int], here: Callable[[], int]) -> None:
        self.symbols = dict(symbols)
        self.here = here
        self.position = 0
        self.final = False
        self._numeric: dict[str, list[tuple[int, int]]] = {}
        self._defined: dict[str, list[tuple[int, int]]] = {}
        self._offsets: dict[int, int] = {}

    def start(self, final: bool) -> None:
        """Begin a walk."""
        self.final = final
        self._defined = {}

    def finish(self) -> None:
        """End a walk."""
        self._numeric = self._defined

    def known(self) -> tuple[object, ...]:
        """Return everything that the next walk takes from this one."""
        return dict(self.symbols), self._numeric, dict(self._offsets)

    def add_numeric(self, name: str) -> None:
        """Define a numeric label here."""
        self._defined.setdefault(name, []).append((self.position, self.here()))

    def value(self, name: str) -> int:
        """Return the value of a symbol, of ``.`` or of a numeric label."""
        if name == ".":
            return self.here()
        if re.fullmatch(r"\d+[fb]", name):
            return self._nearest(name[:-1], name[-1])
        if name in self.symbols:
            return self.symbols[name]
        if not self.final:
            return 0
        if name in REGISTERS:
            raise AssemblyError(f"{name!r} is a register: a number is needed here")
        raise no_such("symbol", name, self.symbols, "define it with a label or .equ")

    def _nearest(self, name: str, direction: str) -> int:
        """Return the address of a numeric label's nearest definition before or after."""
        known = self._numeric.get(name, [])
        index = bisect_right(known, self.position, key=lambda pair: pair[0])
        if direction == "b":
            index -= 1
        if 0 <= index < len(known):
            return known[index][1]
        if not self.final:
            return 0
        where = "after" if direction == "f" else "before"
        raise AssemblyError(f"{name}{direction}: there is no label {name!r} {where} this line")

    def relocation(self, function: str, value: int) -> int:
        """Return what ``%function(value)`` stands for (RISC-V ABIs, "Relocations")."""
        if function == "lo":
            return _low(value)
        if function == "before_lo":
            return _low(value - self.here() + 4)
        if function == "pcrel_lo":
            if value not in self._offsets and self.final:
                raise AssemblyError("%pcrel_lo takes the label of an auipc with %pcrel_hi")
            return _low(self._offsets.get(value, 0))
        if function == "pcrel_hi":
            value = signed(value - self.here() & MASK64)
            self._offsets[signed(self.here())] = value
        elif function != "hi":
            raise no_such("function", function, FUNCTIONS, "%hi, %lo, %pcrel_hi or %pcrel_lo")
        if self.final and not -(1 << 31) <= value + 0x800 < 1 << 31:
            if function == "pcrel_hi":
                raise AssemblyError(f"the symbol is {value:+} bytes away: auipc reaches ±2 GiB")
            raise AssemblyError(f"%hi: {value:#x} is no signed 32-bit number: use la or li")
        return value + 0x800 >> 12 & 0xFFFFF


def _low(value: int) -> int:
    """Return the low twelve bits, as the signed immediate that they are in an instruction."""
    return (value & 0xFFF ^ 0x800) - 0x800
