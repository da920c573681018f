"""Equivalence (Popek & Goldberg 1974): the same guest has the same history in every mode."""

from __future__ import annotations

import pytest
from lockstep import Event, guest_of, history
from test_modes import SMALL

from vlab.experiments.catalogue import workloads


def first_difference(a: list[Event], b: list[Event]) -> str:
    """Return where two histories part, empty if they do not."""
    for number, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            names = [n for n, p, q in zip(Event._fields, x, y, strict=True) if p != q]
            return f"system call {number} at {x.pc:#x}: {', '.join(names)}"
    return "" if len(a) == len(b) else f"{len(a)} and {len(b)} system calls"


@pytest.mark.parametrize("workload", sorted(workloads()))
def test_history_is_the_same_at_every_system_call(workload: str) -> None:
    """Registers, CSRs, time and the process's memory agree in native, emulate and fullvirt."""
    params = SMALL.get(workload, {})
    expected, native = history(guest_of(workload, "native", **params))
    assert (native.outcome, native.exit_code) == ("finished", 0)
    assert len(expected) > 5
    for mode in ("emulate", "fullvirt"):
        seen, ended = history(guest_of(workload, mode, **params))
        assert first_difference(expected, seen) == "", mode
        assert (ended.console, ended.exit_code) == (native.console, 0)
        assert ended.counters_total.retired == native.counters_total.retired
        assert ended.counters_total.interrupts == native.counters_total.interrupts
        assert ended.machine.disk.data == native.machine.disk.data


@pytest.mark.parametrize("workload", sorted(workloads()))
def test_programs_cannot_tell_that_their_kernel_was_ported(workload: str) -> None:
    """At system calls a program's registers and memory are what they are in native, in paravirt.

    Their order may differ: which process runs next depends on how long the kernel took.
    """
    params = SMALL.get(workload, {})
    histories = []
    for mode in ("native", "paravirt"):
        events, ended = history(guest_of(workload, mode, **params))
        assert (ended.outcome, ended.exit_code) == ("finished", 0)
        histories.append(sorted((e.pc, e.registers, e.memory) for e in events))
    assert histories[0] == histories[1]


@pytest.mark.parametrize("mode", ["native", "fullvirt", "paravirt"])
def test_observing_changes_nothing(mode: str) -> None:
    """A run that is observed counts what one that is not observed counts."""
    plain = guest_of("ctxswitch", mode, n=5).run(200_000_000)
    events, observed = history(guest_of("ctxswitch", mode, n=5))
    assert len(events) == observed.counters_total.syscalls
    assert observed.counters_total == plain.counters_total
    assert observed.console == plain.console


@pytest.mark.parametrize("mode", ["native", "fullvirt", "paravirt"])
def test_engines_have_the_same_history(mode: str) -> None:
    """The interpreter and the reference engine agree in history and in every counter."""
    (a, fast), (b, slow) = (
        history(guest_of("hello", mode, engine=engine)) for engine in ("interpreter", "python")
    )
    assert first_difference(a, b) == ""
    assert fast.counters_total == slow.counters_total
    assert fast.console == slow.console
