"""Running and comparing: what results hold, and what is refused before anything runs."""

from __future__ import annotations

import json
from types import ModuleType

import pytest
from fakes import WORK

import vlab
from vlab.costs import preset, price
from vlab.counters import Counters
from vlab.errors import CostError, MachineError, ModeError, ParameterError, WorkloadError
from vlab.experiments import MODES, TECHNIQUES

pytestmark = pytest.mark.usefixtures("fake_machine")

PROMISED = [
    "workload",
    "mode",
    "params",
    "image_sha256",
    "exit_code",
    "console",
    "guest_instructions",
    "counters",
    "counters_total",
    "cycles",
    "cycles_total",
    "wall_s",
    "versions",
    "outcome",
    "crash",
]


def test_a_result_has_the_promised_fields() -> None:
    """The JSON of a run has every field that the command line promises, as plain data."""
    data = json.loads(vlab.run("hello", "fullvirt").to_json())
    assert set(PROMISED) <= set(data)
    assert "of" not in data
    assert data["params"] == {"n": 10}
    assert data["guest_instructions"] == data["counters"]["retired"]
    assert data["cycles"]["total"] == sum(data["cycles"]["by_category"].values())
    assert len(data["image_sha256"]) == 64


def test_a_prediction_says_of_what() -> None:
    """A simulate run names the mode that it predicts, and is charged its costs."""
    result = vlab.run("ptemod", "simulate", of="fullvirt")
    data = result.to_dict()
    assert (data["mode"], data["of"], data["image_sha256"]) == ("simulate", "fullvirt", None)
    again = price(Counters.from_dict(data["counters"]), preset("teaching"), "fullvirt")
    assert again.to_dict() == data["cycles"]


def test_parameters_reach_the_guest(fake_machine: ModuleType, monkeypatch) -> None:
    """Parameters, defaults included, are on the guest's command line after `run=`."""
    seen = []
    original = fake_machine.run_guest

    def spy(mode, **given):
        seen.append(given)
        return original(mode, **given)

    monkeypatch.setattr(fake_machine, "run_guest", spy)
    vlab.run("compute", n="0x20", seed=7, set={"memory": "32M", "tlb_entries": 16})
    assert seen[0]["bootargs"] == "seed=7 run=compute n=32"
    assert seen[0]["memory"] == 32 << 20
    assert seen[0]["options"] == {"tlb_entries": 16}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"workload": "computer"}, WorkloadError, "did you mean 'compute'"),
        ({"mode": "fulvirt"}, ModeError, "did you mean 'fullvirt'"),
        ({"mode": "xyz"}, ModeError, "choose from native, emulate"),
        ({"of": "native"}, ModeError, "only 'simulate' predicts"),
        ({"mode": "simulate", "of": "simulate"}, ModeError, "mode to predict 'simulate'"),
        ({"m": 1}, ParameterError, "unknown parameter of workload 'compute' 'm'"),
        ({"n": -1}, ParameterError, "n=-1: must be a whole number from 1 to 1000"),
        ({"n": 1001}, ParameterError, "from 1 to 1000"),
        ({"n": "many"}, ParameterError, "n='many'"),
        ({"n": 1.5}, ParameterError, "n=1.5"),
        ({"n": True}, ParameterError, "n=True"),
        ({"n": None}, ParameterError, "n=None"),
        ({"engine": "jit"}, MachineError, "unknown engine 'jit'"),
        ({"clock": "cycle"}, MachineError, "did you mean 'cycles'"),
        ({"costs": "teach"}, CostError, "did you mean 'teaching'"),
        ({"seed": -1}, MachineError, "seed=-1"),
        ({"max_instructions": 0}, MachineError, "max_instructions=0"),
        ({"set": {"memory": "-1M"}}, MachineError, "memory='-1M'"),
        ({"set": {"memory": "lots"}}, MachineError, "must be a size such as 64M"),
    ],
)
def test_bad_input_is_refused_in_one_line(given, error, message, fake_machine) -> None:
    """What does not exist or does not fit is refused, by name, before the machine is built."""
    fake_machine.run_guest = None  # would fail if anything ran
    with pytest.raises(error) as raised:
        vlab.run(**{"workload": "compute"} | given)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_compare_runs_every_mode_and_predicts_each() -> None:
    """By default every workload runs in four modes, and simulate predicts each of them."""
    comparison = vlab.compare()
    made = {(r.workload, r.mode, r.of) for r in comparison.runs}
    assert made == {
        (name, mode, of)
        for name in WORK
        for technique in TECHNIQUES
        for mode, of in ((technique, None), ("simulate", technique))
    }
    assert set(json.loads(comparison.to_json())) == {"runs"}


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        (["native"], [("native", None)]),
        (["simulate"], [("simulate", of) for of in TECHNIQUES]),
        ("fullvirt", [("fullvirt", None)]),
        (["simulate", "native", "native"], [("native", None), ("simulate", "native")]),
        (MODES, [(m, None) for m in TECHNIQUES] + [("simulate", of) for of in TECHNIQUES]),
    ],
)
def test_compare_predicts_what_it_measures(modes, expected) -> None:
    """simulate predicts the modes that were asked for, all of them if it is alone."""
    assert [(r.mode, r.of) for r in vlab.compare("hello", modes).runs] == expected


def test_compare_refuses_before_it_runs(fake_machine: ModuleType) -> None:
    """A wrong name anywhere is found before the first run."""
    fake_machine.run_guest = None
    with pytest.raises(WorkloadError, match="did you mean 'hello'"):
        vlab.compare(["compute", "helo"])
    with pytest.raises(ModeError):
        vlab.compare(["compute"], ["native", "xen"])


def test_the_frame_relates_runs_to_native_and_to_predictions() -> None:
    """Slowdown is relative to the same workload's native run; errors to the predicted run."""
    frame = vlab.compare().to_frame().set_index(["workload", "mode"])
    measured = frame[frame["of"].isna()]
    assert (measured.xs("native", level="mode")["slowdown"] == 1).all()
    full = measured.loc[("ptemod", "fullvirt")]
    assert full["slowdown"] == full["cycles"] / measured.loc[("ptemod", "native")]["cycles"]
    assert full["throughput"] == pytest.approx(1 / full["slowdown"])
    guess = frame[frame["of"] == "fullvirt"].loc[("ptemod", "simulate")]
    assert guess["cycles_error"] == pytest.approx(guess["cycles"] / full["cycles"] - 1)
    assert guess["exits_error"] == 0
    assert measured["cycles_error"].isna().all()
    categories = [c for c in frame.columns if c.startswith("cycles_") and not c.endswith("error")]
    assert (frame[categories].sum(axis=1) == frame["cycles"]).all()


def test_a_comparison_without_native_has_no_slowdown() -> None:
    """Without a baseline nothing is invented, and the table and figures still come out."""
    comparison = vlab.compare("hello", ["fullvirt"])
    assert comparison.to_frame()["slowdown"].isna().all()
    assert "fullvirt" in comparison.to_text()
    assert comparison.plot().alt


def test_the_text_table_shows_every_run_once() -> None:
    """One line a measured run, with the prediction's error beside it."""
    lines = vlab.compare().to_text().splitlines()
    rows = [line for line in lines[2:] if line]
    assert len(rows) == len(WORK) * len(TECHNIQUES)
    assert all("%" in row or "exact" in row for row in rows)
    assert max(map(len, lines)) < 120


def test_an_ending_that_is_not_success_shows(fake_machine: ModuleType, monkeypatch) -> None:
    """A limit reached, a crash and a guest's failure are visible in summary and table."""
    original = fake_machine.run_guest

    def limited(mode, **given):
        ended = original(mode, **given)
        ended.outcome, ended.exit_code = "limit", None
        return ended

    monkeypatch.setattr(fake_machine, "run_guest", limited)
    comparison = vlab.compare("hello", ["native"])
    assert "native (limit)" in comparison.to_text()
    assert "the instruction limit was reached" in comparison.runs[0].summary()


def test_html_escapes_what_the_guest_printed(fake_machine: ModuleType, monkeypatch) -> None:
    """A guest's output cannot become markup in a notebook."""
    original = fake_machine.run_guest

    def hostile(mode, **given):
        ended = original(mode, **given)
        ended.console = "<script>alert(1)</script>"
        return ended

    monkeypatch.setattr(fake_machine, "run_guest", hostile)
    assert "<script>" not in vlab.run("hello")._repr_html_()
