"""The machine code of exit handlers: made from a service's Python, compiled, loaded."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from vlab.engines import object_cache
from vlab.state import LAYOUT as HART
from vlab.vmm import exit_record

ENTRIES = ("stay", "carry_out")
"""Functions of a service that Python calls."""


class Code(NamedTuple):
    """A service's functions; each takes the address of an `ExitRecord`."""

    stay: Callable[[int], int]
    carry_out: Callable[[int], int]


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
    module.chunks.append(GUEST_RAM if guest_memory else "")
    for entry in ENTRIES:
        name = module.name_of(getattr(import_module(service), entry))
        loads = "".join(
            f"  %{record}.p = getelementptr i64, ptr %monitor, i64 {exit_record.LAYOUT[word][0]}\n"
            f"  %{record} = load ptr, ptr %{record}.p\n"
            for record, word in (("vcpu", "vcpu_record"), ("hart", "hart_record"))
        )
        module.chunks.append(
            f"define i64 @{entry}(ptr %monitor) {{\n{loads}"
            f"  %r = call i64 {name}(ptr %monitor, ptr %vcpu, ptr %hart)\n"
            "  ret i64 %r\n}\n"
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
    made = object_cache.load(name, make, list(ENTRIES), sources)
    # A run lets other threads of Python go on; a single exit is over before they could.
    kinds = (ctypes.CFUNCTYPE, ctypes.PYFUNCTYPE)
    functions = (kind(ctypes.c_uint64, ctypes.c_void_p) for kind in kinds)
    return Code(*(of(made[entry]) for of, entry in zip(functions, ENTRIES, strict=True)))
