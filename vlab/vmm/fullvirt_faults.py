"""Page faults of ``fullvirt`` in machine code: true ones, device accesses, page-table writes.

A hidden fault that is not served here goes on in Python, after the walk.
"""

from __future__ import annotations

from vlab.counters import EXIT_REASONS
from vlab.engines.code_cache import NO_ROW, expand, find_row, register_or_sink
from vlab.engines.machine_only import peek64, poke64
from vlab.engines.semantics import executor
from vlab.isa.decode import immediate
from vlab.isa.execute import EXIT, NO_RESERVATION, fetch, raise_trap
from vlab.isa.fields import FETCH, MASK64, PTE_A, PTE_D, PTE_V, STORE
from vlab.isa.mmu import leaf_address, walk
from vlab.isa.physical import in_ram
from vlab.isa.table import BY_NAME
from vlab.state import Hart
from vlab.vmm.exit_record import (
    DECLINED,
    DEVICE,
    EMULATED,
    FULLVIRT_HANDLERS,
    HIDDEN,
    SERVED,
    TABLE,
    WRITTEN,
    ExitRecord,
)
from vlab.vmm.exit_serving import exited, forget
from vlab.vmm.fullvirt_fills import fill, word_at
from vlab.vmm.regimes import FIRST_TRANSLATED, WITH_OTHERS_LOADS, regime_number
from vlab.vmm.shadow import FLOOD

REASONS = tuple(EXIT_REASONS)
MMIO, PT_WRITE = REASONS.index("mmio"), REASONS.index("pt_write")
TRUE_FAULT = REASONS.index("page_fault")
ON_HIDDEN_FAULT, ON_EMULATED_ACCESS = (
    1 << FULLVIRT_HANDLERS.index(n) for n in ("on_hidden_fault", "on_emulated_access")
)
LOAD_OPCODE, STORE_OPCODE = 0x03, 0x23

lb, lh, lw, ld = (executor(BY_NAME[name]) for name in ("lb", "lh", "lw", "ld"))
lbu, lhu, lwu = (executor(BY_NAME[name]) for name in ("lbu", "lhu", "lwu"))
sb, sh, sw, sd = (executor(BY_NAME[name]) for name in ("sb", "sh", "sw", "sd"))


def execute_load(vcpu: Hart, form: int, rd: int, rs1: int, imm: int) -> int:
    """Execute a load on the virtual CPU; ``form`` is its funct3."""
    if form == 0:
        return lb(vcpu, rd, rs1, 0, imm)
    if form == 1:
        return lh(vcpu, rd, rs1, 0, imm)
    if form == 2:
        return lw(vcpu, rd, rs1, 0, imm)
    if form == 3:
        return ld(vcpu, rd, rs1, 0, imm)
    if form == 4:
        return lbu(vcpu, rd, rs1, 0, imm)
    if form == 5:
        return lhu(vcpu, rd, rs1, 0, imm)
    return lwu(vcpu, rd, rs1, 0, imm)


def execute_store(vcpu: Hart, form: int, rs1: int, rs2: int, imm: int) -> int:
    """Execute a store on the virtual CPU; ``form`` is its funct3."""
    if form == 0:
        return sb(vcpu, 0, rs1, rs2, imm)
    if form == 1:
        return sh(vcpu, 0, rs1, rs2, imm)
    if form == 2:
        return sw(vcpu, 0, rs1, rs2, imm)
    return sd(vcpu, 0, rs1, rs2, imm)


def emulate_access(
    monitor: ExitRecord, vcpu: Hart, hart: Hart, bits: int, row: int, reason: int
) -> int:
    """Carry out the load or store at ``pc``, whose 32-bit form is ``bits``, on the virtual CPU."""
    rd = register_or_sink(bits >> 7 & 31)
    rs1 = bits >> 15 & 31
    rs2 = bits >> 20 & 31
    form = bits >> 12 & 7
    imm = immediate(bits, peek64(row + 24))
    exited(monitor, reason)
    if hart.reservation == NO_RESERVATION:
        vcpu.reservation = NO_RESERVATION
    vcpu.x[rs1] = hart.x[rs1]
    if bits & 0x7F == STORE_OPCODE:
        vcpu.x[rs2] = hart.x[rs2]
        return execute_store(vcpu, form, rs1, rs2, imm)
    vcpu.x[rd] = hart.x[rd]
    status = execute_load(vcpu, form, rd, rs1, imm)
    hart.x[rd] = vcpu.x[rd]
    return status


def written(monitor: ExitRecord, vcpu: Hart, hart: Hart, bits: int, row: int) -> int:
    """Emulate a store of eight bytes to a protected page table."""
    gpa = monitor.gpa
    old = word_at(vcpu, gpa)
    stores = vcpu.stores
    emulate_access(monitor, vcpu, hart, bits, row, PT_WRITE)
    new = word_at(vcpu, gpa)
    if vcpu.stores == stores:
        return SERVED
    # As `vlab.vmm.tracked.TrackedMemory.store`: setting A or D changes no shadow.
    if old != new and old & (MASK64 ^ new) == 0 and (old ^ new) & (MASK64 ^ (PTE_A | PTE_D)) == 0:
        return SERVED
    count = monitor.tables + ((gpa - vcpu.ram_base) >> 12) * 8
    if monitor.paths == 0 or old & PTE_V != 0 or peek64(count) >= FLOOD:
        return WRITTEN
    poke64(count, peek64(count) + 1)  # no shadow entry was made from an invalid one
    return SERVED


def emulated_access(monitor: ExitRecord, vcpu: Hart, hart: Hart, device: int) -> int:
    """Emulate an access to a device or a page table, if it is a plain load or store."""
    forget(vcpu)
    raw = fetch(vcpu)
    if vcpu.fault != 0:
        return DECLINED
    forget(vcpu)
    bits = expand(vcpu, raw)
    opcode = bits & 0x7F
    if opcode != LOAD_OPCODE and opcode != STORE_OPCODE:
        return DECLINED
    row = find_row(vcpu, bits)
    if row == NO_ROW:
        return DECLINED
    if device == 0 and (opcode != STORE_OPCODE or bits >> 12 & 7 != 3 or monitor.va & 7 != 0):
        return DECLINED
    vcpu.bits = raw
    if device == 0:
        return written(monitor, vcpu, hart, bits, row)
    if emulate_access(monitor, vcpu, hart, bits, row, MMIO) == EXIT:
        return EMULATED
    return SERVED


def is_device(monitor: ExitRecord, vcpu: Hart) -> bool:
    """Return whether the faulting access is one to a device."""
    return not in_ram(vcpu, monitor.gpa, 1)


def is_table_write(monitor: ExitRecord, vcpu: Hart) -> bool:
    """Return whether the faulting access, which is to RAM, stores to a protected page table."""
    frame = (monitor.gpa - vcpu.ram_base) >> 12
    return monitor.access == STORE and peek64(monitor.tables + frame * 8) != 0


def hidden_fault(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Serve a page fault that the guest's tables do not explain (`FullVirt.on_hidden_fault`)."""
    device = is_device(monitor, vcpu)
    if device or is_table_write(monitor, vcpu):
        if monitor.serves & ON_EMULATED_ACCESS == 0:
            return DEVICE if device else TABLE
        return emulated_access(monitor, vcpu, hart, 1 if device else 0)
    return fill(monitor, vcpu, hart)


def page_fault(monitor: ExitRecord, vcpu: Hart, hart: Hart, access: int) -> int:
    """Serve a page fault on the shadow: the guest's own tables say whether it is a true one."""
    va = hart.exit_tval
    regime = regime_number(vcpu)
    if regime == WITH_OTHERS_LOADS and access != FETCH:
        return DECLINED
    monitor.access = access
    monitor.va = va
    monitor.gpa = va
    monitor.pte = va >> 12 << 10 | PTE_V
    monitor.level = 0
    monitor.updated = 0
    if regime >= FIRST_TRANSLATED:
        vcpu.fault = 0
        updates = vcpu.ad_updates
        pte = walk(vcpu, va, access, vcpu.priv)
        if vcpu.fault != 0:
            exited(monitor, TRUE_FAULT)
            raise_trap(vcpu, vcpu.fault, va)
            return SERVED
        monitor.pte = pte
        monitor.level = vcpu.walk_level
        monitor.gpa = leaf_address(pte, vcpu.walk_level, va)
        monitor.updated = 1 if vcpu.ad_updates != updates else 0
    if monitor.serves & ON_HIDDEN_FAULT == 0:
        return HIDDEN
    status = hidden_fault(monitor, vcpu, hart)
    return HIDDEN if status == DECLINED else status
