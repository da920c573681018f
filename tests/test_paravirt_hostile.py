"""Hostile guests: whatever they ask or execute, the monitor lives and the tables hold."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from pv_guest import (
    BLOCK,
    DELIVER,
    ECALL,
    ENTRY,
    EPC,
    ILLEGAL,
    IRET,
    LOOP,
    MASKED,
    MMU_UPDATE,
    MULTICALL,
    NOTHING,
    PENDING,
    PIN_ROOT,
    RO,
    RW,
    SET_TIMER,
    SETUP_RING,
    USER,
    Driven,
    calls,
    guest,
    hypercall,
    li,
    sd,
    with_entry,
    words,
)

from vlab.board import RAM_BASE
from vlab.isa.fields import PTE_V
from vlab.machine import GuestCrashed
from vlab.memory import PAGE
from vlab.vmm.direct import Refused
from vlab.vmm.shared_info import SHARED_INFO

# -- any hypercalls ---------------------------------------------------------------------------

KERNEL = -1
PLACES = st.one_of(
    st.tuples(st.integers(KERNEL, 5), st.sampled_from([0, 8, 511 * 8, 2048, 4090])),
    st.integers(0, (1 << 64) - 1),
    st.sampled_from([SHARED_INFO, SHARED_INFO + 2048, (1 << 64) - 1]),
)
VALUES = st.one_of(PLACES, st.integers(0, 40))
ENTRIES = st.tuples(st.integers(KERNEL, 5), st.sampled_from([0, PTE_V, PTE_V, RO, RW, RW, 0xFF]))
CALLS = st.tuples(st.integers(0, 15), VALUES, VALUES)
STEPS = st.one_of(
    st.tuples(st.just("call"), st.integers(0, 15), VALUES, VALUES),
    st.tuples(st.just("update"), st.lists(st.tuples(PLACES, ENTRIES), max_size=3)),
    st.tuples(st.just("table"), st.integers(0, 5), st.integers(0, 1)),
    st.tuples(st.just("multi"), st.lists(CALLS, max_size=4)),
    st.tuples(st.just("store"), PLACES, st.one_of(VALUES, ENTRIES)),
)


def resolve(vm, value):
    """Return the number that a strategy's value stands for."""
    if not isinstance(value, tuple):
        return value
    n, more = value
    base = vm.domain.kernel_root if n == KERNEL else vm.page(n)
    return base + more


def step(vm, action, *a):
    if action == "call":
        vm.call(a[0], resolve(vm, a[1]), resolve(vm, a[2]))
    elif action == "table":
        vm.protect(vm.page(a[0]))
        vm.call(PIN_ROOT, vm.page(a[0]), a[1])
    elif action == "update":
        rows = ((resolve(vm, where), vm.entry(resolve(vm, (n, 0)), f)) for where, (n, f) in a[0])
        vm.updates(*rows)
    elif action == "multi":
        rows = [(number, resolve(vm, x), resolve(vm, y)) for number, x, y in a[0]]
        vm.memory.write(vm.page(14), calls(*rows))
        vm.call(MULTICALL, vm.page(14), len(rows))
    else:
        value = a[1]
        if isinstance(value, tuple) and value[1] in (0, PTE_V, RO, RW, 0xFF):
            value = vm.entry(resolve(vm, (value[0], 0)), value[1])
        data = resolve(vm, value).to_bytes(8, "little")
        vm.mode.memory.write(vm.mode.spaces.kernel_root, resolve(vm, a[0]), data)


@settings(max_examples=120, deadline=None)
@given(st.lists(STEPS, min_size=5, max_size=30))
def test_whatever_a_guest_asks_the_monitor_lives_and_the_tables_hold(steps):
    """Any hypercalls, with any pointers into anything: an error, or a crash of the guest alone."""
    vm = Driven(disk=bytes(8192))
    for action in steps:
        try:
            step(vm, *action)
        except Refused:
            pass  # a store that would have been a page fault
        except GuestCrashed:
            vm.audit()
            return
        vm.audit()


# -- guests that make no sense -------------------------------------------------------------------

SOME = st.sampled_from(
    [
        *(words(i) for i in (NOTHING, ECALL, ILLEGAL, LOOP, 0x0000_3003, 0x1050_0073, 0x1200_0073)),
        *(hypercall(n) for n in (IRET, BLOCK, DELIVER)),
        *(li(5, n) + sd(5, USER) for n in (0, 1)),
        *(li(5, a) + sd(5, EPC) for a in (RAM_BASE, ENTRY, RAM_BASE + 8 * PAGE)),
        *(li(5, n) + sd(5, MASKED) for n in (0, 1)),
        li(5, -1 & (1 << 64) - 1) + sd(5, PENDING),
        hypercall(SETUP_RING, 1, RAM_BASE + 20 * PAGE),
        hypercall(MMU_UPDATE, RAM_BASE, 3),
        hypercall(SET_TIMER, 0),
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(SOME | st.binary(min_size=4, max_size=4), max_size=12), st.lists(SOME, max_size=6))
def test_whatever_a_guest_executes_its_run_ends(code, handler):
    """Finished, crashed, or at the limit: never an exception, never a hang, never a bad table."""
    body = b"".join(code)[: ENTRY - RAM_BASE - 200]
    machine = guest(with_entry(body, b"".join(handler) + words(LOOP)), disk=bytes(4096))
    ended = machine.run(2000)
    assert ended.outcome in ("finished", "crashed", "limit")
    vm = Driven.__new__(Driven)
    vm.mode, vm.domain = machine.mode, machine.mode.domain
    vm.paging = vm.domain.paging
    vm.audit()


def test_random_instructions_end_in_a_crash_or_at_the_limit():
    """Whole pages of random words, on the interpreter."""
    for seed in range(5):
        code = with_entry(b"", b"") + random.Random(seed).randbytes(8 * PAGE)
        ended = guest(code, engine="interpreter").run(20_000)
        assert ended.outcome in ("crashed", "limit")
