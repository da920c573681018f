"""The interpreter: machine code generated from the instruction table.

LLVM compiles it once per version of the sources; the object code is kept in the user's
cache directory (`vlab.engines.object_cache`) and loaded in milliseconds afterwards.
"""

from __future__ import annotations

import ctypes
from collections.abc import Set
from functools import cache, partial
from types import FunctionType

from vlab.engines import object_cache
from vlab.engines.code_page import PAGE_BYTES
from vlab.engines.halting import plant
from vlab.engines.walk_cache import WALK_BYTES
from vlab.exits import ExitReason
from vlab.isa.csr import write_satp
from vlab.isa.mmu import tlb_flush
from vlab.isa.rvc import expansion_table
from vlab.isa.table import INSTRUCTIONS, ON_CHANGE, STANDARD
from vlab.state import FAST_SETS, Hart
from vlab.words import address, copy_of, zeros

CODE_POOL_PAGES = 1024
"""Pages of decoded instructions kept at most, 32 KiB each."""

HOLD = 100_000
"""Instructions of a run without breakpoints for which the code made for some is dropped."""

EXPORTS: tuple[FunctionType, ...] = (tlb_flush, write_satp)
"""Functions whose machine code monitors may call instead of the Python they are lowered from."""


def generate(heat: int = 0, blocks: bool = False) -> str:
    """Return the interpreter as LLVM IR text.

    Parameters
    ----------
    heat
        Taken branches to a place after which it is translated; 0: no translator.
    blocks
        Whether the emulated translator is told of the blocks that are entered.
    """
    from vlab.engines import (
        code_cache,
        dispatch,
        following,
        halting,
        handlers,
        translator,
        walk_cache,
    )
    from vlab.engines.intrinsics import INTRINSICS, PRELUDE
    from vlab.engines.lowering import Module
    from vlab.isa import counting, execute

    module = Module(INTRINSICS, PRELUDE)
    module.heat, module.blocks = heat, blocks
    if blocks:
        from vlab.engines import traced

        module.intrinsics = INTRINSICS | traced.INTRINSICS
        for function in traced.FUNCTIONS:
            module.name_of(function)
    for function in (
        code_cache.decode_slot,
        code_cache.enter_page,
        code_cache.after_access,
        code_cache.drop_code,
        walk_cache.count_walks,
        code_cache.step,
        halting.halts_here,
        execute.check_interrupt,
        execute.illegal,
        counting.settle,
        *EXPORTS,
        *([translator.translate] if heat else []),
    ):
        module.name_of(function)
    for function in (
        code_cache.walk_usual,
        walk_cache.walk_again,
        walk_cache.serves,
        walk_cache.goes_as_it_went,
        walk_cache.is_in_tlb,
        walk_cache.replace,
        walk_cache.unserved,
        walk_cache.lookup_entry,
    ):
        module.name_of(function, "alwaysinline")
    module.name_of(code_cache.refill, "noinline cold")
    pairs = []
    for row in INSTRUCTIONS:
        module.chunks.append(handlers.slow(module, row))
        fast = handlers.fast(module, row)
        if fast is not None:
            module.chunks.append(fast)
        first = f"@op.{row.index}" if fast else f"@slow.{row.index}"
        second = f"@near.{row.index}" if row.kind in ("branch", "jal") else f"@slow.{row.index}"
        pairs += [first, second]
    module.chunks.append(following.generate(module))
    hot = "@heat" if heat else "@decode"
    table = ["@decode", "@illegal", "@cross", "@next_page", "@dispatch", hot]
    table += ["@halt", "@load_again", "@store_again", "@read_again", "@follow", *pairs]
    entries = ", ".join(f"ptr {name}" for name in table)
    executors = [module.name_of(f) for f in handlers.executors()]
    module.chunks.append(
        f"@handlers = constant [{len(table)} x ptr] [{entries}]\n"
        f"@executors = internal constant [{len(executors)} x ptr] "
        f"[{', '.join('ptr ' + name for name in executors)}]\n"
    )
    for function in EXPORTS:
        arguments = function.__code__.co_varnames[1 : function.__code__.co_argcount]
        words = "".join(f", i64 %{a}" for a in arguments)
        module.chunks.append(
            f"define i64 @export.{function.__name__}(ptr %hart{words}) {{\n"
            f"  %r = call i64 {module.name_of(function)}(ptr %hart{words})\n  ret i64 %r\n}}\n"
        )
    module.chunks.append(dispatch.common(heat, blocks))
    return module.text()


def _own_rows() -> str:
    if len(INSTRUCTIONS) == len(STANDARD):
        return ""
    from vlab.engines.custom import own_rows

    return f"-{own_rows()}"


@cache
def _library(heat: int, blocks: bool, own: str) -> object_cache.Library:
    names = ["run", "handlers", *(f"export.{f.__name__}" for f in EXPORTS)]
    name = "blocks" if blocks else f"translator-{heat}" if heat else "interpreter"
    return object_cache.load(name + own, partial(generate, heat, blocks), names)


@cache
def _expansions() -> memoryview:
    """Return the table of compressed instructions; making it takes longer than to keep it."""
    return copy_of(object_cache.stored("compressed", lambda: expansion_table().tobytes()))


@cache
def _decoder() -> tuple[memoryview, ...]:
    from vlab.isa.decode import decoder_tables

    return *map(memoryview, decoder_tables()), _expansions()


ON_CHANGE.append(_decoder.cache_clear)


class Interpreter:
    """Runs harts on machine code; the same results as `PythonEngine`, counters included."""

    name = "interpreter"

    def __init__(self, heat: int = 0, blocks: bool = False) -> None:
        library = _library(heat, blocks, _own_rows())
        self.run_address = library["run"]
        self._run = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(library["run"])
        self._decoder = _decoder()
        self._handlers = library["handlers"]
        for function in EXPORTS:
            count = function.__code__.co_argcount
            prototype = ctypes.CFUNCTYPE(
                ctypes.c_uint64, ctypes.c_void_p, *[ctypes.c_uint64] * (count - 1)
            )
            native = prototype(library[f"export.{function.__name__}"])
            setattr(self, function.__name__, _on_hart(native))

    def attach(self, hart: Hart) -> None:
        """Prepare a hart's record: give it its memory, decoder and code cache."""
        memory = hart.memory
        buckets, rows, rvc = self._decoder
        hart.ram_base, hart.ram_size = memory.base, memory.size
        hart.ram_pointer = memory.pointer
        pages = memory.size >> 12
        pool = zeros(CODE_POOL_PAGES * PAGE_BYTES // 8 + 8)
        code_map, walks = zeros(pages), zeros(WALK_BYTES // 8)
        hart.walk_lines = address(walks)
        hart.code_map, hart.code_pool = address(code_map), address(pool)
        hart.code_used, hart.code_limit = 0, CODE_POOL_PAGES
        hart.decode_buckets, hart.decode_rows = address(buckets), address(rows)
        hart.decode_rvc, hart.handlers = address(rvc), self._handlers
        hart.fast.cast("B")[:] = b"\xff" * hart.fast.nbytes  # zeros would be page 0, at no place
        hart.fast_used = (1 << FAST_SETS) - 1
        hart.owned = (pool, code_map, walks, self._decoder)  # kept alive with the record
        memory.code_map = code_map

    def run(self, hart: Hart, budget: int) -> ExitReason:
        """Run until the budget of instructions is used up or something exits."""
        hart.limit = hart.limit - hart.budget + budget
        hart.budget = budget
        return REASONS[self._run(hart.pointer)]

    def run_until(self, hart: Hart, budget: int, halts: Set[int]) -> ExitReason:
        """Run as `run` does, but end before the instruction at one of the addresses.

        The run's first instruction, or the trap in its place, is carried out in any case.
        """
        if not halts:
            if budget > HOLD:
                plant(hart, halts)
            return self.run(hart, budget)
        plant(hart, halts)
        reason = self.run(hart, 1)
        more = budget - 1
        if reason == ExitReason.BUDGET and more and hart.pc not in halts:
            hart.halting = 1
            reason = self.run(hart, more)
            hart.halting = 0
        else:
            hart.limit, hart.budget = hart.limit + more, hart.budget + more
        return reason

    def sample(self, hart: Hart, instructions: int) -> None:
        """Take note of what executes; so many instructions have run. (An interpreter need not.)"""


REASONS = tuple(ExitReason)


def _on_hart(native):  # type: ignore[no-untyped-def]
    def call(hart: Hart, *arguments: int) -> int:
        return native(hart.pointer, *arguments)

    return call
