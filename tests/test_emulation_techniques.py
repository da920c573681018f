"""Techniques of `emulate`: the same guest, and exact counts of what translating it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from engines_abreast import BLOCKS, HOST_ONLY, Abreast, EnginesDisagree, shared
from random_programs import BASE
from test_modes import SMALL

import vlab
from vlab import machine
from vlab.counters import Counters
from vlab.engines import traced
from vlab.engines.block_tables import (
    BLOCK_WORDS,
    CODE,
    GUEST_BYTES,
    INSTRUCTION_ROOM,
    JUMP,
    KEY,
    LINK,
    OTHER_JUMP,
    OTHER_LINK,
    get,
)
from vlab.engines.block_translator import count_block, translate_block
from vlab.engines.interpreter import Interpreter
from vlab.engines.traced import TracedInterpreter, TracedPython
from vlab.errors import MachineError, ModeError, VlabError
from vlab.experiments.catalogue import workloads
from vlab.hardware import HardwareOptions, reset
from vlab.hart_counters import BLOCK_COUNTERS
from vlab.isa.table import INSTRUCTIONS, STANDARD, remove
from vlab.memory import PhysicalMemory
from vlab.state import Hart

RECORD = 8 * BLOCK_WORDS
EVERYTHING = shared(set(HOST_ONLY) | {"block_tables"})
"""All that engines under a translator share: counts, places, and the state of the cache."""

UNTRACED = shared([*HOST_ONLY, *BLOCKS])
"""What engines without one share with them."""

ARCHITECTURE = [f.name for f in fields(Counters) if f.name not in BLOCK_COUNTERS]


def emulate(workload: str, technique: str = "dbt", **options: Any) -> vlab.Result:
    """Emulate a small workload, on the clock that both techniques share."""
    options = {"clock": "retired"} | SMALL.get(workload, {}) | options
    result = vlab.run(workload, "emulate", technique=technique, **options)
    assert (result.outcome, result.exit_code) == ("finished", 0)
    return result


def blocks_of(result: Counters) -> dict[str, int]:
    """Return the counters of blocks."""
    return {name: getattr(result, name) for name in BLOCK_COUNTERS}


@pytest.mark.parametrize("workload", sorted(workloads()))
def test_the_guest_cannot_tell_the_techniques_apart(workload: str) -> None:
    """Console, exit code and every architectural counter are the interpreter's."""
    plain, translated = (emulate(workload, technique) for technique in ("interpreter", "dbt"))
    assert plain.console == translated.console
    for name in ARCHITECTURE:
        for counters in ("counters", "counters_total"):
            one, other = (getattr(getattr(r, counters), name) for r in (plain, translated))
            assert one == other, name
    assert not any(blocks_of(plain.counters_total).values())
    assert translated.counters_total.block_entries > translated.counters_total.block_dispatches
    assert translated.counters_total.block_dispatches > translated.counters_total.blocks_translated


@pytest.mark.parametrize("seed", range(12))
def test_engines_agree_on_every_block_of_random_programs(seed: int) -> None:
    """Counters, links and emitted code are equal, byte by byte, and the guest is not disturbed."""
    same_blocks(range(seed, seed + 1))
    Abreast(seed, (TracedInterpreter(), Interpreter()), UNTRACED).run(1500)


def same_blocks(seeds: range) -> None:
    """Run random programs on both engines under a translator and compare all that they hold."""
    for seed in seeds:
        abreast = Abreast(seed, (TracedPython(), TracedInterpreter()), EVERYTHING)
        abreast.run(1500)
        python, machine_code = abreast.harts
        assert bytes(python.tables) == bytes(machine_code.tables)
        assert python.block_entries >= python.block_dispatches >= python.blocks_translated > 0


def live_blocks(hart: Hart) -> list[int]:
    """Return the blocks that can be entered."""
    every = range(hart.block_list, hart.block_list + hart.block_count * RECORD, RECORD)
    return [block for block in every if get(hart, block + KEY)]


def fresh(hart: Hart, block: int) -> bool:
    """Return whether a block's code is what translating its instructions now would give."""
    begin, pa = get(hart, block + CODE), get(hart, block + KEY) >> 2
    count, used = count_block(hart, pa), hart.block_used
    end = min(begin + (count + 1) * INSTRUCTION_ROOM, len(hart.tables))
    code, record = bytes(hart.tables[begin:end]), bytes(hart.tables[block : block + RECORD])
    exits = ((LINK, JUMP), (OTHER_LINK, OTHER_JUMP))
    jumps = [get(hart, block + jump) for link, jump in exits if get(hart, block + link)]
    size = get(hart, block + GUEST_BYTES)
    hart.block_used = begin
    translate_block(hart, block, pa, count)
    same = get(hart, block + GUEST_BYTES) == size
    for jump in jumps:  # linked since
        hart.tables[jump : jump + 8] = code[jump - begin : jump - begin + 8]
    made = bytes(hart.tables[begin : hart.block_used])
    same = same and made == code[: len(made)]
    hart.tables[begin:end], hart.tables[block : block + RECORD] = code, record
    hart.block_used = used
    return same


def stale(seeds: range) -> int:
    """Run random programs, which store to their own code, and return how many blocks are stale."""
    count = dropped = 0
    for seed in seeds:
        abreast = Abreast(seed, (TracedPython(1 << 20), Interpreter()), UNTRACED)
        abreast.run(2500)
        hart = abreast.harts[0]
        dropped += hart.blocks_dropped
        count += sum(not fresh(hart, block) for block in live_blocks(hart))
    assert dropped
    return count


def test_no_block_outlives_the_code_that_it_was_made_from() -> None:
    """After self-modifying code every block that can be entered is one that would be made now."""
    assert stale(range(24, 30)) == 0


def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that a store does not drop make the test above, and that of equal counts, fail."""

    def forgetful(hart: Hart, address: int, width: int) -> None:
        hart.blocks_dropped += 1

    monkeypatch.setattr(traced, "forget_blocks", forgetful)
    assert stale(range(24, 30)) > 0
    with pytest.raises(EnginesDisagree):
        same_blocks(range(12))


def test_both_engines_count_the_same_blocks_of_a_guest() -> None:
    """A whole run of the guest: every counter agrees, in the measured region and in all."""
    fast, slow = (emulate("hello", engine=engine) for engine in ("translator", "python"))
    assert fast.counters == slow.counters
    assert fast.counters_total == slow.counters_total
    assert fast.cycles == slow.cycles


@pytest.mark.parametrize("length", [97, 5003])
def test_counts_do_not_depend_on_how_a_run_is_sliced(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block is one block, however often the engine was left within it."""
    whole = emulate("pagefault")
    monkeypatch.setattr(machine, "SLICE", length)
    assert emulate("pagefault").counters_total == whole.counters_total


def test_the_code_cache_is_bounded() -> None:
    """When it is full all of it is dropped and made again; the guest does not notice."""
    ample, small = emulate("mixed"), emulate("mixed", n=40, set={"code_cache": "512K"})
    assert ample.counters_total.code_flushes == 0
    assert small.counters_total.code_flushes > 0
    assert (
        small.counters_total.retired == emulate("mixed", "interpreter", n=40).counters_total.retired
    )
    abreast = Abreast(7, (TracedPython(1 << 20), TracedInterpreter(1 << 20)), EVERYTHING)
    for hart in abreast.harts:
        hart.block_limit = hart.block_code + (40 << 10)
    abreast.run(9000)
    first = abreast.harts[0]
    assert first.code_flushes > 0
    assert first.block_used <= first.block_limit


def test_the_clock_shows_the_price_of_translation() -> None:
    """Guest time under the clock of cycles is what the counters cost, translation included."""
    result = vlab.run("syscall", "emulate", technique="dbt", n=20)
    guest = result.machine
    assert guest.machine.now() == result.cycles_total.total
    costs = vlab.preset("teaching")
    for name, cost in (
        ("instructions_translated", "dbt_translation"),
        ("retired", "dbt_instruction"),
    ):
        dearer = costs.replace(**{cost: costs[cost] + 1})
        more = vlab.price(result.counters, dearer, "dbt").total - result.cycles.total
        assert more == getattr(result.counters, name)


def test_a_result_says_by_which_technique() -> None:
    """JSON has the technique of an emulating run, and no other run has one."""
    data = json.loads(vlab.run("hello", "emulate", technique="dbt").to_json())
    assert data["technique"] == data["settings"]["technique"] == "dbt"
    counters = data["counters_total"]
    assert counters["host_instructions"] == counters["code_bytes"] // 4
    assert json.loads(vlab.run("hello", "emulate").to_json())["technique"] == "interpreter"
    assert "technique" not in json.loads(vlab.run("hello").to_json())


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"mode": "emulate", "technique": "jit"}, ModeError, "unknown technique 'jit'"),
        ({"mode": "native", "technique": "dbt"}, ModeError, "only 'emulate' does"),
        ({"mode": "simulate", "of": "emulate", "technique": "dbt"}, ModeError, "interpreter only"),
        ({"mode": "simulate", "of": "fullvirt", "technique": "dbt"}, ModeError, "no technique"),
        ({"mode": "emulate", "set": {"code_cache": "2M"}}, MachineError, "only emulation by 'dbt'"),
        (
            {"mode": "emulate", "technique": "dbt", "set": {"code_cache": "9"}},
            MachineError,
            "from 512K to 1G",
        ),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], error: type, message: str) -> None:
    """A technique that does not exist, or that a mode does not have, is refused in one line."""
    with pytest.raises(error, match=message) as raised:
        vlab.run("hello", **given)
    assert "\n" not in str(raised.value)


def test_compare_emulates_as_told_and_does_not_predict_what_it_cannot() -> None:
    """`compare` takes the technique for `emulate` and leaves out its prediction."""
    runs = vlab.compare("hello", ["native", "emulate", "simulate"], technique="dbt").runs
    made = [(run.mode, run.of, run.emulation) for run in runs]
    assert made == [("native", None, None), ("emulate", None, "dbt"), ("simulate", "native", None)]
    with pytest.raises(VlabError, match="only 'emulate' has one"):
        vlab.compare("hello", ["native"], technique="dbt")


@pytest.fixture
def own_rows() -> Iterator[None]:
    """Instructions of one's own: arithmetic, a branch, and one with the name of a stencil."""

    @vlab.instruction("twice", "0000000 rs2 rs1 000 rd 0001011")
    def twice(rs1: int, rs2: int) -> int:
        return 2 * rs1 + rs2

    @vlab.instruction("entry", "0000001 rs2 rs1 000 rd 0001011")
    def entry(rs1: int, rs2: int) -> int:
        return rs1 ^ rs2

    @vlab.instruction("bodd", "imm[12|10:5] rs2 rs1 000 imm[4:1|11] 0101011", kind="branch")
    def bodd(rs1: int, rs2: int) -> bool:
        return rs1 & 1 != 0

    yield
    for row in INSTRUCTIONS[len(STANDARD) :]:
        remove(row.name)


def test_instructions_of_ones_own_are_helped(own_rows: None) -> None:
    """They call the helper, a branch ends its block, and both engines count the same."""
    text = "li t0, 7\nloop: addi t0, t0, -1\ntwice t1, t0, t1\nentry t2, t1, t0\n"
    text += "bodd t0, x0, odd\naddi t3, t3, 1\nodd: bnez t0, loop\nebreak"
    seen = []
    for engine in (TracedPython(), TracedInterpreter()):
        hart = Hart(PhysicalMemory(BASE, 1 << 20))
        engine.attach(hart)
        reset(hart, HardwareOptions())
        hart.memory.write(BASE, vlab.assemble(text).code)
        hart.pc, hart.intercept = BASE, 1 << 3
        engine.run(hart, 1000)
        counts = {name: getattr(hart, name) for name in BLOCK_COUNTERS}
        seen.append((list(hart.x[:32]), counts, bytes(hart.tables)))
    assert seen[0] == seen[1]
    assert seen[0][1]["block_entries"] == 7 + 7 + 1  # ended by bodd, by bnez, ebreak


def test_the_code_cache_can_be_looked_at() -> None:
    """Executions of the blocks are all entries, their host code is what was emitted."""
    result = emulate("hello")
    frame = vlab.translated_blocks(result)
    counted = result.counters_total
    assert frame["executions"].sum() == counted.block_entries
    assert frame["instructions"].sum() == counted.instructions_translated
    assert frame["host_instructions"].sum() == counted.host_instructions
    hottest = frame.iloc[0]
    text = vlab.block_listing(result, int(hottest["address"]))
    assert text.count("\n") == hottest["instructions"] + hottest["host_instructions"] + 2
    assert ".word" not in text
    with pytest.raises(MachineError, match="no block in the code cache begins there"):
        vlab.block_listing(result, 0)
    with pytest.raises(MachineError, match="has a code cache"):
        vlab.translated_blocks(vlab.run("hello"))


def test_a_session_interprets() -> None:
    """A session has no translator, and says so in one line."""
    assert vlab.session("hello", "emulate", technique="interpreter").step().reason == "step"
    with pytest.raises(ModeError, match="a session emulates by an interpreter only"):
        vlab.session("hello", "emulate", technique="dbt")
