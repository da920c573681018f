"""What dynamic binary translation costs: counted in the emulated translator's own code.

Method: the emulated translator (`vlab.engines.block_translator`) is compiled for the modelled
machine itself, as the interpreter is for `vlab.experiments.emulation_cost`, and run on it as a
guest program: it translates every block that the course's workloads execute, and the
instructions that it retires are what translation costs. What translated code costs is read off
the stencils that it copies.

``python -m vlab.experiments.translation_cost`` records the stencils in
``vlab/data/host_stencils.json`` and the costs in ``vlab/data/calibration.json``.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import llvmlite

from vlab.board import RAM_BASE
from vlab.engines import block_cache, block_tables
from vlab.engines.block_tables import EXECUTIONS, GUEST_BYTES, KEY
from vlab.experiments import emulation_cost
from vlab.experiments.emulation_cost import RECORD, path_length
from vlab.isa.table import standard_rows
from vlab.memory import PAGE, PhysicalMemory
from vlab.state import WORDS, Hart

FUNCTIONS: tuple[Any, ...] = (
    block_cache.dispatch_block,
    block_cache.flush_blocks,
    block_cache.forget_blocks,
)
PROGRAM, RECORD_AT, DECODER, TABLES = (RAM_BASE + (n << 20) for n in (0, 1, 2, 4))
"""Where things are in the memory of the machine that runs the translator."""

STACK = RECORD_AT - 64
TABLE_ROOM = 48 << 20


class Block(NamedTuple):
    """A block that a workload executed."""

    key: int
    executions: int
    guest_bytes: int


def program() -> tuple[bytes, dict[str, int]]:
    """Return the translator compiled for RV64IMAC and linked, and where its functions are."""
    from vlab.engines import intrinsics
    from vlab.engines.lowering import Module

    module = Module(
        intrinsics.INTRINSICS | block_tables.TABLE_INTRINSICS,
        intrinsics.PRELUDE + "\ndefine internal i64 @py.drop_code(ptr %hart, i64 %a, i64 %w) "
        "{ ret i64 0 }\n",
    )
    for function in FUNCTIONS:
        names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
        words = "".join(f", i64 %{name}" for name in names)
        module.chunks.append(
            f"define i64 @{function.__name__}(ptr %hart{words}) {{\n"
            f"  %r = call i64 {module.name_of(function)}(ptr %hart{words})\n  ret i64 %r\n}}\n"
        )
    text = re.sub(r"^(define [^{]*)\{", r'\1"no-jump-tables"="true" {', module.text(), flags=re.M)
    machine = emulation_cost.target()
    return placed(machine.emit_object(emulation_cost.optimized(text, machine)), PROGRAM)


def placed(image: bytes, base: int) -> tuple[bytes, dict[str, int]]:
    """Return an object file's code, which needs no linker, and its functions' addresses."""
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(io.BytesIO(image))
    if elf.get_section_by_name(".rela.text") is not None:
        raise ValueError("the translator's code refers to something outside of it")
    symbols = elf.get_section_by_name(".symtab").iter_symbols()
    named = {s.name: base + s["st_value"] for s in symbols if s.name}
    return elf.get_section_by_name(".text").data(), named


def guests() -> Iterator[tuple[Any, list[Block]]]:
    """Yield each workload's machine after its run, and the blocks that it executed, in order."""
    from vlab.experiments.catalogue import workloads
    from vlab.experiments.emulation_cost import guest_of

    for workload in workloads().values():
        guest = guest_of(workload, "dbt", "interpreter")
        guest.run(emulation_cost.INSTRUCTION_LIMIT)
        hart = guest.machine.hart
        blocks = []
        for number in range(hart.block_count):
            at = hart.block_list + number * 8 * block_tables.BLOCK_WORDS
            key, times, size = (block_tables.get(hart, at + w) for w in WANTED)
            if key:
                blocks.append(Block(key, times, size))
        yield guest.machine, blocks


WANTED = (KEY, EXECUTIONS, GUEST_BYTES)


class Bench:
    """A machine on which the translator runs as a program, with a guest's memory before it."""

    def __init__(self, guest: Hart, code: bytes, places: dict[str, int]) -> None:
        from vlab.engines.interpreter import Interpreter
        from vlab.hardware import HardwareOptions, reset

        room = TABLES - RAM_BASE + TABLE_ROOM
        self.memory = PhysicalMemory(RAM_BASE, room + guest.memory.size)
        self.hart, self.engine, self.places = Hart(self.memory), Interpreter(), places
        self.engine.attach(self.hart)
        reset(self.hart, HardwareOptions())
        self.hart.intercept = 1 << 3  # ebreak ends a call
        self.memory.write(PROGRAM, code)
        self.memory.write(PROGRAM + len(code), b"\x73\x00\x10\x00")
        self.end = PROGRAM + len(code)
        self.copy_guest(guest, RAM_BASE + room)

    def copy_guest(self, guest: Hart, ram: int) -> None:
        """Give the program a record whose addresses are the machine's, and fresh tables."""
        inner = Hart(guest.memory)
        inner.ram_base, inner.ram_size, inner.ram_pointer = guest.ram_base, guest.ram_size, ram
        for at in range(0, guest.ram_size, PAGE):
            page = guest.memory.read(guest.ram_base + at, PAGE)
            if any(page):
                self.memory.write(ram + at, page)
        block_tables.attach_tables(inner)
        self.memory.write(TABLES, bytes(inner.tables[: inner.block_code]))
        inner.block_tables = TABLES
        at = DECODER
        for name, table in zip(DECODER_FIELDS, self.engine._decoder, strict=True):
            setattr(inner, name, at)
            data = table.tobytes()
            self.memory.write(at, data)
            at += len(data)
        self.memory.write(RECORD_AT, bytes(inner.words)[: 8 * WORDS])

    def call(self, function: Any, *arguments: int) -> int:
        """Call a function of the translator and return the instructions that it took."""
        hart = self.hart
        hart.x[1], hart.x[2], hart.x[10] = self.end, STACK, RECORD_AT
        for number, value in enumerate(arguments):
            hart.x[11 + number] = value
        hart.pc = self.places[function.__name__]
        before = hart.limit - hart.budget
        self.engine.run(hart, 1 << 40)
        if hart.pc != self.end:
            raise RuntimeError(f"{function.__name__} did not return: stopped at {hart.pc:#x}")
        return hart.limit - hart.budget - before

    def field(self, name: str) -> int:
        """Return a field of the program's record."""
        from vlab.state import LAYOUT

        return self.memory.load(RECORD_AT + 8 * LAYOUT[name][0], 8)


DECODER_FIELDS = ("decode_buckets", "decode_rows", "decode_rvc")


def counted() -> dict[str, float]:
    """Return what the translator's functions cost, in instructions retired."""
    code, places = program()
    total: Counter[str] = Counter()
    flushes = 0
    for machine, blocks in guests():
        bench = Bench(machine.hart, code, places)
        for key, executions, _ in blocks:
            first = bench.call(block_cache.dispatch_block, key >> 2, key)
            again = bench.call(block_cache.dispatch_block, key >> 2, key)
            total["translating"] += first - again
            total["dispatching"] += again * executions
            total["executions"] += executions
        total["instructions"] += bench.field("instructions_translated")
        for key, _, _ in blocks:
            total["dropping"] += bench.call(block_cache.forget_blocks, key >> 2, 8)
        total["dropped"] += bench.field("blocks_dropped")
        total["flushing"] += bench.call(block_cache.flush_blocks)
        flushes += 1
    return {
        "translation": total["translating"] / total["instructions"],
        "dispatch": total["dispatching"] / total["executions"],
        "drop": total["dropping"] / total["dropped"],
        "flush": total["flushing"] / flushes,
        "instructions": total["instructions"],
    }


def paths() -> dict[str, int]:
    """Return the host instructions that execute one translated instruction, by row."""
    stencils, code = block_tables.recorded(), emulation_cost.functions(emulation_cost.assembly())
    helper = stencils["call"]["path"] + stencils["helper"]["path"]
    result = {}
    for row in standard_rows():
        if row.name in stencils:
            result[row.name] = stencils[row.name]["path"]
        else:
            body = code[f"py.execute_{row.name.replace('.', '_')}"]
            called = re.findall(r"call\t\"?([\w.]+)", "\n".join(body))
            result[row.name] = helper + len(body) + sum(len(code.get(name, ())) for name in called)
    return result


def measure() -> dict[str, dict[str, Any]]:
    """Count, and return the costs with how they came about."""
    length, weight = paths(), emulation_cost.executed()
    mean = sum(length[name] * n for name, n in weight.items()) / weight.total()
    found, stencils = counted(), block_tables.recorded()
    page = path_length(emulation_cost.functions(emulation_cost.assembly())["dispatch"])
    away = stencils["far"]["path"]
    entry = stencils["entry"]["path"] + stencils["link"]["path"]
    module = "(vlab.experiments.translation_cost)"
    run = "the translator run as a guest program"
    number = int(found["instructions"])
    figures = {
        "dbt_instruction": (
            round(mean) - 1,
            f"{mean:.1f} RV64 instructions of stencils per guest instruction, "
            f"over {weight.total():,} of the workloads",
        ),
        "dbt_entry": (entry, f"{entry} RV64 instructions: budget check and jump"),
        "dbt_dispatch": (
            round(found["dispatch"]) + page + away,
            f"{away} to leave, {page} to find the page, {found['dispatch']:.1f} to find the block",
        ),
        "dbt_translation": (
            round(found["translation"]),
            f"{found['translation']:.0f} RV64IMAC instructions per instruction translated, "
            f"over {number:,}, {run}",
        ),
        "dbt_drop": (round(found["drop"]), f"mean of all blocks, {run}"),
        "dbt_flush": (round(found["flush"]), f"chains of 64 MiB cleared, {run}"),
    }
    return {n: {"cycles": c, "source": f"{text} {module}"} for n, (c, text) in figures.items()}


def record() -> None:
    """Record the stencils, then count and record the costs."""
    from vlab.engines.host_code import stencils

    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(s)}" for name, s in stencils().items())
    head = f'{{"llvmlite": "{llvmlite.__version__}", "stencils": {{'
    block_tables.RECORD.write_text(f"{head}\n{lines}\n}}}}\n", "utf-8")
    block_tables.recorded.cache_clear()
    stored = json.loads(RECORD.read_text("utf-8"))
    stored["costs"] |= measure()
    RECORD.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    record()
    print(json.dumps(json.loads(RECORD.read_text("utf-8"))["costs"], indent=1))
