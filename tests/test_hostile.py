"""No guest, however hostile, stops the process, or reaches what is not its own."""

from __future__ import annotations

import random
from typing import Any

import pytest

from vlab.board import RAM_BASE
from vlab.costs import preset
from vlab.isa.assembler import assemble
from vlab.modes.compose import Guest
from vlab.modes.setup import Setup
from vlab.vmm.frames import PAGE

MODES = ("native", "emulate", "fullvirt")
LIMIT = 200_000
DEVICES = ((0x10_0000, 4), (0x10_1000, 0x40), (0x200_0000, 0x10000), (0xC00_0000, 0x400000),
           (0x1000_0000, 8), (0x1000_1000, 0x200), (0x1000_9000, 0x210))  # fmt: skip


def guest(mode: str, code: bytes, disk: bytes | None = None) -> Guest:
    """Return a machine with raw code at the start of RAM, in M-mode."""
    setup = Setup(mode, code, disk, "", 1 << 20, "translator", "cycles", preset(), {})
    return Guest(setup)


def run(mode: str, code: bytes, disk: bytes | None = None) -> Any:
    """Run it to its end, which must be one of those that are reported."""
    machine = guest(mode, code, disk)
    ended = machine.run(LIMIT)
    assert ended.outcome in ("finished", "limit", "crashed")
    assert (ended.crash is not None) == (ended.outcome == "crashed")
    return ended


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(3))
def test_random_instructions_end_in_a_report(mode: str, seed: int) -> None:
    """A page of noise as code, at the highest privilege, ends as any run does."""
    rng = random.Random(seed)
    run(mode, bytes(rng.getrandbits(8) for _ in range(4096)))


STORM = """
    la   t0, table
    li   s1, {seed}
    li   s2, 6364136223846793005
next:
    mul  s1, s1, s2
    addi s1, s1, 1442
    srli t1, s1, 33
    li   t2, {devices}
    remu t1, t1, t2
    slli t1, t1, 4
    add  t1, t0, t1
    ld   a0, 0(t1)
    ld   a1, 8(t1)
    srli t3, s1, 21
    remu t3, t3, a1
    andi t3, t3, -8
    add  a0, a0, t3
    srli t4, s1, 11
    andi t4, t4, 3
    beqz t4, byte
    sw   s1, 0(a0)
    lw   a2, 0(a0)
    j    next
byte:
    sb   s1, 0(a0)
    lbu  a2, 0(a0)
    ld   a2, 0(a0)
    j    next
    .balign 8
table:
"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(3))
def test_garbage_in_every_device_register_is_inert(mode: str, seed: int) -> None:
    """Random stores all over the devices end in a report; the finisher is left out to go on."""
    devices = DEVICES[1:]
    source = STORM.format(seed=seed * 977 + 1, devices=len(devices))
    source += "".join(f"    .dword {base}, {size}\n" for base, size in devices)
    ended = run(mode, assemble(source, RAM_BASE).code, bytes(64 * 512))
    assert ended.counters.mmio_accesses > 100


TABLES = """
    la   t0, handler
    csrw mtvec, t0
    li   t0, -1
    csrw pmpaddr0, t0
    li   t0, 31
    csrw pmpcfg0, t0
    li   s1, {seed}
    li   s2, 6364136223846793005
    li   s0, 0x80010000
    li   s3, 0x80020000
fill:
    mul  s1, s1, s2
    addi s1, s1, 1442
    srli t1, s1, 3
    sd   t1, 0(s0)
    addi s0, s0, 8
    bltu s0, s3, fill
    li   t0, 0x8000000000080010
    csrw satp, t0
    sfence.vma
    li   t0, 0x800
    csrs mstatus, t0
    la   t0, away
    csrw mepc, t0
    mret
away:
    ld   a0, 0(a0)
    sd   a0, 0(a1)
    add  a0, a0, s1
    j    away
    .balign 4
handler:
    mul  s1, s1, s2
    addi s1, s1, 1442
    csrw mepc, s1
    li   t0, 0x80010000
    srli t1, s1, 40
    andi t1, t1, 2040
    add  t0, t0, t1
    sd   s1, 0(t0)
    sfence.vma
    mret
"""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(3))
def test_corrupt_page_tables_end_in_a_report(mode: str, seed: int) -> None:
    """Page tables of noise, rewritten at every trap, with jumps to anywhere."""
    run(mode, assemble(TABLES.format(seed=seed * 7919 + 3), RAM_BASE).code)


@pytest.mark.parametrize("seed", range(3))
def test_a_guest_writes_only_its_own_frames(seed: int) -> None:
    """Under fullvirt no shadow entry leads to a shadow table or to a frame of somebody else."""
    machine = guest("fullvirt", assemble(TABLES.format(seed=seed * 31 + 5), RAM_BASE).code)
    machine.run(LIMIT)
    physical = machine.machine.hart.memory
    tables = {frame for space in machine.mode.shadow.spaces.values() for frame in
              (space.root, *space.tables.values())}  # fmt: skip
    owned = {int(frame) * PAGE for frame in machine.mode.vcpu.memory.p2m}
    for space in machine.mode.shadow.spaces.values():
        for entry in space.leaves.values():
            target = (physical.load(entry, 8) >> 10) * PAGE
            assert target in owned
            assert target not in tables


@pytest.mark.parametrize("mode", MODES)
def test_sleeping_for_ever_is_a_crash(mode: str) -> None:
    """A guest that waits with nothing to wait for is reported, and holds nobody up."""
    ended = run(mode, assemble("csrw mie, zero\n1: wfi\nj 1b\n", RAM_BASE).code)
    assert ended.outcome == "crashed"
    assert "cannot come" in ended.crash


@pytest.mark.parametrize("mode", MODES)
def test_an_endless_loop_ends_at_its_limit(mode: str) -> None:
    """A loop retires its limit of instructions, and the result says so."""
    ended = run(mode, assemble("1: j 1b\n", RAM_BASE).code)
    assert ended.outcome == "limit"
    assert ended.counters_total.retired == LIMIT


ALARM = """
    li   t0, 0x101000
    sw   zero, 4(t0)
    sw   zero, 0(t0)
    li   t1, 1
    sw   t1, 16(t0)
    li   t2, -1
    sw   t2, 12(t0)
    sw   t2, 8(t0)
    li   t0, 0xc000000
    sw   t1, 44(t0)
    li   t0, 0xc002000
    li   t1, 0x800
    sw   t1, 0(t0)
    csrw mie, t1
    {sleep}
next:
    csrr t1, mscratch
    j    next
"""
"""The clock set to zero, its alarm to the last nanosecond of 64 bits, and the interrupt enabled."""


@pytest.mark.parametrize("mode", MODES)
def test_an_alarm_that_no_machine_lives_to_see(mode: str) -> None:
    """A deadline that is no 64-bit number stops nothing; who sleeps until then sleeps for ever."""
    awake = run(mode, assemble(ALARM.format(sleep="nop"), RAM_BASE).code)
    assert awake.outcome == "limit"
    asleep = run(mode, assemble(ALARM.format(sleep="wfi"), RAM_BASE).code)
    assert asleep.crash == "the guest waits for an interrupt that cannot come"
