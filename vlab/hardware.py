"""The modelled hart's options and its reset state."""

from __future__ import annotations

from dataclasses import dataclass

from vlab.errors import MachineError
from vlab.isa.fields import MISA, XL_64
from vlab.isa.mmu import update_regime
from vlab.state import TLB_MAX_ENTRIES, Hart


@dataclass
class HardwareOptions:
    """What can be set of the modelled hardware.

    Parameters
    ----------
    tlb_entries, tlb_ways
        Size and associativity of the TLB; both powers of two.
    asid_bits
        Implemented ASID bits, 0 to 16.
    """

    tlb_entries: int = 64
    tlb_ways: int = 4
    asid_bits: int = 16

    def __post_init__(self) -> None:
        for name in ("tlb_entries", "tlb_ways"):
            value = getattr(self, name)
            if value < 1 or value & (value - 1) or value > TLB_MAX_ENTRIES:
                raise MachineError(
                    f"{name}={value}: must be a power of two from 1 to {TLB_MAX_ENTRIES}"
                )
        if self.tlb_ways > self.tlb_entries:
            raise MachineError(
                f"tlb_ways={self.tlb_ways}: cannot exceed tlb_entries={self.tlb_entries}"
            )
        if not 0 <= self.asid_bits <= 16:
            raise MachineError(f"asid_bits={self.asid_bits}: must be 0 to 16")


def reset(hart: Hart, options: HardwareOptions) -> None:
    """Put a hart's record in its reset state (privileged specification, section 3.4)."""
    hart.priv = 3
    hart.misa = MISA
    hart.mstatus = XL_64
    hart.tlb_ways = options.tlb_ways
    hart.tlb_sets = options.tlb_entries // options.tlb_ways
    hart.tlb_asid_mask = (1 << options.asid_bits) - 1
    update_regime(hart)
