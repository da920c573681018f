"""What other operating systems and processors ask of vlab, as far as this host can tell."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from elftools.elf.elffile import ELFFile

from vlab.engines import hot_loops, interpreter, object_cache, object_loader
from vlab.engines.executable import processor
from vlab.engines.loops import find_loop
from vlab.isa.assembler import assemble
from vlab.vmm import exit_code
from vlab.vmm.fullvirt_exits import FullVirtExits
from vlab.vmm.paravirt_exits import ParaVirtExits

TRIPLES = (
    "aarch64-unknown-linux-gnu",
    "arm64-apple-darwin",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-msvc-elf",
    "aarch64-pc-windows-msvc-elf",
)
LINKERS_OWN = {"_GLOBAL_OFFSET_TABLE_"}
"""What some builds of LLVM name where a table of addresses is used: the linker makes it."""

GIVEN = {"memset"}
"""What every C runtime gives, and LLVM's linker finds in the process on all platforms."""


@cache
def texts() -> dict[str, str]:
    """Return all that a host without a translator compiles."""
    found = {"interpreter": interpreter.generate(), "blocks": interpreter.generate(0, True)}
    for exits in (FullVirtExits, ParaVirtExits):
        found[exits.service] = exit_code.generate(exits.service, exits.guest_memory)
    return found


def undefined(image: bytes) -> set[str]:
    """Return the symbols that an object file needs from elsewhere."""
    if image[:4] == b"\x7fELF":
        table = ELFFile(io.BytesIO(image)).get_section_by_name(".symtab")
        return {s.name for s in table.iter_symbols() if s["st_shndx"] == "SHN_UNDEF" and s.name}
    if image[:4] == b"\xcf\xfa\xed\xfe":
        return undefined_mach_o(image)
    return undefined_coff(image)


def undefined_mach_o(image: bytes) -> set[str]:
    """The same of a 64-bit Mach-O object (mach-o/loader.h, mach-o/nlist.h)."""
    commands, at = struct.unpack_from("<I", image, 16)[0], 32
    found = set()
    for _ in range(commands):
        command, size = struct.unpack_from("<II", image, at)
        if command == 2:  # LC_SYMTAB
            first, count, strings = struct.unpack_from("<III", image, at + 8)
            for place in range(first, first + 16 * count, 16):
                name, kind = struct.unpack_from("<IB", image, place)
                if kind & 0x0F == 1:  # N_UNDF | N_EXT
                    start = strings + name
                    found.add(image[start : image.index(b"\0", start)].decode()[1:])
        at += size
    return found


def undefined_coff(image: bytes) -> set[str]:
    """The same of a COFF object (Microsoft's PE format, "COFF symbol table")."""
    first, count = struct.unpack_from("<II", image, 8)
    strings, found, i = first + 18 * count, set(), 0
    while i < count:
        name, value, section, _, storage, more = struct.unpack_from(
            "<8sIhHBB", image, first + 18 * i
        )
        if section == 0 and storage == 2 and value == 0:
            if name[:4] == b"\0\0\0\0":
                start = strings + struct.unpack_from("<I", name, 4)[0]
                name = image[start : image.index(b"\0", start)]
            found.add(name.rstrip(b"\0").decode())
        i += 1 + more
    return found


@pytest.mark.parametrize("triple", TRIPLES)
def test_lowered_code_compiles_for_other_hosts_and_needs_no_helper(triple: str) -> None:
    """No object for a host that students have calls anything that its process may lack."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple)
    machine = target.create_target_machine(opt=2, reloc="pic", codemodel="small", jit=True)
    for name, text in texts().items():
        image = machine.emit_object(object_cache.optimize(text, machine, triple))
        assert undefined(image) <= GIVEN, name


@pytest.mark.skipif(processor() != "x86_64", reason="the loader is for x86-64")
def test_the_loader_takes_what_is_compiled_for_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows LLVM is asked for objects that vlab's own loader knows, every one of them."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(llvm, "get_process_triple", lambda: "x86_64-pc-windows-msvc")
    triple = object_cache.host_triple()
    everything = (*texts().values(), interpreter.generate(64))
    images = [object_cache.compile_object(text) for text in everything]
    source = "loop: ld a0, 8(a0)\nsd a1, 0(a2)\naddi a1, a1, -1\nbnez a1, loop"
    loop = find_loop(assemble(source).code.ljust(4096, b"\0"), 0)
    assert loop is not None
    images.append(hot_loops.object_of(loop))
    monkeypatch.undo()
    assert triple.startswith("x86_64-pc-windows-msvc")
    for image in images:
        addresses, _ = object_loader.load(image)
        assert addresses


@pytest.mark.parametrize(
    ("triple", "needs"),
    [("aarch64-unknown-linux-gnu", {"__clear_cache"}), ("x86_64-unknown-linux-gnu", set())],
)
def test_the_translator_keeps_the_caches_of_code_true(triple: str, needs: set[str]) -> None:
    """Where a processor does not see stores to code, the translator tells it of each block."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple)
    machine = target.create_target_machine(opt=2, reloc="pic", codemodel="small", jit=True)
    image = machine.emit_object(object_cache.optimize(interpreter.generate(64), machine, triple))
    assert undefined(image) - GIVEN == needs


@pytest.mark.parametrize("triple", TRIPLES)
def test_a_helper_that_is_missing_would_be_seen(triple: str) -> None:
    """The readers of symbol tables find a symbol that is used and defined nowhere."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(reloc="pic")
    module = llvm.parse_assembly(
        f'target triple = "{triple}"\ndeclare i64 @a_helper_not_there(i64)\n'
        "define i64 @f(i64 %x) {\n  %y = call i64 @a_helper_not_there(i64 %x)\n  ret i64 %y\n}\n"
    )
    assert undefined(machine.emit_object(module)) - LINKERS_OWN == {"a_helper_not_there"}


def windows(code: str, folder: Path, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    """Run Python that lacks what Windows lacks, with its cache in a folder of its own."""
    if sys.platform == "win32":
        pytest.skip("this is Windows")
    environment = os.environ | {"LOCALAPPDATA": str(folder), "PYTHONIOENCODING": encoding}
    environment.pop("VLAB_CACHE_DIR", None)
    return subprocess.run(
        [sys.executable, "-c", f"import tests.without_posix\n{code}"],
        env=environment,
        capture_output=True,
        timeout=180,
    )


def command(line: str) -> str:
    """Return Python that runs a command line of vlab."""
    return f"import sys; from vlab.cli import main; sys.exit(main({line.split()!r}))"


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for ``%LOCALAPPDATA%``."""
    return tmp_path_factory.mktemp("local")


DENIED = "tests.without_posix.KERNEL32.denies = True\n"


@pytest.mark.parametrize(
    ("denied", "said"),
    [("", "in use"), (DENIED, "not in use: the host denies executable memory (error 1655)")],
)
def test_info_says_whether_there_is_a_translator(denied: str, said: str, profile: Path) -> None:
    """On Windows `vlab info` says whether the translator is in use, and names the user's cache."""
    done = windows(denied + command("info"), profile, "cp1252")
    assert done.returncode == 0, done.stderr.decode("cp1252")
    printed = dict(line.split(maxsplit=1) for line in done.stdout.decode("cp1252").splitlines())
    assert printed["translator"] == said
    assert printed["cache"] == str(profile / "vlab" / "cache")


@pytest.mark.parametrize("denied", ["", DENIED])
@pytest.mark.parametrize("mode", ["native", "emulate", "fullvirt", "paravirt"])
def test_modes_agree_without_posix(mode: str, denied: str, profile: Path) -> None:
    """A run counts the same where nothing of POSIX is there, and no executable memory either."""
    code = f"import vlab; print(vlab.run('hello', mode={mode!r}).cycles.total)"
    here = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=180)
    done = windows(denied + code, profile)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.split() == here.stdout.split()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("run hello --mode fullvirt", 0),
        ("compare hello --figure FIGURE", 0),
        ("boot vlab/images/native.elf --max-instructions 1000000", 1),
    ],
)
def test_a_command_needs_nothing_of_posix(
    line: str, status: int, profile: Path, tmp_path: Path
) -> None:
    """A command works, and prints to a terminal of code page 1252."""
    line = line.replace("FIGURE", str(tmp_path / "f.svg"))
    done = windows(command(line), profile, "cp1252")
    said = done.stderr.decode("cp1252")
    assert "Traceback" not in said, said[-2000:]
    assert done.returncode == status, said[-2000:]
    assert done.stdout
    assert line.startswith("compare") == (tmp_path / "f.svg").exists()


def test_every_module_imports_without_posix(profile: Path) -> None:
    """No module of the package imports at its top what Windows does not have."""
    code = """
import importlib, pkgutil, vlab
for module in pkgutil.walk_packages(vlab.__path__, "vlab."):
    if "__main__" not in module.name:
        importlib.import_module(module.name)
"""
    done = windows(code, profile)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


def test_a_guest_is_typed_to_from_a_file_without_posix(profile: Path, tmp_path: Path) -> None:
    """`vlab boot` takes what is typed from a file with the line ends of Windows."""
    (tmp_path / "typed").write_bytes(b"echo h\xc3\xa4llo\r\nhalt\r\n")
    line = f"boot vlab/images/native.elf --disk vlab/images/fs.img --input {tmp_path / 'typed'}"
    done = windows(command(line + " --max-instructions 20000000"), profile, "cp1252")
    assert b"h\xc3\xa4llo" in done.stdout, done.stderr.decode("cp1252")


def test_a_cached_object_in_use_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file that somebody has open cannot be replaced the run goes on without the cache."""

    def denied(*_: object) -> None:
        raise PermissionError(13, "access is denied")

    monkeypatch.setenv("VLAB_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(os, "replace", denied)
    assert object_cache.stored("thing", lambda: b"code") == b"code"
    assert not list(tmp_path.iterdir())


def test_memory_that_nobody_has_is_given_back(profile: Path) -> None:
    """A buffer of executable memory from Windows is freed with the last who holds it."""
    code = """
from tests.without_posix import KERNEL32
from vlab.engines.executable import executable_memory
memory = executable_memory(8192)
memory[:3] = b"abc"
view = memoryview(memory)
del memory
held = len(KERNEL32.given)
del view
print(held, len(KERNEL32.given))
"""
    assert windows(code, profile).stdout.split() == [b"1", b"0"]
