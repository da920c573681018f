"""Walks that engines remember: nothing that tables, stores, or other spaces do makes them wrong."""

from __future__ import annotations

import pytest
from engines_abreast import Looping
from table_churn import SHARED as SHARED_BUT_REGISTERS
from table_churn import USABLE, run

from vlab.engines.code_cache import FIRST_ROW, FOLLOW
from vlab.engines.hot_loops import peek
from vlab.engines.interpreter import Interpreter
from vlab.engines.python import PythonEngine
from vlab.engines.tiered import unavailable
from vlab.hardware import HardwareOptions, reset
from vlab.isa.assembler import assemble
from vlab.isa.fields import PTE_V, PTE_X, SATP_SV39, M, S, U
from vlab.isa.mmu import update_regime
from vlab.isa.pmp import pmp_update
from vlab.isa.table import BY_NAME
from vlab.memory import PhysicalMemory
from vlab.state import LAYOUT, Hart

GROUPS, SEEDS = 8, 16


@pytest.mark.parametrize("group", range(GROUPS))
def test_tables_that_change_under_a_loop(group: int) -> None:
    """Engines agree on loops whose page tables, address space and code change under them."""
    outcomes = [run(seed, 6000) for seed in range(group * SEEDS, (group + 1) * SEEDS)]
    assert sum(outcome.again for outcome in outcomes) > 500
    assert sum(outcome.faults for outcome in outcomes) > 500
    assert sum(outcome.misses for outcome in outcomes) > 1000


@pytest.mark.parametrize("group", range(GROUPS))
def test_entries_that_change_all_the_time(group: int) -> None:
    """Engines agree also where next to nothing faults, so that loops are not left for long."""
    outcomes = [run(seed, 6000, calm=True) for seed in range(group * SEEDS, (group + 1) * SEEDS)]
    assert sum(outcome.again for outcome in outcomes) > 500
    assert sum(outcome.misses for outcome in outcomes) > 1000


BASE, SIZE = 0x8000_0000, 1 << 20
CODE = BASE + 0x1000
ROOT, MIDDLE, LEAVES, OTHER_MIDDLE, OTHER_LEAVES, IDENTITY, OWN = (
    BASE + 0x1_0000 + 0x1000 * n for n in range(7)
)
FRAMES = BASE + 0x8_0000
DATA, PAGES, ROUNDS = 0x4000_0000, 25, 40
PLACES = {
    "leaf": (LEAVES + 8 * 3, FRAMES + 4096 * 3 >> 2 | USABLE, FRAMES + 4096 * 40 >> 2 | USABLE),
    "middle": (MIDDLE, LEAVES >> 2 | PTE_V, OTHER_LEAVES >> 2 | PTE_V),
    "root": (ROOT + 8, MIDDLE >> 2 | PTE_V, OTHER_MIDDLE >> 2 | PTE_V),
}
"""An entry of each level on the way to the pages, and the two values that it has in turn."""

SOURCE = """
outer:
    li a6, 4
again:
    ld t3, 0(t0)
    add s4, s4, t3
    add t0, t0, s8
    bne t0, s9, again
    mv t0, s10
    addi a6, a6, -1
    bnez a6, again
    {between}
    xor t5, t5, s6
    sd t5, 0(s7)
    addi s11, s11, -1
    bnez s11, outer
    ecall
"""
BETWEEN = {"inside": "nop", "between": "csrr a5, satp"}
"""Loads from more pages than the TLB holds, time and again; an entry changes within that loop, or,
as reading satp ends a hot loop, between two stays in a loop that stores nothing."""


def machine(engine: object, source: str, level: str) -> Hart:
    """Return a hart at the beginning of a loop."""
    hart = Hart(PhysicalMemory(BASE, SIZE))
    memory = hart.memory
    engine.attach(hart)
    reset(hart, HardwareOptions(16, 4, 0))

    def put(address: int, value: int) -> None:
        memory.write(address, value.to_bytes(8, "little"))

    put(ROOT + 8 * 1, MIDDLE >> 2 | PTE_V)
    put(ROOT + 8 * 2, OWN >> 2 | PTE_V)
    put(OWN, IDENTITY >> 2 | PTE_V)
    for number in range(SIZE >> 12):
        put(IDENTITY + 8 * number, BASE + 4096 * number >> 2 | USABLE | PTE_X)
    for middle, leaves, first in ((MIDDLE, LEAVES, 0), (OTHER_MIDDLE, OTHER_LEAVES, 50)):
        put(middle, leaves >> 2 | PTE_V)
        for number in range(PAGES):
            put(leaves + 8 * number, FRAMES + 4096 * (first + number) >> 2 | USABLE)
    for number in range((BASE + SIZE - FRAMES) >> 12):
        put(FRAMES + 4096 * number, 1 << number % 50 | number << 54)
    memory.write(CODE, assemble(source, CODE).code)
    place, now, other = PLACES[level]
    put(place, now)
    hart.pmpcfg[0], hart.pmpaddr[0] = 31, (1 << 54) - 1
    pmp_update(hart)
    hart.pc, hart.priv, hart.satp = CODE, S, SATP_SV39 | ROOT >> 12
    hart.intercept = 1 << 9  # the ecall ends it
    update_regime(hart)
    registers = {5: DATA, 26: DATA, 25: DATA + 4096 * PAGES, 24: 4096, 27: ROUNDS}
    registers |= {30: now, 22: now ^ other, 23: place}
    for number, value in registers.items():
        hart.x[number] = value
    return hart


def run_to_the_end(engine: object, hart: Hart) -> None:
    """Run until the environment call."""
    for _ in range(200):
        engine.run(hart, 1000)
        if hart.exit_cause == 9:
            return
    pytest.fail("the program does not end")


def agree(harts: list[Hart], when: object = None) -> None:
    """Compare all that engines share, and the registers."""
    for name, (word, count) in LAYOUT.items():
        if SHARED_BUT_REGISTERS[word] or name == "x":
            there = [hart.words[word : word + count].tolist() for hart in harts]
            assert there[1:] == there[:-1], (when, name)


@pytest.mark.skipif(bool(unavailable()), reason=f"no translator: {unavailable()}")
@pytest.mark.parametrize("level", PLACES)
@pytest.mark.parametrize("where", BETWEEN)
def test_an_entry_that_changes_is_seen(where: str, level: str) -> None:
    """A page that is walked to again is the one that the tables now lead to, without a fence."""
    engines = PythonEngine(), Interpreter(), Looping(1)
    source = SOURCE.format(between=BETWEEN[where])
    harts = [machine(engine, source, level) for engine in engines]
    for engine, hart in zip(engines, harts, strict=True):
        run_to_the_end(engine, hart)
    sums = {hart.x[20] for hart in harts}
    assert len(sums) == 1
    agree(harts)
    assert harts[-1].walks_short > harts[0].walks // 2
    assert harts[-1].hot_loops.kinds["load"] > 0


CROWD = (1, 5, 9, 13, 17, 21)
"""Pages of data that share a set of the TLB with the page of code."""

MOVING = """
again:
    ld t3, 0(a0)
    ld t4, 0(a1)
    ld t3, 0(a2)
    ld t4, 0(a3)
    {more}
    addi s4, s4, {number}
    addi t0, t0, -1
    bnez t0, again
    xor t5, t5, s6
    sd t5, 0(s7)
    li t0, {times}
    addi s11, s11, -1
    bnez s11, again
    ecall
"""
"""Loads that evict the page of code; its entry leads now to one copy of the code, now to another,
which counts differently."""


@pytest.mark.skipif(bool(unavailable()), reason=f"no translator: {unavailable()}")
@pytest.mark.parametrize("times", [1, 3, 40])
@pytest.mark.parametrize("more", ["", "ld t3, 0(a4)", "ld t3, 0(a4); ld t4, 0(a5)"])
def test_code_that_moves_while_it_is_evicted(more: str, times: int) -> None:
    """The page of code is fetched again from where the tables now say it is."""
    engines = PythonEngine(), Interpreter(), Looping(1)
    copies = CODE, BASE + 0x7_0000
    entries = [copy >> 2 | USABLE | PTE_X for copy in copies]
    harts = []
    for engine in engines:
        hart = machine(engine, "nop", "leaf")
        for copy, number in zip(copies, (1, 1000), strict=True):
            source = MOVING.format(more=more, number=number, times=times)
            hart.memory.write(copy, assemble(source, CODE).code)
        for register, page in zip(range(10, 16), CROWD, strict=True):
            hart.x[register] = DATA + 4096 * page
        hart.x[5], hart.x[27], hart.x[30] = times, 4000 // times, entries[0]
        hart.x[22], hart.x[23] = entries[0] ^ entries[1], IDENTITY + 8 * (CODE - BASE >> 12)
        harts.append(hart)
        run_to_the_end(engine, hart)
    agree(harts)
    assert harts[0].x[20] > 4000


CHAIN = """
outer:
    mv t0, s10
    li a6, 200
again:
    ld t0, {imm}(t0)
    add s4, s4, t0
    addi a6, a6, -1
    bnez a6, again
    xor t5, t5, s6
    sd t5, 0(s7)
    addi s11, s11, -1
    bnez s11, outer
    ecall
"""
"""A chain of pointers through pages; now and then one of them lies elsewhere."""

FRAME_OF = {
    "row": {},
    "but one": {1: 60},
    "scattered": {n: 41 + 7 * n % 86 for n in range(PAGES) if n != 3},
}


@pytest.mark.skipif(bool(unavailable()), reason=f"no translator: {unavailable()}")
@pytest.mark.parametrize("imm", [0, 24, -8])
@pytest.mark.parametrize("pages", [6, PAGES])
@pytest.mark.parametrize("frames", FRAME_OF)
def test_a_chain_is_followed_through_the_pages_where_they_are(
    frames: str, pages: int, imm: int
) -> None:
    """Where a load most likely loads from is compared; a load for which it fails often gives up."""
    engines = PythonEngine(), Interpreter(), Looping(1)
    source = CHAIN.format(imm=imm)
    harts = [machine(engine, source, "leaf") for engine in engines]
    frame_of = {n: n for n in range(pages)} | FRAME_OF[frames]
    for engine, hart in zip(engines, harts, strict=True):
        hart.x[26] = hart.x[5] = DATA + 0x800
        if frames == "row":
            hart.x[22] = 0  # page 3 stays where it is
        for page, frame in [*frame_of.items(), (4, 40)]:  # where page 3 lies half of the time
            to = DATA + 4096 * ((page + 1) % pages) + 0x800
            place = FRAMES + 4096 * frame
            hart.memory.write(place + 0x800 + imm, to.to_bytes(8, "little"))
            if frame != 40:
                entry = place >> 2 | USABLE
                hart.memory.write(LEAVES + 8 * page, entry.to_bytes(8, "little"))
        run_to_the_end(engine, hart)
    agree(harts)
    assert harts[0].x[27] == 0
    if frames != "but one":
        slot = harts[1].page_slots + 8 * len(assemble(source.split("again:")[0]).code)
        usual = FIRST_ROW + 2 * BY_NAME["ld"].index
        expected = FOLLOW if frames == "row" else usual
        assert peek(slot) == peek(harts[1].handlers + 8 * expected)


@pytest.mark.parametrize("priv", [U, S, M])
def test_what_was_never_looked_up_is_nowhere(priv: int) -> None:
    """A hart that begins at page 0, or reads it, finds nothing of its own there."""
    for source, pc in (("jr x0", 0), ("ld a0, 0(x0)\nsd a0, 8(x0)\njr x0", CODE)):
        outcomes = []
        for engine in (PythonEngine(), Interpreter()):
            hart = machine(engine, source, "leaf")
            hart.pc, hart.priv, hart.satp, hart.mtvec = pc, priv, 0, CODE + 64
            update_regime(hart)
            reason = engine.run(hart, 20)
            outcomes.append((reason, hart.pc, hart.exit_addr, hart.traps_taken.tolist()))
        assert outcomes[0] == outcomes[1]


EVICTING = """
again:
    ld t3, 0(a0)
    add s4, s4, t3
    ld t3, 0(a1)
    c.add s4, t3
    ld t3, 0(a2)
    ld t3, 0(a3)
    {more}
    add s4, s4, t3
    j last
"""
LAST = """
    ld t3, 0(a1)
    c.add s4, t3
    {at_the_end}
    addi s11, s11, 1
    j again
"""
"""A load is the last instruction of the page, or the last but one."""


@pytest.mark.parametrize("at_the_end", ["ld t4, 0(a2)", "c.nop; c.ld s1, 0(a2)", "c.ld s1, 0(a2)"])
@pytest.mark.parametrize("more", ["", "ld t3, 0(a4)", "ld t3, 0(a4); ld t4, 0(a5)"])
def test_a_load_that_evicts_the_page_of_code(more: str, at_the_end: str) -> None:
    """The next instruction's fetch misses, if there is one, where and when a fetch is made."""
    engines = PythonEngine(), Interpreter()
    harts = []
    second = CODE + 4096
    for engine in engines:
        begin = second - 6 - len(assemble(at_the_end).code)
        symbols = {"last": begin, "again": CODE}
        hart = machine(engine, EVICTING.format(more=more).replace("j last", f"j {begin}"), "leaf")
        code = assemble(LAST.format(at_the_end=at_the_end), begin, symbols=symbols).code
        hart.memory.write(begin, code)
        for register, page in zip(range(10, 16), CROWD, strict=True):
            hart.x[register] = DATA + 4096 * page
        harts.append(hart)
    places = [CODE + 2 * n for n in range(30)] + [second - 2 * n for n in range(8)]
    for turn in range(400):
        for engine, hart in zip(engines, harts, strict=True):
            if turn < 250:
                engine.run(hart, turn % 19 + 1)
            else:
                engine.run_until(hart, 40, {places[turn % len(places)]})
        agree(harts, turn)
    assert harts[1].walks_short > 500
