"""Shadow entries filled in machine code are those that the monitor's Python fills."""

from __future__ import annotations

from typing import Any

import pytest
from test_compiled_exits import SMALL

import vlab
from vlab.costs import preset
from vlab.engines import object_cache
from vlab.isa.assembler import assemble
from vlab.modes.compose import Guest
from vlab.modes.setup import Setup
from vlab.modes.snapshot_monitors import save_shadow
from vlab.vmm import fullvirt_fills
from vlab.vmm.compiled_exits import CompiledExits
from vlab.vmm.exit_code import library
from vlab.vmm.fullvirt_exits import FullVirtExits
from vlab.vmm.shadow import FLOOD

FULLVIRT = (FullVirtExits.service, FullVirtExits.guest_memory)


def shadow_state(monitor: Any) -> dict[str, Any]:
    """Return all that a monitor and memory know of its shadows."""
    shadow = monitor.shadow
    tables = [n + shadow.first_frame for n, count in enumerate(shadow.table_map) if count]
    state = save_shadow(monitor.shadow, monitor.space)
    pages = {entry & ~0xFFF for space in state["spaces"] for entry in space[4].values()}
    words = {page: monitor.shadow.physical.read(page, 4096) for page in pages}
    return state | {"table_map": tables, "words": words}


def shadow_after(run: Any, **arguments: Any) -> dict[str, Any]:
    """Return the state of shadow paging at the end of a run."""
    monitors: list[Any] = []

    class Kept(vlab.FullVirt):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            monitors.append(self)

    run(mode="fullvirt", monitor=Kept, **arguments)
    return shadow_state(monitors[0])


@pytest.mark.parametrize("workload", ["forktree", "pagefault", "ptemod", "memwalk", "mixed"])
def test_shadow_entries_filled_in_machine_code_are_the_monitors(
    workload: str, in_python: Any
) -> None:
    """Shadow tables, and all that the monitor notes of them, are those that Python makes."""
    arguments = {"workload": workload, **SMALL.get(workload, {})}
    assert shadow_after(vlab.run, **arguments) == shadow_after(in_python, **arguments)


def test_a_journal_that_is_full(monkeypatch: pytest.MonkeyPatch, in_python: Any) -> None:
    """With room for few shadow entries at a time the run is the same."""
    monkeypatch.setattr(fullvirt_fills, "JOURNAL_ROWS", 3)
    monkeypatch.setattr(object_cache, "stored", lambda name, make, more=(): make())
    monkeypatch.setattr(FullVirtExits, "code", lambda _: library.__wrapped__(*FULLVIRT))
    arguments = {"workload": "forktree", "depth": 2}
    assert shadow_after(vlab.run, **arguments) == shadow_after(in_python, **arguments)


WRITES = """
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 0x1f
    csrw pmpcfg0, t0
    la   s0, root               # one gigabyte at its own addresses, one below by 4 KiB pages
    la   s1, middle
    la   s2, leaves
    li   t0, 0x200000cf
    sd   t0, 16(s0)
    srli t0, s1, 2
    ori  t0, t0, 1
    sd   t0, 0(s0)
    srli t0, s2, 2
    ori  t0, t0, 1
    sd   t0, 0(s1)
    la   s3, page
    srli s3, s3, 2
    ori  s3, s3, 0xcf
    sd   s3, 8(s2)
    srli t0, s0, 12
    li   t1, 8
    slli t1, t1, 60
    or   t0, t0, t1
    csrw satp, t0
    li   t0, 0x1800
    csrc mstatus, t0
    li   t0, 0x800
    csrs mstatus, t0
    la   t0, supervisor
    csrw mepc, t0
    mret
supervisor:
    li   s4, 0x1000
    li   s5, {writes}
    li   s7, 2
    ld   t0, 0(s4)
more:                           # new entries, without a fill through their table
    slli t2, s7, 3
    add  t2, t2, s2
    sd   s3, 0(t2)
    addi s7, s7, 1
    addi s5, s5, -1
    bnez s5, more
    j    .
.balign 4096
root: .zero 4096
middle: .zero 4096
leaves: .zero 4096
page: .zero 4096
"""


@pytest.mark.parametrize("writes", range(1, 7))
def test_tables_written_over_and_over(writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """New entries in a guest table make a flood of writes after as many as in Python."""
    code = assemble(WRITES.format(writes=writes)).code
    states = []
    for compiled in (True, False):
        if not compiled:
            monkeypatch.setattr(CompiledExits, "served", lambda *_: 0)
        setup = Setup("fullvirt", code, None, "", 1 << 20, "translator", "cycles", preset(), {})
        guest = Guest(setup)
        ended = guest.run(500)
        assert ended.counters_total.exits_by_reason["pt_write"] == min(writes, FLOOD)
        states.append(shadow_state(guest.mode))
    assert states[0] == states[1]
    assert len(states[0]["tables"]) == (3 if writes < FLOOD else 2)
