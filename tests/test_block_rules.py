"""Where blocks begin and end, what links and what drops them: small programs, counted by hand."""

from __future__ import annotations

import pytest

import vlab
from vlab.engines.traced import TracedInterpreter, TracedPython
from vlab.hardware import HardwareOptions, open_pmp, reset
from vlab.hart_counters import BLOCK_COUNTERS
from vlab.memory import PAGE, PhysicalMemory
from vlab.state import Hart

BASE = 0x8000_0000


def counted(text: str, origin: int = BASE) -> dict[str, int]:
    """Run a program in M-mode to its ``ebreak`` on both engines; return the counts they share."""
    seen = []
    for engine in (TracedPython(), TracedInterpreter()):
        hart = Hart(PhysicalMemory(BASE, 1 << 20))
        engine.attach(hart)
        reset(hart, HardwareOptions())
        open_pmp(hart)
        hart.memory.write(origin, vlab.assemble(text, origin).code)
        hart.pc, hart.intercept = origin, 1 << 3
        engine.run(hart, 10_000)
        assert hart.exit_cause == 3
        seen.append({name: getattr(hart, name) for name in BLOCK_COUNTERS})
    assert seen[0] == seen[1]
    return seen[0]


def of(counts: dict[str, int]) -> tuple[int, int, int, int]:
    """Return blocks entered, dispatched and translated, and instructions translated."""
    return tuple(counts[name] for name in BLOCK_COUNTERS[:4])  # type: ignore[return-value]


def test_branches_and_jumps_link_blocks() -> None:
    """Each exit to the same page asks the dispatcher once."""
    loop = "c.li t0, 5\nloop: addi t0, t0, -1\nbnez t0, loop\nebreak"
    # from the start; from li to bnez to loop; from loop to itself; to ebreak: then linked
    assert of(counted(loop)) == (1 + 4 + 1, 4, 3, 3 + 2 + 1)


@pytest.mark.parametrize(
    ("instruction", "blocks"),
    [
        ("fence.i", 2),
        ("csrr t0, mstatus", 2),
        ("sfence.vma", 2),
        ("fence", 1),
        ("amoadd.w t0, t1, (sp)", 1),
        ("lw t0, 0(sp)", 1),
    ],
)
def test_some_instructions_end_a_block(instruction: str, blocks: int) -> None:
    """What may change how code is found ends a block; memory accesses and fences do not."""
    text = f"la sp, place\n{instruction}\nnop\nebreak\n.balign 8\nplace: .dword 0"
    assert of(counted(text)) == (blocks, blocks, blocks, 5)


def test_indirect_jumps_are_the_dispatchers() -> None:
    """A call of the next instruction but one, three times: the returns are never linked."""
    text = "c.li s0, 3\nloop: jal f\naddi s0, s0, -1\nbnez s0, loop\nebreak\nf: ret"
    # li+jal, f, addi+bnez, then twice jal, f, addi+bnez, then ebreak
    entries = 3 + 2 * 3 + 1
    linked = 1 + 1  # the loop's jal to f, and bnez to loop, each the second time
    assert of(counted(text))[:3] == (entries, entries - linked, 5)


@pytest.mark.parametrize(("place", "dropped"), [(-2, 0), (0, 1), (2, 1), (4, 1), (6, 0)])
def test_a_store_drops_exactly_the_blocks_that_it_hits(place: int, dropped: int) -> None:
    """Of a block of three halfwords each counts, those around it do not."""
    text = f"""
        la t1, f
        jal f
        lhu t2, {place}(t1)
        sh t2, {place}(t1)
        jal f
        ebreak
        .balign 64
        .dword 0
    f:  c.nop
        c.nop
        c.jr ra
        c.nop
    """
    counts = counted(text)
    assert counts["blocks_dropped"] == dropped
    begun = dropped  # leaving the block that stores, which goes on in another
    assert counts["block_entries"] == 5 + begun
    assert counts["blocks_translated"] == 4 + begun + dropped


def test_a_trap_takes_no_exit() -> None:
    """A trap to where the block's own jump leads is the dispatcher's, each time."""
    text = """
        la t0, handler
        csrw mtvec, t0
        c.li s0, 3
        la t1, handler
        j again
    again:
        amoadd.w zero, zero, (t2)
        j handler
        .balign 4
    handler:
        addi s0, s0, -1
        beqz s0, done
        la t2, again
        csrw mepc, t2
        addi t2, t2, 1
        mret
    done:
        ebreak
    """
    text = text.replace("c.li s0, 3", "c.li s0, 3\nc.li t2, 1")  # misaligned from the start
    counts = counted(text)
    # la+csrw; li to j; then three times again and handler; la to csrw, addi+mret twice; ebreak
    assert counts["block_entries"] == 2 + 3 * 2 + 2 * 2 + 1
    linked = 1  # beqz, not taken, the second time
    assert counts["block_dispatches"] == counts["block_entries"] - linked


def test_an_instruction_across_pages_is_a_block() -> None:
    """It begins one and ends it; the one before ends where it begins."""
    origin = BASE + PAGE - 6
    text = "c.nop\nc.nop\naddi t0, t0, 1\nnop\nebreak"
    assert of(counted(text, origin)) == (3, 3, 3, 5)


def test_a_block_ends_with_its_page() -> None:
    """The next page's instructions are another block, and that exit is never linked."""
    origin = BASE + PAGE - 4
    assert of(counted("c.nop\nc.nop\nc.nop\nebreak", origin)) == (2, 2, 2, 4)


def test_a_block_is_of_one_privilege() -> None:
    """The same code, executed in M-mode and in S-mode, is translated twice."""
    text = """
        jal f
        la t0, below
        csrw mepc, t0
        li t1, 1 << 11
        csrs mstatus, t1
        mret
    below:
        jal f
        ebreak
    f:  ret
    """
    once = counted(text.replace("1 << 11", "3 << 11"))
    twice = counted(text)
    assert once["block_entries"] == twice["block_entries"]
    assert twice["blocks_translated"] == once["blocks_translated"] + 1
