"""``paravirt``: the ported guest, whose kernel asks the monitor for what it may not do.

Kernel and user programs both run in physical U-mode, on the guest's own page tables. The
kernel asks in hypercalls and is told in upcalls. Every exit arrives in one of the ``on_...``
methods, which a subclass may override (after Barham et al. 2003, "Xen and the Art of
Virtualization").
"""

from __future__ import annotations

from typing import Any, ClassVar

from vlab.counters import Counters
from vlab.hardware import deprivilege, lines_of
from vlab.hart_counters import PAGE_FAULTS, translation_counters, trap_counters
from vlab.isa.fields import INTERRUPT, MASK64, SEI, STI, Cause, S, U
from vlab.machine import Machine
from vlab.vmm.backends import Backends
from vlab.vmm.domain import Domain, build_domain
from vlab.vmm.guest_access import GuestAccess
from vlab.vmm.hypercalls import Hypercall, call, own_hypercalls
from vlab.vmm.monitor import Monitor
from vlab.vmm.pvcpu import PvCpu
from vlab.vmm.shared_info import EVENTS, TIMER
from vlab.vmm.spaces import AddressSpaces
from vlab.vmm.twins import twin

A0, A4, A7 = 10, 14, 17
TIME = 2  # the counter that the guest may read without asking


class ParaVirt(Monitor):
    """A monitor with direct paging, events and shared rings.

    Parameters
    ----------
    machine
        The host hardware, deprivileged: U-mode, everything intercepted.
    domain
        The guest.
    """

    technique = "paravirt"
    own_hypercalls: ClassVar[dict[int, Hypercall]] = {}
    """Those that a subclass declares with `vlab.hypercall`, by number."""

    def __init_subclass__(cls) -> None:
        cls.own_hypercalls = own_hypercalls(cls)

    def __init__(self, machine: Machine, domain: Domain) -> None:
        super().__init__(machine)
        self.domain = domain
        self.shared, self.paging = domain.shared, domain.paging
        self.spaces = AddressSpaces(self.hart, machine.engine, self.paging, domain.kernel_root)
        self.vcpu = PvCpu(self.hart, self.shared, self.spaces)
        self.memory = GuestAccess(domain.memory.physical)
        self.backends = Backends(machine, domain)
        self.last_refusal = ""
        self.hart.pc, self.hart.scounteren = domain.entry, TIME
        self.hart.mie = 1 << STI | 1 << SEI

    def enter(self) -> None:
        """Deliver events, unless the guest masks them: called before the guest runs."""
        pending = self.shared.pending & EVENTS
        if pending and not self.shared.masked:
            self.on_event(pending)

    def attribute(self) -> None:
        """Attribute what retired to the guest's kernel or its user programs."""
        self.vcpu.attribute()

    # -- handlers -------------------------------------------------------------------

    @twin
    def on_trap(self, cause: int, tval: int) -> None:
        """Tell the traps of the deprivileged guest apart."""
        if cause & INTERRUPT:
            self.on_interrupt()
        elif cause != Cause.ECALL_U:
            self.on_exception(cause, tval)
        elif self.vcpu.in_kernel:
            self.on_hypercall(self.hart.x[A7], list(self.hart.x[A0:A4]))
        else:
            self.on_syscall()

    def on_interrupt(self) -> None:
        """An interrupt of the host: the monitor serves its devices."""
        self.exited("interrupt")
        self.backends.serve()

    @twin
    def on_hypercall(self, number: int, arguments: list[int]) -> None:
        """The guest's kernel asks for something."""
        self.exited("hypercall")
        self.vcpu.skip_ecall()
        result = call(self, number, arguments)
        if result is not None:
            self.hart.x[A0] = result & MASK64

    @twin
    def on_syscall(self) -> None:
        """A user program calls its kernel; the hardware cannot know that it means that one."""
        self.exited("syscall")
        if self.machine.on_syscall is not None:
            self.machine.on_syscall(self.hart)
        self.upcall(Cause.ECALL_U, 0)

    @twin
    def on_exception(self, cause: int, tval: int) -> None:
        """A page fault or another exception is the guest's own: there are no hidden ones."""
        self.exited("page_fault" if cause in PAGE_FAULTS else "exception")
        self.upcall(cause, tval)

    def on_event(self, pending: int) -> None:
        """Something happened that the guest's kernel waits for: an interrupt, to it."""
        self.upcall(INTERRUPT | (STI if pending == TIMER else SEI), 0)

    def upcall(self, cause: int, tval: int) -> None:
        """Make the guest's kernel take a trap."""
        self.machine.count("upcalls")
        self.vcpu.upcall(cause, tval)

    # -- results ----------------------------------------------------------------------

    def counters(self) -> Counters:
        """Return everything counted so far."""
        guest = self.vcpu.record
        counters = self.machine.counters + translation_counters(self.hart) + trap_counters(guest)
        counters.retired_user, counters.retired_kernel = guest.retired_by_priv[U : S + 1]
        counters.csr_accesses = self.hart.csr_accesses
        return counters


def build(guest: Any) -> ParaVirt:
    """Build the host, the guest in it, and its monitor (`vlab.modes.compose.Guest`)."""
    physical, pool, memory, hart = guest.host()
    machine = guest.machine_of(hart, physical, lines_of(hart))
    machine.guest_memory = memory
    deprivilege(hart)
    domain = build_domain(memory, pool, guest.image, guest.bootargs)
    return (guest.setup.monitor or ParaVirt)(machine, domain)
