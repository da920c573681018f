"""The mode race and the cost sliders, as widgets: outside a browser, and in a real JupyterLab."""

from __future__ import annotations

import time
from typing import Any

import pytest
from jupyter_browser import OnPage, OpenNotebook, until

import vlab
from vlab.errors import VlabError
from vlab.widgets.cost_sliders import CostSliders
from vlab.widgets.mode_race import ModeRace

TECHNIQUES = ("native", "emulate", "fullvirt", "paravirt")


def number(text: str) -> int:
    """Return a number that is shown with thousands set apart."""
    return int(text.replace(",", ""))


def output(notebook: OpenNotebook, nth: int) -> str:
    """Return what a cell has printed."""
    cell = notebook.page.locator(".jp-Notebook .jp-Cell").nth(nth)
    return str(cell.locator(".jp-OutputArea-output").first.inner_text()).strip()


# ---- Without a browser -----------------------------------------------------------------


def test_figures_from_a_cell_are_a_table_of_costs() -> None:
    """Setting figures gives a table, re-priced runs, and is refused if it is none."""
    sliders = CostSliders("hello")
    assert sliders.wait(30)
    assert sliders.view["exact"]
    sliders.figures = sliders.figures | {"exit": 123}
    assert sliders.costs["exit"] == 123
    changed = vlab.preset("teaching").replace(exit=123)
    for run in sliders.comparison.runs:
        assert run.cycles == vlab.price(run.counters, changed, run.technique)
    for wrong in ({"exit": -1}, {"exit": 1.5}, {"no such cost": 3}):
        with pytest.raises(VlabError):
            sliders.figures = wrong
    assert sliders.costs["exit"] == 123
    assert any("fullvirt" in line and "exit" not in line for line in sliders.describe())
    sliders.close()


def test_the_stored_picture_is_a_figure_of_what_is_shown() -> None:
    """Where no widget runs there is a figure, with the numbers that the widget has now."""
    sliders = CostSliders("syscall", n=20)
    assert sliders.wait(30)
    titles = []
    for cost in (100, 5000):
        sliders.figures = sliders.figures | {"exit": cost}
        slowest = max(
            run.cycles.total / sliders.comparison.find(run.workload, "native").cycles.total
            for run in sliders.comparison.runs
            if run.mode == "fullvirt"
        )
        data, metadata = sliders._repr_mimebundle_()
        titles.append(metadata["image/png"]["alt"].split(". ")[0])
        assert f"{slowest:.3g}×" in metadata["image/png"]["alt"]
        assert "text/html" not in data
    assert titles[0] != titles[1]
    sliders.close()
    race = ModeRace("hello")
    assert race.wait(30)
    predicted = race.race.predicted() if race.race else {}
    alt = race._repr_mimebundle_()[1]["image/png"]["alt"]
    assert predicted
    assert all(f"{n:,}" in alt for n in predicted.values())
    race.close()


def test_a_race_can_be_stopped_and_played_on() -> None:
    """Stop pauses within a moment; played on, the race ends with the numbers of `vlab.run`."""
    race = ModeRace("syscall", seconds=4, n=400)
    assert race.wait(30)
    race.ask("play")
    until(lambda: race.view["frame"]["time"] > 0, 10, "the race")
    began = time.monotonic()
    race.ask("stop")
    assert race.wait(1)
    assert time.monotonic() - began < 1
    assert not race.view["frame"]["over"]
    race.ask("speed", seconds=1)
    race.ask("play")
    assert race.wait(30)
    assert race.view["frame"]["over"]
    for result in race.comparison.measured:
        assert result.counters == vlab.run("syscall", result.mode, n=400).counters
    assert len(race.describe()) == 1 + len(TECHNIQUES)
    race.close()


def test_a_race_is_run_by_a_clock_that_ticks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a frame takes no time by the host's clock the race goes on, and is over."""
    clock = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: clock() // 0.05 * 0.05)
    race = ModeRace("hello", seconds=1)
    assert race.wait(30)
    race.ask("play")
    assert race.wait(30)
    assert race.view["frame"]["over"]
    race.close()


def test_a_frame_that_takes_too_long_is_cut_where_all_are_at_equal_time() -> None:
    """Behind its deadline a frame goes on for a part of its way only, and nobody is left behind."""
    widget = ModeRace("syscall", n=50)
    assert widget.wait(30)
    race, way = widget.race, 20_000
    assert race is not None
    widget._playing = True
    assert 0 < widget._go(way, deadline=0) <= way // 2
    assert race.behind() == []
    assert widget._go(way, deadline=time.perf_counter() + 60) >= way
    assert race.behind() == []
    widget.close()


def test_another_workload_can_be_raced() -> None:
    """Choosing begins anew, without the parameters of the workload before but with the options."""
    race = ModeRace("syscall", ["native", "paravirt"], n=400, seed=3)
    assert race.wait(30)
    race.ask("choose", workload="hello")
    assert race.wait(30)
    assert race.view["workload"] == "hello"
    assert race.view["frame"]["time"] == 0
    assert race.options == {"seed": 3}
    race.ask("choose", workload="no such workload")
    assert race.wait(30)
    assert "no such workload" in race.status["error"]
    assert race.view["workload"] == race.workload == "hello"
    race.close()


@pytest.mark.parametrize("make", [ModeRace, CostSliders])
def test_preparing_can_be_stopped(make: Any) -> None:
    """A long run before the first picture ends with the stop button, and the widget says so."""
    widget = make("syscall", n=10_000_000)
    until(lambda: widget.status["busy"], 10, "the run")
    time.sleep(0.3)
    widget.ask("stop")
    assert widget.wait(2)
    assert widget.status["error"].startswith("stopped")
    widget.close()


def test_a_comparison_is_shown_with_the_costs_that_it_was_made_with() -> None:
    """Sliders begin at the preset of the comparison, so that they agree with its cycles."""
    comparison = vlab.compare("hello", TECHNIQUES, costs="xeon-2006")
    sliders = CostSliders(comparison)
    assert sliders.wait(10)
    assert sliders.costs == vlab.preset("xeon-2006")
    assert [run.cycles for run in sliders.comparison.runs] == [
        run.cycles for run in comparison.runs
    ]
    sliders.close()


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"seconds": "fast"}, {"modes": ["simulate"]}])
def test_a_race_that_cannot_be_is_refused_at_once(wrong: dict[str, Any]) -> None:
    """What does not fit raises in the cell, before anything runs."""
    with pytest.raises(VlabError):
        ModeRace("hello", **wrong)


# ---- In the browser -----------------------------------------------------------------------


def shown_cycles(sliders: OnPage) -> dict[tuple[str, str], list[int]]:
    """Return the rows of the table of numbers: cycles by category, and the total."""
    rows = {}
    for row in sliders.root.locator("tr[data-run]").all():
        workload, mode = str(row.get_attribute("data-run")).split()
        rows[workload, mode] = [number(text) for text in row.locator("td").all_inner_texts()[1:]]
    return rows


def drawn(sliders: OnPage) -> int:
    return int(sliders.root.get_attribute("data-drawn") or 0)


@pytest.mark.slow
def test_cost_sliders_in_the_browser(notebook: OpenNotebook) -> None:
    """Sliders, numbers and presets re-price every run in under 100 ms, by keyboard alone."""
    notebook.open(
        "import vlab.widgets\nsliders = vlab.widgets.CostSliders(['mixed', 'syscall'])\nsliders",
        "print(sliders.costs['exit'], sliders.costs['exit.csr'], sliders.costs['trap_entry'])",
    ).run()
    page, sliders = notebook.page, notebook.widget("CostSliders")
    runs = {
        (w, m): vlab.run(w, m, clock="retired") for w in ("mixed", "syscall") for m in TECHNIQUES
    }

    def agrees(costs: vlab.Costs) -> None:
        rows = shown_cycles(sliders)
        assert set(rows) == set(runs)
        for key, cells in rows.items():
            cycles = vlab.price(runs[key].counters, costs, key[1])
            assert cells == [*cycles.by_category.values(), cycles.total]
            assert sum(cells[:-1]) == cells[-1]

    sliders.root.locator(".numbers summary").focus()
    page.keyboard.press("Enter")
    table = vlab.preset("teaching")
    until(lambda: bool(shown_cycles(sliders)), 5, "the table")
    agrees(table)
    assert sliders.root.locator("[data-cost]").count() == len(table.rows)
    notebook.screenshot("cost-sliders-teaching", sliders)

    slider = sliders.root.locator("[data-cost='exit']")
    slider.focus()
    latencies = []
    for _ in range(12):
        before = drawn(sliders)
        page.keyboard.press("ArrowLeft")
        until(lambda before=before: drawn(sliders) > before, 5, "the figures")
        latencies.append(float(sliders.root.get_attribute("data-latency") or 1e9))
    assert sorted(latencies)[len(latencies) // 2] < 100
    value = number(sliders.root.locator("[data-number='exit']").input_value())
    assert value < table["exit"]
    agrees(table.replace(exit=value))

    typed = sliders.root.locator("[data-number='exit.csr']")
    typed.focus()
    page.keyboard.press("Control+A")
    before = drawn(sliders)
    page.keyboard.type("7")
    until(lambda: drawn(sliders) > before, 5, "the figures")
    agrees(table.replace(exit=value, exit__csr=7))
    assert "set by hand" in sliders.text("[id$='-exit.csr-source']")
    page.keyboard.type("-")
    assert typed.get_attribute("aria-invalid") == "true"
    notebook.screenshot("cost-sliders-moved", sliders)

    sliders.root.locator(
        "[role=radio][aria-checked=true], [role=radio][tabindex='0']"
    ).first.focus()
    before = drawn(sliders)
    page.keyboard.press("ArrowRight")
    until(lambda: drawn(sliders) > before, 5, "the figures")
    agrees(vlab.preset("xeon-2006"))
    assert "Merom" in sliders.text("[id$='-exit-source']")
    notebook.screenshot("cost-sliders-xeon", sliders)

    time.sleep(0.5)
    notebook.rerun(1)
    xeon = vlab.preset("xeon-2006")
    assert output(notebook, 1) == f"{xeon['exit']} {xeon['exit.csr']} {xeon['trap_entry']}"

    notebook.rerun(0)
    notebook.widget("CostSliders")
    assert page.locator("section.vlab-CostSliders").count() == 1
    notebook.check()


COUNT_UPDATES = """(root) => {
  window.updates = [];
  new MutationObserver(() => window.updates.push(performance.now()))
    .observe(root, { attributes: true, attributeFilter: ["data-time"] });
}"""


@pytest.mark.slow
def test_the_race_in_the_browser(notebook: OpenNotebook) -> None:
    """Played, paused, stepped by keyboard; the lanes end with the numbers of `vlab.run`."""
    notebook.open(
        "import vlab.widgets\nrace = vlab.widgets.ModeRace('mixed', seconds=6)\nrace",
        "print(race.view.get('frame', {}).get('time'))",
    ).run()
    page, race = notebook.page, notebook.widget("ModeRace")

    def at() -> int:
        return int(race.root.get_attribute("data-time") or 0)

    step = race.root.get_by_role("button", name="Step")
    with race.change():
        step.focus()
        page.keyboard.press("Enter")
    first = at()
    assert first > 0
    notebook.screenshot("mode-race-step", race)

    race.root.evaluate(COUNT_UPDATES)
    play = race.root.locator(".play")
    play.focus()
    page.keyboard.press("Enter")
    until(lambda: at() > 3 * first, 20, "the race")
    time.sleep(1.5)
    notebook.screenshot("mode-race-playing", race)
    page.keyboard.press("Enter")
    race.settled()
    paused = at()
    stamps = page.evaluate("window.updates")
    assert len(stamps) / ((stamps[-1] - stamps[0]) / 1000) >= 5
    notebook.rerun(1)
    assert output(notebook, 1) == str(paused) == str(at())

    speed = race.root.locator("[data-key=speed]")
    speed.focus()
    page.keyboard.press("End")
    assert "1.0 s" in race.text(".speed")
    play.focus()
    page.keyboard.press("Enter")
    until(
        lambda: race.root.locator("[role=progressbar][aria-valuenow='100']").count() == 4, 60, "all"
    )
    race.settled()
    notebook.screenshot("mode-race-over", race)
    for mode in TECHNIQUES:
        result, lane = vlab.run("mixed", mode), race.root.locator(f"[data-mode={mode}]")
        counters = result.counters
        assert number(lane.locator(".finish b").inner_text()) == result.cycles.total
        exits = lane.locator(".exits b").inner_text()
        assert (0 if exits == "none" else number(exits)) == counters.exits
        traps = lane.locator(".exits span").inner_text().split()[0]
        assert number(traps) == counters.traps + counters.interrupts
        walks = lane.locator(".translation span").inner_text().split()[0]
        assert number(walks) == counters.walk_references
        parts = lane.locator("rect[data-category]").all()
        cycles = {
            p.get_attribute("data-category"): int(p.get_attribute("data-cycles")) for p in parts
        }
        assert cycles == {name: n for name, n in result.cycles.by_category.items() if n}
    with race.change():
        race.root.get_by_role("button", name="Again").click()
    assert at() == 0
    with race.change():
        race.root.get_by_label("Workload").select_option("pagefault")
    assert race.text(".finding").startswith("pagefault")
    notebook.check()
