"""The virtual CPU of a ported guest: what of it is not simply the hardware's state.

Upcall and return are to the guest's kernel what `vlab.isa.trap.take_trap` and `return_from_s`
are to a kernel on its own hart; they go through the shared page instead of CSRs.
"""

from __future__ import annotations

from vlab.hardware import open_pmp
from vlab.isa.fields import INTERRUPT, MASK64, S, U
from vlab.machine import GuestCrashed
from vlab.state import Hart
from vlab.told import Told
from vlab.vmm.shared_info import SharedInfo
from vlab.vmm.spaces import AddressSpaces
from vlab.words import shared_word

A7 = 17


class PvCpu:
    """Virtual privilege, trap entry and counts of a guest that runs on a physical hart.

    Parameters
    ----------
    hart
        The physical hart, always in U-mode.
    shared
        The shared-info page.
    spaces
        The root tables in use.

    Attributes
    ----------
    entry : int or None
        Virtual address of the upcall entry, once it is registered.
    record : Hart
        The guest as its kernel sees it: privilege, traps and returns counted.
    """

    seen: int = shared_word(
        "attributed_word", 0, "Instructions of the hardware that are attributed already."
    )
    entry = Told[int | None]()

    def __init__(self, hart: Hart, shared: SharedInfo, spaces: AddressSpaces) -> None:
        self.hart, self.shared, self.spaces = hart, shared, spaces
        self.record = Hart()
        self.record.priv = S
        open_pmp(self.record)
        self.entry = None
        self.attributed_word = memoryview(bytearray(8)).cast("Q")

    @property
    def in_kernel(self) -> bool:
        """Whether the guest's kernel runs, rather than a user program."""
        return self.record.priv == S

    def attribute(self) -> None:
        """Attribute what has retired since the last call to kernel or user."""
        retired = self.hart.limit - self.hart.budget
        self.record.retired_by_priv[self.record.priv] += retired - self.seen
        self.seen = retired

    def upcall(self, cause: int, tval: int) -> None:
        """Make the guest's kernel take a trap; no register changes."""
        hart, shared = self.hart, self.shared
        loops = self.in_kernel and hart.pc == self.entry and not cause & INTERRUPT
        if self.entry is None or loops:
            why = "the trap entry itself traps" if loops else "the guest has no trap entry"
            raise GuestCrashed(f"{why}: cause {cause:#x}, pc {hart.pc:#x}, address {tval:#x}")
        taken = self.record.interrupts_taken if cause & INTERRUPT else self.record.traps_taken
        taken[cause & 15] += 1
        shared.trap_cause, shared.trap_epc, shared.trap_tval = cause, hart.pc, tval
        shared.trap_user, shared.trap_masked = int(not self.in_kernel), shared.masked
        shared.masked = 1
        self._go(S, self.entry)

    def resume(self) -> None:
        """Return from an upcall to what the shared page says."""
        shared = self.shared
        user = shared.trap_user != 0
        if user and self.spaces.user_root is None:
            raise GuestCrashed("a return to user mode, but no user root is in use")
        self.record.returns += 1
        shared.masked = shared.trap_masked
        self.hart.x[A7] = shared.trap_a7
        self._go(U if user else S, shared.trap_epc & ~1)

    def skip_ecall(self) -> None:
        """Retire the ``ecall`` of a hypercall."""
        self.hart.pc = (self.hart.pc + 4) & MASK64
        self.hart.budget -= 1
        self.attribute()

    def _go(self, priv: int, pc: int) -> None:
        self.record.priv, self.hart.pc, self.hart.reservation = priv, pc, MASK64
        self.spaces.load(user=priv == U)
