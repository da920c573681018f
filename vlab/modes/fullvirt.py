"""``fullvirt``: the unmodified guest, deprivileged; the monitor emulates what traps.

The physical hart runs the guest in U-mode at every virtual privilege level, on shadow page
tables. Innocuous instructions run directly. Everything sensitive traps (Popek & Goldberg
1974) and arrives in one of the ``on_...`` methods, which a subclass may override.
"""

from __future__ import annotations

from vlab.counters import Counters
from vlab.exits import ExitReason
from vlab.isa.execute import EXIT, check_interrupt, raise_trap
from vlab.isa.fields import FETCH, INTERRUPT, LOAD, MASK64, MPRV, PTE_V, STORE, Cause, M, S, U
from vlab.isa.mmu import effective_privilege, leaf_address, walk
from vlab.machine import GuestCrashed, Machine
from vlab.modes.counting import PAGE_FAULTS, translation_counters, trap_counters
from vlab.sbi import Sbi
from vlab.state import Hart
from vlab.vmm.emulator import emulate
from vlab.vmm.reasons import reason_of
from vlab.vmm.shadow import BARE, ShadowFull, ShadowPaging, regime_of

ACCESS = {Cause.FETCH_PAGE: FETCH, Cause.LOAD_PAGE: LOAD, Cause.STORE_PAGE: STORE}


class FullVirt:
    """A trap-and-emulate monitor with shadow paging.

    Parameters
    ----------
    machine
        The host hardware.
    vcpu
        The virtual CPU: a hart record whose memory is guest-physical and whose integer
        registers are the physical ones.
    shadow
        The shadow page tables.
    sbi
        The virtual firmware, or None if the guest brings its own.
    """

    technique = "fullvirt"

    def __init__(self, machine: Machine, vcpu: Hart, shadow: ShadowPaging, sbi: Sbi | None) -> None:
        self.machine, self.hart, self.vcpu = machine, machine.hart, vcpu
        self.shadow, self.sbi = shadow, sbi
        self.space = None
        self.seen = 0
        self.hart.intercept = MASK64
        if sbi is not None:
            vcpu.intercept = 1 << Cause.ECALL_S

    # -- world switch -----------------------------------------------------------

    def enter(self) -> None:
        """Load the virtual CPU on the hardware: called before the guest runs."""
        vcpu, hart = self.vcpu, self.hart
        check_interrupt(vcpu)
        try:
            space = self.shadow.space(vcpu)
        except ShadowFull:
            self.shadow.drop_all()
            space = self.shadow.space(vcpu)
        if space is not self.space:
            if self.space is not None:
                self.machine.count("shadow_switches")
            self.space = space
            self.machine.engine.write_satp(hart, self.shadow.satp(space))
        hart.scounteren = 2 & (vcpu.scounteren if vcpu.priv == U else MASK64)
        hart.pc = vcpu.pc

    def handle(self, reason: ExitReason) -> None:
        """Handle an exit: the hardware's state becomes the virtual CPU's, then a handler acts."""
        machine, vcpu, hart = self.machine, self.vcpu, self.hart
        retired = hart.limit - hart.budget
        vcpu.limit += retired - self.seen
        self.seen = retired
        vcpu.pc = hart.pc
        if reason == ExitReason.TRAP:
            machine.advance()
            self.on_trap(vcpu, hart.exit_cause, hart.exit_tval)
        elif reason == ExitReason.TIME:
            machine.advance()
            hart.time, hart.time_fresh = machine.clock.time, 1
        elif reason == ExitReason.MARK:
            machine.mark(hart.exit_value, self.counters())

    def exited(self, reason: str) -> None:
        """Count a VM exit and charge it."""
        self.machine.count_key("exits_by_reason", "exits", reason)

    # -- handlers ---------------------------------------------------------------

    def on_trap(self, vcpu: Hart, cause: int, tval: int) -> None:
        """Tell the traps of the deprivileged guest apart."""
        if cause & INTERRUPT:
            self.on_interrupt(vcpu, cause)
        elif cause == Cause.ECALL_U:
            self.on_ecall(vcpu)
        elif cause == Cause.ILLEGAL:
            self.on_illegal_instruction(vcpu)
        elif cause in PAGE_FAULTS:
            self.on_page_fault(vcpu, cause, tval)
        else:
            self.on_exception(vcpu, cause, tval)

    def on_interrupt(self, vcpu: Hart, cause: int) -> None:
        """An interrupt of the host: acknowledge it; the virtual wire carries it to the guest."""
        self.exited("interrupt")
        self.hart.lines &= ~(1 << (cause & 63))

    def on_ecall(self, vcpu: Hart) -> None:
        """An ``ecall``: the virtual privilege decides whom it is meant for."""
        if vcpu.priv == S and self.sbi is not None:
            self.exited("sbi")
            self.machine.count("sbi_calls")
            self.sbi.call(vcpu)
            vcpu.pc += 4
        else:
            self.exited("syscall" if vcpu.priv == U else "exception")
            raise_trap(vcpu, Cause.ECALL_U + vcpu.priv, 0)

    def on_illegal_instruction(self, vcpu: Hart) -> None:
        """A sensitive instruction: emulate it on the virtual CPU."""
        vcpu.time, vcpu.time_fresh = self.machine.clock.time, 1
        status = emulate(vcpu, self.hart.exit_tval)
        self.exited(reason_of(vcpu.bits))
        if status == EXIT:
            self.on_emulated_exit(vcpu)

    def on_exception(self, vcpu: Hart, cause: int, tval: int) -> None:
        """Any other exception is the guest's own: reflect it."""
        self.exited("exception")
        raise_trap(vcpu, cause, tval)

    def on_page_fault(self, vcpu: Hart, cause: int, va: int) -> None:
        """A page fault on the shadow: true, hidden, a page-table write, or a device."""
        access = ACCESS[Cause(cause)]
        priv = effective_privilege(vcpu, access)
        if vcpu.mstatus & MPRV and access != FETCH:
            self.on_emulated_access(vcpu, "exception")
        elif regime_of(vcpu) == BARE:
            self.on_translated(vcpu, access, va, va, PTE_V, 0)
        else:
            vcpu.fault = 0
            dirty = vcpu.ad_updates
            pte = walk(vcpu, va, access, priv)
            if vcpu.fault:
                self.exited("page_fault")
                raise_trap(vcpu, vcpu.fault, va)
                return
            level = vcpu.walk_level
            hidden = "dirty" if va & ~0xFFF in self.space.leaves and vcpu.ad_updates > dirty else ""
            self.on_translated(vcpu, access, va, leaf_address(pte, level, va), pte, level, hidden)

    def on_translated(
        self, vcpu: Hart, access: int, va: int, gpa: int, pte: int, level: int, hidden: str = ""
    ) -> None:
        """The guest's tables allow the access: find out why the shadow did not."""
        if not vcpu.memory.contains(gpa):
            self.on_emulated_access(vcpu, "mmio")
        elif access == STORE and self.shadow.is_table(gpa):
            self.on_emulated_access(vcpu, "pt_write")
            self.shadow.written(gpa)
        else:
            self.exited(hidden or "shadow_fill")
            self.fill(vcpu, va, gpa if regime_of(vcpu) == BARE else None, pte, level)

    def fill(self, vcpu: Hart, va: int, gpa: int | None, pte: int, level: int) -> None:
        """Fill the shadow; when the monitor runs out of frames, begin anew."""
        if gpa is not None:
            pte = gpa >> 12 << 10 | PTE_V
        try:
            self.shadow.fill(vcpu, self.space, va, pte, level)
        except ShadowFull:
            self.shadow.drop_all()
            self.space = None
            return
        self.machine.count("shadow_fills")

    def on_emulated_access(self, vcpu: Hart, reason: str) -> None:
        """A load or store that must not reach memory directly: emulate the instruction."""
        self.exited(reason)
        if emulate(vcpu) == EXIT:
            self.on_emulated_exit(vcpu)

    def on_emulated_exit(self, vcpu: Hart) -> None:
        """The emulated instruction needs the board, as the hardware's would."""
        machine, reason = self.machine, ExitReason(vcpu.exit_reason)
        if reason in (ExitReason.MMIO_READ, ExitReason.MMIO_WRITE):
            machine.advance()
            machine.mmio(vcpu, reason)
        elif reason == ExitReason.WFI:
            machine.sleep()
        elif reason == ExitReason.TRAP and vcpu.exit_cause != Cause.ECALL_S:
            raise GuestCrashed(f"unexpected trap {vcpu.exit_cause} at {vcpu.pc:#x}")

    # -- results ------------------------------------------------------------------

    def counters(self) -> Counters:
        """Return everything counted so far."""
        from vlab.isa.counting import settle

        settle(self.vcpu)
        counters = self.machine.counters + translation_counters(self.hart)
        counters = counters + trap_counters(self.vcpu)
        counters.retired_user = self.vcpu.retired_by_priv[U]
        counters.retired_kernel = self.vcpu.retired_by_priv[S] + self.vcpu.retired_by_priv[M]
        counters.loads += self.vcpu.loads
        counters.stores += self.vcpu.stores
        counters.shadow_flushes = self.shadow.flushes
        counters.shadow_pt_writes = counters.exits_by_reason["pt_write"]
        return counters
