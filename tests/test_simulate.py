"""The simulation predicts the other modes, for parameters that it was not calibrated on."""

from __future__ import annotations

from typing import Any

import pytest

import vlab
from vlab.experiments.calibrate import fingerprint
from vlab.experiments.held_out import CALIBRATED, Case, cases, compare, error
from vlab.hardware import HardwareOptions
from vlab.simulation.behaviours import BEHAVIOURS
from vlab.simulation.model import constants
from vlab.simulation.timeline import Phases, Timeline
from vlab.simulation.tlb import CODE_PAGE, DATA_PAGE, Tlb, around_misses, misses_of
from vlab.simulation.variants import SCALES, weights

TECHNIQUES = ("native", "emulate", "fullvirt", "paravirt")
HELD_OUT: dict[str, tuple[dict[str, int], ...]] = {
    "compute": ({"n": 4}, {"n": 77}),
    "pagefault": ({"pages": 50}, {"pages": 7}),
    "ptemod": ({"rounds": 7, "pages": 100}, {"rounds": 20, "pages": 16, "populate": 1}),
    "memwalk": (
        {"pages": 70, "stride": 2048},
        {"pages": 82, "stride": 330, "rounds": 13},
        {"pages": 100, "stride": 2542, "rounds": 65},
        {"pages": 128, "rounds": 50, "random": 1},
    ),
    "forktree": ({"depth": 6, "fanout": 1}, {"depth": 2, "fanout": 3}),
    "diskpio": ({"n": 178, "chunk": 7},),
    "diskvirtio": ({"n": 64, "write": 1},),
    "console": ({"n": 100, "width": 60},),
    "timer": ({"n": 50, "work": 3000}, {"n": 50, "work": 50, "hz": 2000}),
    "mixed": ({"n": 13}, {"n": 60}),
}
"""Cases that were wrong once, or that a lecture is likely to show."""

SAMPLE = list(cases(seed=2024, each=1, most=0.1))


def check(case: Case, technique: str) -> None:
    """Hold a prediction against what it predicts."""
    assert not case.params or case.params not in CALIBRATED[case.workload]
    errors = compare(case, technique)
    assert errors.allowed, (case, errors)


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("workload", sorted(HELD_OUT))
def test_predictions_hold_for_other_parameters(workload: str, technique: str) -> None:
    """Exits and system calls are within 2 %, modelled cycles within 10 %."""
    for params in HELD_OUT[workload]:
        check(Case(workload, params, {}), technique)


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("case", SAMPLE, ids=[case.workload for case in SAMPLE])
def test_predictions_hold_for_parameters_drawn_at_random(case: Case, technique: str) -> None:
    """Nobody chose the parameters."""
    check(case, technique)


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize(
    "settings", [{"clock": "retired"}, {"costs": "xeon-2006"}, {"hz": 20}], ids=str
)
def test_predictions_hold_for_other_settings(settings: dict[str, Any], technique: str) -> None:
    """The clock, the prices and the timer's rate are not what the constants are of."""
    for workload, params in (("diskvirtio", {"n": 100}), ("timer", {"n": 30}), ("mixed", {"n": 9})):
        check(Case(workload, params, settings), technique)


def test_a_late_tick_moves_the_next_one_only_when_that_has_passed() -> None:
    """Ticks keep their rhythm until serving one takes longer than from one to the next."""
    phases = Phases(0, 10, 10, 10, 10, 20, 10, 50, 40)
    line = Timeline(1000, phases)
    line.round(2500)  # sleeps until 1000; ticks are due at 2000 and 3000
    assert (line.late, line.kernel_late) == (2, 0)
    assert line.now == 1000 + phases.wake + 2500 + 2 * phases.late
    assert line.next == 4000
    line.tick(duration=5000, setting=4000)
    assert line.next == 4000 + 4000 + 1000


def test_rounds_that_are_all_alike_are_not_followed_one_by_one() -> None:
    """Extrapolated rounds count what rounds followed one by one count."""
    phases = Phases(7, 10, 30, 10, 25, 20, 10, 50, 40)
    for work in (0, 300, 895, 920, 1700, 5000):
        one, all_at_once = Timeline(1000, phases), Timeline(1000, phases)
        for _ in range(60):
            one.round(work)
        all_at_once.rounds(60, work)
        assert (one.late, one.kernel_late) == (all_at_once.late, all_at_once.kernel_late), work
        assert one.idle == pytest.approx(all_at_once.idle), work


@pytest.mark.parametrize("ways", [1, 2, 4, 8])
def test_rounds_of_a_chain_recur(ways: int) -> None:
    """What is extrapolated from recurring TLB contents is what following every round counts."""
    pages = [DATA_PAGE + n for n in range(5 * ways)]
    one, all_at_once = Tlb(4 * ways, ways), Tlb(4 * ways, ways)
    followed = sum(misses_of(one, pages) for _ in range(500))
    assert around_misses(all_at_once, pages, 1, 500) == followed


def test_constants_are_of_the_present_images() -> None:
    """The recorded calibration is of the guest that is shipped."""
    assert constants()["images"] == fingerprint(), "run `python -m vlab.experiments.calibrate`"


def test_every_workload_has_a_behaviour() -> None:
    """Whatever can be run can be simulated."""
    assert set(BEHAVIOURS) == {getattr(w, "name", w) for w in vlab.workloads()}


def test_a_simulation_executes_no_guest() -> None:
    """There is no image, no instruction is fetched, and time does not depend on the size."""
    result = vlab.run("syscall", mode="simulate", of="fullvirt", n=10_000_000)
    assert result.image_sha256 is None
    assert result.counters.syscalls == 10_000_000


@pytest.mark.parametrize("entries", [16, 64, 256])
def test_the_tlb_model_honours_the_machines_geometry(entries: int) -> None:
    """A working set beyond the TLB misses as often as on the machine, whatever its size."""
    options: dict[str, Any] = {"tlb_entries": entries, "hz": 1}
    params = {"pages": 512, "stride": 4096, "rounds": 12}
    measured = vlab.run("memwalk", set=options, **params).counters.tlb_misses
    predicted = vlab.run("memwalk", mode="simulate", set=options, **params).counters.tlb_misses
    assert error(measured, predicted) < 0.05


def test_fifo_replacement_does_not_renew_what_hits() -> None:
    """The model's sets are first in, first out, as the hardware's."""
    tlb = Tlb(HardwareOptions().tlb_ways, HardwareOptions().tlb_ways)
    pages = [CODE_PAGE + n for n in range(5)]
    assert [tlb.access(page) for page in pages[:4]] == [True] * 4
    assert tlb.access(pages[0]) is False
    assert tlb.access(pages[4]) is True
    assert tlb.access(pages[0]) is True


@pytest.mark.parametrize("technique", ["native", "fullvirt", "paravirt"])
@pytest.mark.parametrize(
    "settings",
    [{"tlb_entries": 128}, {"tlb_ways": 1}, {"tlb_ways": 8}, {"asid_bits": 0}, {"batch": 4}],
    ids=str,
)
def test_predictions_hold_for_other_hardware(settings: dict[str, Any], technique: str) -> None:
    """Constants are interpolated between the machines that they were recorded of."""
    cases = (("syscall", {"n": 42}), ("pagefault", {"pages": 90}), ("ctxswitch", {"n": 31}))
    for workload, params in cases:
        check(Case(workload, params, settings), technique)


@pytest.mark.parametrize("option", sorted(SCALES))
def test_the_default_needs_no_variation(option: str) -> None:
    """Recorded differences count fully at their own value, and not at the default."""
    for record in constants()["techniques"].values():
        values = [int(value) for value in record["variants"].get(option, {})]
        if values:
            assert weights(option, SCALES[option][0], values) == {}
            assert all(weights(option, value, values) == {value: 1} for value in values)
