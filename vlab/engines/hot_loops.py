"""Hot loops: found by sampling, compiled by LLVM in the background, entered through slots.

Between the engine's runs the place being executed is a sample, worth as many instructions as
have run. A page that is worth enough has the loop around the present place compiled; when that
is done, the slots of the loop's entries lead to it, until the page's code is dropped. The same
loop of another machine is not compiled again.
"""

from __future__ import annotations

import ctypes
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from vlab.engines.code_cache import HEAT
from vlab.engines.code_page import COUNTERS, HAS_BLOCKS
from vlab.engines.executable import STUB, jump_to, processor, sync_code
from vlab.engines.halting import NOWHERE, WATCHED, planted
from vlab.engines.loops import PAGE, Loop, Step, cases_among, find_loop
from vlab.state import Hart

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

WORTH = 8_000_000
"""Instructions for which a page is seen executing before its loop is compiled."""

KEPT = 256
"""Compiled loops that are kept for other processes, some kilobytes each."""

MOST = 1000
"""Places that a process looks for a loop at, at most."""


class Compiled(NamedTuple):
    """A loop of a page and its machine code."""

    page: bytes
    halts: frozenset[int]
    loop: Loop
    address: int


class Installed(NamedTuple):
    """A loop that slots lead to: its offsets, one of the slots, and what it holds."""

    offsets: frozenset[int]
    slot: int
    stub: int


@cache
def _worker() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, thread_name_prefix="vlab-loops")


Key = tuple[bytes, int, tuple[int, ...], frozenset[int]]
"""A page's bytes, a place in it, the cases of its indirect jumps, and where a run may halt."""

_compiled: dict[Key, Future[Compiled | None]] = {}


def lightly(module: Any, machine: Any) -> None:
    """Run the passes that a loop needs.

    Reassociation and strength reduction lengthen the lives of values: a loop has many exits at
    which every register must be there, and then they no longer fit.
    """
    import llvmlite.binding as llvm

    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.add_aggressive_dce_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)


def object_of(loop: Loop) -> bytes:
    """Compile a loop."""
    import llvmlite.binding as llvm

    from vlab.engines.loop_code import generate
    from vlab.engines.object_cache import compile_object

    llvm.set_option("vlab", "--disable-lsr")
    try:
        return compile_object(generate(loop), lightly)
    finally:
        llvm.set_option("vlab", "--disable-lsr=false")


def description(loop: Loop) -> bytes:
    """Return all that a loop's code is made from, besides the sources of the engines."""
    steps = [(s.offset, s.decoded.row.name, s.decoded[1:], s.ways) for s in loop.steps.values()]
    return repr((steps, loop.entries)).encode()


_made: list[Compiled] = []


def compile_loop(
    page: bytes, start: int, cases: tuple[int, ...] = (), halts: frozenset[int] = NOWHERE
) -> Compiled | None:
    """Find and compile the loop around a place; None if there is none.

    ``cases``: to where indirect jumps lead (`vlab.engines.loops.cases_among`). ``halts``: offsets
    at which a run may halt.
    """
    from vlab.engines import object_cache

    for other in _made:
        if (other.page, other.halts) == (page, halts) and start in other.loop.steps:
            return other
    loop = find_loop(page, start, cases, halts)
    if loop is None:
        return None
    make = partial(object_of, loop)
    code = object_cache.stored("loop", make, detail=description(loop), kept=KEPT)
    address = object_cache.link("loop", code, ["loop"])["loop"]
    compiled = Compiled(page, halts, loop, address)
    _made.append(compiled)
    return compiled


class HotLoops:
    """The loops of one hart's code.

    Parameters
    ----------
    hart
        A record that a translator was attached to.
    worth
        Instructions for which a page is seen executing before its loop is compiled.
    wait
        Wait for the compiler (tests: what runs compiled is then the same every time).
    """

    def __init__(self, hart: Hart, worth: int = WORTH, wait: bool = False) -> None:
        self.hart, self.enough, self.wait = hart, worth, wait
        self.worth: dict[int, int] = {}
        self.installed: dict[int, list[Installed]] = {}
        self.pending: dict[tuple[int, int], Key] = {}

    def sample(self, instructions: int) -> None:
        """Take note of the place being executed, where so many instructions have run."""
        hart = self.hart
        offset, base = hart.pc - hart.page_pc, hart.page_slots
        if self.pending:
            self.collect()
        if not 0 <= offset < PAGE or self.covers(base, offset):
            return
        worth = self.worth[base] = self.worth.get(base, 0) + instructions
        if worth >= self.enough:
            self.worth[base] = 0
            self.request(base, offset)

    def covers(self, base: int, offset: int) -> bool:
        """Return whether a place is in a loop that is entered; forget those that were dropped."""
        entered = [i for i in self.installed.get(base, ()) if peek(i.slot) == i.stub]
        self.installed[base] = entered
        return any(offset in i.offsets for i in entered)

    def request(self, base: int, offset: int) -> None:
        """Have the loop around a place compiled, unless it was already.

        One at a time: what is under way when a process ends is waited for.
        """
        page, halts = self.executed()
        key = (page, offset, cases_among(page, self.heads(base)), halts)
        if key not in _compiled:
            busy = _compiled and not next(reversed(_compiled.values())).done()
            if busy or len(_compiled) >= MOST:
                return
            try:
                _compiled[key] = _worker().submit(compile_loop, *key)
            except RuntimeError:  # no thread can be had, or the process is ending
                return
        self.pending[base, offset] = key
        if self.wait:
            _compiled[key].result()
        if _compiled[key].done():
            self.collect()

    def executed(self) -> tuple[bytes, frozenset[int]]:
        """Return the page being executed, and the offsets in it at which a run may halt."""
        hart, halts = self.hart, NOWHERE
        if hart.halt_count and peek(hart.page_slots + WATCHED):
            halts = frozenset(halt % PAGE for halt in planted(hart))
        return ctypes.string_at(hart.page_bits, PAGE), halts

    def collect(self) -> None:
        """Enter the loops whose compilation is done, if their page is being executed."""
        for (base, offset), key in list(self.pending.items()):
            future = _compiled[key]
            if future.done() and base == self.hart.page_slots:
                del self.pending[base, offset]
                if future.exception() is not None:
                    continue  # the loop goes on as it did
                compiled = future.result()
                same = (key[0], key[3]) == self.executed()
                if compiled is not None and same and not self.covers(base, offset):
                    self.install(base, compiled)

    def heads(self, base: int) -> list[int]:
        """Return the offsets of a page at which translated blocks begin."""
        slots = (ctypes.c_uint64 * PAGE).from_address(base)
        first, last = self.hart.jit_pool, self.hart.jit_pool + self.hart.jit_used
        return [2 * n for n, handler in enumerate(slots[::2]) if first <= handler < last]

    def install(self, base: int, compiled: Compiled) -> None:
        """Let the slots of a loop's entries lead to it.

        The jump lies among the translated code and is dropped with it.
        """
        hart, loop = self.hart, compiled.loop
        if hart.jit_used == 0 or hart.jit_used + STUB > hart.jit_limit:
            return
        stub = hart.jit_pool + hart.jit_used
        hart.jit_used += STUB
        code = jump_to(compiled.address, processor())
        ctypes.memmove(stub, code, len(code))
        sync_code(stub, len(code))
        for step in loop.steps.values():
            poke(base + step.offset * 8 + 8, operands(step))
        for entry in loop.entries:
            poke(base + entry * 8, stub)
            ctypes.c_uint16.from_address(base + COUNTERS + entry).value = 0xFFFF
        for way_out in loop.ways_out:
            slot = base + way_out * 8
            if not 0 <= peek(slot) - hart.jit_pool < hart.jit_limit:
                poke(slot, peek(hart.handlers + HEAT * 8))  # translated when it is reached
        poke(base + HAS_BLOCKS, 1)
        slot = base + loop.entries[0] * 8
        self.installed.setdefault(base, []).append(Installed(frozenset(loop.steps), slot, stub))


def operands(step: Step) -> int:
    """Return the second word of an instruction's slot (`vlab.engines.code_cache.decode_slot`)."""
    d = step.decoded
    registers = (d.rd or 32) | d.rs1 << 8 | d.rs2 << 16
    return registers | d.length * 8 << 24 | (d.imm & 0xFFFFFFFF) << 32


def peek(address: int) -> int:
    """Return a word of host memory."""
    return ctypes.c_uint64.from_address(address).value


def poke(address: int, value: int) -> None:
    """Change a word of host memory."""
    ctypes.c_uint64.from_address(address).value = value
