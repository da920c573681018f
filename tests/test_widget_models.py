"""What the widgets show, tested without a browser: the race, the timeline, costs applied again."""

from __future__ import annotations

import random

import pytest

import vlab
from vlab.errors import VlabError
from vlab.widgets.exit_details import details, handler_source, sentence
from vlab.widgets.race import Race
from vlab.widgets.repricing import GROUPS, Repricing
from vlab.widgets.timeline import Timeline

TECHNIQUES = ("native", "emulate", "fullvirt", "paravirt")


def same(result: vlab.Result, other: vlab.Result) -> None:
    """Assert that two runs counted and cost the same."""
    for name in ("counters", "counters_total", "cycles", "cycles_total", "console", "exit_code"):
        assert getattr(result, name) == getattr(other, name), name


# ---- The race ---------------------------------------------------------------------


@pytest.mark.parametrize("step", [3_000, 250_000, 1 << 40])
def test_a_race_ends_with_the_numbers_of_run(step: int) -> None:
    """However a race is cut into slices, each racer ends as `vlab.run` does, to the last count."""
    race = Race("forktree", depth=2)
    while not race.over:
        race.advance(step)
    for mode in TECHNIQUES:
        result = race.racers[mode].result
        assert result is not None
        same(result, vlab.run("forktree", mode, depth=2))


def test_racers_are_seen_at_the_same_time() -> None:
    """After each step every racer has used the race's time, and gone little beyond it."""
    race = Race("mixed", ["native", "fullvirt", "paravirt"])
    for _ in range(20):
        race.advance(race.length // 50)
        for racer in race.racers.values():
            assert racer.arrived or race.time <= racer.time < race.time + race.length // 50
            assert racer.work <= race.finish


@pytest.mark.parametrize("workload", ["hello", "ctxswitch", "ptemod", "diskvirtio", "timer"])
def test_progress_is_useful_work(workload: str) -> None:
    """The finish is the same number of user instructions for everybody, and all reach it."""
    race = Race(workload)
    race.advance(1 << 40)
    lanes = race.frame()["lanes"]
    assert [lane["work"] for lane in lanes] == [race.finish] * len(TECHNIQUES)
    assert all(lane["progress"] == 1 and lane["over"] for lane in lanes)
    for lane in lanes:
        native = race.rehearsal.cycles.total
        assert lane["throughput"] == pytest.approx(native / lane["time"])
        assert sum(lane["cycles"].values()) == lane["time"]


def test_throughput_is_relative_to_native_at_the_same_work() -> None:
    """Under way, throughput is the time of `native` at the same work over the mode's own."""
    race = Race("mixed")
    for _ in range(8):
        race.advance(race.length // 100)
    native = race.racers["native"]
    assert not native.arrived
    for lane in race.frame()["lanes"]:
        if lane["mode"] == "native":
            assert lane["throughput"] == 1
        elif lane["work"]:
            alone = native.when(lane["work"])
            assert lane["throughput"] == pytest.approx(alone / lane["time"], rel=0.1)
            assert lane["throughput"] < 1


def test_a_race_needs_somebody_who_runs() -> None:
    """`simulate` alone executes nothing and cannot race; unknown modes are refused."""
    for modes in (["simulate"], [], ["fullvrt"]):
        with pytest.raises(VlabError):
            Race("hello", modes)


# ---- Costs applied again ------------------------------------------------------------


def test_priced_again_is_priced() -> None:
    """Counts times any table of costs is what `vlab.price` says, category by category."""
    comparison = vlab.compare(["syscall", "forktree"], TECHNIQUES)
    repricing = Repricing(comparison)
    table = vlab.preset("teaching")
    for seed in range(5):
        rng = random.Random(seed)
        changed = table.replace(
            **{row.name.replace(".", "__"): rng.randrange(20_000) for row in table.rows}
        )
        for run, cycles in zip(repricing.runs, repricing.cycles(changed), strict=True):
            assert cycles == vlab.price(run.counters, changed, run.technique).by_category


def test_under_a_clock_of_instructions_priced_again_is_run_again() -> None:
    """With ``clock="retired"`` a run with other costs has the very cycles that pricing gives."""
    comparison = vlab.compare("syscall", TECHNIQUES, clock="retired")
    repricing = Repricing(comparison)
    assert repricing.exact
    changed = vlab.preset("xeon-2006").replace(exit=77, pv_exit=5000, trap_entry=9)
    for run, cycles in zip(repricing.runs, repricing.cycles(changed), strict=True):
        again = vlab.run("syscall", run.mode, clock="retired", costs=changed)
        assert cycles == again.cycles.by_category
    assert not Repricing(vlab.compare("hello", "native")).exact


def test_every_cost_is_offered_with_its_source() -> None:
    """All entries of the table are there, with unit, sentence, group, and presets with sources."""
    data = Repricing(vlab.compare("hello", "native")).to_dict()
    table = vlab.preset("teaching")
    assert [row["name"] for row in data["costs"]] == [row.name for row in table.rows]
    for row in data["costs"]:
        assert row["group"] in GROUPS
        for figures in data["presets"].values():
            assert figures[row["name"]][1]


# ---- The timeline of exits ------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fullvirt", "paravirt"])
def test_the_timeline_agrees_with_the_counters(mode: str) -> None:
    """Exits by reason, and the cycles of traps and monitor, are those of the run's counters."""
    recording = vlab.record("forktree", mode, depth=2)
    assert recording.result is not None
    rows = Timeline(recording).totals()
    run = vlab.run("forktree", mode, depth=2)
    assert {r["reason"]: r["exits"] for r in rows} == dict(run.counters_total.exits_by_reason)
    measured = {r["reason"]: r["measured"] for r in rows if r["measured"]}
    assert measured == dict(run.counters.exits_by_reason)
    outside = Timeline(recording).outside()
    for category in ("trap", "monitor"):
        spent = sum(r["cycles"].get(category, 0) for r in rows)
        assert spent + outside[category] == run.cycles_total.by_category[category]
    assert outside["trap"] == 0


def test_columns_hold_all_the_time_spent_in_exits() -> None:
    """Shares of stretches, times their width, add up to the cycles of the exits, zoomed or not."""
    timeline = Timeline(vlab.record("hello", "fullvirt"))
    whole = (0.0, timeline.end)
    part = (timeline.end / 3, timeline.end / 2)
    for span in (whole, part):
        width = (span[1] - span[0]) / 50
        columns = timeline.columns(50, span=span)
        for n, reason in enumerate(timeline.reasons):
            spent = sum(
                max(0.0, min(b + c, span[1]) - max(b, span[0]))
                for b, c, why in zip(timeline.begin, timeline.cost, timeline.why, strict=True)
                if why == n
            )
            assert sum(columns[reason]) * width == pytest.approx(spent)


def test_a_recording_with_exits_left_out_still_counts_them() -> None:
    """Exits that were not kept are in the totals, and the timeline says where it begins."""
    recording = vlab.record("hello", "fullvirt", maximum=50)
    timeline = Timeline(recording)
    assert len(timeline) == 50
    assert timeline.first == recording.total - 50
    assert sum(row["exits"] for row in timeline.totals()) == recording.total


def test_details_of_an_exit() -> None:
    """An exit's details name its instruction, what was read and written, and every changed word."""
    recording = vlab.record("hello", "fullvirt")
    for place, row in enumerate(recording):
        seen = details(recording, place)
        assert seen["total"] == sum(seen["cycles"].values()) == row.total_cycles
        assert {c["word"] for c in seen["changes"]} == set(row.changes)
        current = [line for line in seen["code"] if line["current"]]
        assert len(current) == 1
        assert current[0]["address"] == f"{row.pc:x}"
        assert len(seen["accesses"]) == len(row.accesses)
        if row.symbol:
            assert seen["source"]["file"].startswith("kernel/")
        assert f"{row.index:,}" in sentence(recording, place)
    with pytest.raises(VlabError, match="must be a place"):
        details(recording, len(recording))


def test_the_source_of_a_handler_is_that_of_the_monitor_that_ran() -> None:
    """A handler of one's own is shown, not the stock one; what did not run is refused."""

    class Mine(vlab.FullVirt):
        def on_ecall(self) -> None:
            return super().on_ecall()  # of one's own

    recording = vlab.record("hello", "fullvirt", monitor=Mine)
    assert "# of one's own" in handler_source(recording, "on_ecall")["text"]
    assert "def on_trap(" in handler_source(recording, "on_trap")["text"]
    with pytest.raises(VlabError, match="did not run"):
        handler_source(recording, "__init__")
