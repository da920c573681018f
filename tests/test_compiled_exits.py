"""Exits served in machine code change nothing but the time they take."""

from __future__ import annotations

from typing import Any

import pytest
from random_programs import Program

import vlab
from vlab.experiments.catalogue import workloads
from vlab.vmm.compiled_exits import CompiledExits
from vlab.vmm.fullvirt_exits import SPACE, FullVirtExits
from vlab.vmm.paravirt_exits import ParaVirtExits

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


@pytest.mark.parametrize("clock", ["cycles", "retired"])
@pytest.mark.parametrize("mode", ["fullvirt", "paravirt"])
@pytest.mark.parametrize("workload", sorted(workloads()))
def test_twins_count_what_the_handlers_count(
    workload: str, mode: str, clock: str, in_python: Any
) -> None:
    """Every counter, cycle and printed byte is the same with and without the compiled twins."""
    arguments = {"workload": workload, "mode": mode, "clock": clock}
    arguments |= SMALL.get(workload, {})
    assert outcome(vlab.run(**arguments)) == outcome(in_python(**arguments))


@pytest.mark.parametrize("mode", ["fullvirt", "paravirt"])
def test_a_deadline_that_comes_while_an_exit_is_served(mode: str, in_python: Any) -> None:
    """The guest's timer goes off at the same instruction when a handler's cost makes it due."""
    arguments = {"workload": "syscall", "mode": mode, "n": 6000, "set": {"tlb_entries": 16}}
    assert outcome(vlab.run(**arguments)) == outcome(in_python(**arguments))


@pytest.mark.parametrize("options", [{"asid_bits": 0}, {"asid_bits": 2}, {"tlb_entries": 8}])
@pytest.mark.parametrize("mode", ["fullvirt", "paravirt"])
def test_twins_agree_on_other_machines(options: dict[str, int], mode: str, in_python: Any) -> None:
    """Without address-space tags, with so few that they are used up, with a small TLB."""
    arguments = {"workload": "mixed", "mode": mode, "set": options}
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
        if not compiled:
            monkeypatch.setattr(CompiledExits, "served", lambda *_: 0)
        results.append(vlab.boot(image, mode="fullvirt", memory=4 << 20, max_instructions=30_000))
    assert outcome(results[0]) == outcome(results[1])


STOCK = {"fullvirt": (FullVirtExits, vlab.FullVirt), "paravirt": (ParaVirtExits, vlab.ParaVirt)}
METHODS = [
    (mode, name)
    for mode, (exits, _) in STOCK.items()
    for name in (*exits.handlers, *exits.plumbing)
]
RARE = ("on_exception", "emulate")


def overriding(stock: type, name: str, calls: list[str]) -> type:
    """Return a monitor with one handler overridden by one that only notes the call."""

    def handler(self: Any, *arguments: Any) -> Any:
        calls.append(name)
        return getattr(stock, name)(self, *arguments)

    return type("Mine", (stock,), {name: handler})


@pytest.mark.parametrize(("mode", "name"), METHODS)
def test_an_overridden_handler_is_called_and_changes_no_counter(mode: str, name: str) -> None:
    """Each handler with a twin can be overridden; its own calls then come to Python."""
    calls: list[str] = []
    _, stock = STOCK[mode]
    mine = vlab.run("mixed", mode=mode, monitor=overriding(stock, name, calls))
    assert outcome(mine) == outcome(vlab.run("mixed", mode=mode))
    assert calls or name in RARE


def looking(stock: type, name: str, seen: list[Any]) -> type:
    """Return a monitor whose handler notes all it can see, before and after the stock one."""

    def look(self: Any) -> None:
        machine, vcpu = self.machine, getattr(self.vcpu, "record", self.vcpu)
        words = (
            vcpu.priv,
            vcpu.returns,
            sum(vcpu.traps_taken),
            machine.guest.pc,
            machine.hart.satp,
        )
        spent = (
            machine.clock.now,
            machine.now(),
            machine.clock.charged,
            machine.guest_instructions,
        )
        seen.append((*words, *spent, self.counters(), list(machine.hart.x)))

    def handler(self: Any, *arguments: Any) -> None:
        look(self)
        getattr(stock, name)(self, *arguments)
        look(self)

    return type("Looking", (stock,), {name: handler})


@pytest.mark.parametrize(("mode", "name"), METHODS)
def test_an_overriding_handler_sees_the_same(mode: str, name: str, in_python: Any) -> None:
    """Records, counters and clock around a stock handler are those that Python alone makes."""
    _, stock = STOCK[mode]
    seen: list[Any] = []
    expected: list[Any] = []
    arguments = {"workload": "forktree", "mode": mode, "depth": 2}
    vlab.run(**arguments, monitor=looking(stock, name, seen))
    in_python(**arguments, monitor=looking(stock, name, expected))
    assert seen == expected


def test_a_handler_that_is_called_for_another_trap(in_python: Any) -> None:
    """A stock handler called with what is not the present trap does what it is asked to."""

    class Reflecting(vlab.FullVirt):
        def on_page_fault(self, cause: int, va: int) -> None:
            if cause == 15 and va < 1 << 30 and self.vcpu.priv == 0 and self.vcpu.stores & 1:
                self.on_exception(cause, va)  # once more, to the guest's surprise
            else:
                super().on_page_fault(cause, va)

        def on_ecall(self) -> None:
            if self.vcpu.priv == 0 and self.vcpu.returns % 7 == 0:
                self.on_exception(8, 0)
            else:
                super().on_ecall()

    arguments = {"workload": "forktree", "mode": "fullvirt", "monitor": Reflecting, "depth": 2}
    assert outcome(vlab.run(**arguments)) == outcome(in_python(**arguments))


@pytest.mark.parametrize("name", ["on_ecall", "on_hidden_fault"])
def test_a_handler_that_enters_another_shadow(name: str, in_python: Any) -> None:
    """A handler may change the shadow in use before it calls the stock one."""

    def handler(self: Any, *arguments: Any) -> None:
        self.asked += 1
        if self.asked % 3 == 0:
            self.vcpu.priv ^= 1
            self.enter()
            self.vcpu.priv ^= 1
        getattr(vlab.FullVirt, name)(self, *arguments)

    entering = type("Entering", (vlab.FullVirt,), {name: handler, "asked": 0})
    arguments = {"workload": "ctxswitch", "mode": "fullvirt", "monitor": entering, "n": 5}
    arguments["max_instructions"] = 300_000
    result = vlab.run(**arguments)
    assert result.outcome == "finished"
    assert outcome(result) == outcome(in_python(**arguments))


def test_the_shadow_in_use_is_what_was_set_last() -> None:
    """By machine code, or by Python that did not look at it before."""
    session = vlab.session("ctxswitch", "fullvirt", n=20)
    session.run()
    mode = session.mode
    machine_code = mode.compiled.known[mode.compiled.words[SPACE]]
    assert (
        machine_code is not mode.loaded
    )  # was not looked at: the next line is no matter of course
    other = next(space for space in mode.shadow.spaces.values() if space is not machine_code)
    mode.space = other
    assert mode.space is other


@pytest.mark.parametrize("workload", ["timer", "syscall", "diskvirtio"])
def test_a_monitor_that_puts_events_off(workload: str, in_python: Any) -> None:
    """Events that are pending and not delivered do not keep the guest from running."""

    class Later(vlab.ParaVirt):
        asked = 0

        def on_event(self, pending: int) -> None:
            self.asked += 1
            if self.asked % 3 == 0:
                super().on_event(pending)

    arguments = {"workload": workload, "mode": "paravirt", "monitor": Later, **SMALL[workload]}
    assert outcome(vlab.run(**arguments)) == outcome(in_python(**arguments))


@pytest.mark.parametrize("mode", STOCK)
def test_overriding_one_handler_turns_one_twin_off(mode: str) -> None:
    """The other twins stay; overriding what every exit goes through turns all of them off."""
    exits, stock = STOCK[mode]

    def mine(name: str) -> int:
        session = vlab.session("hello", mode=mode, monitor=overriding(stock, name, []))
        return exits.served(session.mode, stock)

    every = (1 << len(exits.handlers)) - 1
    for bit, name in enumerate(exits.handlers):
        assert mine(name) == every & ~(1 << bit)
    for name in exits.plumbing:
        assert mine(name) == 0
