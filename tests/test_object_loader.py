"""The loader of cached objects does what LLVM's linker does, or leaves an object to it."""

from __future__ import annotations

import contextlib
import ctypes
import random
import subprocess
import sys

import pytest

from vlab.elf import HEADER, SECTION
from vlab.engines import object_cache, object_loader
from vlab.engines.executable import processor

SERVED = sys.platform in ("linux", "win32") and processor() == "x86_64"
pytestmark = pytest.mark.skipif(not SERVED, reason="this host's objects are left to LLVM")

CASES = "\n".join(f"    i64 {n}, label %case.{n}" for n in range(6))
BODIES = "\n".join(
    f"case.{n}:\n  %v.{n} = call i64 @step.{n}(i64 %x)\n  ret i64 %v.{n}" for n in range(6)
)
STEPS = "\n".join(
    f"define internal i64 @step.{n}(i64 %x) noinline {{\n"
    f"  %m = mul i64 %x, {n + 3}\n  %y = xor i64 %m, {7**n}\n  ret i64 %y\n}}"
    for n in range(6)
)
TEXT = f"""{STEPS}
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
@table = internal constant [6 x ptr] [{", ".join(f"ptr @step.{n}" for n in range(6))}]
define i64 @choose(i64 %n, i64 %x) {{
  switch i64 %n, label %other [
{CASES}
  ]
{BODIES}
other:
  ret i64 -1
}}
define i64 @by_table(i64 %n, i64 %x) {{
  %p = getelementptr ptr, ptr @table, i64 %n
  %f = load ptr, ptr %p
  %v = tail call i64 %f(i64 %x)
  ret i64 %v
}}
define i64 @filled(i64 %n, i64 %x) {{
  %room = alloca [2048 x i8]
  %byte = trunc i64 %x to i8
  call void @llvm.memset.p0.i64(ptr %room, i8 %byte, i64 2048, i1 false)
  %p = getelementptr i8, ptr %room, i64 %n
  %v = load volatile i64, ptr %p
  ret i64 %v
}}
"""
FUNCTIONS = ["choose", "by_table", "filled"]


@pytest.fixture(scope="module")
def image() -> bytes:
    """An object with a table of jumps, one of addresses, and a call of the C library."""
    return object_cache.compile_object(TEXT)


def test_code_runs_as_llvm_links_it(image: bytes) -> None:
    """What the loader loads returns what the same object returns that LLVM linked."""
    ours, memory = object_loader.load(image)
    object_cache.keep_alive(memory)
    theirs = object_cache._link_by_llvm("pair", image, FUNCTIONS)
    kind = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64)
    for name in FUNCTIONS:
        for n in range(6):
            for x in (0, 1, 255, 1 << 63):
                assert kind(ours[name])(n, x) == kind(theirs[name])(n, x), (name, n, x)


def test_no_damaged_object_is_trusted_or_crashes(image: bytes) -> None:
    """An object that is cut or changed anywhere is refused or loaded, without any other error."""
    rng = random.Random(1)
    for _ in range(400):
        damaged = bytearray(image)
        if rng.random() < 0.5:
            del damaged[rng.randrange(len(damaged)) :]
        else:
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with contextlib.suppress(object_loader.UnknownObjectError):
            object_loader.load(bytes(damaged))


def test_a_relocation_that_is_not_known_leaves_the_object_to_llvm(image: bytes) -> None:
    """An object with another kind of relocation is refused."""
    entry = object_loader.RELOCATION
    known = (object_loader.ABSOLUTE, object_loader.RELATIVE, object_loader.CALL)
    sections = elf_sections(image)
    at = next(s[4] for s in sections if s[1] == object_loader.RELA)
    offset, kind, symbol, addend = entry.unpack_from(image, at)
    assert kind in known
    changed = bytearray(image)
    entry.pack_into(changed, at, offset, 9, symbol, addend)
    with pytest.raises(object_loader.UnknownObjectError, match="relocation"):
        object_loader.load(bytes(changed))


def elf_sections(image: bytes) -> list[tuple[int, ...]]:
    """Return the section headers of an object."""
    header = HEADER.unpack_from(image)
    section = SECTION
    return [section.unpack_from(image, header[6] + n * section.size) for n in range(header[12])]


LIBRARIES = ("numpy", "llvmlite", "elftools", "importlib.metadata", "pandas", "concurrent.futures",
             "tempfile", "vlab.engines.lowering")  # fmt: skip
MONITORS = ("vlab.modes.fullvirt", "vlab.vmm.shadow")


@pytest.mark.parametrize("mode", ["native", "emulate", "fullvirt", "paravirt"])
def test_a_warm_run_imports_no_heavy_library(mode: str) -> None:
    """With everything in the cache ``vlab run hello`` imports no more than it needs."""
    heavy = {*LIBRARIES, *MONITORS} if mode == "native" else set(LIBRARIES)
    if mode == "paravirt":
        heavy.remove("numpy")  # types of frames are arrays
    code = (
        "import sys; from vlab.cli import main; "
        f"assert main(['run', 'hello', '--mode', '{mode}']) == 0; "
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    for _ in range(2):  # the first fills the cache
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "[]", run.stderr
