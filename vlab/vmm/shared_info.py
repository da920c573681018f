"""The page that guest and monitor share (`docs/architecture.md`, "The paravirtual ABI")."""

from __future__ import annotations

from vlab.memory import PhysicalMemory

SHARED_INFO = 0xFFFF_FFFF_FFFF_F000
P2M, M2P = 0xFFFF_FFFF_FE00_0000, 0xFFFF_FFFF_FC00_0000
MAGIC = int.from_bytes(b"vlabpv1", "little")
CMDLINE, CMDLINE_SIZE = 256, 1024

TIMER, CONSOLE, BLOCK = 1, 2, 4
"""Bits of `pending`."""
EVENTS = TIMER | CONSOLE | BLOCK

PENDING, MASKED, TRAP_CAUSE, TRAP_EPC, TRAP_TVAL, TRAP_USER, TRAP_MASKED, TRAP_A7 = range(
    2048, 2112, 8
)
"""Offsets of the words that both sides write."""


def _word(offset: int) -> property:
    def get(self: SharedInfo) -> int:
        return self.physical.load(self.address + offset, 8)

    def put(self: SharedInfo, value: int) -> None:
        self.physical.store(self.address + offset, 8, value)

    return property(get, put)


class SharedInfo:
    """The words of the page, as attributes. The guest may have written anything to them."""

    magic = _word(0)
    ram_base = _word(8)
    ram_size = _word(16)
    kernel_root = _word(24)
    first_free = _word(32)
    identity = _word(40)
    p2m = _word(48)
    m2p = _word(56)
    m2p_base = _word(64)
    timebase = _word(72)
    pending = _word(PENDING)
    masked = _word(MASKED)
    trap_cause = _word(TRAP_CAUSE)
    trap_epc = _word(TRAP_EPC)
    trap_tval = _word(TRAP_TVAL)
    trap_user = _word(TRAP_USER)
    trap_masked = _word(TRAP_MASKED)
    trap_a7 = _word(TRAP_A7)

    def __init__(self, physical: PhysicalMemory, address: int) -> None:
        self.physical, self.address = physical, address
