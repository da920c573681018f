"""The most frequent exits of ``fullvirt``, served without leaving machine code.

These are the handlers of `vlab.modes.fullvirt.FullVirt` for instructions and traps that change
nothing but the virtual CPU, written in the restricted subset (``docs/architecture.md``) so
that they can be lowered. They call the very functions that the Python handlers call; what
they do not serve is left to those. Counts, cycles and the order of events are the same.
"""

from __future__ import annotations

from vlab.clock import CYCLES_PER_TICK
from vlab.counters import EXIT_REASONS
from vlab.engines.semantics import executor
from vlab.exits import ExitReason
from vlab.isa.bits import uquotient
from vlab.isa.csr import counter_allowed, write_satp
from vlab.isa.execute import NO_RESERVATION, check_interrupt, mret, raise_trap, sfence_vma, sret
from vlab.isa.fields import FETCH, INTERRUPT, LOAD, MASK64, STORE, Cause, Csr, S, U
from vlab.isa.mmu import tlb_flush
from vlab.isa.table import BY_NAME
from vlab.isa.trap import pending_interrupt
from vlab.machine import STUCK
from vlab.state import Hart
from vlab.vmm.exit_record import (
    DECLINED,
    ENTER,
    FULLVIRT_HANDLERS,
    HANDLER,
    LOOK_UP,
    NONE,
    SERVED,
    TRAPPED,
    ExitRecord,
)
from vlab.vmm.exit_serving import (
    IN_PYTHON,
    end_slice,
    exited,
    forget,
    grant,
    is_due,
    leave_to_python,
    look_up,
    next_budget,
)
from vlab.vmm.fullvirt_faults import (
    ON_EMULATED_ACCESS,
    ON_HIDDEN_FAULT,
    emulated_access,
    hidden_fault,
    is_device,
    page_fault,
)
from vlab.vmm.regimes import key_number

REASONS = tuple(EXIT_REASONS)
CSR, XRET, FENCE = REASONS.index("csr"), REASONS.index("xret"), REASONS.index("fence")
SYSCALL, EXCEPTION = REASONS.index("syscall"), REASONS.index("exception")
HOST_INTERRUPT = REASONS.index("interrupt")

ON_INTERRUPT, ON_ECALL, ON_ILLEGAL, ON_EXCEPTION, ON_PAGE_FAULT, ON_TRAP = (
    1 << FULLVIRT_HANDLERS.index(name)
    for name in (
        "on_interrupt", "on_ecall", "on_illegal_instruction", "on_exception", "on_page_fault",
        "on_trap",
    )
)  # fmt: skip

SYSTEM, SRET, MRET = 0x73, 0x1020_0073, 0x3020_0073
SFENCE, SFENCE_MASK = 0x1200_0073, 0xFE00_7FFF

csrrw, csrrs, csrrc = (executor(BY_NAME[name]) for name in ("csrrw", "csrrs", "csrrc"))
csrrwi, csrrsi, csrrci = (executor(BY_NAME[name]) for name in ("csrrwi", "csrrsi", "csrrci"))


def attribute(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> None:
    """Make the hardware's ``pc`` and retired instructions the virtual CPU's."""
    retired = hart.limit - hart.budget
    vcpu.limit = vcpu.limit + retired - monitor.attributed
    monitor.attributed = retired
    vcpu.pc = hart.pc


def execute_csr(vcpu: Hart, form: int, rd: int, rs1: int, csr: int) -> int:
    """Execute one of the six CSR instructions on the virtual CPU."""
    if form == 1:
        return csrrw(vcpu, rd, rs1, 0, csr)
    if form == 2:
        return csrrs(vcpu, rd, rs1, 0, csr)
    if form == 3:
        return csrrc(vcpu, rd, rs1, 0, csr)
    if form == 5:
        return csrrwi(vcpu, rd, rs1, 0, csr)
    if form == 6:
        return csrrsi(vcpu, rd, rs1, 0, csr)
    return csrrci(vcpu, rd, rs1, 0, csr)


def reaches_further(csr: int) -> bool:
    """Return whether a CSR concerns more than the virtual CPU: timers, physical protection."""
    if csr == Csr.TIME or csr == Csr.STIMECMP or csr == Csr.MENVCFG:
        return True
    return csr >= Csr.PMPCFG0 and csr <= Csr.PMPADDR63


def illegal_instruction(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Serve a sensitive instruction: a CSR access, a return, a fence."""
    bits = hart.exit_tval
    form = bits >> 12 & 7
    rs1 = bits >> 15 & 31
    rs2 = bits >> 20 & 31
    if bits & 0x7F != SYSTEM or form == 4:
        return DECLINED
    if form != 0 and reaches_further(bits >> 20):
        return DECLINED
    if form == 0 and bits != SRET and bits != MRET and bits & SFENCE_MASK != SFENCE:
        return DECLINED
    forget(vcpu)
    vcpu.time = uquotient(monitor.now, CYCLES_PER_TICK)
    vcpu.time_fresh = 1
    vcpu.bits = bits
    vcpu.length = 4
    vcpu.x[rs1] = hart.x[rs1]
    if form != 0:
        rd = bits >> 7 & 31
        if rd == 0:
            rd = 32
        vcpu.x[rd] = hart.x[rd]
        execute_csr(vcpu, form, rd, rs1, bits >> 20)
        hart.x[rd] = vcpu.x[rd]
        exited(monitor, CSR)
    elif bits == SRET:
        sret(vcpu, 0, 0)
        exited(monitor, XRET)
    elif bits == MRET:
        mret(vcpu, 0, 0)
        exited(monitor, XRET)
    else:
        vcpu.x[rs2] = hart.x[rs2]
        sfence_vma(vcpu, rs1, rs2)
        exited(monitor, FENCE)
    return SERVED


def interrupt(monitor: ExitRecord, hart: Hart) -> int:
    """Acknowledge an interrupt of the host."""
    exited(monitor, HOST_INTERRUPT)
    hart.lines = hart.lines & (MASK64 ^ 1 << (hart.exit_cause & 63))
    return SERVED


def environment_call(monitor: ExitRecord, vcpu: Hart) -> int:
    """Reflect a system call; calls of the firmware are not served here."""
    if vcpu.priv == S and monitor.firmware != 0:
        return DECLINED
    exited(monitor, SYSCALL if vcpu.priv == U else EXCEPTION)
    raise_trap(vcpu, Cause.ECALL_U + vcpu.priv, 0)
    return SERVED


def exception(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Reflect an exception."""
    exited(monitor, EXCEPTION)
    raise_trap(vcpu, hart.exit_cause, hart.exit_tval)
    return SERVED


def handler_of(cause: int) -> int:
    """Return the bit of the handler that a trap is for (`FullVirt.on_trap`)."""
    if cause & INTERRUPT != 0:
        return ON_INTERRUPT
    if cause == Cause.ECALL_U:
        return ON_ECALL
    if cause == Cause.ILLEGAL:
        return ON_ILLEGAL
    if cause == Cause.FETCH_PAGE or cause == Cause.LOAD_PAGE or cause == Cause.STORE_PAGE:
        return ON_PAGE_FAULT
    return ON_EXCEPTION


def access_of(cause: int) -> int:
    """Return the kind of access that a page fault's cause tells."""
    if cause == Cause.FETCH_PAGE:
        return FETCH
    return LOAD if cause == Cause.LOAD_PAGE else STORE


def serve_with(monitor: ExitRecord, vcpu: Hart, hart: Hart, handler: int) -> int:
    """Serve a trap with the twin of a handler."""
    if handler == ON_EXCEPTION:
        return exception(monitor, vcpu, hart)
    if handler != handler_of(hart.exit_cause):
        return DECLINED
    if handler == ON_ILLEGAL:
        return illegal_instruction(monitor, vcpu, hart)
    if handler == ON_ECALL:
        return environment_call(monitor, vcpu)
    if handler == ON_PAGE_FAULT:
        return page_fault(monitor, vcpu, hart, access_of(hart.exit_cause))
    return interrupt(monitor, hart)


def serve(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Serve a trap of the deprivileged guest, unless its handler is overridden."""
    handler = handler_of(hart.exit_cause)
    if monitor.serves & handler == 0:
        return DECLINED
    return serve_with(monitor, vcpu, hart, handler)


def carry_out(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Do the work of one stock handler."""
    if monitor.handler == ON_TRAP:
        return serve(monitor, vcpu, hart)
    if monitor.handler == ON_HIDDEN_FAULT:
        return hidden_fault(monitor, vcpu, hart)
    if monitor.handler == ON_EMULATED_ACCESS:
        return emulated_access(monitor, vcpu, hart, 1 if is_device(monitor, vcpu) else 0)
    return serve_with(monitor, vcpu, hart, monitor.handler)


def find_space(monitor: ExitRecord, vcpu: Hart) -> int:
    """Return the index of the shadow that serves the virtual CPU's present regime, or `NONE`."""
    key = key_number(vcpu)
    index = 0
    while index < monitor.spaces:
        if monitor.space_key[index] == key:
            return index
        index = index + 1
    return NONE


def enter(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Load the virtual CPU on the hardware; 0 if its shadow is not known here."""
    if pending_interrupt(vcpu) != 0:
        check_interrupt(vcpu)
        monitor.charged = monitor.charged + monitor.interrupt_price
    space = find_space(monitor, vcpu)
    if space == NONE:
        return 0
    if vcpu.reservation == NO_RESERVATION:
        hart.reservation = NO_RESERVATION
        vcpu.reservation = 0
    if space != monitor.space:
        if monitor.space != NONE:
            monitor.switches = monitor.switches + 1
            monitor.unread = 1
            monitor.charged = monitor.charged + monitor.switch_price
        monitor.space = space
        write_satp(hart, monitor.space_satp[space])
        if monitor.untagged != 0:
            tlb_flush(hart, 0, 0, 0, 0)
    hart.scounteren = 2 if counter_allowed(vcpu, 1) else 0
    hart.pc = vcpu.pc
    return 1


def stay(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Enter and run the guest, serving its exits, until there is something for Python to do.

    The result is the engine's exit reason if its exit is to be handled, or one of those of
    `vlab.vmm.exit_record`.
    """
    if monitor.stale != 0:
        end_slice(monitor)
        if look_up(monitor, vcpu, hart, IN_PYTHON):
            return LOOK_UP
    while True:
        if enter(monitor, vcpu, hart) == 0:
            return ENTER
        reason = grant(monitor, hart, next_budget(monitor, vcpu))
        if reason != ExitReason.TRAP or monitor.stuck >= STUCK - 1:
            return reason
        attribute(monitor, vcpu, hart)
        if is_due(monitor, vcpu, hart):
            return reason
        if monitor.serves & ON_TRAP == 0:
            return leave_to_python(monitor, TRAPPED)
        status = serve(monitor, vcpu, hart)
        if status == DECLINED:
            return leave_to_python(monitor, HANDLER + handler_of(hart.exit_cause))
        if status != SERVED:
            return leave_to_python(monitor, status)
        end_slice(monitor)
        if look_up(monitor, vcpu, hart, 1):
            return LOOK_UP
