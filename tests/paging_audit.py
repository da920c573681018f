"""An auditor of direct paging: recomputes from the tables themselves what the guest can reach."""

from __future__ import annotations

from vlab.isa.fields import PTE_G, PTE_PPN, PTE_R, PTE_RESERVED, PTE_V, PTE_W, PTE_X
from vlab.memory import PAGE
from vlab.vmm.direct import LEVEL, ROOTS, Use


def audit(domain, stale=frozenset(), held=None):
    """Walk every table from every root, as the hardware would, and check what is reachable.

    Parameters
    ----------
    stale
        Machine frames that a TLB may still hold writable translations of.
    held
        References as writable, by machine frame, of the monitor's own: rings and buffers.

    Returns
    -------
    set of int
        Machine frames that are reachable through a writable mapping.
    """
    paging, physical = domain.paging, domain.memory.physical
    held = held or {}
    own = {int(frame) for frame in domain.memory.p2m}
    tables: dict[int, int] = {}
    writable: dict[int, int] = {}
    references: dict[int, int] = {}

    def visit(table: int, level: int) -> None:
        assert table in own, f"table {table:#x} is not the guest's"
        if table in tables:
            assert tables[table] == level, f"table {table:#x} is used at two levels"
            return
        tables[table] = level
        for n in range(511 if level == 2 else 512):
            pte = physical.load(table * PAGE + 8 * n, 8)
            if not pte & PTE_V:
                continue
            frame = (pte & PTE_PPN) >> 10
            assert frame in own, f"frame {frame:#x} is mapped and not the guest's"
            assert not pte & (PTE_G | PTE_RESERVED)
            if pte & (PTE_R | PTE_W | PTE_X):
                assert level == 0, f"a superpage in table {table:#x}"
                if pte & PTE_W:
                    writable[frame] = writable.get(frame, 0) + 1
            else:
                assert level > 0, f"a pointer in level-0 table {table:#x}"
                references[frame] = references.get(frame, 0) + 1
                visit(frame, level - 1)

    for frame in own:
        if paging.use[frame - paging.first] in ROOTS:
            visit(frame, 2)
            kernel = paging.use[frame - paging.first] == Use.KERNEL_ROOT
            pinned = frame in paging.pins
            assert paging.count[frame - paging.first] >= pinned
            last = physical.load(frame * PAGE + 511 * 8, 8)
            assert last == (paging.monitor_entry if kernel else 0)
    assert not tables.keys() & writable.keys(), "a page table is mapped writable"
    assert not tables.keys() & stale, "a TLB may hold a writable translation of a page table"
    for frame in own:
        i = frame - paging.first
        level = LEVEL.get(paging.use[i])
        assert level == tables.get(frame), f"frame {frame:#x} is recorded as {paging.use[i]!r}"
        if paging.use[i] == Use.WRITABLE:
            assert paging.count[i] == writable.get(frame, 0) + held.get(frame, 0)
        elif level in (0, 1):
            assert paging.count[i] == references[frame]
    return set(writable)
