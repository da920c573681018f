"""The simulation predicts the other modes, for parameters that it was not calibrated on."""

from __future__ import annotations

from typing import Any

import pytest

import vlab
from vlab.experiments.calibrate import RUNS, fingerprint
from vlab.hardware import HardwareOptions
from vlab.simulation.behaviours import BEHAVIOURS
from vlab.simulation.model import constants
from vlab.simulation.tlb import CODE_PAGE, Tlb

TECHNIQUES = ("native", "emulate", "fullvirt", "paravirt")
HELD_OUT: dict[str, tuple[dict[str, int], ...]] = {
    "hello": ({},),
    "compute": ({"n": 1000}, {"n": 77}),
    "syscall": ({"n": 2000},),
    "ctxswitch": ({"n": 200},),
    "pagefault": ({"pages": 400}, {"pages": 50}),
    "ptemod": ({"rounds": 7, "pages": 100}, {"rounds": 20, "pages": 16, "populate": 1}),
    "memwalk": ({}, {"pages": 40, "rounds": 100}, {"pages": 128, "rounds": 50, "random": 1}),
    "forktree": ({"depth": 2, "fanout": 3}, {"depth": 3, "fanout": 2}),
    "diskpio": ({"n": 50, "chunk": 3}, {"n": 40, "chunk": 8, "write": 1}),
    "diskvirtio": ({"n": 128}, {"n": 64, "write": 1}),
    "console": ({"n": 100, "width": 60},),
    "timer": ({"n": 50, "work": 50, "hz": 2000},),
    "mixed": ({"n": 13}, {"n": 60}),
}


def error(measured: int, predicted: int) -> float:
    """Return the relative error; one count more or less is none."""
    return abs(measured - predicted) / measured if abs(measured - predicted) > 1 else 0.0


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("workload", sorted(HELD_OUT))
def test_predictions_hold_for_other_parameters(workload: str, technique: str) -> None:
    """Exits and system calls are within 2 %, modelled cycles within 10 %."""
    for params in HELD_OUT[workload]:
        assert params not in RUNS[workload] or not params
        measured = vlab.run(workload, mode=technique, **params)
        predicted = vlab.run(workload, mode="simulate", of=technique, **params)
        assert error(measured.counters.exits, predicted.counters.exits) <= 0.02, params
        assert error(measured.counters.syscalls, predicted.counters.syscalls) <= 0.02, params
        assert error(measured.cycles.total, predicted.cycles.total) <= 0.10, params


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
