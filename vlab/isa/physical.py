"""Physical memory as a hart sees it.

`load_ram`, `store_ram` and `clear_fast` are the operations whose machine-code forms are not
lowered from here but emitted (`vlab/engines/intrinsics.py`).
"""

from __future__ import annotations

from array import array

from vlab.isa.fields import MASK64
from vlab.state import FAST_ENTRIES, FAST_SETS, FAST_WORDS, Hart

INVALID_FAST = memoryview(array("Q", [MASK64]) * (FAST_SETS * FAST_ENTRIES * FAST_WORDS))


def in_ram(hart: Hart, address: int, width: int) -> bool:
    """Return whether ``width`` bytes at a physical address lie in RAM."""
    return (address - hart.ram_base) & MASK64 <= hart.ram_size - width


def load_ram(hart: Hart, address: int, width: int) -> int:
    """Return ``width`` bytes (1, 2, 4, 8) of RAM, little-endian; the caller checked `in_ram`."""
    return hart.memory.load(address, width)


def store_ram(hart: Hart, address: int, width: int, value: int) -> None:
    """Store the low ``width`` bytes of ``value`` in RAM; the caller checked `in_ram`."""
    hart.memory.store(address, width, value)


def clear_fast(hart: Hart) -> None:
    """Invalidate every entry of the engine's lookup cache that is in use (`hart.fast_used`)."""
    hart.fast[:] = INVALID_FAST
