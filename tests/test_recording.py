"""A recording tells every exit of a run, sums to its counters, and changes none of them."""

from __future__ import annotations

import pytest
from test_session import EXECUTING, agree

import vlab
from vlab.errors import MachineError
from vlab.experiments.recording import Recording

MONITORS = ("fullvirt", "paravirt")
CASES = [("mixed", {}), ("diskpio", {"n": 2}), ("ptemod", {"rounds": 3}), ("timer", {"n": 3})]


@pytest.mark.parametrize("mode", EXECUTING)
@pytest.mark.parametrize(("workload", "params"), CASES)
def test_recording_changes_nothing(mode: str, workload: str, params: dict[str, int]) -> None:
    """The result with a recording is the result without one, and no tap is left behind."""
    recording = vlab.record(workload, mode, **params)
    assert recording.result is not None
    agree(recording.result, vlab.run(workload, mode, **params))
    session = recording.session
    for owner in (session.mode, session.view.physical, session.machine.board.bus):
        assert not {"load", "store", "read", "write", "on_trap"} & set(vars(owner))


@pytest.mark.parametrize("mode", MONITORS)
@pytest.mark.parametrize(("workload", "params"), CASES)
def test_the_exits_sum_to_the_counters(mode: str, workload: str, params: dict[str, int]) -> None:
    """Rows by reason are the counters' exits, of the whole run and of the measured region."""
    recording = vlab.record(workload, mode, **params)
    result = recording.result
    frame = recording.to_frame()
    assert dict(frame.reason.value_counts()) == result.counters_total.exits_by_reason
    assert recording.by_reason == result.counters_total.exits_by_reason
    measured = frame[frame.measured]
    assert dict(measured.reason.value_counts()) == result.counters.exits_by_reason
    assert recording.by_reason_measured == result.counters.exits_by_reason


@pytest.mark.parametrize("mode", MONITORS)
@pytest.mark.parametrize(("workload", "params"), CASES)
def test_the_costs_sum_to_the_cycles(mode: str, workload: str, params: dict[str, int]) -> None:
    """World switches and the monitor's work are all in some exit; so is every shadow fill."""
    recording = vlab.record(workload, mode, **params)
    total = recording.result.cycles_total.by_category
    for category in ("trap", "monitor"):
        assert sum(row.cycles.get(category, 0) for row in recording) == total[category]
    if mode == "fullvirt":
        fills = sum("fill" in row.handlers for row in recording)
        assert fills == recording.result.counters_total.shadow_fills


@pytest.mark.parametrize("mode", ["native", "emulate"])
def test_traps_of_a_guest_with_hardware_of_its_own(mode: str) -> None:
    """There the rows are the traps into its own kernel, and its calls of the firmware."""
    recording = vlab.record("mixed", mode)
    counters = recording.result.counters_total
    assert recording.by_reason["syscall"] == counters.syscalls
    assert recording.by_reason["page_fault"] == counters.page_faults
    assert recording.by_reason["interrupt"] == counters.interrupts
    assert recording.by_reason["sbi"] == counters.sbi_calls
    assert recording.total == counters.traps + counters.interrupts + counters.sbi_calls


def test_an_exit_tells_what_happened() -> None:
    """A CSR instruction's row shows the instruction, the word that changed, and its price."""
    recording = vlab.record("hello", "fullvirt")
    row = next(r for r in recording if r.reason == "csr" and "sscratch" in r.changes)
    assert row.cause == "illegal"
    assert row.bits & 0x7F == 0x73
    assert row.bits >> 20 == 0x140
    assert row.tval == row.bits
    assert row.symbol
    assert row.privilege == "S"
    assert row.handlers == ("on_trap", "on_illegal_instruction")
    emulated = [r for r in recording if r.reason == "csr"]
    assert all(r.changes["pc"] == (r.pc, r.pc + 4) for r in emulated)
    costs = vlab.preset("teaching")
    assert row.cycles["trap"] == costs["exit"]
    assert row.cycles["monitor"] == costs["exit.csr"]


def test_a_shadow_fill_tells_what_was_read_and_written() -> None:
    """The guest's entry is among what was read, the shadow's among what was written."""
    recording = vlab.record("mixed", "fullvirt")
    row = [r for r in recording if r.reason == "shadow_fill" and r.privilege == "U"][-1]
    reads = [a for a in row.accesses if (a.kind, a.what) == ("read", "guest page table")]
    writes = [a for a in row.accesses if (a.kind, a.what) == ("write", "monitor memory")]
    guest, shadow = reads[-1].value, writes[-1].value
    gpa = (guest >> 10 << 12) & ((1 << 56) - 1)
    host = (shadow >> 10 << 12) & ((1 << 56) - 1)
    assert recording.session.view.to_host(gpa) == host


def test_exits_are_in_the_order_of_time() -> None:
    """Cycles and instructions never go back from one row to the next."""
    frame = vlab.record("mixed", "fullvirt").to_frame()
    assert frame.cycle.is_monotonic_increasing
    assert frame.instructions.is_monotonic_increasing
    assert list(frame.index) == list(range(len(frame)))


def test_a_short_recording_says_what_it_left_out() -> None:
    """With a maximum the last exits are kept, all are counted, and the text says so."""
    whole = vlab.record("hello", "fullvirt")
    short = vlab.record("hello", "fullvirt", maximum=100)
    assert short.by_reason == whole.by_reason
    assert (len(short), short.left_out) == (100, whole.total - 100)
    assert list(short) == list(whole)[-100:]
    assert f"the first {short.left_out:,} are counted but not kept" in str(short)
    with pytest.raises(MachineError, match="maximum=0"):
        vlab.record("hello", "fullvirt", maximum=0)


def test_a_part_of_a_session_can_be_recorded() -> None:
    """A recording can be begun and ended in the middle of a session."""
    session = vlab.session("hello", "fullvirt")
    session.until(mark=1)
    before = session.counters.exits
    with Recording(session) as recording:
        session.step(500)
        with pytest.raises(MachineError, match="recorded already"):
            Recording(session).__enter__()
    assert recording.total == session.counters.exits - before
    session.run()
    assert recording.total == len(recording)
    agree(session.result(), vlab.run("hello", "fullvirt"))
