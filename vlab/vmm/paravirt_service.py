"""The most frequent exits of ``paravirt``, served without leaving machine code.

Upcalls, for system calls and exceptions, and the hypercall that returns from them: the twins of
`vlab.modes.paravirt.ParaVirt.on_syscall`, ``on_exception`` and of `vlab.vmm.hypercalls.iret`.
Here ``vcpu`` is the guest as its kernel sees it (`vlab.vmm.pvcpu.PvCpu.record`).
"""

from __future__ import annotations

from vlab.counters import EXIT_REASONS
from vlab.engines.machine_only import peek64, poke64
from vlab.exits import ExitReason
from vlab.isa.csr import write_satp
from vlab.isa.fields import INTERRUPT, MASK64, Cause, S, U
from vlab.machine import STUCK
from vlab.state import Hart
from vlab.vmm.exit_record import (
    DECLINED,
    ENTER,
    HANDLER,
    LOOK_UP,
    PARAVIRT_HANDLERS,
    SERVED,
    TRAPPED,
    ExitRecord,
)
from vlab.vmm.exit_serving import (
    IN_PYTHON,
    end_slice,
    exited,
    grant,
    is_due,
    leave_to_python,
    look_up,
    next_budget,
)
from vlab.vmm.hypercalls import TABLE, iret
from vlab.vmm.pvcpu import A7
from vlab.vmm.shared_info import (
    EVENTS,
    MASKED,
    PENDING,
    TRAP_A7,
    TRAP_CAUSE,
    TRAP_EPC,
    TRAP_MASKED,
    TRAP_TVAL,
    TRAP_USER,
)

ON_HYPERCALL, ON_SYSCALL, ON_EXCEPTION, ON_TRAP = (
    1 << bit for bit in range(len(PARAVIRT_HANDLERS))
)
REASONS = tuple(EXIT_REASONS)
HYPERCALL, SYSCALL = REASONS.index("hypercall"), REASONS.index("syscall")
PAGE_FAULT, EXCEPTION = REASONS.index("page_fault"), REASONS.index("exception")
IRET = next(number for number, row in enumerate(TABLE) if row.function is iret)


def attribute(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> None:
    """Attribute what has retired to the guest's kernel or its user programs."""
    retired = hart.limit - hart.budget
    new = retired - monitor.attributed
    vcpu.retired_by_priv[vcpu.priv] = vcpu.retired_by_priv[vcpu.priv] + new
    monitor.attributed = retired


def go(vcpu: Hart, hart: Hart, priv: int, pc: int, satp: int) -> None:
    """Go on at another virtual privilege (`PvCpu._go`, `AddressSpaces.load`)."""
    vcpu.priv = priv
    hart.pc = pc
    hart.reservation = MASK64
    if satp != hart.satp:
        write_satp(hart, satp)


def upcall(monitor: ExitRecord, vcpu: Hart, hart: Hart, cause: int, tval: int) -> None:
    """Make the guest's kernel take a trap; no register changes (`PvCpu.upcall`)."""
    page = monitor.shared
    monitor.upcalls = monitor.upcalls + 1
    monitor.unread = 1
    monitor.charged = monitor.charged + monitor.upcall_price
    vcpu.traps_taken[cause & 15] = vcpu.traps_taken[cause & 15] + 1
    poke64(page + TRAP_CAUSE, cause)
    poke64(page + TRAP_EPC, hart.pc)
    poke64(page + TRAP_TVAL, tval)
    poke64(page + TRAP_USER, 0 if vcpu.priv == S else 1)
    poke64(page + TRAP_MASKED, peek64(page + MASKED))
    poke64(page + MASKED, 1)
    go(vcpu, hart, S, monitor.upcall_entry, monitor.kernel_satp)


def resume(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Return from an upcall to what the shared page says (`PvCpu.resume`)."""
    page = monitor.shared
    user = peek64(page + TRAP_USER) != 0
    satp = monitor.user_satp if user else monitor.kernel_satp
    if satp == 0:
        return DECLINED
    exited(monitor, HYPERCALL)
    hart.pc = (hart.pc + 4) & MASK64
    hart.budget = hart.budget - 1
    attribute(monitor, vcpu, hart)
    monitor.resumed = monitor.resumed + 1
    monitor.charged = monitor.charged + monitor.hypercall_price
    vcpu.returns = vcpu.returns + 1
    poke64(page + MASKED, peek64(page + TRAP_MASKED))
    hart.x[A7] = peek64(page + TRAP_A7)
    go(vcpu, hart, U if user else S, peek64(page + TRAP_EPC) & (MASK64 ^ 1), satp)
    return SERVED


def handler_of(vcpu: Hart, cause: int) -> int:
    """Return the bit of the handler that a trap is for (`ParaVirt.on_trap`), 0 without a twin."""
    if cause & INTERRUPT != 0:
        return 0
    if cause != Cause.ECALL_U:
        return ON_EXCEPTION
    return ON_HYPERCALL if vcpu.priv == S else ON_SYSCALL


def serve_with(monitor: ExitRecord, vcpu: Hart, hart: Hart, handler: int) -> int:
    """Serve a trap with the twin of a handler."""
    cause = hart.exit_cause
    entry = monitor.upcall_entry
    if handler != handler_of(vcpu, cause):
        return DECLINED
    if peek64(monitor.shared_code) != 0:
        return DECLINED
    if handler == ON_HYPERCALL:
        if hart.x[A7] != IRET:
            return DECLINED
        return resume(monitor, vcpu, hart)
    if entry == 0 or monitor.kernel_satp == 0 or (vcpu.priv == S and hart.pc == entry):
        return DECLINED
    if handler == ON_SYSCALL:
        exited(monitor, SYSCALL)
        upcall(monitor, vcpu, hart, cause, 0)
        return SERVED
    paging = cause == Cause.FETCH_PAGE or cause == Cause.LOAD_PAGE or cause == Cause.STORE_PAGE
    exited(monitor, PAGE_FAULT if paging else EXCEPTION)
    upcall(monitor, vcpu, hart, cause, hart.exit_tval)
    return SERVED


def serve(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Serve a trap of the deprivileged guest, unless its handler is overridden."""
    handler = handler_of(vcpu, hart.exit_cause)
    if monitor.serves & handler == 0:
        return DECLINED
    return serve_with(monitor, vcpu, hart, handler)


def carry_out(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Do the work of one stock handler."""
    if monitor.handler == ON_TRAP:
        return serve(monitor, vcpu, hart)
    return serve_with(monitor, vcpu, hart, monitor.handler)


def stay(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Run the guest, serving its exits, until there is something for Python to do."""
    if monitor.stale != 0:
        end_slice(monitor)
        if look_up(monitor, hart, hart, IN_PYTHON):
            return LOOK_UP
    entered = monitor.entered
    monitor.entered = 0
    while True:
        page = monitor.shared
        if entered == 0 and peek64(page + PENDING) & EVENTS != 0 and peek64(page + MASKED) == 0:
            return ENTER
        entered = 0
        reason = grant(monitor, hart, next_budget(monitor, hart))
        if reason != ExitReason.TRAP or monitor.stuck >= STUCK - 1:
            return reason
        attribute(monitor, vcpu, hart)
        if is_due(monitor, hart, hart):
            return reason
        handler = handler_of(vcpu, hart.exit_cause)
        if monitor.serves & ON_TRAP == 0 or handler == 0:
            return leave_to_python(monitor, TRAPPED)
        if monitor.serves & handler == 0 or serve_with(monitor, vcpu, hart, handler) == DECLINED:
            return leave_to_python(monitor, HANDLER + handler)
        end_slice(monitor)
        if look_up(monitor, hart, hart, 1):
            return LOOK_UP
