"""Engines under an emulated translator: they carry the guest out and tell it what is executed.

The guest's results and every architectural counter are those of the other engines. Both engines
here enter the same blocks in the same order, so their counts of blocks agree, too.
"""

from __future__ import annotations

import mmap
from functools import partial

from vlab.engines.block_cache import (
    arrive,
    crosses,
    ended,
    ends_block,
    enter_block,
    forget_blocks,
)
from vlab.engines.block_tables import CODE_BYTES, TABLE_INTRINSICS, attach_tables
from vlab.engines.code_cache import drop_code as drop_slots
from vlab.engines.code_cache import step
from vlab.engines.code_page import PAGE_BYTES
from vlab.engines.interpreter import Interpreter
from vlab.engines.lowering import Emit, FunctionLowering, Value
from vlab.engines.python import PythonEngine
from vlab.errors import MachineError
from vlab.isa.execute import raise_trap
from vlab.isa.fields import FETCH, Cause
from vlab.isa.mmu import translate
from vlab.isa.physical import in_ram
from vlab.memory import PAGE
from vlab.state import Hart
from vlab.words import address, anonymous


def traced_step(hart: Hart) -> int:
    """Execute one instruction without the cache of decoded ones, or take the trap it raises.

    A fetch that fails does so here: tried again it would be counted twice.
    """
    pc = hart.pc
    pa = translate(hart, pc, FETCH, 2)
    if hart.fault != 0:
        return raise_trap(hart, hart.fault, hart.fault_address)
    if not in_ram(hart, pa, 2):
        return raise_trap(hart, Cause.FETCH_ACCESS, pc)
    arrive(hart, pa)
    crossing = crosses(hart, pa)
    status = one_step(hart)
    if crossing or ends_block(hart, hart.bits):
        ended(hart, status)
    return status


def one_step(hart: Hart) -> int:
    """Execute one instruction, whichever engine this is."""
    return REFERENCE.step(hart)


def _one_step(f: FunctionLowering, _: list[Value]) -> Value:
    return Value(f.emit(f"call i64 {f.module.name_of(step)}(ptr %hart)"))


REFERENCE = PythonEngine()
INTRINSICS: dict[object, Emit] = {**TABLE_INTRINSICS, one_step: _one_step}


def drop_code(hart: Hart, address: int, width: int) -> None:
    """Forget the code that a store overwrote: lowered only, in place of the code cache's own."""
    forget_blocks(hart, address, width)
    drop_slots(hart, address, width)


FUNCTIONS = (drop_code, traced_step, arrive, enter_block, ended)
"""What the interpreter's handlers call; `drop_code` first, as it takes another's name."""


def written(hart: Hart, offset: int, count: int) -> None:
    """Drop the blocks that a write from outside the engine changed."""
    at, end = hart.ram_base + offset, hart.ram_base + offset + count
    while at < end:
        piece = min(end - at, PAGE - at % PAGE)
        forget_blocks(hart, at, piece)
        at += piece


def reserved(size: int) -> mmap.mmap:
    """Return zeroed memory of the host of which only what is touched is taken."""
    try:
        if not hasattr(mmap, "MAP_NORESERVE"):
            return anonymous(size)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_NORESERVE
        return mmap.mmap(-1, size, flags=flags)
    except (OSError, ValueError, OverflowError) as error:
        raise MachineError(
            f"'dbt' reserves {size >> 20} MiB, denied by the host: {error}"
        ) from None


class TracedInterpreter(Interpreter):
    """The interpreter, with blocks."""

    def __init__(self, code_bytes: int = CODE_BYTES) -> None:
        super().__init__(blocks=True)
        self.code_bytes = code_bytes

    run_until = PythonEngine.run_until

    def attach(self, hart: Hart) -> None:
        """Prepare a hart's record.

        Every page's decoded code has room: while a page has blocks its stores must be seen.
        """
        super().attach(hart)
        pages = hart.ram_size >> 12
        pool = reserved(pages * PAGE_BYTES)
        hart.code_pool = address(pool)
        hart.code_limit = pages
        hart.owned = (*hart.owned[1:], pool)
        attach_tables(hart, self.code_bytes)
        hart.memory.on_write = partial(written, hart)


class TracedPython(PythonEngine):
    """The reference engine, with blocks."""

    def __init__(self, code_bytes: int = CODE_BYTES) -> None:
        self.code_bytes = code_bytes

    def attach(self, hart: Hart) -> None:
        """Prepare a hart's record for its memory."""
        super().attach(hart)
        attach_tables(hart, self.code_bytes)
        hart.memory.on_write = partial(written, hart)

    def step(self, hart: Hart) -> int:
        """Execute one instruction, or take the trap it raises."""
        return traced_step(hart)
