"""The machine code of exit handlers: made from a service's Python, compiled, loaded."""

from __future__ import annotations

from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from vlab.engines import object_cache
from vlab.engines.python_calls import (
    NO_ARGUMENT,
    ONE_ARGUMENT,
    TABLE,
    BuiltIn,
    entry,
    fill,
    table,
)
from vlab.state import LAYOUT as HART
from vlab.vmm import exit_record

HANDLER = exit_record.LAYOUT["handler"][0]
ENTRIES = {"stay": None, "carry_out": HANDLER}
"""Functions of a service that Python calls, and the word that the argument is written into.

A stay lets other threads of Python go on; a single exit is over before they could.
"""


class Code(NamedTuple):
    """A service's functions, to be bound to the words of an `ExitRecord`."""

    stay: BuiltIn
    carry_out: BuiltIn


def generate(service: str, guest_memory: bool) -> str:
    """Return a service's entries and all that they call as LLVM IR text.

    Parameters
    ----------
    service
        Name of the module.
    guest_memory
        Whether it reads guest-physical memory.
    """
    from vlab.engines.intrinsics import ARITHMETIC, CLEAR_FAST, GUEST_RAM, INTRINSICS
    from vlab.engines.lowering import FunctionLowering, Module, Value
    from vlab.vmm.exit_serving import run_engine

    def call_engine(f: FunctionLowering, _: list[Value]) -> Value:
        word = f"getelementptr i64, ptr %monitor, i64 {exit_record.LAYOUT['run'][0]}"
        address = f.emit(f"load ptr, ptr {f.emit(word)}")
        return Value(f.emit(f"call i64 {address}(ptr %hart)"))

    records = {"hart": HART, "vcpu": HART, "monitor": exit_record.LAYOUT}
    module = Module({**INTRINSICS, run_engine: call_engine}, ARITHMETIC + CLEAR_FAST, records)
    module.chunks.append((GUEST_RAM if guest_memory else "") + table())
    for called, argument in ENTRIES.items():
        name = module.name_of(getattr(import_module(service), called))
        loads = "".join(
            f"  %{record}.p = getelementptr i64, ptr %monitor, i64 {exit_record.LAYOUT[word][0]}\n"
            f"  %{record} = load ptr, ptr %{record}.p\n"
            for record, word in (("vcpu", "vcpu_record"), ("hart", "hart_record"))
        )
        module.chunks.append(
            f"define internal i64 @{called}(ptr %monitor) {{\n{loads}"
            f"  %r = call i64 {name}(ptr %monitor, ptr %vcpu, ptr %hart)\n"
            f"  ret i64 %r\n}}\n{entry(called, argument)}"
        )
    return module.text()


@cache
def library(service: str, guest_memory: bool) -> Code:
    """Return a service's compiled functions, from the cache if they are there."""
    package = Path(__file__).parent
    sources = (*sorted(package.glob("*.py")), *(package.parent / n for n in ("clock.py",
               "counters.py", "machine.py")))  # fmt: skip
    name = service.rpartition(".")[2].replace("_", "-")
    make = partial(generate, service, guest_memory)
    symbols = {called: f"{called}.python" for called in ENTRIES}
    made = object_cache.load(name, make, [TABLE, *symbols.values()], sources)
    fill(made[TABLE])
    return Code(*(
        BuiltIn(called, made[symbols[called]], NO_ARGUMENT if word is None else ONE_ARGUMENT)
        for called, word in ENTRIES.items()
    ))  # fmt: skip
