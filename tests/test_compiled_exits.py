"""Exits served in machine code change nothing but the time they take."""

from __future__ import annotations

from typing import Any

import pytest
from random_programs import Program

import vlab
from vlab.experiments.catalogue import workloads
from vlab.modes import compose
from vlab.vmm.compiled_exits import HANDLERS, PLUMBING, served

SMALL: dict[str, dict[str, int]] = {
    "compute": {"n": 20},
    "syscall": {"n": 200},
    "ctxswitch": {"n": 20},
    "pagefault": {"pages": 40},
    "ptemod": {"rounds": 3},
    "memwalk": {"pages": 70, "rounds": 3},
    "forktree": {"depth": 2},
    "diskpio": {"n": 4},
    "diskvirtio": {"n": 8},
    "console": {"n": 5},
    "timer": {"n": 5},
}


def outcome(result: vlab.Result) -> tuple[Any, ...]:
    """Return all that a run says, the host's seconds apart."""
    return (
        result.outcome, result.crash, result.console, result.counters, result.counters_total,
        result.cycles, result.cycles_total,
    )  # fmt: skip


@pytest.fixture
def in_python(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run with every exit handled by the Python methods."""

    def run(**arguments: Any) -> vlab.Result:
        with monkeypatch.context() as patch:
            patch.setattr(compose, "serves_exits", lambda *_: False)
            return vlab.run(**arguments)

    return run


@pytest.mark.parametrize("clock", ["cycles", "retired"])
@pytest.mark.parametrize("workload", sorted(workloads()))
def test_twins_count_what_the_handlers_count(workload: str, clock: str, in_python: Any) -> None:
    """Every counter, cycle and printed byte is the same with and without the compiled twins."""
    arguments = {"workload": workload, "mode": "fullvirt", "clock": clock}
    arguments |= SMALL.get(workload, {})
    assert outcome(vlab.run(**arguments)) == outcome(in_python(**arguments))


def test_a_deadline_that_comes_while_an_exit_is_served(in_python: Any) -> None:
    """The guest's timer goes off at the same instruction when a handler's cost makes it due."""
    arguments = {"workload": "syscall", "mode": "fullvirt", "n": 6000, "set": {"tlb_entries": 16}}
    assert outcome(vlab.run(**arguments)) == outcome(in_python(**arguments))


@pytest.mark.parametrize("options", [{"asid_bits": 0}, {"asid_bits": 2}, {"tlb_entries": 8}])
def test_twins_agree_on_other_machines(options: dict[str, int], in_python: Any) -> None:
    """Without address-space tags, with so few that they are used up, with a small TLB."""
    arguments = {"workload": "mixed", "mode": "fullvirt", "set": options}
    assert outcome(vlab.run(**arguments)) == outcome(in_python(**arguments))


@pytest.mark.parametrize("limit", [100_003, 200_001, 300_007])
def test_a_run_ends_at_the_same_instruction(limit: int, in_python: Any) -> None:
    """The instruction limit falls into the same place."""
    arguments = {"workload": "syscall", "mode": "fullvirt", "max_instructions": limit}
    assert outcome(vlab.run(**arguments)) == outcome(in_python(**arguments))


@pytest.mark.parametrize("seed", range(8))
def test_twins_agree_on_random_programs(seed: int, tmp_path: Any, monkeypatch: Any) -> None:
    """A random program of all privileges has the same history, exits and cycles."""
    image = tmp_path / "program.bin"
    image.write_bytes(bytes(Program(seed, strict=False).image))
    results = []
    for compiled in (True, False):
        monkeypatch.setattr(compose, "serves_exits", lambda *_, on=compiled: on)
        results.append(vlab.boot(image, mode="fullvirt", memory=4 << 20, max_instructions=30_000))
    assert outcome(results[0]) == outcome(results[1])


def overriding(name: str, calls: list[str]) -> type:
    """Return a monitor with one handler overridden by one that only notes the call."""

    def handler(self: Any, *arguments: Any) -> Any:
        calls.append(name)
        return getattr(vlab.FullVirt, name)(self, *arguments)

    return type("Mine", (vlab.FullVirt,), {name: handler})


@pytest.mark.parametrize("name", [*HANDLERS, *PLUMBING])
def test_an_overridden_handler_is_called_and_changes_no_counter(name: str) -> None:
    """Each handler with a twin can be overridden; its own calls then come to Python."""
    calls: list[str] = []
    stock = vlab.run("mixed", mode="fullvirt")
    mine = vlab.run("mixed", mode="fullvirt", monitor=overriding(name, calls))
    assert outcome(mine) == outcome(stock)
    assert calls or name == "on_exception"


def test_overriding_one_handler_turns_one_twin_off() -> None:
    """The other twins stay; overriding what every exit goes through turns all of them off."""

    def mine(name: str) -> int:
        session = vlab.session("hello", mode="fullvirt", monitor=overriding(name, []))
        return served(session.mode, vlab.FullVirt)

    every = (1 << len(HANDLERS)) - 1
    for bit, name in enumerate(HANDLERS):
        assert mine(name) == every & ~(1 << bit)
    for name in PLUMBING:
        assert mine(name) == 0
