"""The machine view shows the session's own numbers, and moves it forwards and backwards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_browser import OpenNotebook

from vlab.widgets import MachineView
from vlab.widgets.csr_fields import WORDS, fields


def asked(view: MachineView, do: str, **what) -> dict:
    """Ask as the page does; return what the page then shows."""
    view.ask(do, **what)
    assert view.wait(30)
    return view.view


def registers(shown: dict) -> dict[str, int]:
    """Return the registers that are shown."""
    return {name: int(value, 16) for name, value, _, _ in shown["registers"]}


def changed(shown: dict) -> set[str]:
    """Return the names of the registers that are marked as changed."""
    return {name for name, _, _, mark in shown["registers"] if mark}


@pytest.fixture(params=["native", "fullvirt", "paravirt"])
def view(request: pytest.FixtureRequest) -> MachineView:
    """A view of a machine at the beginning of its measured part."""
    widget = MachineView("pagefault", mode=request.param, pages=20)
    asked(widget, "mark")
    assert widget.status["error"] == ""
    yield widget
    widget.close()


def test_what_is_shown_is_the_sessions(view: MachineView) -> None:
    """Registers, CSRs, counters and memory are those of the session."""
    session, shown = view.session, asked(view, "step", n=10)
    assert registers(shown) == {"pc": session.pc, **session.registers}
    for row in shown["csrs"]:
        assert int(row["value"], 16) == session.csrs[row["name"]]
    for name, n, _ in shown["counters"]:
        assert n == getattr(session.counters, name.replace(" ", "_"))
    rows = shown["memory"]["rows"]
    data = bytes.fromhex("".join("".join(row["bytes"]) for row in rows))
    assert data == session.memory(int(shown["memory"]["at"], 16), len(data))
    assert [row["text"] for row in shown["code"] if row["current"]]


def test_changed_registers_are_marked(view: MachineView) -> None:
    """Marked is what the last step changed, and nothing else, for two hundred steps."""
    before = registers(view.view)
    for _ in range(200):
        shown = asked(view, "step")
        after = registers(shown)
        assert changed(shown) == {name for name in after if after[name] != before[name]}
        before = after


def test_back_undoes_a_step(view: MachineView) -> None:
    """Ten steps forwards and ten backwards show what was shown before."""
    view.session.step(200)
    before = asked(view, "memory", place="")
    asked(view, "step", n=10)
    after = asked(view, "back", n=10)
    assert registers(before) == registers(after)
    assert before["where"]["instructions"] == after["where"]["instructions"]
    asked(view, "start")
    assert view.session.steps == 0


def test_breakpoints_stop_a_run(view: MachineView) -> None:
    """A breakpoint set by symbol stops the run there, is shown, and can be cleared."""
    kernel = "upcall_entry" if view.session.setup.mode == "paravirt" else "trap_entry"
    shown = asked(view, "breakpoint", place=kernel)
    assert [stop["symbol"] for stop in shown["breakpoints"]] == [kernel]
    shown = asked(view, "run")
    assert shown["where"]["symbol"] == kernel
    assert next(row for row in shown["code"] if row["current"])["stop"]
    assert shown["source"] is None or shown["source"]["file"].endswith(".S")
    asked(view, "breakpoint", place=shown["where"]["pc"])
    assert asked(view, "run")["where"]["stopped"] == "finished exit 0"


def test_the_next_exit() -> None:
    """The next VM exit is one exit further; on hardware, one trap further."""
    for mode, name in (("fullvirt", "exits"), ("native", "traps")):
        widget = MachineView("syscall", mode=mode, n=5)
        asked(widget, "mark")
        before = getattr(widget.session.counters, name)
        shown = asked(widget, "exit")
        assert {row[0]: row[2] for row in shown["counters"]}[name] == 1
        assert getattr(widget.session.counters, name) == before + 1
        widget.close()


def test_stop_halts_a_run() -> None:
    """Stop ends a long run within a second, the machine can be stepped on, and goes back."""
    widget = MachineView("syscall", mode="fullvirt", n=10_000_000)
    asked(widget, "mark")
    steps = widget.session.steps
    widget.ask("run")
    assert not widget.wait(0.3)
    widget.ask("stop")
    assert widget.wait(1)
    assert widget.view["where"]["stopped"] == "interrupted"
    at = widget.session.steps
    assert at > steps
    assert asked(widget, "step")["where"]["steps"] == at + 1
    assert asked(widget, "back", n=2)["where"]["steps"] == at - 1
    widget.close()


@pytest.mark.parametrize(
    ("do", "what", "message"),
    [
        ("until", {"place": "nowhere"}, "'nowhere': not an address"),
        ("step", {"n": 0}, "0 steps: must be from 1"),
        ("memory", {"place": "sp", "space": "moon"}, "unknown address space 'moon'"),
        ("back", {"n": -1}, "back=-1"),
    ],
)
def test_nonsense_is_one_line(do: str, what: dict, message: str) -> None:
    """What cannot be done says what would be right, and changes nothing."""
    widget = MachineView("hello")
    widget.wait(10)
    before = widget.session.steps
    asked(widget, do, **what)
    assert message in widget.status["error"]
    assert widget.session.steps == before
    widget.close()


@given(st.sampled_from(sorted(WORDS)), st.integers(0, 2**64 - 1))
def test_any_value_of_a_csr_has_a_meaning(name: str, value: int) -> None:
    """Fields are decoded from any value, and those of a register do not overlap."""
    for field in fields(name, value):
        assert field.meaning
        assert 0 <= field.value < 2**64


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("satp", 8 << 60 | 5 << 44 | 0x80247, {"MODE": 8, "ASID": 5, "PPN": 0x80247}),
        ("scause", 1 << 63 | 5, {"Interrupt": 1, "Code": 5}),
        ("sstatus", 1 << 18 | 1 << 8 | 1 << 1, {"SIE": 1, "SPIE": 0, "SPP": 1, "SUM": 1, "MXR": 0}),
        ("sie", 1 << 9 | 1 << 5, {"SSI": 0, "STI": 1, "SEI": 1}),
    ],
)
def test_fields_are_those_of_the_specification(name: str, value: int, expected: dict) -> None:
    """Fields stand where the privileged specification has them."""
    assert {field.name: field.value for field in fields(name, value)} == expected


@pytest.mark.slow
def test_in_the_browser(notebook: OpenNotebook) -> None:
    """Stepping, going back, breakpoints and memory, by keyboard alone."""
    notebook.open("import vlab", "vlab.widgets.MachineView('syscall', mode='fullvirt', n=5)").run()
    page = notebook.widget("MachineView")
    page.check_reachable()
    with page.change():
        page.by_keyboard(page.root.get_by_role("button", name="Measured part"), "Enter")
    pc = page.text("[data-register=pc] td").lstrip("◆")
    with page.change():
        page.by_keyboard(page.root.get_by_role("button", name="Step ▶", exact=True), "Space")
    assert page.text("[data-register=pc] td").lstrip("◆") != pc
    with page.change():
        page.by_keyboard(page.root.get_by_role("button", name="Step back"), "Enter")
    assert page.text("[data-register=pc] td").lstrip("◆") == pc
    with page.change():
        page.by_keyboard(page.root.get_by_role("button", name="Next VM exit"), "Enter")
    assert page.text("[data-counter=exits] [data-changed]") == "◆+1"
    notebook.screenshot("machine-view", page)

    place = page.root.get_by_label("Address or symbol")
    page.by_keyboard(place, "Control+A", *"trap_entry")
    with page.change():
        page.by_keyboard(page.root.get_by_role("button", name="Breakpoint on / off"), "Enter")
    with page.change():
        page.by_keyboard(page.root.locator("[data-key=run]"), "Enter")
    assert "trap_entry" in page.text(".mv-where")
    page.by_keyboard(page.root.locator("summary", has_text="Devices"), "Enter")
    notebook.screenshot("machine-view-breakpoint", page)
    page.by_keyboard(page.root.get_by_label("from"), "Control+A", *"nowhere")
    with page.change():
        page.by_keyboard(page.root.get_by_role("button", name="Show"), "Enter")
    assert "not an address" in page.error
    notebook.check()
