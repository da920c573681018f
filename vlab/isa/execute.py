"""Execution of everything that is more than arithmetic: memory, atomics, CSRs, system.

Each function carries an instruction out completely: it retires it, or raises a trap, or
exits. Its result is `CONTINUE` or `EXIT`. The reference engine calls them as Python; the
interpreter calls their machine code whenever its fast paths do not apply; a monitor calls
those that emulate a trapped instruction on its virtual CPU.
"""

from __future__ import annotations

from vlab.exits import ExitReason
from vlab.isa.bits import sext
from vlab.isa.csr import csr_check, csr_read, csr_write, pending
from vlab.isa.fields import (
    FETCH,
    INTERRUPT,
    LOAD,
    MASK64,
    STORE,
    TSR,
    TVM,
    TW,
    Cause,
    Csr,
    M,
    S,
    U,
)
from vlab.isa.mmu import tlb_flush, translate
from vlab.isa.physical import in_ram, load_ram, store_ram
from vlab.isa.trap import pending_interrupt, return_from_m, return_from_s, take_trap
from vlab.state import Hart

CONTINUE, EXIT, READY = 0, 1, 2
NO_RESERVATION = MASK64


def leave(hart: Hart, reason: int) -> int:
    """Exit from the engine."""
    hart.exit_reason = reason
    return EXIT


def retire(hart: Hart) -> int:
    """Retire the instruction under way and go on to the next."""
    hart.pc = (hart.pc + hart.length) & MASK64
    hart.budget = hart.budget - 1
    return CONTINUE


def retire_at(hart: Hart, target: int) -> int:
    """Retire the instruction under way and go on at ``target``."""
    hart.pc = target
    hart.budget = hart.budget - 1
    return CONTINUE


def raise_trap(hart: Hart, cause: int, tval: int) -> int:
    """Raise a trap: exit if its cause is intercepted, else vector."""
    bit = 63 if cause & INTERRUPT != 0 else cause
    if hart.intercept >> bit & 1 != 0:
        hart.exit_cause = cause
        hart.exit_tval = tval
        return leave(hart, ExitReason.TRAP)
    if cause == Cause.ECALL_U:
        hart.user_ecalls = hart.user_ecalls + 1
    take_trap(hart, cause, tval)
    # A trap uses up budget without retiring, so that a hart that only traps ends its run.
    hart.budget = hart.budget - 1
    hart.limit = hart.limit - 1
    return CONTINUE


def check_interrupt(hart: Hart) -> int:
    """Take the pending interrupt of highest priority, if one is enabled."""
    cause = pending_interrupt(hart)
    if cause == 0:
        return CONTINUE
    return raise_trap(hart, cause, 0)


def illegal(hart: Hart) -> int:
    """Raise an illegal-instruction exception with the instruction's bits in tval."""
    return raise_trap(hart, Cause.ILLEGAL, hart.bits)


def fetch(hart: Hart) -> int:
    """Return the instruction at ``pc`` and set ``length``; on failure ``fault`` is set."""
    pc = hart.pc
    pa = translate(hart, pc, FETCH, 2)
    if hart.fault != 0:
        return 0
    if not in_ram(hart, pa, 2):
        hart.fault = Cause.FETCH_ACCESS
        hart.fault_address = pc
        return 0
    low = load_ram(hart, pa, 2)
    if low & 3 != 3:
        hart.length = 2
        return low
    hart.length = 4
    pa = pa + 2
    if pc & 0xFFF == 0xFFE:
        pc = (pc + 2) & MASK64
        pa = translate(hart, pc, FETCH, 2)
        if hart.fault != 0:
            return 0
        if not in_ram(hart, pa, 2):
            hart.fault = Cause.FETCH_ACCESS
            hart.fault_address = pc
            return 0
    return low | load_ram(hart, pa, 2) << 16


def extend(value: int, width: int, is_signed: int) -> int:
    """Return a loaded value extended to 64 bits."""
    if is_signed == 0 or width == 8:
        return value
    if width == 4:
        return sext(value, 32)
    return sext(value, 16) if width == 2 else sext(value, 8)


def load(hart: Hart, rd: int, va: int, width: int, is_signed: int) -> int:
    """Load; misaligned loads from RAM succeed, in two parts where they cross a page."""
    first = 4096 - (va & 0xFFF)
    if first > width:
        first = width
    pa = translate(hart, va, LOAD, first)
    if hart.fault != 0:
        return raise_trap(hart, hart.fault, hart.fault_address)
    if first < width:
        second = translate(hart, (va + first) & MASK64, LOAD, width - first)
        if hart.fault != 0:
            return raise_trap(hart, hart.fault, hart.fault_address)
        if not in_ram(hart, pa, 1) or not in_ram(hart, second, 1):
            return raise_trap(hart, Cause.LOAD_MISALIGNED, va)
        value = 0
        i = 0
        while i < width:
            address = pa + i if i < first else second + (i - first)
            value = value | load_ram(hart, address, 1) << (8 * i)
            i = i + 1
    elif in_ram(hart, pa, width):
        value = load_ram(hart, pa, width)
    elif va & (width - 1) != 0:
        return raise_trap(hart, Cause.LOAD_MISALIGNED, va)
    else:
        hart.exit_addr = pa
        hart.exit_tval = va
        hart.exit_size = width
        hart.exit_reg = rd
        hart.exit_signed = is_signed
        return leave(hart, ExitReason.MMIO_READ)
    hart.x[rd] = extend(value, width, is_signed)
    hart.loads = hart.loads + 1
    return retire(hart)


def store(hart: Hart, va: int, width: int, value: int) -> int:
    """Store; a misaligned store to RAM succeeds, and faults before it writes anything."""
    first = 4096 - (va & 0xFFF)
    if first > width:
        first = width
    pa = translate(hart, va, STORE, first)
    if hart.fault != 0:
        return raise_trap(hart, hart.fault, hart.fault_address)
    if first < width:
        second = translate(hart, (va + first) & MASK64, STORE, width - first)
        if hart.fault != 0:
            return raise_trap(hart, hart.fault, hart.fault_address)
        if not in_ram(hart, pa, 1) or not in_ram(hart, second, 1):
            return raise_trap(hart, Cause.STORE_MISALIGNED, va)
        i = 0
        while i < width:
            address = pa + i if i < first else second + (i - first)
            store_ram(hart, address, 1, value >> (8 * i) & 0xFF)
            i = i + 1
    elif in_ram(hart, pa, width):
        store_ram(hart, pa, width, value)
    elif va & (width - 1) != 0:
        return raise_trap(hart, Cause.STORE_MISALIGNED, va)
    else:
        hart.exit_addr = pa
        hart.exit_tval = va
        hart.exit_size = width
        hart.exit_value = value & (MASK64 >> (64 - 8 * width))
        return leave(hart, ExitReason.MMIO_WRITE)
    hart.stores = hart.stores + 1
    return retire(hart)


def complete_load(hart: Hart, value: int) -> int:
    """Finish the load that exited with `MMIO_READ`."""
    hart.x[hart.exit_reg] = extend(value, hart.exit_size, hart.exit_signed)
    hart.loads = hart.loads + 1
    return retire(hart)


def complete_store(hart: Hart) -> int:
    """Finish the store that exited with `MMIO_WRITE`."""
    hart.stores = hart.stores + 1
    return retire(hart)


def atomic_address(hart: Hart, va: int, width: int, access: int) -> int:
    """Translate the address of an atomic: aligned, in RAM, or ``fault`` is set."""
    if va & (width - 1) != 0:
        hart.fault = Cause.LOAD_MISALIGNED if access == LOAD else Cause.STORE_MISALIGNED
        hart.fault_address = va
        return 0
    pa = translate(hart, va, access, width)
    if hart.fault == 0 and not in_ram(hart, pa, width):
        hart.fault = Cause.LOAD_ACCESS if access == LOAD else Cause.STORE_ACCESS
        hart.fault_address = va
    return pa


def load_reserved(hart: Hart, rd: int, va: int, width: int) -> int:
    """LR: load and reserve (unprivileged specification, section 8.2)."""
    pa = atomic_address(hart, va, width, LOAD)
    if hart.fault != 0:
        return raise_trap(hart, hart.fault, hart.fault_address)
    hart.reservation = pa
    hart.x[rd] = extend(load_ram(hart, pa, width), width, 1)
    hart.loads = hart.loads + 1
    return retire(hart)


def store_conditional(hart: Hart, rd: int, va: int, width: int, value: int) -> int:
    """SC: store if the reservation still holds; it is given up in any case."""
    pa = atomic_address(hart, va, width, STORE)
    if hart.fault != 0:
        return raise_trap(hart, hart.fault, hart.fault_address)
    failed = 1
    if hart.reservation == pa:
        store_ram(hart, pa, width, value)
        failed = 0
    hart.x[rd] = failed
    hart.stores = hart.stores + 1
    hart.reservation = NO_RESERVATION
    return retire(hart)


def atomic_begin(hart: Hart, va: int, width: int) -> int:
    """Begin an AMO: `READY` with the old value in ``value``, its address in ``exit_addr``."""
    pa = atomic_address(hart, va, width, STORE)
    if hart.fault != 0:
        return raise_trap(hart, hart.fault, hart.fault_address)
    hart.exit_addr = pa
    hart.value = extend(load_ram(hart, pa, width), width, 1)
    return READY


def atomic_end(hart: Hart, rd: int, width: int, new: int) -> int:
    """Write the new value of an AMO and return the old one in ``rd``."""
    old = hart.value
    store_ram(hart, hart.exit_addr, width, new)
    hart.x[rd] = old
    hart.stores = hart.stores + 1
    return retire(hart)


def csr_begin(hart: Hart, csr: int, writes: int) -> int:
    """Check and read a CSR for a CSR instruction; `READY` with the old value in ``value``."""
    if not csr_check(hart, csr, writes):
        return illegal(hart)
    if csr == Csr.TIME and hart.time_fresh == 0:
        return leave(hart, ExitReason.TIME)
    hart.time_fresh = 0
    hart.value = csr_read(hart, csr)
    if hart.fault != 0:
        return illegal(hart)
    return READY


def csr_end(hart: Hart, rd: int, csr: int, new: int, writes: int) -> int:
    """Write back: the old value to ``rd``, the new one to the CSR if it is written."""
    old = hart.value
    hart.csr_accesses = hart.csr_accesses + 1
    if writes != 0:
        csr_write(hart, csr, new)
    hart.x[rd] = old
    retire(hart)
    if writes != 0 and (csr == Csr.STIMECMP or csr == Csr.MENVCFG):
        return leave(hart, ExitReason.TIMER)
    return CONTINUE


def mark(hart: Hart, value: int) -> int:
    """Execute the marker HINT: retire, and tell whoever runs the engine."""
    retire(hart)
    hart.exit_value = value
    return leave(hart, ExitReason.MARK)


def ecall(hart: Hart, rs1: int, rs2: int) -> int:
    """Execute ``ecall``."""
    return raise_trap(hart, Cause.ECALL_U + hart.priv, 0)


def ebreak(hart: Hart, rs1: int, rs2: int) -> int:
    """Execute ``ebreak``: tval is its address, as QEMU and Spike report it."""
    return raise_trap(hart, Cause.BREAKPOINT, hart.pc)


def sret(hart: Hart, rs1: int, rs2: int) -> int:
    """Execute ``sret``."""
    if hart.priv == U or (hart.priv == S and hart.mstatus & TSR != 0):
        return illegal(hart)
    hart.budget = hart.budget - 1
    return_from_s(hart)
    return CONTINUE


def mret(hart: Hart, rs1: int, rs2: int) -> int:
    """Execute ``mret``."""
    if hart.priv != M:
        return illegal(hart)
    hart.budget = hart.budget - 1
    return_from_m(hart)
    return CONTINUE


def wfi(hart: Hart, rs1: int, rs2: int) -> int:
    """Execute ``wfi``: a no-op if an enabled interrupt is pending, whatever mstatus says."""
    if hart.priv == U or (hart.priv == S and hart.mstatus & TW != 0):
        return illegal(hart)
    retire(hart)
    if pending(hart) & hart.mie != 0:
        return CONTINUE
    return leave(hart, ExitReason.WFI)


def sfence_vma(hart: Hart, rs1: int, rs2: int) -> int:
    """Execute ``sfence.vma``; ``rs1`` and ``rs2`` are register numbers."""
    if hart.priv == U or (hart.priv == S and hart.mstatus & TVM != 0):
        return illegal(hart)
    tlb_flush(hart, hart.x[rs1], rs1, hart.x[rs2], rs2)
    return retire(hart)


def fence(hart: Hart, rs1: int, rs2: int) -> int:
    """Execute ``fence`` or ``fence.i``: one hart that sees its own stores has nothing to do."""
    return retire(hart)


SYSTEM = {
    "ecall": ecall,
    "ebreak": ebreak,
    "sret": sret,
    "mret": mret,
    "wfi": wfi,
    "sfence.vma": sfence_vma,
    "fence": fence,
    "fence.i": fence,
}
"""What carries out the rows of kind ``system`` and ``fence``."""
