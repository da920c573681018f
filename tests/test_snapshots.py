"""A saved machine goes on bit for bit as it would have, anywhere; a session steps backwards."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_session import EXECUTING, agree

import vlab
from vlab.errors import MachineError, SnapshotError, VlabError
from vlab.experiments.recording import Recording
from vlab.modes import snapshots
from vlab.modes.plain_data import decode, encode

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(PLAIN)
def test_plain_data_comes_back_as_it_was(value: Any) -> None:
    """Writing and reading gives the value, with its types."""
    again = decode(encode(value))
    assert again == value
    assert type(again) is type(value)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60) | PLAIN.map(lambda v: encode(v)[:-1]))
def test_bytes_from_anywhere_are_plain_data_or_refused(data: bytes) -> None:
    """Reading arbitrary bytes raises nothing but `SnapshotError`."""
    with contextlib.suppress(SnapshotError, UnicodeDecodeError):  # `from_bytes` turns one into
        decode(data)  # the other


@pytest.mark.parametrize("mode", EXECUTING)
@pytest.mark.parametrize("steps", [70_001, 500_003])
def test_a_restored_session_goes_on_bit_for_bit(mode: str, steps: int) -> None:
    """Counters, cycles, output and every later state are those of the uninterrupted run."""
    session = vlab.session("mixed", mode)
    session.step(steps)
    data = session.snapshot()
    other = vlab.Session.restore(data)
    assert other.snapshot() == data
    session.step(20_000)
    other.step(20_000)
    assert other.snapshot() == session.snapshot()
    assert other.registers == session.registers
    other.run()
    agree(other.result(), vlab.run("mixed", mode))


@pytest.mark.parametrize("mode", EXECUTING)
def test_another_process_continues(mode: str, tmp_path: Any) -> None:
    """A new process that is given the bytes alone ends in the same state."""
    session = vlab.session("diskpio", mode, n=2)
    session.until(mark=1)
    session.step(30_000)
    (tmp_path / "before").write_bytes(session.snapshot())
    program = (
        "import sys, vlab\n"
        "s = vlab.Session.restore(open(sys.argv[1], 'rb').read())\n"
        "s.run()\n"
        "open(sys.argv[2], 'wb').write(s.snapshot())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "before"), str(tmp_path / "after")]
    subprocess.run(command, check=True)
    session.run()
    assert (tmp_path / "after").read_bytes() == session.snapshot()
    agree(session.result(), vlab.run("diskpio", mode, n=2))


@pytest.mark.parametrize("engine", ["interpreter", "python"])
def test_a_state_does_not_depend_on_the_engine(engine: str) -> None:
    """Every engine reaches the same saved state."""
    states = []
    for name in (engine, "translator"):
        session = vlab.session("hello", "fullvirt", engine=name)
        session.step(4_000)
        states.append(encode(snapshots.capture(session.guest)))
    assert states[0] == states[1]


@pytest.mark.parametrize("mode", EXECUTING)
def test_forth_and_back_is_where_one_was(mode: str) -> None:
    """After n steps forwards and n backwards the state is identical, and so is the future."""
    session = vlab.session("mixed", mode)
    session.step(300_000)
    for n in (1, 777, 30_000):
        before = session.snapshot()
        session.step(n)
        assert session.snapshot() != before
        assert session.back(n).reason == "step"
        assert session.snapshot() == before
    session.back(299_000)
    assert session.steps == 1_000
    session.run()
    agree(session.result(), vlab.run("mixed", mode))


@pytest.mark.parametrize("mode", ["native", "fullvirt"])
def test_back_from_an_exit_returns_to_that_exit(mode: str) -> None:
    """A session returns exactly to where it stopped, between two steps as well."""
    session = vlab.session("hello", mode)
    for _ in range(15):
        session.until_exit()
    before = session.snapshot()
    session.step(50)
    session.back(50)
    assert session.snapshot() == before


def test_back_from_the_end_and_to_the_beginning() -> None:
    """A run that is over can be stepped back into, as far as to the first instruction."""
    session = vlab.session("hello", "fullvirt")
    first = session.snapshot()
    session.run()
    steps, last = session.steps, session.pc
    session.back()
    assert session.steps == steps - 1
    assert session.step().reason in ("step", "finished")
    assert (session.steps, session.pc) == (steps, last)
    session.back(10 * steps)
    assert session.steps == 0
    assert session.snapshot() == first


def test_what_was_typed_is_typed_again() -> None:
    """Going back to before something was typed forgets it, to after it does not."""
    session = vlab.session(mode="fullvirt")
    session.until(idle=True)
    quiet, steps = session.snapshot(), session.steps
    session.type("echo once\n")
    session.step(20_000)
    typed = session.snapshot()
    session.until(idle=True)
    assert "once" in session.console
    session.goto(steps + 20_000)
    assert session.snapshot() == typed
    session.until(idle=True)
    assert session.console.count("once") == 2
    session.goto(steps - 1)
    session.step()
    session.until(idle=True)
    assert "once" not in session.console
    assert len(quiet) > 1000


class Counting(vlab.FullVirt):
    """A monitor with state of its own."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.seen: dict[str, int] = {}

    def exited(self, reason: str) -> None:
        self.seen[reason] = self.seen.get(reason, 0) + 1
        super().exited(reason)


def test_a_monitor_of_ones_own_keeps_its_plain_attributes() -> None:
    """They are saved and stepped back with the rest; its code is never in the bytes."""
    session = vlab.session("hello", "fullvirt", monitor=Counting)
    session.step(100_000)
    seen = dict(session.mode.seen)
    session.step(30_000)
    session.back(30_000)
    assert session.mode.seen == seen
    with pytest.raises(SnapshotError, match="monitor=Counting"):
        vlab.Session.restore(session.snapshot())
    other = vlab.Session.restore(session.snapshot(), monitor=Counting)
    other.run()
    assert other.mode.seen == dict(other.counters.exits_by_reason)


def test_a_recorded_session_does_not_go_back() -> None:
    """It says so, instead of recording what happened twice."""
    session = vlab.session("hello", "fullvirt")
    session.step(100)
    with Recording(session), pytest.raises(MachineError, match="being recorded"):
        session.back()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every part of plain data."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from places(item, (*path, n))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return plain data with one part replaced."""
    if not path:
        return new
    if isinstance(value, dict):
        return value | {path[0]: changed(value[path[0]], path[1:], new)}
    return [changed(v, path[1:], new) if n == path[0] else v for n, v in enumerate(value)]


@pytest.mark.parametrize("mode", ["native", "fullvirt", "paravirt"])
def test_a_snapshot_that_was_tampered_with_is_refused_or_runs(mode: str) -> None:
    """Whatever part is replaced, the machine is built or one clear line says why not."""
    session = vlab.session("hello", mode, memory="4M")
    session.step(100_000)
    saved = snapshots.from_bytes(session.snapshot())
    dice = random.Random(7)
    paths = [p for p in places(saved) if p and ("memory" not in p[:2] or dice.random() < 0.01)]
    refused: list[str] = []
    for path in dice.sample(paths, 25):
        new = dice.choice([None, -1, 1 << 70, "x", b"\xff" * 8, [], {}, {"a": 1}])
        data = snapshots.to_bytes(changed(saved, path, new))
        try:
            built = vlab.Session.restore(data)
        except VlabError as error:
            refused.append(str(error))
        else:
            with contextlib.suppress(Exception):  # a monitor's tables may lead nowhere
                built.step(100)
    assert len(refused) > 10
    assert not any("\n" in line or len(line) > 300 for line in refused)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("priv", 2),
        ("tlb_tag", 0xFFF),
        ("tlb_next", 1 << 40),
        ("mstatus", 2 << 11),
        ("satp", 9 << 60),
        ("tlb_levels", 1 << 60),
        ("pmp_count", 1 << 20),
    ],
)
def test_words_that_machine_code_would_stumble_over_are_refused(name: str, value: int) -> None:
    """A record's words that index arrays are checked before the engine sees them."""
    session = vlab.session("hello")
    saved = snapshots.from_bytes(session.snapshot())
    data = saved["state"]["hart"][name]
    saved["state"]["hart"][name] = value.to_bytes(8, "little") + data[8:]
    with pytest.raises(SnapshotError, match=name):
        vlab.Session.restore(snapshots.to_bytes(saved))


@pytest.mark.parametrize("mode", ["native", "fullvirt", "paravirt"])
@pytest.mark.parametrize("part", ["now", "charged", "slept"])
@pytest.mark.parametrize("cycles", [-1, (1 << 64) - 1, 1 << 70, 1.5, "1", None])
def test_a_time_that_no_machine_reaches_is_refused(mode: str, part: str, cycles: Any) -> None:
    """The parts of the clock are whole numbers with room to grow."""
    saved = snapshots.from_bytes(vlab.session("hello", mode).snapshot())
    saved["state"]["board" if part == "now" else "machine"][part] = cycles
    with pytest.raises(SnapshotError):
        vlab.Session.restore(snapshots.to_bytes(saved))


def test_damaged_bytes_are_refused() -> None:
    """Truncated, flipped, foreign and exploding bytes each raise one clear line."""
    data = vlab.session("hello").snapshot()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    bomb = snapshots.to_bytes(bytes(1 << 20))
    for bad in (b"", b"\x80\x04", data[:-1], data[:20], bytes(flipped), "text", bomb):
        with pytest.raises(SnapshotError) as caught:
            vlab.Session.restore(bad)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    with pytest.raises(SnapshotError, match="larger than 1000"):
        snapshots.from_bytes(bomb, 1000)
