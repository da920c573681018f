"""The trap microscope, as a widget: outside a browser, and in a real JupyterLab."""

from __future__ import annotations

import struct
import time

import pytest
from jupyter_browser import OnPage, OpenNotebook, until

import vlab
from vlab.errors import VlabError
from vlab.widgets.trap_microscope import TrapMicroscope


def number(text: str) -> int:
    """Return a number that is shown with thousands set apart."""
    return int(text.replace(",", "") or 0)


# ---- Without a browser -----------------------------------------------------------------


def test_the_columns_are_those_of_the_recording() -> None:
    """What is sent to the page is begin, cost, symbol and reason of every exit, exactly."""
    recording = vlab.record("hello", "fullvirt")
    widget = TrapMicroscope(recording)
    assert widget.wait(20)
    n, view = len(recording), widget.view
    begin = struct.unpack_from(f"={n}d", widget.columns)
    cost = struct.unpack_from(f"={n}d", widget.columns, 8 * n)
    why = struct.unpack_from(f"={n}B", widget.columns, 18 * n)
    assert len(widget.columns) == 19 * n
    assert [row.cycle for row in recording] == list(begin)
    assert [row.total_cycles for row in recording] == list(cost)
    assert [row.reason for row in recording] == [view["reasons"][k] for k in why]
    first, behind = view["measured"]
    assert [recording[k].index for k in range(first, behind)] == list(recording.measured)
    widget.close()


def test_a_selected_exit_is_there_in_python() -> None:
    """Selecting shows details, and the exit is the recording's; nonsense is one line."""
    widget = TrapMicroscope("hello")
    assert widget.wait(30)
    assert widget.exit is None
    widget.ask("select", place=7)
    assert widget.wait(5)
    assert widget.exit is widget.recording[7]
    assert widget.view["selected"]["index"] == widget.recording[7].index
    widget.look(9)
    assert widget.wait(5)
    assert widget.exit is widget.recording[9]
    for wrong_index in (-1, 10**9, "x"):
        with pytest.raises(VlabError, match="must be from 0"):
            widget.look(wrong_index)
    name = widget.recording[7].handlers[0]
    widget.ask("source", name=name)
    assert widget.wait(5)
    assert f"def {name}(" in widget.view["source"]["text"]
    for wrong in ({"do": "select", "place": 10**9}, {"do": "select", "place": "x"},
                  {"do": "source", "name": "run"}):  # fmt: skip
        widget.ask(**wrong)
        assert widget.wait(5)
        assert widget.status["error"]
    assert any("csr" in line for line in widget.describe())
    widget.close()


def test_a_recording_can_be_stopped() -> None:
    """Stop ends the recording, and what was recorded so far is shown."""
    widget = TrapMicroscope("syscall", n=200_000)
    until(lambda: widget.status["busy"], 10, "the recording")
    time.sleep(0.3)
    began = time.monotonic()
    widget.ask("stop")
    assert widget.wait(2)
    assert time.monotonic() - began < 2
    assert widget.view["outcome"] == "interrupted"
    assert 0 < widget.view["total"] < 60_000
    widget.close()


def test_a_workload_that_does_not_exist_is_refused_at_once() -> None:
    """What does not fit raises in the cell."""
    with pytest.raises(VlabError):
        TrapMicroscope("no such workload")
    with pytest.raises(VlabError):
        TrapMicroscope("hello", "simulate")


# ---- In the browser -----------------------------------------------------------------------


def shown_totals(widget: OnPage) -> dict[str, list[int]]:
    """Return the table of numbers, by reason."""
    return {
        str(row.get_attribute("data-total")): [
            number(text) for text in row.locator("td").all_inner_texts()
        ]
        for row in widget.root.locator("tr[data-total]").all()
    }


def attribute(widget: OnPage, name: str) -> int:
    return int(float(widget.root.get_attribute(f"data-{name}") or 0))


@pytest.mark.slow
def test_the_microscope_in_the_browser(notebook: OpenNotebook) -> None:
    """Totals agree with the counters; exits are chosen by key and click, and shown in full."""
    notebook.open(
        "import vlab.widgets\nmicroscope = vlab.widgets.TrapMicroscope('mixed')\nmicroscope",
        "row = microscope.exit\nprint(row and f'{row.index} {row.reason} {row.pc}')",
        "if microscope.exit:\n    microscope.look(77)",
    ).run()
    page, widget = notebook.page, notebook.widget("TrapMicroscope")
    recording = vlab.record("mixed", "fullvirt")
    run = vlab.run("mixed", "fullvirt")
    until(lambda: attribute(widget, "drawn") > 0, 10, "the picture")
    notebook.screenshot("microscope-all", widget)

    widget.root.locator(".numbers summary").focus()
    page.keyboard.press("Enter")
    totals = shown_totals(widget)
    reasons = run.counters_total.exits_by_reason
    assert {name: row[0] for name, row in totals.items() if name in reasons} == dict(reasons)
    measured = {name: row[1] for name, row in totals.items() if name in reasons and row[1]}
    assert measured == dict(run.counters.exits_by_reason)
    heads = widget.texts(".numbers thead th")
    for category, title in (("trap", "trap entry and exit"), ("monitor", "monitor")):
        shown = totals["all"][heads.index(title) - 1]
        assert shown == run.cycles_total.by_category[category]
    assert totals["all"][0] == run.counters_total.exits == attribute(widget, "in-view")
    page.keyboard.press("Enter")

    lanes = widget.root.locator("canvas.lanes")

    def press(key: str, times: int = 1) -> None:
        for _ in range(times):
            before = attribute(widget, "drawn")
            page.keyboard.press(key)
            until(lambda before=before: attribute(widget, "drawn") > before, 5, f"key {key}")

    def chosen() -> int:
        place = attribute(widget, "selected")
        until(lambda: attribute(widget, "detailed") == place, 10, "the details")
        return place

    lanes.focus()
    press("Home")
    press("ArrowRight", 3)
    assert chosen() == 3
    press("ArrowDown")
    place = chosen()
    assert recording[place].reason != recording[3].reason
    press("+", 12)
    assert attribute(widget, "in-view") < 40
    assert float(widget.root.get_attribute("data-latency") or 1e9) < 100
    shown = widget.root.locator(".panel")
    row = recording[place]
    assert f"#{row.index:,}" in shown.inner_text()
    assert widget.text(".panel .total") == f"{row.total_cycles:,}"
    assert widget.texts(".panel .chip") == list(row.handlers)
    words = [r.get_attribute("data-word") for r in shown.locator("[data-word]").all()]
    assert words == list(row.changes)
    for r in shown.locator("[data-word]").all():
        before, after = row.changes[str(r.get_attribute("data-word"))]
        texts = [t.split("\n")[0] for t in r.locator("td").all_inner_texts()]
        assert texts == [f"{before:016x}", f"{after:016x}"]
    notebook.screenshot("microscope-one", widget)

    press("0")
    widget.root.locator("[data-key=region]").click()
    box = lanes.bounding_box()
    assert box is not None
    lane = widget_reasons(widget).index("pt_write")
    lanes.click(position={"x": box["width"] * 0.3, "y": 26 * lane + 13})
    place = chosen()
    assert recording[place].reason == "pt_write"
    source = widget.text(".panel .exit-columns")
    assert "kernel/" in source
    handler = widget.root.locator(".panel .chip").last
    handler.focus()
    page.keyboard.press("Enter")
    until(lambda: widget.root.locator(".panel .source pre").count() == 1, 5, "the source")
    assert "def on_" in widget.text(".panel .source pre")
    notebook.screenshot("microscope-source", widget)

    widget.root.locator("[data-reason=csr]").focus()
    before = attribute(widget, "in-view")
    page.keyboard.press("Enter")
    until(lambda: attribute(widget, "in-view") < before, 5, "the filter")
    lanes.focus()
    press("0")
    assert attribute(widget, "in-view") == run.counters_total.exits - reasons["csr"]
    notebook.screenshot("microscope-filtered", widget)

    field = widget.root.get_by_label("Exit", exact=True)
    field.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("5000")
    page.keyboard.press("Enter")
    until(lambda: attribute(widget, "selected") == 5000, 5, "the exit typed")
    place = chosen()
    assert f"#{recording[5000].index:,}" in widget.text(".panel")
    notebook.rerun(1)
    cell = page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".jp-OutputArea-output").first
    row = recording[place]
    assert cell.inner_text().strip() == f"{row.index} {row.reason} {row.pc}"
    notebook.rerun(2)
    until(lambda: attribute(widget, "detailed") == 77, 10, "the exit that a cell chose")
    assert attribute(widget, "selected") == 77
    notebook.rerun(0)
    notebook.widget("TrapMicroscope")
    assert page.locator("section.vlab-TrapMicroscope").count() == 1
    notebook.check()


def widget_reasons(widget: OnPage) -> list[str]:
    """Return the reasons in the order of their lanes."""
    rows = widget.root.locator("[data-reason]").all()
    return [str(row.get_attribute("data-reason")) for row in rows]
