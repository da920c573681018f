"""The translator of this host, by itself, made to write code for aarch64."""

from __future__ import annotations

import ctypes
from functools import cache

import llvmlite.binding as llvm

from vlab.engines import code_cache, object_cache, translator
from vlab.engines.intrinsics import INTRINSICS, PRELUDE
from vlab.engines.lowering import Module
from vlab.engines.python import PythonEngine
from vlab.engines.stencil_table import StencilTable, compile_stencils, stencil_objects
from vlab.engines.tiered import Translator
from vlab.hardware import HardwareOptions, reset
from vlab.memory import PhysicalMemory
from vlab.state import Hart

HANDLERS = 1000
"""Room for the table of handlers; each of them is the address ``AWAY + 16 * its index``."""

AWAY = 0x10_0000
BASE = 0x8000_0000
CODE, DATA = BASE + 0x1000, BASE + 0x4000


TRIPLE = "aarch64-unknown-linux-gnu"


@cache
def image() -> bytes:
    """Return the stencils as LLVM emits them for aarch64."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return stencil_objects(TRIPLE)[0]


@cache
def packed() -> bytes:
    """Return the stencils for aarch64 as the translator reads them."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return compile_stencils(TRIPLE)


@cache
def lowered() -> dict[str, int]:
    """Compile the translator for this host by itself; return addresses of its functions."""
    module = Module(INTRINSICS, PRELUDE)
    functions = (translator.translate, translator.copy, code_cache.drop_code)
    translate, copy, _ = (module.name_of(f) for f in functions)
    module.chunks.append(
        f"@handlers = global [{HANDLERS} x i64] zeroinitializer\n"
        f"define i64 @translate(ptr %hart, i64 %slot) {{\n"
        f"  %r = call i64 {translate}(ptr %hart, i64 %slot)\n  ret i64 %r\n}}\n"
        f"define i64 @copy(ptr %hart, i64 %stencil, i64 %place) {{\n"
        f"  %r = call i64 {copy}(ptr %hart, i64 %stencil, i64 %place)\n  ret i64 %r\n}}\n"
    )
    image = object_cache.compile_object(module.text())
    found = object_cache.link("translator", image, ["translate", "copy", "handlers"])
    table = (ctypes.c_uint64 * HANDLERS).from_address(found["handlers"])
    table[:] = [AWAY + 16 * index for index in range(HANDLERS)]
    return found


def call(name: str, hart: Hart, *words: int) -> int:
    """Call a function of the translator."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, *[ctypes.c_uint64] * len(words))
    return int(prototype(lowered()[name])(hart.pointer, *words))


def attached(tlb_hits: bool = True) -> Hart:
    """Return a hart with the stencils of aarch64 whose page of code is being executed."""
    engine = Translator()
    engine.stencils = StencilTable(packed())
    hart = new_hart(engine)
    warm_up = [0x0002_B303, 0x0062_B023] if tlb_hits else [0x13, 0x13]  # ld x6,(x5); sd x6,(x5)
    hart.memory.write(CODE, b"".join(w.to_bytes(4, "little") for w in warm_up))
    hart.pc, hart.x[5] = CODE, DATA
    engine.run(hart, 2)
    hart.handlers = lowered()["handlers"]
    return hart


def new_hart(engine: PythonEngine | Translator) -> Hart:
    """Return a hart after reset."""
    hart = Hart(PhysicalMemory(BASE, 1 << 20))
    engine.attach(hart)
    reset(hart, HardwareOptions())
    return hart
