"""A session can be stopped anywhere and looked at, and nothing comes out differently for it."""

from __future__ import annotations

import signal
import threading
import time
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vlab
from vlab.errors import MachineError, ModeError, ParameterError, VlabError
from vlab.experiments.session_loop import LONG_CHUNK
from vlab.experiments.session_walks import ACCESSES, PageTables
from vlab.isa.fields import FETCH, LOAD, MXR, PMP_NAPOT, STORE, SUM, S, U
from vlab.isa.mmu import access_fault, leaf_address, walk
from vlab.isa.pmp import pmp_allows, pmp_update
from vlab.memory import PhysicalMemory
from vlab.state import Hart

EXECUTING = ("native", "emulate", "fullvirt", "paravirt")


def agree(a: vlab.Result, b: vlab.Result) -> None:
    """Hold two results against each other in everything that was counted."""
    assert a.counters_total == b.counters_total
    assert a.cycles_total == b.cycles_total
    assert (a.counters, a.cycles) == (b.counters, b.cycles)
    assert (a.console, a.outcome, a.exit_code) == (b.console, b.outcome, b.exit_code)


@pytest.mark.parametrize("mode", EXECUTING)
@pytest.mark.parametrize("stride", [13, 4099, None])
def test_a_run_comes_out_the_same_however_often_it_is_stopped(
    mode: str, stride: int | None
) -> None:
    """Stepping in any stride gives the counters, cycles and output of an uninterrupted run."""
    name = "hello" if stride == 13 else "mixed"
    session = vlab.session(name, mode)
    if stride is not None:
        while session.step(stride).reason == "step":
            assert session.counters.retired == session.instructions
    agree(
        session.result() if stride else (session.run(), session.result())[1], vlab.run(name, mode)
    )


@pytest.mark.parametrize("mode", EXECUTING)
@pytest.mark.parametrize("workload", ["timer", "diskpio", "ctxswitch"])
def test_stopping_at_every_exit_changes_nothing(mode: str, workload: str) -> None:
    """Interrupts, disks and timers arrive where they would have."""
    params: dict[str, int] = {"timer": {"n": 3}, "diskpio": {"n": 2}, "ctxswitch": {"n": 5}}[
        workload
    ]
    session = vlab.session(workload, mode, **params)
    stops = 0
    while session.until_exit().reason == "exit":
        stops += 1
        session.step()
    agree(session.result(), vlab.run(workload, mode, **params))
    assert stops > 5


@pytest.mark.parametrize("engine", ["python", "interpreter"])
def test_every_engine_can_be_stepped(engine: str) -> None:
    """The first instructions are the same ones on every engine."""
    seen = []
    for name in (engine, "translator"):
        session = vlab.session("hello", "fullvirt", engine=name)
        pcs = []
        for _ in range(400):
            session.step()
            pcs.append((session.pc, session.registers))
        seen.append(pcs)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("mode", EXECUTING)
def test_a_step_is_one_guest_instruction(mode: str) -> None:
    """Each step retires one instruction or takes one trap, emulated or not."""
    session = vlab.session("hello", mode)
    session.until(symbol="trap_entry" if mode != "paravirt" else "upcall_entry")
    for _ in range(300):
        before, steps = session.instructions, session.steps
        session.step()
        assert session.steps == steps + 1
        assert session.instructions - before in (0, 1)


@pytest.mark.parametrize("mode", EXECUTING)
def test_breakpoints_stop_before_the_instruction(mode: str) -> None:
    """A breakpoint stops at its address each time it is reached, and is then passed."""
    session = vlab.session("pagefault", mode, pages=5)
    address = session.symbols.address("page_fault")
    session.until(mark=1)
    session.breakpoints.add(address)
    hits = 0
    while session.run().reason == "breakpoint":
        assert session.pc == address
        assert session.symbol() == "page_fault"
        assert session.privilege == "S"
        hits += 1
    result = session.result()
    assert hits >= result.counters.page_faults >= 5
    agree(result, vlab.run("pagefault", mode, pages=5))


@pytest.mark.parametrize("mode", EXECUTING)
def test_marks_and_system_calls_can_be_waited_for(mode: str) -> None:
    """``until`` counts as many system calls of the region as the counters do."""
    session = vlab.session("syscall", mode, n=7)
    assert session.until(mark=1).reason == "mark"
    begin = session.counters.syscalls
    calls = 0
    while session.until(syscall=True, mark=2).reason == "exit":
        calls += 1
        assert session.stopped.detail == "syscall"
    assert session.stopped.reason == "mark"
    assert calls == session.counters.syscalls - begin >= 7


@pytest.mark.parametrize("mode", EXECUTING)
def test_exits_are_those_that_were_counted(mode: str) -> None:
    """``until_exit`` stops as often as the counters say the guest was left."""
    session = vlab.session("hello", mode)
    stops: dict[str, int] = {}
    while session.until_exit().reason == "exit":
        stops[session.stopped.detail] = stops.get(session.stopped.detail, 0) + 1
    counters = session.counters
    if mode in ("fullvirt", "paravirt"):
        assert stops == dict(counters.exits_by_reason)
    else:
        assert sum(stops.values()) == counters.traps + counters.interrupts + counters.sbi_calls


@pytest.mark.parametrize("mode", EXECUTING)
def test_the_shell_can_be_typed_to(mode: str) -> None:
    """What is typed between two runs is read, and the guest's answer is on the console."""
    session = vlab.session(mode=mode)
    assert session.until(idle=True).reason in ("idle", "waiting")
    session.type("echo so it goes\n")
    session.until(idle=True)
    assert session.console.count("so it goes") == 2


def test_a_guest_that_never_sleeps_is_fed_too() -> None:
    """What is typed reaches the UART at the end of a slice, as in an uninterrupted run."""
    session = vlab.session("compute", n=20_000)
    session.until(mark=1)
    session.type("x")
    session.until(mark=2)
    assert session.keyboard.pending == b""


def privileged_state(session: vlab.Session) -> tuple[Any, ...]:
    """Return everything of a session's records that a run can see."""
    return session.machine.hart.snapshot(), session.view.record.snapshot()


@pytest.mark.parametrize("mode", ["fullvirt", "paravirt"])
def test_a_guest_that_exits_all_the_time_is_fed_too(mode: str) -> None:
    """Control-C ends a program whose exits leave no budget to come to its end, within two ticks."""
    session = vlab.session(mode=mode)
    session.until(idle=True)
    session.type("syscall n=100000000\n")
    session.run(1_000_000)
    session.type("\x03")
    session.run(1_000_000)
    assert "^C" in session.console


@pytest.mark.parametrize("mode", EXECUTING)
def test_looking_changes_nothing(mode: str) -> None:
    """Walks, registers, memory, disassembly and TLB listings leave every word as it was."""
    session = vlab.session("mixed", mode)
    session.run(300_000)
    session.until_exit()
    assert session.counters.retired
    before = privileged_state(session)
    ram = session.view.physical.bytes.tobytes()
    for va in (session.pc, session.registers["sp"], 0, 1 << 38, (1 << 64) - 8):
        for access in ("load", "store", "fetch"):
            str(session.walk(va, access))
    assert session.disassemble()
    assert session.registers["zero"] == 0
    assert session.csrs
    assert session.tlb()
    assert session.memory(session.pc, 16)
    assert privileged_state(session) == before
    assert session.view.physical.bytes.tobytes() == ram


@pytest.mark.parametrize("mode", EXECUTING)
@pytest.mark.parametrize("instructions", [60_000, 400_000, 700_000])
def test_walks_agree_with_the_hardware_walker(mode: str, instructions: int) -> None:
    """The explorer's walk makes the references, and meets the fault or leaf, of `isa.mmu.walk`."""
    session = vlab.session("mixed", mode)
    session.run(instructions)
    tables = session.view.page_tables()
    pages = {entry.va for entry in session.tlb()} | {
        session.pc,
        session.registers["sp"],
        8,
        1 << 38,
    }
    for kind, table in tables.items():
        for va in pages:
            for name, access in (("load", LOAD), ("store", STORE), ("fetch", FETCH)):
                seen = getattr(session.walk(va, name), kind)
                if table.satp >> 60 == 0:
                    assert (seen.references, seen.guest_physical) == ([], va)
                    continue
                hart = Hart(Unchanging(table.memory))
                hart.ram_base, hart.ram_size = table.memory.base, table.memory.size
                hart.satp, hart.mstatus = table.satp, table.record.mstatus
                pte = walk(hart, va, access, table.privilege(access))
                assert len(seen.references) == hart.walk_references
                assert (seen.fault or 0) == hart.fault
                assert bool(seen.updates) == bool(hart.ad_updates)
                if not hart.fault:
                    place = leaf_address(pte, hart.walk_level, va)
                    assert place in (seen.guest_physical, seen.host_physical)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_walks_agree_on_tables_that_no_kernel_would_write(data: st.DataObject) -> None:
    """On arbitrary entries, status bits and PMP, the explorer's walk is still `isa.mmu.walk`."""
    memory = PhysicalMemory(1 << 31, 4 * 4096)
    tables = st.integers(0, 4).map(lambda n: (1 << 31 >> 12) + n << 10)
    flags = st.sampled_from([0x01, 0x01, 0x01, 0xCF, 0xDF, 0x0F, 0x43, 0x05, 0x11, 0x21, 0])
    for n in range(4):
        pte = data.draw(tables) | data.draw(flags) | data.draw(st.sampled_from([0, 0, 0, 1 << 60]))
        memory.store((1 << 31) + n * 4096, 8, pte)
    hart = Hart(memory)
    hart.ram_base, hart.ram_size = memory.base, memory.size
    hart.satp, hart.priv = 8 << 60 | 1 << 31 >> 12, data.draw(st.sampled_from([U, S]))
    hart.mstatus = data.draw(st.sampled_from([0, SUM, MXR, SUM | MXR]))
    if data.draw(st.booleans()):
        hart.pmpcfg[0] = PMP_NAPOT | data.draw(st.integers(0, 7))
        hart.pmpaddr[0] = data.draw(st.sampled_from([0x7FF, (1 << 54) - 1])) | 1 << 29
        pmp_update(hart)
    access = data.draw(st.sampled_from(sorted(ACCESSES.values())))
    view = SimpleNamespace(memory=memory, to_host=lambda a: a, to_guest=lambda a: a)
    before = memory.read(memory.base, memory.size)
    seen = PageTables("guest", hart, hart.satp, memory, view).walk(0, access)
    assert memory.read(memory.base, memory.size) == before
    assert hart.walk_references == 0
    pte = walk(hart, 0, access, hart.priv)
    assert len(seen.references) == hart.walk_references
    if hart.fault:
        assert seen.fault == hart.fault
    else:
        place = leaf_address(pte, hart.walk_level, 0)
        if pmp_allows(hart, place, 1, access, hart.priv):
            assert (seen.fault, seen.host_physical) == (None, place)
        else:
            assert seen.fault == access_fault(access)
        assert ("A" in seen.updates) + ("D" in seen.updates) >= hart.ad_updates


class Unchanging:
    """Memory whose stores are lost, so that the oracle leaves no bits behind."""

    def __init__(self, memory: Any) -> None:
        self.memory, self.base, self.size = memory, memory.base, memory.size
        self.load = memory.load

    def store(self, address: int, width: int, value: int) -> None:
        """Lose a store."""


def test_guest_and_shadow_walks_end_at_the_same_byte() -> None:
    """Where the shadow has an entry, it leads where the guest's tables lead."""
    session = vlab.session("mixed", "fullvirt")
    session.run(500_000)
    both = 0
    for entry in session.tlb():
        found = session.walk(entry.va)
        if found.shadow is not None and found.shadow.fault is None and found.guest.fault is None:
            assert found.shadow.host_physical == found.guest.host_physical
            both += 1
    assert both > 3


def test_control_c_stops_between_two_moments() -> None:
    """An interrupted session goes on as if nothing had happened, and Python's handler is back."""
    before = signal.getsignal(signal.SIGINT)
    session = vlab.session("syscall", "fullvirt", n=200_000)
    timer = threading.Timer(0.05, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    assert session.run().reason == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before
    assert session.run().reason == "finished"
    agree(session.result(), vlab.run("syscall", "fullvirt", n=200_000))


def test_a_session_can_be_interrupted_from_a_thread() -> None:
    """``interrupt`` stops a guest that would loop for ever within a fraction of a second."""
    session = vlab.session("syscall", n=10_000_000, max_instructions=1 << 60)
    threading.Timer(0.1, session.interrupt).start()
    begin = time.perf_counter()
    assert session.run().reason == "interrupted"
    assert time.perf_counter() - begin < 5
    assert session.instructions > LONG_CHUNK


def test_progress_is_told() -> None:
    """The callback sees growing numbers of instructions."""
    told: list[int] = []
    vlab.session("compute", n=20_000, progress=told.append).run()
    assert told == sorted(told)
    assert told


class Broken(vlab.FullVirt):
    """Fails in the middle of an exit, as a student's handler may."""

    armed = True

    def on_ecall(self) -> None:
        if self.armed:
            raise RuntimeError("not written yet")
        super().on_ecall()


def test_a_handler_that_raises_leaves_the_session_inspectable() -> None:
    """The exception reaches the caller; the machine stands at the instruction, and can go on."""
    session = vlab.session("hello", "fullvirt", monitor=Broken)
    with pytest.raises(RuntimeError, match="not written yet"):
        session.run()
    assert session.instruction() == 0x73
    session.mode.armed = False
    assert session.run().reason == "finished"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"workload": "helo"}, VlabError),
        ({"mode": "simulate"}, ModeError),
        ({"image": "/nonexistent"}, VlabError),
        ({"append": "x"}, ParameterError),
        ({"workload": "hello", "image": "x"}, ParameterError),
        ({"n": 3}, ParameterError),
        ({"monitor": vlab.FullVirt}, ModeError),
    ],
)
def test_what_cannot_be_opened_is_refused(options: dict[str, Any], error: type) -> None:
    """Bad options raise one clear line before anything runs."""
    with pytest.raises(error) as caught:
        vlab.session(**options)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_asked_is_refused() -> None:
    """Unknown symbols, reasons, spaces, accesses and counts are told apart."""
    session = vlab.session("hello")
    for ask in (
        lambda: session.until(symbol="page_fautl"),
        lambda: session.until(),
        lambda: session.until(mark=3),
        lambda: session.until_exit("csrs"),
        lambda: session.step(-1),
        lambda: session.run(1.5),  # type: ignore[arg-type]
        lambda: session.memory(0, 8, "guest-physical"),
        lambda: session.memory(0, 8, "virtual"),
        lambda: session.walk(0, "read"),
        lambda: session.walk(1 << 64),
    ):
        with pytest.raises(MachineError):
            ask()


def test_instructions_are_shown_in_assembly_language() -> None:
    """The lines around the ``pc`` follow one another without a gap, the present one marked."""
    session = vlab.session("hello", "fullvirt")
    session.until(symbol="page_fault")
    session.step(6)
    lines = session.disassemble(before=4, after=6)
    assert [line.current for line in lines] == [False] * 4 + [True] + [False] * 6
    for line, after in pairwise(lines):
        assert after.address - line.address == (4 if line.bits & 3 == 3 else 2)
    assert lines[0].symbol.startswith("page_fault")
    assert "sp" in lines[0].text
