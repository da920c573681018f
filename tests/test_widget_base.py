"""What every widget keeps: order, stopping, errors, pictures, the end of the one before."""

from __future__ import annotations

import base64
import threading
import time

import pytest
from jupyter_browser import OpenNotebook, until
from probe_widget import Probe, ask_all, path

from vlab.widgets import lifecycle


@pytest.fixture
def probe() -> Probe:
    """A widget outside any notebook."""
    widget = Probe()
    yield widget
    widget.close()


def test_requests_are_carried_out_in_order(probe: Probe) -> None:
    """Requests are done one after the other, off the main thread, each with a generation."""
    before = probe.status["generation"]
    ask_all(probe, "count", "count", "count")
    assert probe.view["count"] == 3
    assert probe.status["generation"] >= before + 3
    assert not probe.status["busy"]


def test_stop_ends_long_work_and_forgets_the_rest(probe: Probe) -> None:
    """Stop ends what is under way within a second, and what waits is not begun."""
    probe.ask("long")
    probe.ask("count")
    until(lambda: probe.status["busy"], 5, "the work")
    probe.ask("stop")
    assert probe.wait(1)
    assert probe.count == 0
    ask_all(probe, "count")
    assert probe.view["count"] == 1


@pytest.mark.parametrize(
    ("what", "shown"),
    [("rule", "tlb_ways=3: must be a power of two"), ("bug", "KeyError: 3")],
)
def test_an_error_is_one_line_in_the_widget(probe: Probe, what: str, shown: str) -> None:
    """What a request raises is shown, and gone with the next request."""
    probe.ask("fail", what=what)
    assert probe.wait(5)
    assert probe.status["error"] == shown
    ask_all(probe, "count")
    assert probe.status["error"] == ""


def test_nonsense_from_the_page_is_an_error_and_no_more(probe: Probe) -> None:
    """An unknown request, fields that do not fit, or no request at all break nothing."""
    for content in ({"do": "explode"}, {"do": "count", "x": 1}, {}, None, {"do": 3}):
        probe._asked(probe, content, [])
        assert probe.wait(5)
        assert probe.status["error"]
    ask_all(probe, "count")
    assert probe.status["error"] == ""


def test_only_the_last_of_hurried_requests_is_carried_out(probe: Probe) -> None:
    """Of requests with the same key those that still wait give way to the last."""
    done: list[int] = []
    go = threading.Event()
    probe.work(lambda: go.wait(5) and None)
    for n in range(5):
        probe.work(lambda n=n: done.append(n), key="slider")
    go.set()
    assert probe.wait(5)
    assert done == [4]


def test_a_closed_widget_leaves_no_thread(probe: Probe) -> None:
    """Closing interrupts the work and ends the thread."""
    probe.ask("long")
    until(lambda: probe.status["busy"], 5, "the work")
    thread = probe._worker.thread
    probe.close()
    thread.join(2)
    assert not thread.is_alive()


def test_running_a_cell_again_closes_what_it_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell's widgets of another execution are closed; those of other cells stay."""
    cells = iter([("a", "1"), ("b", "2"), ("a", "3"), ("a", "3")])
    monkeypatch.setattr(lifecycle, "current_cell", lambda: next(cells))
    first, other, again, second = Probe(), Probe(), Probe(), Probe()
    closed = [w._worker.closed for w in (first, other, again, second)]
    assert closed == [True, False, False, False]
    for widget in (other, again, second):
        widget.close()


def test_a_picture_stands_for_the_widget(probe: Probe) -> None:
    """The stored output has text, HTML and a PNG beside the live view."""
    ask_all(probe, "count")
    data, metadata = probe._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "counted to 1" in data["text/html"]
    assert "counted to 1" in data["text/plain"]
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == "Probe"


@pytest.mark.slow
def test_in_the_browser(notebook: OpenNotebook) -> None:
    """A widget answers clicks and keys, shows progress and errors, stops, and is replaced."""
    cell = f"import sys; sys.path.insert(0, {path()!r})\nfrom probe_widget import Probe\n"
    notebook.open(cell, "probe = Probe()\nprobe").run()
    probe = notebook.widget("Probe")
    with probe.change():
        probe.root.get_by_role("button", name="Count").click()
    assert probe.text(".out") == "1"
    with probe.change():
        notebook.page.keyboard.press("Enter")
    assert probe.text(".out") == "2"

    with probe.change():
        probe.root.get_by_role("button", name="Fail").click()
    assert probe.error == "tlb_ways=3: must be a power of two"
    notebook.screenshot("probe-error", probe)

    with probe.change():
        probe.root.get_by_role("button", name="Long").click()
        until(lambda: "going on" in probe.text(".vlab-progress-text"), 5, "progress")
        notebook.screenshot("probe-progress", probe)
        began = time.monotonic()
        probe.root.get_by_role("button", name="Stop").click()
    assert time.monotonic() - began < 5
    assert probe.text(".out") == "-1"

    notebook.rerun(1)
    probe = notebook.widget("Probe")
    assert probe.text(".out") == "0"
    notebook.check()


@pytest.mark.slow
def test_a_failed_cell_or_an_error_on_the_console_fails_a_test(notebook: OpenNotebook) -> None:
    """What went wrong in the page cannot be overlooked: the check of every test raises."""
    notebook.open("1 + 1", "1 / 0").check()
    notebook.page.evaluate("console.error('planted')")
    with pytest.raises(AssertionError, match="planted"):
        notebook.check()
    notebook.errors.clear()
    notebook.page.evaluate("setTimeout(() => { throw new Error('thrown') })")
    notebook.page.wait_for_timeout(300)
    with pytest.raises(AssertionError, match="uncaught: thrown"):
        notebook.check()
    notebook.errors.clear()
    notebook.check()
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        notebook.run()
