"""``fullvirt``: the unmodified guest, deprivileged; the monitor emulates what traps.

The physical hart runs the guest in U-mode at every virtual privilege level, on shadow page
tables. Innocuous instructions run directly. Everything sensitive traps (Popek & Goldberg
1974) and arrives in one of the ``on_...`` methods, which a subclass may override.
"""

from __future__ import annotations

from vlab.exits import ExitReason
from vlab.hart_counters import PAGE_FAULTS
from vlab.isa.execute import EXIT, raise_trap
from vlab.isa.fields import FETCH, INTERRUPT, LOAD, PTE_V, STORE, Cause, Csr, S, U
from vlab.isa.mmu import access_fault, leaf_address, walk
from vlab.isa.pmp import pmp_allows, pmp_page_uniform
from vlab.machine import GuestCrashed, Machine
from vlab.sbi import Sbi
from vlab.state import Hart
from vlab.vmm.emulator import emulate
from vlab.vmm.reasons import reason_of
from vlab.vmm.regimes import BORROWED, TRANSLATED, regime_of
from vlab.vmm.shadow import ShadowPaging
from vlab.vmm.twins import twin
from vlab.vmm.vcpu import VirtualCpuMonitor

ACCESS = {Cause.FETCH_PAGE: FETCH, Cause.LOAD_PAGE: LOAD, Cause.STORE_PAGE: STORE}


class FullVirt(VirtualCpuMonitor):
    """A trap-and-emulate monitor with shadow paging.

    Parameters
    ----------
    machine
        The host hardware.
    vcpu
        The virtual CPU's record.
    shadow
        The shadow page tables.
    sbi
        The virtual firmware, or None if the guest brings its own.
    """

    technique = "fullvirt"

    def __init__(self, machine: Machine, vcpu: Hart, shadow: ShadowPaging, sbi: Sbi | None) -> None:
        super().__init__(machine, vcpu, shadow)
        self.sbi = sbi
        if sbi is not None:
            vcpu.intercept = 1 << Cause.ECALL_S

    @twin
    def on_trap(self, cause: int, tval: int) -> None:
        """Tell the traps of the deprivileged guest apart."""
        if cause & INTERRUPT:
            self.on_interrupt(cause)
        elif cause == Cause.ECALL_U:
            self.on_ecall()
        elif cause == Cause.ILLEGAL:
            self.on_illegal_instruction(tval)
        elif cause in PAGE_FAULTS:
            self.on_page_fault(cause, tval)
        else:
            self.on_exception(cause, tval)

    @twin
    def on_interrupt(self, cause: int) -> None:
        """An interrupt of the host: acknowledge it; the virtual wire carries it to the guest."""
        self.exited("interrupt")
        self.hart.lines &= ~(1 << (cause & 63))

    @twin
    def on_ecall(self) -> None:
        """An ``ecall``: the virtual privilege decides whom it is meant for."""
        vcpu = self.vcpu
        if vcpu.priv == S and self.sbi is not None:
            self.exited("sbi")
            self.machine.count("sbi_calls")
            self.sbi.call(vcpu)
            vcpu.pc += 4
        else:
            self.exited("syscall" if vcpu.priv == U else "exception")
            if vcpu.priv == U and self.machine.on_syscall is not None:
                self.machine.on_syscall(vcpu)
            raise_trap(vcpu, Cause.ECALL_U + vcpu.priv, 0)

    @twin
    def on_illegal_instruction(self, bits: int) -> None:
        """A sensitive instruction: emulate it on the virtual CPU."""
        self.vcpu.time, self.vcpu.time_fresh = self.machine.clock.time, 1
        status = emulate(self.vcpu, bits)
        self.exited(reason_of(self.vcpu.bits))
        if is_pmp(self.vcpu.bits):
            self.shadow.drop_all()
        if status == EXIT:
            self.on_emulated_exit()

    @twin
    def on_exception(self, cause: int, tval: int) -> None:
        """Any other exception is the guest's own: reflect it."""
        self.exited("exception")
        raise_trap(self.vcpu, cause, tval)

    @twin
    def on_page_fault(self, cause: int, va: int) -> None:
        """A page fault on the shadow: the guest's own tables say whether it is a true one."""
        vcpu, access = self.vcpu, ACCESS[Cause(cause)]
        regime = regime_of(vcpu)
        if regime == BORROWED and access != FETCH:
            self.on_emulated_access("exception")  # no one shadow serves fetches and data here
            return
        if regime not in TRANSLATED:
            self.on_hidden_fault(access, va, va, va >> 12 << 10 | PTE_V, 0, "shadow_fill")
            return
        vcpu.fault, updates = 0, vcpu.ad_updates
        pte = walk(vcpu, va, access, vcpu.priv)
        if vcpu.fault:
            self.exited("page_fault")
            raise_trap(vcpu, vcpu.fault, va)
            return
        gpa = leaf_address(pte, vcpu.walk_level, va)
        first_write = self.space.holds(va) and vcpu.ad_updates > updates
        reason = "dirty" if first_write else "shadow_fill"
        self.on_hidden_fault(access, va, gpa, pte, vcpu.walk_level, reason)

    @twin
    def on_hidden_fault(
        self, access: int, va: int, gpa: int, pte: int, level: int, reason: str
    ) -> None:
        """The guest's tables allow the access: find out why the shadow did not."""
        if not self.vcpu.memory.contains(gpa):
            self.on_emulated_access("mmio")
        elif access == STORE and self.shadow.is_table(gpa):
            self.on_emulated_access("pt_write")
        elif not pmp_page_uniform(self.vcpu, gpa & ~0xFFF):
            self.on_emulated_access("exception")  # no page-table entry can say so much
        elif not pmp_allows(self.vcpu, gpa & ~0xFFF, 4096, access, self.vcpu.priv):
            self.exited("exception")
            raise_trap(self.vcpu, access_fault(access), va)
        else:
            self.exited(reason)
            self.fill(va, pte, level)

    @twin
    def on_emulated_access(self, reason: str) -> None:
        """A load or store that must not reach memory directly: emulate the instruction."""
        self.exited(reason)
        if self.emulate() == EXIT:
            self.on_emulated_exit()

    def on_emulated_exit(self) -> None:
        """The emulated instruction needs the board, as the hardware's would."""
        machine, vcpu, reason = self.machine, self.vcpu, self.vcpu.exit_reason
        if reason in (ExitReason.MMIO_READ, ExitReason.MMIO_WRITE):
            machine.advance()
            machine.mmio(vcpu, reason)
        elif reason == ExitReason.WFI:
            machine.sleep()
        elif reason == ExitReason.TIMER:
            machine.set_timer()
        elif reason == ExitReason.TRAP:
            raise GuestCrashed(f"unexpected trap {vcpu.exit_cause} at {vcpu.pc:#x}")


def is_pmp(bits: int) -> bool:
    """Return whether a CSR instruction names a PMP register."""
    return bits & 0x7F == 0x73 and Csr.PMPCFG0 <= bits >> 20 <= Csr.PMPADDR63
