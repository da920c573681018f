"""Random loops over more pages than the TLB holds, while their page tables change under them.

The loop loads and stores at random, and now and then overwrites a page-table entry at one of the
three levels, most often without a fence, changes SUM, or switches between two address spaces.
What faults is skipped. So what an engine remembers of a walk is put to the test. Where it is
*calm*, next to nothing faults, so that the loop is not left, and entries change all the time.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from engines_abreast import HOST_ONLY as UNSHARED
from engines_abreast import EnginesDisagree, Looping, shared

from vlab.engines.interpreter import Interpreter
from vlab.engines.python import PythonEngine
from vlab.hardware import HardwareOptions, reset
from vlab.isa.assembler import assemble
from vlab.isa.fields import PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X, SATP_SV39
from vlab.memory import PhysicalMemory
from vlab.state import LAYOUT, Hart

BASE, SIZE = 0x8000_0000, 2 << 20
CODE, FUNCTION, VALUES, COPY = (BASE + at for at in (0x1000, 0x3000, 0x4000, 0x6000))
LOOP = CODE + 0x1000
TABLES = BASE + 0x1_0000
FRAMES, FRAME_COUNT = BASE + 0x10_0000, 64
DATA = 0x4000_0000
"""Virtual address of the pages that the loop goes over."""

USABLE = PTE_V | PTE_R | PTE_W | PTE_A | PTE_D
GEOMETRIES = ((8, 2), (8, 4), (16, 4), (16, 4), (4, 1), (8, 8))

SOURCE = """
    la t0, handler
    csrw stvec, t0
    csrw satp, s8
    li t0, -1
    srli t0, t0, 10
    csrw pmpaddr0, t0
    li t0, 31
    csrw pmpcfg0, t0
    li t0, 0xf1ff
    csrw medeleg, t0
    li t0, 0x40800
    csrw mstatus, t0
    la t0, again
    csrw mepc, t0
    mret
    .align 4
handler:
    addi s7, s7, 1
    csrr t6, sepc
    addi t6, t6, 4
    csrw sepc, t6
    sret
    .align 12
again:
    mul s0, s0, s1
    addi s0, s0, 1031
    srli t0, s0, 40
    remu t0, t0, s2
    slli t0, t0, 12
    add t0, t0, s3
    srli t1, s0, 23
    andi t1, t1, 0xf8
    add t0, t0, t1
    srli t1, s0, 33
    and t1, t1, s11
    beqz t1, change
    andi t2, s0, 3
    beqz t2, write
    ld t3, 0(t0)
    add s4, s4, t3
    j again
write:
    sb s4, 3(t0)
    sh s4, 6(t0)
    j again
change:
    srli t1, s0, 50
    andi t1, t1, 127
    slli t1, t1, 4
    add t1, t1, s5
    ld t2, 0(t1)
    ld t3, 8(t1)
    sd t3, 0(t2)
    srli t1, s0, 58
    andi t1, t1, 15
    beqz t1, fence
    addi t1, t1, -1
    beqz t1, switch
    addi t1, t1, -1
    beqz t1, sum
    addi t1, t1, -4
    bgtz t1, again
    jalr ra, 0(s6)
    j again
fence:
    sfence.vma
    j again
switch:
    csrw satp, s8
    xor s8, s8, s9
    j again
sum:
    csrr t1, sstatus
    xor t1, t1, s10
    csrw sstatus, t1
    j again
"""

IN_THE_FUNCTION = (
    32
    * """
    addi s4, s4, 1
    nop
"""
    + "ret"
)
"""Stores of the loop's widths change its immediates, and nothing else of it."""


class Outcome(NamedTuple):
    """What a program did, and how many walks the eager translator made by remembered ones."""

    misses: int
    faults: int
    again: int


def leaf(rng: random.Random, calm: bool) -> int:
    """Return an entry of the last level: mostly usable, always where it is calm."""
    frame = FRAMES + 4096 * rng.randrange(FRAME_COUNT)
    if calm:
        return frame >> 2 | USABLE
    odd = rng.random()
    if odd < 0.04:
        frame = TABLES + 4096 * rng.randrange(8)
    elif odd < 0.08:
        frame = FUNCTION
    flags = USABLE | (PTE_U if rng.random() < 0.3 else 0)
    if rng.random() < 0.25:
        flags ^= rng.choice((PTE_V, PTE_W, PTE_D, PTE_A, PTE_D | PTE_A, PTE_R | PTE_W, PTE_X))
    return frame >> 2 | flags


def image(rng: random.Random, pages: int, calm: bool) -> tuple[bytearray, list[int]]:
    """Return the memory at the start, and the two roots."""
    memory = bytearray(SIZE)

    def put(address: int, value: int) -> None:
        memory[address - BASE : address - BASE + 8] = value.to_bytes(8, "little")

    roots = [TABLES, TABLES + 0x1000]
    middles = [TABLES + 0x2000, TABLES + 0x3000]
    leaves = [TABLES + 0x4000, TABLES + 0x5000, TABLES + 0x6000]
    own, identity = TABLES + 0x8000, TABLES + 0xA000  # in the TLB set of the loop
    places, entries = [], []
    for which, root in enumerate(roots):
        put(root + 8, middles[which] >> 2 | PTE_V)
        put(root + 16, own >> 2 | PTE_V)
        places.append((root + 8, [m >> 2 | PTE_V for m in middles] + [0]))
    put(own, identity >> 2 | PTE_V)
    for number in range(SIZE >> 12):
        put(identity + 8 * number, (BASE + 4096 * number) >> 2 | USABLE | PTE_X)
    for middle in middles:
        put(middle, leaves[0] >> 2 | PTE_V)
        others = [table >> 2 | PTE_V for table in (leaves[0], *leaves)]
        places.append((middle, [*others, BASE >> 2 | USABLE, leaves[0] >> 2 | PTE_V | PTE_R]))
    frames = [frame >> 2 | USABLE | PTE_X for frame in (LOOP, COPY)]
    places.append((identity + 8 * (LOOP - BASE >> 12), frames))
    for table in leaves:
        for number in range(pages):
            put(table + 8 * number, leaf(rng, calm))
    upheaval = 1.0 if calm else rng.choice((0.5, 0.75, 0.95))
    for number in range(128):
        if rng.random() < upheaval:
            entries = [leaf(rng, calm)]
            place = (leaves[0] if calm else rng.choice(leaves)) + 8 * rng.randrange(pages)
        else:
            place, entries = rng.choice(places)
        put(VALUES + 16 * number, place)
        put(VALUES + 16 * number + 8, rng.choice(entries))
    for frame in range(FRAME_COUNT):
        put(FRAMES + 4096 * frame + rng.randrange(32) * 8, rng.getrandbits(64))
    for address, source in ((CODE, SOURCE), (FUNCTION, IN_THE_FUNCTION)):
        code = assemble(source, address).code
        memory[address - BASE : address - BASE + len(code)] = code
    memory[COPY - BASE : COPY - BASE + 4096] = memory[LOOP - BASE : LOOP - BASE + 4096]
    return memory, roots


def run(seed: int, instructions: int, calm: bool = False) -> Outcome:
    """Run a program on three engines; what they hold must be the same after each slice."""
    rng = random.Random(seed)
    pages = rng.choice((3, 9, 20, 40, 100))
    memory, roots = image(rng, pages, calm)
    spaces = [SATP_SV39 | rng.choice((0, 1, 2)) << 44 | root >> 12 for root in roots]
    registers = {8: rng.getrandbits(64), 9: 0x5851F42D4C957F2D, 18: pages, 19: DATA, 21: VALUES}
    registers |= {24: spaces[0], 25: spaces[0] ^ spaces[1], 22: FUNCTION, 26: 1 << 18}
    registers[27] = 3 if calm else 31
    entries, ways = rng.choice(GEOMETRIES)
    harts, engines = [], (PythonEngine(), Interpreter(), Looping(1))
    for engine in engines:
        hart = Hart(PhysicalMemory(BASE, SIZE))
        hart.memory.write(BASE, bytes(memory))
        engine.attach(hart)
        reset(hart, HardwareOptions(entries, ways, 2))
        hart.pc = CODE
        for number, value in registers.items():
            hart.x[number] = value
        harts.append(hart)
    first, left = harts[0], instructions
    while left > 0:
        budget = rng.choice((1, 2, 9, 30, 100, 500, 2000))
        left -= budget
        reasons = [engine.run(hart, budget) for engine, hart in zip(engines, harts, strict=True)]
        for engine, hart in zip(engines[1:], harts[1:], strict=True):
            if hart.memory.bytes != first.memory.bytes or len(set(reasons)) > 1:
                raise EnginesDisagree(f"seed {seed}: memory or {reasons} under {engine.name}")
            for name, (word, count) in LAYOUT.items():
                if (
                    SHARED[word]
                    and first.words[word : word + count] != hart.words[word : word + count]
                ):
                    raise EnginesDisagree(f"seed {seed}: {name} under {engine.name}")
    again = sum(h.walks_short for h in harts[2:])
    return Outcome(first.tlb_misses, first.x[23], again)


SHARED = shared({*UNSHARED, "x"})
