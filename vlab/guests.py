"""Build the guest's images with the ``ziglang`` package, and tell how the two differ.

The sources are in ``guests/`` of the repository, and installed with the package; the built
images are committed in ``vlab/images/``, so that running vlab needs no compiler. Nothing that
depends on the time, the place or the user gets into an image: the same sources give the same bytes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from vlab import guest_lines
from vlab.errors import BuildError

SOURCES = guest_lines.SOURCES
IMAGES = Path(__file__).parent / "images"
ARCHITECTURES = ("native", "pv")
LIBRARY = ("lib.c", "printf.c", "workload.c", "diskwork.c", "start.S")
CHECKSUMS = "SHA256SUMS"

_FLAGS = (
    *("-target", "riscv64-freestanding-none", "-mcpu=generic_rv64+m+a+c", "-mcmodel=medany"),
    *("-ffreestanding", "-fno-builtin", "-nostdlib", "-fno-pic", "-no-pie"),
    *("-fno-sanitize=all", "-fno-stack-protector", "-ffunction-sections", "-fdata-sections"),
    *("-O2", "-g0", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function"),
    *("-Wl,--build-id=none", "-Wl,-n", "-Wl,--gc-sections"),
)


def build(out_dir: str | Path = IMAGES) -> dict[str, Path]:
    """Build kernels, user programs and the file-system image.

    Parameters
    ----------
    out_dir
        Where the images go; it is made if it does not exist.

    Returns
    -------
    dict
        File name to path, for everything that was written.

    Raises
    ------
    BuildError
        If there are no sources, no ``ziglang``, or the compiler refuses them.
    """
    _require_sources()
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError("the compiler is missing: pip install 'vlab[guests]'")
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    lines: dict[str, guest_lines.LineTable] = {}
    with tempfile.TemporaryDirectory() as scratch:
        names = [name for arch in ARCHITECTURES for name in _build_kernel(arch, out, lines)]
        programs = _build_programs(Path(scratch), lines)
        _run(
            [sys.executable, "mkfs.py", str((out / "fs.img").absolute()), *programs],
            "mkfs.py",
        )
    shutil.copyfile(SOURCES / "workloads.json", out / "workloads.json")
    (out / guest_lines.LINES.name).write_text(guest_lines.write(lines), "utf-8", newline="\n")
    names += ["fs.img", "workloads.json", guest_lines.LINES.name]
    sums = (f"{hashlib.sha256((out / n).read_bytes()).hexdigest()}  {n}\n" for n in sorted(names))
    (out / CHECKSUMS).write_text("".join(sums), "utf-8", newline="\n")
    return {name: out / name for name in [*names, CHECKSUMS]}


def build_monitor(output: str | Path) -> None:
    """Build the small monitor with which the tests run ``pv.elf`` under QEMU."""
    names = [f"monitor/{name}" for name in ("boot.c", "entry.S", "monitor.c", "tables.c")]
    includes = ("include", "kernel", "kernel/arch/pv")
    _compile(names, includes, "monitor/monitor.ld", Path(output).absolute())


def _require_sources() -> None:
    if not (SOURCES / "kernel").is_dir():
        raise BuildError(f"no guest sources at {SOURCES}: install vlab again, or use a checkout")


def _build_kernel(arch: str, out: Path, lines: dict[str, guest_lines.LineTable]) -> list[str]:
    """Build one image, stripped, and the list of its symbols; note its lines."""
    sources = kernel_sources(arch)
    elf, symbols = f"{arch}.elf", f"{arch}.sym"
    includes = ("include", "kernel", f"kernel/arch/{arch}")
    image = (out / elf).absolute()
    _compile(sources, includes, "kernel/kernel.ld", image, "-g")
    lines[arch] = _line_table(image)
    (out / symbols).write_text(_symbols(image), "utf-8", newline="\n")
    _compile(sources, includes, "kernel/kernel.ld", image, "-s")
    return [elf, symbols]


def _line_table(image: Path) -> guest_lines.LineTable:
    with image.open("rb") as file:
        return guest_lines.extract(ELFFile(file))


def _build_programs(scratch: Path, lines: dict[str, guest_lines.LineTable]) -> list[str]:
    """Build the user programs, note their lines, and return mkfs's arguments for them."""
    arguments = []
    library = [f"user/{name}" for name in LIBRARY]
    for source in sorted((SOURCES / "user").glob("*.c")):
        if source.name in LIBRARY:
            continue
        program = scratch / source.stem
        files = [f"user/{source.name}", *library]
        _compile(files, ("include",), "user/user.ld", program, "-g")
        lines[source.stem] = _line_table(program)
        _compile(files, ("include",), "user/user.ld", program, "-s")
        arguments.append(f"bin/{source.stem}={program}")
    return arguments + [
        f"{path.relative_to(SOURCES / 'files')}={path.relative_to(SOURCES)}"
        for path in sorted((SOURCES / "files").rglob("*"))
        if path.is_file()
    ]


def kernel_sources(arch: str) -> list[str]:
    """Return the files that are compiled into one image, relative to ``guests/``."""
    kernel = SOURCES / "kernel"
    files = [
        path
        for directory in (kernel, kernel / "arch" / arch)
        for path in sorted(directory.iterdir())
        if path.suffix in (".c", ".S")
    ]
    return [path.relative_to(SOURCES).as_posix() for path in files]


def _compile(
    sources: list[str], includes: tuple[str, ...], script: str, output: Path, *more: str
) -> None:
    debugging = {"-g", "-g0"} if "-g" in more else set()
    flags = [flag for flag in _FLAGS if flag not in debugging]
    command = [sys.executable, "-m", "ziglang", "cc", *flags, *more]
    command += [f"-I{directory}" for directory in includes]
    _run([*command, f"-Wl,-T,{script}", *sources, "-o", str(output)], output.name)


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if "error" in line]
        reason = (reasons or done.stderr.splitlines() or [f"status {done.returncode}"])[0]
        raise BuildError(f"building {what} failed: {reason}")


def _symbols(image: Path) -> str:
    """Return a line ``address name`` for each symbol of an ELF file, by address."""
    with image.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        rows = sorted(
            (symbol["st_value"], symbol.name)
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE")
            and symbol["st_value"]
            and symbol.name
            and not symbol.name.startswith((".L", "$"))
        )
    return "".join(f"{address:016x} {name}\n" for address, name in rows)


@dataclass(frozen=True)
class SourceDiff:
    """Which source files are in both kernels, and which in one of them, with their lines.

    Attributes
    ----------
    shared, native, pv
        Lines of code by file: neither blank lines nor lines that are only comment.
    """

    shared: dict[str, int]
    native: dict[str, int]
    pv: dict[str, int]

    def __str__(self) -> str:
        """Return the table that ``vlab guests diff`` prints."""
        rows = ["lines of code (without blank lines and comments)", ""]
        for title, files in (
            ("only in the native image", self.native),
            ("only in the paravirtual image", self.pv),
        ):
            rows += [f"{title}:", *(f"{n:6}  {name}" for name, n in files.items())]
            rows += [f"{sum(files.values()):6}  in {len(files)} files", ""]
        native, pv, both = (sum(d.values()) for d in (self.native, self.pv, self.shared))
        rows.append(f"the same in both: {both} lines in {len(self.shared)} files")
        share = native / (both + native)
        rows.append(f"the port replaces {native} of {both + native} lines ({share:.0%}) by {pv}")
        return "\n".join(rows)


def diff() -> SourceDiff:
    """Compare the sources of the two images.

    Everything outside ``kernel/arch/native`` and ``kernel/arch/pv`` is compiled into both;
    the programs and the disk are the same files.

    Raises
    ------
    BuildError
        If there are no sources here.
    """
    _require_sources()
    kernel = SOURCES / "kernel"
    alone = {arch: _lines(kernel / "arch" / arch) for arch in ARCHITECTURES}
    shared = {**_lines(SOURCES / "include"), **_lines(kernel), **_lines(kernel / "arch")}
    return SourceDiff(shared, alone["native"], alone["pv"])


def _lines(directory: Path) -> dict[str, int]:
    """Return the lines of code of each source file in a directory, not below it."""
    return {
        path.relative_to(SOURCES).as_posix(): _count_code(path)
        for path in sorted(directory.iterdir())
        if path.suffix in (".c", ".h", ".S", ".ld")
    }


def _count_code(source: Path) -> int:
    return sum(map(_is_code, source.read_text("utf-8").splitlines()))


def _is_code(line: str) -> bool:
    line = line.strip()
    directive = line.startswith(("#include", "#define", "#if", "#else", "#endif", "#pragma"))
    return bool(line) and (directive or not line.startswith(("//", "#", "/*")))
