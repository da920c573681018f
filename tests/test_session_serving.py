"""Where machine code serves a session's exits, each of its moments is what it is without."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from types import MethodType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compiled_exits import SMALL

import vlab
from vlab.isa.assembler import assemble
from vlab.modes import snapshots

MODES = ("fullvirt", "paravirt")
Session = vlab.Session


def pair(*arguments: Any, **options: Any) -> tuple[Session, Session]:
    """Return two sessions alike, but that the second one has all exits served in Python."""
    served, slow = (vlab.session(*arguments, **options) for _ in range(2))
    assert served.machine.serve is not None
    slow.machine.serve = None
    return served, slow


def where(session: Session) -> dict[str, Any]:
    """Return where a session is, and what was counted on the way."""
    loop, machine = session.loop, session.machine
    return {
        "moment": loop.moment,
        "left": loop.left,
        "outcome": loop.outcome,
        "stopped": session.stopped,
        "steps": session.steps,
        "words": session.view.words(),
        "counters": session.counters,
        "cycles": session.cycles,
        "clock": (machine.clock.now, machine.now(), machine.clock.charged, machine.clock.slept),
        "console": (session.console, session.keyboard.pending),
    }


def agree(served: Session, slow: Session) -> None:
    """Hold everything that a run can see of one session against the other."""
    assert where(served) == where(slow)
    assert snapshots.capture(served.guest) == snapshots.capture(slow.guest)


COUNTS = st.integers(0, 5).flatmap(lambda e: st.integers(1, 10**e))
PLACES = st.floats(0, 1)
TEXTS = ("syscall n=60\n", "syscall n=100000\n", "timer n=2\n", "echo on\n", "x", "\x03")
ACTIONS = st.one_of(
    st.tuples(st.just("run"), COUNTS),
    st.tuples(st.just("step"), COUNTS),
    st.tuples(st.just("until"), st.sampled_from([{"mark": 1}, {"mark": 2}, {"idle": True}])),
    st.tuples(st.just("type"), st.sampled_from(TEXTS)),
    st.tuples(st.just("goto"), PLACES),
)


def do(session: Session, action: str, what: Any) -> None:
    """Do something with a session."""
    if action == "goto":
        session.goto(int(session.steps * what))
    elif action == "until":
        session.until(**{"idle": True} | what)
    else:
        getattr(session, action)(what)


@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    workload=st.sampled_from([None, "mixed", *SMALL]),
    options=st.sampled_from([{}, {}, {"asid_bits": 0}, {"asid_bits": 2}, {"tlb_entries": 8}]),
    limit=st.none() | st.integers(1_000, 400_000),
    actions=st.lists(ACTIONS, min_size=1, max_size=8),
)
def test_every_stop_is_the_same(
    mode: str,
    workload: str | None,
    options: dict[str, int],
    limit: int | None,
    actions: list[tuple[str, Any]],
) -> None:
    """However a session is run, typed to and sent back: it stops at the same moments."""
    most = {} if limit is None else {"max_instructions": limit}
    sessions = pair(workload, mode, set=options, **most, **SMALL.get(workload or "", {}))
    for action in actions:
        for session in sessions:
            do(session, *action)
        assert where(sessions[0]) == where(sessions[1])
    agree(*sessions)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tags", [0, 16])
@pytest.mark.parametrize("workload", ["syscall", "ptemod", "mixed", "timer", "diskvirtio"])
def test_a_session_goes_back_to_where_it_was(workload: str, tags: int, mode: str) -> None:
    """Each stop of a run is found again, from behind it, with the same state."""
    options = {"asid_bits": tags}
    served, slow = pair(workload, mode, set=options, **SMALL.get(workload, {}))
    states = {}
    for n in itertools.cycle((70_001, 3, 12_347, 1_009)):
        if served.run(n) != slow.run(n) or served.stopped.reason != "instructions":
            break
        states[served.steps] = snapshots.capture(served.guest)
    agree(served, slow)
    assert len(states) > 3
    for steps in sorted(states, reverse=True):
        served.goto(steps)
        assert snapshots.capture(served.guest) == states[steps]
    slow.goto(served.steps)
    agree(served, slow)


@pytest.mark.parametrize("mode", MODES)
def test_machine_code_serves_the_exits(mode: str) -> None:
    """A run with many exits takes few moves of the loop, until somebody wants to see them."""
    session = vlab.session("syscall", mode, n=2_000)
    moves, move = itertools.count(), session.loop.move

    def counted(most: int) -> None:
        next(moves)
        move(most)

    session.loop.move = counted  # type: ignore[method-assign]
    session.until(mark=1)
    before, exits = next(moves), session.counters.exits
    session.until(mark=2)
    between = next(moves) - before
    assert session.counters.exits - exits >= 4_000 > 40 * between
    session.goto(session.steps - 100_000)
    session.breakpoints.add(0)
    session.run(100_000)
    assert next(moves) - before - between > 1_000


class Failing(vlab.FullVirt):
    """Fails before and after some system calls were handled, and while devices are accessed."""

    calls = 0

    def on_ecall(self) -> None:
        self._fail(11)
        super().on_ecall()
        self._fail(13)

    def on_emulated_exit(self) -> None:
        self._fail(3)
        super().on_emulated_exit()

    def _fail(self, often: int) -> None:
        self.calls += 1
        if self.calls % often == 0:
            raise RuntimeError


class FailingGuest(vlab.ParaVirt):
    """Fails before and after some hypercalls, and before some events."""

    calls = 0

    def on_hypercall(self, number: int, arguments: list[int]) -> None:
        self._fail(11)
        super().on_hypercall(number, arguments)
        self._fail(101)

    def on_event(self, pending: int) -> None:
        self._fail(3)
        super().on_event(pending)

    def _fail(self, often: int) -> None:
        self.calls += 1
        if self.calls % often == 0:
            raise RuntimeError


@pytest.mark.parametrize(("mode", "monitor"), [("fullvirt", Failing), ("paravirt", FailingGuest)])
@pytest.mark.parametrize("workload", ["timer", "syscall", "diskpio"])
def test_a_handler_that_raises(workload: str, mode: str, monitor: type) -> None:
    """The session stands where it would without machine code, and goes on from there alike."""
    sessions = pair(workload, mode, monitor=monitor, **SMALL[workload])
    raised = 0
    for n in (1_000, 50_001) * 30:
        for session in sessions:
            try:
                session.run(n)
            except RuntimeError:
                raised += 1
        assert where(sessions[0]) == where(sessions[1])
    agree(*sessions)
    assert raised > 10


class Batching(vlab.FullVirt):
    """Emulates the instructions after a sensitive one, too, while it is at it."""

    def on_illegal_instruction(self, bits: int) -> None:
        super().on_illegal_instruction(bits)
        for _ in range(15):
            self.emulate()


@pytest.mark.parametrize("n", [5, 77, 1_013, 10_007])
def test_a_monitor_that_emulates_more_than_one_instruction(n: int) -> None:
    """More instructions than moments go by, and yet a run ends after as many as were asked for."""
    code = assemble("again: csrw mscratch, t0\n" + "addi t0, t0, 1\n" * 18 + "j again\n").code
    sessions = pair(image=code, mode="fullvirt", memory="1M", monitor=Batching)
    for _ in range(10):
        for session in sessions:
            session.run(n)
        agree(*sessions)
    assert sessions[0].instructions > 2 * sessions[0].loop.moment


@pytest.mark.parametrize("name", ["on_ecall", "fill", "exited"])
def test_a_method_that_is_put_on_an_object(name: str) -> None:
    """One that is replaced while the guest runs is called from then on."""
    sessions = pair("forktree", "fullvirt", depth=2)
    calls: list[Any] = []

    def mine(monitor: Any, *arguments: Any) -> None:
        calls.append(monitor)
        getattr(vlab.FullVirt, name)(monitor, *arguments)

    for session in sessions:
        session.until(mark=1)
        setattr(session.mode, name, MethodType(mine, session.mode))
        session.run()
    served, slow = (calls.count(session.mode) for session in sessions)
    assert served == slow > 30
    agree(*sessions)


@pytest.mark.parametrize("mode", MODES)
def test_a_listener_that_types_and_interrupts(mode: str) -> None:
    """What is done when the guest prints is done at the same moment, and is typed again there."""
    sessions = pair(mode=mode)
    for session in sessions:
        answers = iter(["syscall n=20\n", "echo on\n", "timer n=2\n"])

        def listen(data: bytes, session: Session = session, answers: Any = answers) -> None:
            if b"$" in data:
                session.type(next(answers, ""))
            if b"e" in data:
                session.interrupt()

        session.keyboard.listener = listen
    seen = []
    for _ in range(40):
        stops = [session.until(idle=True) for session in sessions]
        assert stops[0] == stops[1]
        assert where(sessions[0]) == where(sessions[1])
        seen.append((stops[0].reason, sessions[0].steps, snapshots.capture(sessions[0].guest)))
    assert "timer" in sessions[0].console
    assert {"idle", "interrupted"} <= {reason for reason, *_ in seen}
    for session in sessions:
        session.keyboard.listener = None
    for _, steps, state in reversed(seen[::3]):
        for session in sessions:
            session.goto(steps)
        assert snapshots.capture(sessions[0].guest) == state
    agree(*sessions)


@pytest.mark.parametrize("mode", MODES)
def test_what_another_thread_types_is_typed_again(mode: str) -> None:
    """Typed while machine code runs, it reaches the guest at the same moment the next time."""
    session = vlab.session(mode=mode)
    session.until(idle=True)
    session.type("syscall n=300000\n")
    session.run(100_000)
    over = threading.Event()

    def type_on() -> None:
        while not over.wait(0.003):
            session.type("x")

    typist = threading.Thread(target=type_on)
    typist.start()
    for _ in range(4):
        session.run(3_000_000)
    over.set()
    typist.join()
    there, state = session.steps, snapshots.capture(session.guest)
    assert len(session.history.typed) > 5
    session.step(1_000)
    session.history.checkpoints.clear()
    session.goto(there)
    assert snapshots.capture(session.guest) == state


@pytest.mark.parametrize("mode", MODES)
def test_a_run_full_of_exits_can_be_interrupted(mode: str) -> None:
    """``interrupt`` stops a guest that exits all the time, soon and between two moments."""
    session = vlab.session("syscall", mode, n=10_000_000)
    threading.Timer(0.1, session.interrupt).start()
    begin = time.perf_counter()
    assert session.run().reason == "interrupted"
    assert time.perf_counter() - begin < 5
    assert session.step(1_000).reason == "step"


def test_a_guest_that_only_traps_goes_on_until_it_is_stopped() -> None:
    """A session leaves it to whoever holds it to give up."""
    code = assemble("la t0, again\ncsrw mtvec, t0\nagain: ecall\n").code
    session = vlab.session(image=code, mode="fullvirt", memory="1M")
    threading.Timer(0.3, session.interrupt).start()
    assert session.run().reason == "interrupted"
    assert session.counters.exits > 100_000
    assert session.loop.outcome is None


DAMAGED = """
import sys, threading, vlab
from vlab.modes import snapshots

saved = snapshots.from_bytes(open(sys.argv[1], "rb").read())
state, entry = saved["state"], int(sys.argv[2])
for _, root, _, tables, _ in state["mode"]["shadow"]["spaces"]:
    for frame in (root, *tables.values()):
        number = (frame - 0x8000_0000) // 4096
        state["memory"][number] = entry.to_bytes(8, "little") * 512
session = vlab.Session.restore(snapshots.to_bytes(saved))
threading.Timer(0.5, session.interrupt).start()
try:
    print(session.run())
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("entry", [1 << 62 | 1, (1 << 54) - 1, 0x8000_0000 >> 2 | 1, 0xFFFF_FC01])
def test_shadow_tables_from_anywhere(entry: int, tmp_path: Any) -> None:
    """Tables of a damaged state may lead nowhere, and never out of the machine's memory."""
    session = vlab.session("mixed", "fullvirt")
    session.run(300_000)
    (tmp_path / "saved").write_bytes(session.snapshot())
    command = [sys.executable, "-c", DAMAGED, str(tmp_path / "saved"), str(entry)]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0
