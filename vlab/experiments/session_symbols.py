"""Names for the guest kernel's addresses, and its instructions in words."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import Any

from vlab.errors import MachineError, unknown


class Symbols:
    """Symbols by address.

    Parameters
    ----------
    addresses
        Address by name.
    end
        First address behind the image: what is beyond has no name.
    """

    def __init__(self, addresses: dict[str, int], end: int) -> None:
        self.addresses = addresses
        rows = sorted((address, name) for name, address in addresses.items())
        self._starts = [address for address, _ in rows]
        self._names = [name for _, name in rows]
        self.end = end

    def start(self, address: int) -> int | None:
        """Return the address of the symbol that an address belongs to."""
        found = bisect_right(self._starts, address) - 1
        return self._starts[found] if found >= 0 and address < self.end else None

    def name(self, address: int) -> str:
        """Return ``symbol`` or ``symbol+0x1c``; empty if the address belongs to none."""
        found = bisect_right(self._starts, address) - 1
        if found < 0 or address >= self.end:
            return ""
        offset = address - self._starts[found]
        return self._names[found] + (f"+{offset:#x}" if offset else "")

    def address(self, name: str) -> int:
        """Return the address of a symbol, or raise `MachineError`."""
        if name not in self.addresses:
            if not self.addresses:
                raise MachineError(f"symbol {name!r}: the image was stripped, it has no symbols")
            raise MachineError(unknown("symbol", name, self.addresses))
        return self.addresses[name]


def symbols_of(image: Any, path: Path | bytes) -> Symbols:
    """Return the symbols of an image: from the ``.sym`` file beside it, or its own."""
    end = max((address + size for address, _, size in image.segments), default=0)
    listed = path.with_suffix(".sym") if isinstance(path, Path) else None
    if listed is not None and listed.is_file():
        return Symbols(dict(_read(listed)), end)
    return Symbols(image.symbols, end)


@cache
def _read(path: Path) -> tuple[tuple[str, int], ...]:
    rows = (line.split() for line in path.read_text("utf-8").splitlines())
    return tuple((row[1], int(row[0], 16)) for row in rows if len(row) == 2)
