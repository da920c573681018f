"""The modelled hart: its options, its reset state, its wires, and where software starts on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vlab.errors import MachineError
from vlab.isa.fields import (
    ALL_INTERRUPTS,
    MASK64,
    MEDELEG_WRITABLE,
    MISA,
    PMP_NAPOT,
    PMP_R,
    PMP_W,
    PMP_X,
    S_INTERRUPTS,
    XL_64,
    Cause,
    S,
    U,
)
from vlab.isa.mmu import update_regime
from vlab.isa.pmp import ALL_ADDRESSES, pmp_update
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
    pmp_update(hart)
    update_regime(hart)


def lines_of(hart: Hart) -> Callable[[int, bool], None]:
    """Return the function that drives a hart's interrupt wires."""

    def drive(bit: int, level: bool) -> None:
        hart.lines = hart.lines | 1 << bit if level else hart.lines & ~(1 << bit)

    return drive


def virtual_lines(vcpu: Hart, hart: Hart) -> Callable[[int, bool], None]:
    """Return the wires under a monitor: a rising edge interrupts the host, too."""

    def drive(bit: int, level: bool) -> None:
        if level and not vcpu.lines >> bit & 1:
            hart.lines |= 1 << bit
        vcpu.lines = vcpu.lines | 1 << bit if level else vcpu.lines & ~(1 << bit)

    return drive


def deprivilege(hart: Hart) -> None:
    """Put the physical hart where a monitor runs its guest: U-mode, everything intercepted."""
    hart.priv = U
    hart.mie = ALL_INTERRUPTS
    hart.intercept = MASK64
    hart.mcounteren = 7
    open_pmp(hart)
    update_regime(hart)


def enter_supervisor(hart: Hart) -> None:
    """Put a hart where firmware leaves it for a supervisor: S-mode, traps delegated."""
    hart.priv = S
    hart.medeleg = MEDELEG_WRITABLE & ~(1 << Cause.ECALL_S)
    hart.mideleg = S_INTERRUPTS
    hart.mcounteren = 7
    open_pmp(hart)
    update_regime(hart)


def open_pmp(hart: Hart) -> None:
    """Let S and U mode reach everything, as firmware does with PMP entry 0."""
    hart.pmpcfg[0], hart.pmpaddr[0] = PMP_NAPOT | PMP_R | PMP_W | PMP_X, ALL_ADDRESSES
    pmp_update(hart)
