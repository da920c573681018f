"""Compiled object code, kept between processes.

The key holds everything that the code depends on: the sources it is generated from, LLVM's
version and the host. A file whose checksum does not match is not trusted but made again;
it is written under another name and renamed, so that several processes may start at once.
Where the cache cannot be written the code is compiled for this process alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlab.engines import object_loader

Library = dict[str, int]
Passes = Callable[[Any, Any], None]
"""Changes a module for a target machine."""

KEPT = 8
"""Versions of an object that are kept: several installations may share a cache."""


def directory() -> Path:
    """Return the cache directory: ``VLAB_CACHE_DIR``, or the platform's place for caches."""
    chosen = os.environ.get("VLAB_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "vlab" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "vlab"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vlab"


def key(name: str, more: tuple[Path, ...] = (), detail: bytes = b"") -> str:
    """Return the digest of all that generated code depends on (`stored`)."""
    digest = _common().copy()
    digest.update(name.encode())
    for path in more:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(detail)
    return digest.hexdigest()


@cache
def _common() -> Any:
    """Return the digest of the host, of the compiler and of the engines' sources."""
    digest = hashlib.sha256(f"{sys.platform} {platform.machine()} {_compiler()}".encode())
    package = Path(__file__).parent.parent
    sources = [package / "state.py", package / "exits.py"]
    for folder in ("isa", "engines"):
        names = sorted(name for name in os.listdir(package / folder) if name.endswith(".py"))
        sources += [package / folder / name for name in names]
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest


def _compiler() -> str:
    """Return the version of llvmlite from its own file: to import it takes long."""
    found = find_spec("llvmlite")
    if found is not None and found.origin:
        file = Path(found.origin).with_name("_version.py")
        with contextlib.suppress(OSError):
            return file.read_text("utf-8")
    import llvmlite

    return str(llvmlite.__version__)


def optimize(text: str, machine: Any, triple: str, passes: Passes | None = None) -> Any:
    """Parse IR text for a target and run LLVM's usual passes over it, or those given."""
    import llvmlite.binding as llvm

    layout = f'target datalayout = "{machine.target_data}"\ntarget triple = "{triple}"\n'
    module = llvm.parse_assembly(layout + text)
    if passes is not None:
        passes(module, machine)
        return module
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = False
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


def host_triple() -> str:
    """Return LLVM's name of this host; on Windows, of objects in the format that `link` loads."""
    import llvmlite.binding as llvm

    triple = str(llvm.get_process_triple())
    return f"{triple}-elf" if sys.platform == "win32" else triple


def compile_object(text: str, passes: Passes | None = None) -> bytes:
    """Compile LLVM IR text to an object file for this host."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = host_triple()
    target = llvm.Target.from_triple(triple)
    machine = target.create_target_machine(opt=2, reloc="pic", codemodel="small", jit=True)
    module = optimize(text, machine, triple, passes)
    for function in module.functions:
        function.add_function_attribute("nounwind")  # nothing throws: no unwind tables
    return machine.emit_object(module)


def _stored(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data[32:] if hashlib.sha256(data[32:]).digest() == data[:32] else None


def _keep(path: Path, code: bytes) -> None:
    import tempfile

    # Of a read-only installation, or a file that another process of Windows has open, nothing
    # is kept: the next process compiles again.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)


_ALIVE: list[object] = []


def keep_alive(*owners: object) -> None:
    """Keep what owns machine code for as long as the process lives."""
    _ALIVE.extend(owners)


made = 0
"""Objects that this process had to compile."""


def stored(
    name: str,
    make: Callable[[], bytes],
    more: tuple[Path, ...] = (),
    detail: bytes = b"",
    kept: int = KEPT,
) -> bytes:
    """Return the bytes called ``name``, from the cache, or made and then kept there.

    Parameters
    ----------
    name
        Name of the object.
    make
        Returns it; called only if there is no valid one in the cache.
    more, detail
        Sources that it is made from besides those of the engines, and whatever else.
    kept
        Objects of this name that are kept, the newest ones.
    """
    path = directory() / f"{name}-{key(name, more, detail)[:32]}.o"
    global made
    data = _stored(path)
    if data is None:
        data = make()
        made += 1
        _keep(path, data)
        _prune(name, path.parent, kept)
    return data


def _prune(name: str, folder: Path, kept: int) -> None:
    """Keep the newest objects of a name only; a process that misses one compiles it again."""

    def age(path: Path) -> float:
        try:
            return -path.stat().st_mtime
        except OSError:
            return 0

    found = (p for p in folder.glob(f"{name}-*.o") if len(p.stem) == len(name) + 33)
    for path in sorted(found, key=age)[kept:]:
        with contextlib.suppress(OSError):
            path.unlink()


def load(
    name: str, generate: Callable[[], str], symbols: list[str], more: tuple[Path, ...] = ()
) -> Library:
    """Return the addresses of ``symbols`` in the object code called ``name``.

    Parameters
    ----------
    name
        Name of the object.
    generate
        Returns the LLVM IR text; called only if there is no valid object in the cache.
    symbols
        Functions or constants to look up.
    more
        Sources that the code is made from besides those of the engines.
    """
    return link(name, stored(name, lambda: compile_object(generate()), more), symbols)


def link(name: str, code: bytes, symbols: list[str]) -> Library:
    """Load object code for as long as the process lives and return addresses of ``symbols``."""
    try:
        addresses, memory = object_loader.load(code)
        keep_alive(memory)
        return {symbol: addresses[symbol] for symbol in symbols}
    except object_loader.UnknownObjectError:
        return _link_by_llvm(name, code, symbols)


def _link_by_llvm(name: str, code: bytes, symbols: list[str]) -> Library:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    # Code reaches its data within 2 or 4 GiB only. JITLink lays an object's sections side by side;
    # LLVM's older linker does not, and ends the process where they come to lie further apart.
    # llvmlite has JITLink everywhere but on Windows.
    jit = llvm.create_lljit_compiler(use_jit_link=sys.platform != "win32")
    builder = llvm.JITLibraryBuilder().add_object_img(code)
    for symbol in symbols:
        builder.export_symbol(symbol)
    tracker = builder.link(jit, name)
    keep_alive(jit, tracker)
    return {symbol: tracker[symbol] for symbol in symbols}
