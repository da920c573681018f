"""The virtual CPU of a trap-and-emulate monitor, and how it is loaded on the hardware."""

from __future__ import annotations

from vlab.counters import Counters
from vlab.hart_counters import translation_counters, trap_counters
from vlab.isa.counting import settle
from vlab.isa.csr import counter_allowed
from vlab.isa.execute import NO_RESERVATION, check_interrupt, pending_interrupt
from vlab.isa.fields import MASK64, M, S, U
from vlab.machine import Machine
from vlab.state import Hart
from vlab.told import Told
from vlab.vmm.emulator import emulate
from vlab.vmm.monitor import Monitor
from vlab.vmm.shadow import ShadowFull, ShadowPaging, Space
from vlab.words import shared_word


class VirtualCpuMonitor(Monitor):
    """A monitor whose guest runs on a virtual CPU under shadow page tables.

    Attributes
    ----------
    vcpu : Hart
        The virtual CPU: its memory is guest-physical, its integer registers the physical ones.
    shadow : ShadowPaging
        The shadow page tables.
    """

    attributed: int = shared_word(
        "attributed_word", 0, "Instructions of the hardware that are the virtual CPU's already."
    )
    loaded = Told[Space | None]()
    """The shadow in use when `space` was last looked at or set."""

    def __init__(self, machine: Machine, vcpu: Hart, shadow: ShadowPaging) -> None:
        super().__init__(machine)
        self.vcpu, self.shadow = vcpu, shadow
        self.loaded = None
        shadow.on_release = lambda: machine.charge("shadow_flushes")
        self.hart.intercept = MASK64
        self.attributed_word = memoryview(bytearray(8)).cast("Q")

    @property
    def space(self) -> Space | None:
        """The shadow in use."""
        if self.compiled is not None:
            self.compiled.look()
        return self.loaded

    @space.setter
    def space(self, space: Space | None) -> None:
        if self.compiled is not None:
            self.compiled.look()
        self.loaded = space

    def enter(self) -> None:
        """Load the virtual CPU on the hardware: called before the guest runs."""
        vcpu, hart = self.vcpu, self.hart
        if pending_interrupt(vcpu):
            check_interrupt(vcpu)
            self.machine.charge("interrupts")
        if vcpu.reservation == NO_RESERVATION:  # lost to a trap; 0: the hardware's own holds
            hart.reservation, vcpu.reservation = NO_RESERVATION, 0
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
            if self.shadow.asids == 1:  # no tags: nothing of the other space may stay
                self.shadow.flush(None, 0)
        # `time` alone is read without a trap: `cycle` and `instret` must count what is emulated.
        hart.scounteren = 2 if counter_allowed(vcpu, 1) else 0
        hart.pc = vcpu.pc

    def attribute(self) -> None:
        """Make the hardware's ``pc`` and retired instructions the virtual CPU's."""
        retired = self.hart.limit - self.hart.budget
        self.vcpu.limit += retired - self.attributed
        self.attributed = retired
        self.vcpu.pc = self.hart.pc

    def emulate(self, bits: int = 0) -> int:
        """Emulate the instruction at ``pc``; a reservation may be made here and used there."""
        vcpu, hart, memory = self.vcpu, self.hart, self.vcpu.memory
        address = memory.guest_address(hart.reservation)
        vcpu.reservation = NO_RESERVATION if address is None else address
        status = emulate(vcpu, bits)
        if vcpu.reservation != NO_RESERVATION:
            hart.reservation, vcpu.reservation = memory.host_address(vcpu.reservation), 0
        return status

    def fill(self, va: int, pte: int, level: int) -> None:
        """Fill the shadow; when the monitor runs out of frames, begin anew."""
        assert self.space is not None
        try:
            self.shadow.fill(self.vcpu, self.space, va, pte, level)
        except ShadowFull:
            self.shadow.drop_all()
            self.space = None
        else:
            self.machine.count("shadow_fills")

    def counters(self) -> Counters:
        """Return everything counted so far."""
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
