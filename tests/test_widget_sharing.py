"""Several widgets on one session: they take turns, and all show where it is."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from jupyter_browser import OpenNotebook, until

import vlab
from vlab.widgets import Console, MachineView, PageWalkExplorer


def test_all_widgets_of_a_session_follow_it() -> None:
    """What one widget does, the others show: place, walk, output."""
    session = vlab.session("hello", mode="fullvirt")
    view, explorer, console = MachineView(session), PageWalkExplorer(session), Console(session)
    widgets = (view, explorer, console)
    for widget in widgets:
        assert widget.wait(30)
    session.goto(0)
    view.ask("until", place="kmain")
    view.wait(30)
    until(lambda: explorer.view["where"]["symbol"] == "kmain", 10, "the explorer")
    explorer.ask("run", goal="end")
    explorer.wait(30)
    until(lambda: view.view["where"]["stopped"] == "finished exit 0", 10, "the view")
    until(lambda: "hello" in console.view["text"], 10, "the console")
    for widget in widgets:
        assert widget.status["error"] == ""
        widget.close()
    assert session.keyboard.listener is None


def test_one_moves_the_session_at_a_time() -> None:
    """A second widget waits for its turn, can give up, and has it when the first is stopped."""
    session = vlab.session("syscall", mode="fullvirt", n=10_000_000)
    first, second = MachineView(session), MachineView(session)
    assert first.wait(10)
    assert second.wait(10)
    first.ask("run")
    until(lambda: first._running is not None, 5, "the run")
    second.ask("step")
    assert not second.wait(0.3)
    second.ask("stop")
    assert second.wait(2)
    assert "another widget" in second.status["error"]
    second.ask("step")
    first.ask("stop")
    assert first.wait(5)
    assert second.wait(5)
    assert second.status["error"] == ""
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("memwalkk",), {}, "did you mean 'memwalk'"),
        (("memwalk",), {"mode": "fast"}, "unknown mode"),
        (("memwalk",), {"mode": "simulate"}, "executes no guest"),
        (("memwalk",), {"page": 3}, "did you mean 'pages'"),
    ],
)
@pytest.mark.parametrize("kind", [MachineView, PageWalkExplorer, Console])
def test_what_cannot_be_opened_fails_in_the_cell(kind, arguments, options, message) -> None:
    """A misspelt workload, mode or parameter raises where it was written."""
    with pytest.raises(vlab.VlabError, match=message):
        kind(*arguments, **options)


def test_a_machine_that_cannot_be_built_says_so_in_the_picture_too() -> None:
    """What only opening tells is the widget's error line, and stands in its picture."""
    widget = MachineView("hello", set={"tlb_entries": 3})
    data, _ = widget._repr_mimebundle_()
    assert "tlb_entries=3" in widget.status["error"]
    assert "tlb_entries=3" in data["text/html"]
    widget.close()


def test_a_cells_source_is_shown() -> None:
    """Stepping through a cell's program shows its own lines."""
    runs = vlab.guest_cell("li a0, 1\nli a1, 2\nadd a2, a0, a1", "fullvirt")
    widget = MachineView(runs.session("fullvirt"))
    widget.ask("until", place="cell")
    for line in (1, 2, 3):
        assert widget.wait(10)
        source = widget.view["source"]
        assert (source["file"], source["line"]) == ("cell", line)
        assert source["lines"][0] == (1, "li a0, 1")
        widget.ask("step")
    widget.close()


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are POSIX")
def test_control_c_ends_a_guest_in_a_cell() -> None:
    """An endless cell is interrupted within a second, and what was counted is kept."""
    began = time.monotonic()
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    runs = vlab.guest_cell("again: j again", "native,fullvirt", max_instructions=1 << 60)
    assert time.monotonic() - began < 2
    assert runs.traps == {"native": "interrupted in line 1"}
    assert runs.runs[0].counters_total.retired > 1000


@pytest.mark.slow
def test_in_the_browser(notebook: OpenNotebook) -> None:
    """Two widgets in two cells show one machine; an endless cell shows progress and stops."""
    notebook.open(
        "import vlab\ns = vlab.session('hello', mode='fullvirt')",
        "vlab.widgets.MachineView(s)",
        "vlab.widgets.PageWalkExplorer(s)",
        "%load_ext vlab",
    ).run()
    view, explorer = notebook.widget("MachineView"), notebook.widget("PageWalkExplorer")
    before = explorer.generation
    with view.change():
        view.root.get_by_role("button", name="Measured part").click()
    explorer.settled(before)
    assert "mark 1" in explorer.text(".pw-where")
    notebook.check()


@pytest.mark.slow
def test_an_endless_cell_in_the_browser(notebook: OpenNotebook) -> None:
    """A guest in a cell tells how far it is, and ■ interrupts it."""
    endless = f"%%guest --limit {1 << 60}\nagain: j again"
    notebook.open("%load_ext vlab", endless)
    do = "(name) => { window.jupyterapp.commands.execute(name); }"
    notebook.page.evaluate(do, "notebook:run-all-cells")
    output = notebook.page.locator(".jp-Cell").nth(1).locator(".jp-OutputArea")
    until(lambda: "instructions …" in output.inner_text(), 20, "progress")
    notebook.screenshot("guest-cell-progress")
    notebook.page.evaluate(do, "kernelmenu:interrupt")
    until(lambda: "interrupted in line 2" in output.inner_text(), 5, "the end")
    assert "instructions …" not in output.inner_text()
    notebook.check()
