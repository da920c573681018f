"""Hot loops: what is found, that it runs, and that it counts as the interpreter does."""

from __future__ import annotations

from collections import Counter

import pytest
from test_modes import SMALL

import vlab
from vlab.engines import hot_loops, loops
from vlab.engines.loops import cases_among, find_loop
from vlab.engines.tiered import Translator, unavailable
from vlab.experiments.catalogue import workloads
from vlab.isa.assembler import assemble

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=f"no translator: {unavailable()}")


def page_of(source: str) -> bytes:
    """Assemble a page of code."""
    return assemble(source).code.ljust(4096, b"\0")


def names(source: str, start: int) -> list[str]:
    """Return the mnemonics of the loop around a place."""
    loop = find_loop(page_of(source), start)
    return [] if loop is None else [step.decoded.row.name for step in loop.steps.values()]


def test_a_loop_is_what_leads_back() -> None:
    """Of the code around a loop nothing belongs to it that does not lead back to it."""
    source = """
        addi a0, zero, 9
    again:
        addi a1, a1, 1
        beq a1, a2, out
        addi a0, a0, -1
        bne a0, zero, again
    out:
        addi a3, a3, 1
        ecall
    """
    for inside in (4, 8, 12, 16):
        assert names(source, inside) == ["addi", "beq", "addi", "bne"]
    for outside in (0, 20, 24):
        assert names(source, outside) == []


def test_calls_and_returns_belong_to_a_loop() -> None:
    """A function in the page that the loop calls is part of it; what traps ends a way."""
    source = """
    again:
        jal ra, function
        bne a0, zero, again
        ecall
    function:
        addi a0, a0, -1
        jalr zero, 0(ra)
    """
    assert names(source, 0) == ["jal", "bne", "addi", "jalr"]
    assert names("again:\n ecall\n jal zero, again\n", 4) == []


def test_far_calls_into_the_page_belong_to_a_loop() -> None:
    """A call by ``auipc`` and ``jalr``, as compilers write it, is one like any other."""
    source = """
    again:
        auipc ra, 0
        jalr ra, 16(ra)
        bne a0, zero, again
        ecall
    function:
        addi a0, a0, -1
        jalr zero, 0(ra)
    """
    loop = find_loop(page_of(source), 0)
    assert [step.decoded.row.name for step in loop.steps.values()] == [
        "auipc", "jalr", "bne", "addi", "jalr",
    ]  # fmt: skip
    assert loop.steps[4].ways == (16,)
    assert loop.steps[20].ways == (8,)


def test_cases_of_a_switch_belong_to_a_loop() -> None:
    """Where blocks begin that no direct jump leads to, an indirect jump does, if there is one."""
    source = """
    again:
        ld a1, 0(a1)
        jalr zero, 0(a1)
        addi a0, a0, 1
        jal zero, again
        addi a0, a0, 2
        bne a0, a2, again
        ecall
    """
    heads, page = (0, 8, 12, 16, 24), page_of(source)
    assert cases_among(page, heads) == (8, 12, 16)
    assert find_loop(page, 0) is None
    loop = find_loop(page, 0, (8, 16, 24))
    assert loop.steps[4].ways == (8, 16)
    assert set(loop.steps) == {0, 4, 8, 12, 16, 20}
    assert cases_among(page_of(source.replace("0(a1)", "0(ra)")), heads) == ()


def test_a_loop_too_long_is_cut_to_what_is_near() -> None:
    """Of nested loops with too many instructions the inner one is found."""
    filler = "    addi a1, a1, 1\n" * (loops.MOST + 20)
    source = f"outer:\n{filler}inner:\n addi a0, a0, -1\n bne a0, zero, inner\n jal zero, outer\n"
    assert names(source, 4 * (loops.MOST + 20)) == ["addi", "bne"]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Have every place that executes at the end of a slice compiled; count what is entered."""
    seen: Counter[str] = Counter()
    install = hot_loops.HotLoops.install

    def counted(self: hot_loops.HotLoops, base: int, compiled: hot_loops.Compiled) -> None:
        seen["loops"] += 1
        install(self, base, compiled)

    monkeypatch.setattr(hot_loops.HotLoops, "install", counted)
    monkeypatch.setattr(Translator, "worth", 1)
    monkeypatch.setattr(Translator, "wait", True)
    monkeypatch.setattr("vlab.machine.SLICE", 3000)
    return seen


@pytest.mark.parametrize("mode", ["native", "fullvirt", "paravirt"])
@pytest.mark.parametrize("workload", ["compute", "memwalk", "ptemod", "mixed", "diskpio"])
def test_loops_change_no_count(workload: str, mode: str, eager: Counter[str]) -> None:
    """With every loop compiled a run counts what it counts interpreted."""
    assert workload in workloads()
    options = {"tlb_entries": 8, "tlb_ways": 2} if workload == "memwalk" else {}
    params = SMALL.get(workload, {})
    fast, slow = (
        vlab.run(workload, mode, engine=engine, set=dict(options), **params)
        for engine in ("translator", "interpreter")
    )
    assert fast.console == slow.console
    assert fast.counters_total == slow.counters_total
    assert fast.cycles == slow.cycles
    if mode == "native":  # the monitors' machine code looks up every million instructions
        assert eager["loops"]


def test_another_machine_shares_the_code(eager: Counter[str]) -> None:
    """The second machine with the same guest compiles nothing."""
    vlab.run("compute", **SMALL["compute"])
    made = len(hot_loops._made)
    vlab.run("compute", **SMALL["compute"])
    assert len(hot_loops._made) == made > 0
