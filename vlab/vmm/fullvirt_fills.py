"""Shadow entries filled in machine code: the twin of `vlab.vmm.shadow.ShadowPaging.fill`.

What the monitor's Python keeps of an entry is written into a journal, and read from there before
any Python runs. A fill that needs a new shadow table, or protects a guest table, is left to it.
"""

from __future__ import annotations

from vlab.counters import EXIT_REASONS
from vlab.engines.machine_only import peek64, poke64
from vlab.isa.execute import raise_trap
from vlab.isa.fields import (
    MASK64,
    PTE_A,
    PTE_D,
    PTE_PPN,
    PTE_R,
    PTE_U,
    PTE_V,
    PTE_W,
    PTE_X,
    SATP_PPN,
)
from vlab.isa.mmu import access_fault
from vlab.isa.physical import in_ram, load_ram
from vlab.isa.pmp import pmp_allows, pmp_page_uniform
from vlab.state import Hart
from vlab.vmm.exit_record import DECLINED, JOURNAL_ROWS, SERVED, ExitRecord
from vlab.vmm.exit_serving import exited
from vlab.vmm.regimes import FIRST_TRANSLATED, regime_number, rights
from vlab.vmm.shadow_paths import path_key, path_slot

REASONS = tuple(EXIT_REASONS)
FILL, DIRTY = REASONS.index("shadow_fill"), REASONS.index("dirty")
EXCEPTION = REASONS.index("exception")
PAGE_SHIFT = 12


def host_word(hart: Hart, address: int) -> int:
    """Return where the host has a word of host-physical memory."""
    return hart.ram_pointer + (address - hart.ram_base)


def word_at(hart: Hart, address: int) -> int:
    """Return eight bytes of guest-physical memory."""
    return load_ram(hart, address, 8)


def leaf_entry(monitor: ExitRecord, hart: Hart, va: int) -> int:
    """Return where the host has the shadow entry of a page, 0 if its table is missing.

    The guest cannot write shadow tables, but a state restored from bytes may hold anything there.
    """
    table = (monitor.space_satp[monitor.space] & SATP_PPN) << PAGE_SHIFT
    level = 2
    while level > 0:
        pte = peek64(host_word(hart, table + (va >> (12 + 9 * level) & 511) * 8))
        table = (pte & PTE_PPN) << 2
        if pte == 0 or not in_ram(hart, table, 4096):
            return 0
        level = level - 1
    return host_word(hart, table + (va >> 12 & 511) * 8)


def walked_tables_known(monitor: ExitRecord, vcpu: Hart, va: int) -> bool:
    """Return whether the guest tables of a walk are protected; a fill ends a flood of writes."""
    first = vcpu.ram_base >> PAGE_SHIFT
    root = (vcpu.satp & SATP_PPN) - first
    table = root
    level = 2
    while True:
        key = path_key(table, root, level, va)
        if peek64(monitor.paths + path_slot(key) * 8) != key:
            return False
        poke64(monitor.tables + table * 8, 1)
        entry = ((table + first) << PAGE_SHIFT) + (va >> (12 + 9 * level) & 511) * 8
        pte = word_at(vcpu, entry)
        if pte & (PTE_R | PTE_X) != 0 or level == 0:
            return True
        table = ((pte & PTE_PPN) >> 10) - first
        level = level - 1


def fill(monitor: ExitRecord, vcpu: Hart, hart: Hart) -> int:
    """Serve a hidden page fault whose walk is in the record (`FullVirt.on_hidden_fault`)."""
    page = monitor.gpa & (MASK64 ^ 0xFFF)
    va = monitor.va & (MASK64 ^ 0xFFF)
    regime = regime_number(vcpu)
    if monitor.paths == 0 or monitor.filled == JOURNAL_ROWS or not pmp_page_uniform(vcpu, page):
        return DECLINED
    if not pmp_allows(vcpu, page, 4096, monitor.access, vcpu.priv):
        exited(monitor, EXCEPTION)
        raise_trap(vcpu, access_fault(monitor.access), monitor.va)
        return SERVED
    entry = leaf_entry(monitor, hart, va)
    if entry == 0:
        return DECLINED
    if regime >= FIRST_TRANSLATED and not walked_tables_known(monitor, vcpu, va):
        return DECLINED
    frame = (page - vcpu.ram_base) >> PAGE_SHIFT
    granted = rights(vcpu, regime, monitor.pte, page)
    if peek64(monitor.tables + frame * 8) != 0:
        granted = granted & (MASK64 ^ PTE_W)
    held = peek64(entry) != 0
    exited(monitor, DIRTY if monitor.updated != 0 and held else FILL)
    mapped = peek64(vcpu.p2m + frame * 8)
    poke64(entry, mapped << 10 | PTE_V | PTE_U | PTE_A | PTE_D | granted)
    row = monitor.journal + monitor.filled * 32
    poke64(row, monitor.space)
    poke64(row + 8, va)
    poke64(row + 16, entry - hart.ram_pointer + hart.ram_base)
    poke64(row + 24, page >> PAGE_SHIFT if granted & PTE_W != 0 else 0)
    monitor.filled = monitor.filled + 1
    monitor.fills = monitor.fills + 1
    return SERVED
