"""From the text of a cell to an image, in assembly language or C."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from bisect import bisect_right
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from vlab.cells.elf import executable
from vlab.cells.errors import CellError
from vlab.errors import BuildError, unknown
from vlab.isa.assembler import assemble
from vlab.isa.expressions import AssemblyError

HERE = Path(__file__).parent
ORIGIN = 0x8020_0000
LANGUAGES = ("asm", "c")
KINDS = {"native": "native", "emulate": "native", "fullvirt": "native", "paravirt": "pv"}
"""Which of the two beginnings a mode needs: that of hardware, or that of a ported guest."""
MAIN = re.compile(r"^\s*main\s*:", re.MULTILINE)
LINE = re.compile(r"line (\d+): (?:'.*?'|\".*?\"): (.*)", re.DOTALL)
DIAGNOSIS = re.compile(r"^[^\n]*?cell\.c:(\d+):(\d+): (?:fatal )?error: (.*)$", re.MULTILINE)
FLAGS = (
    *("-target", "riscv64-freestanding-none", "-mcpu=generic_rv64+m+a+c", "-mcmodel=medany"),
    *("-ffreestanding", "-fno-builtin", "-nostdlib", "-fno-pic", "-no-pie", "-gdwarf-4"),
    *("-fno-sanitize=all", "-fno-stack-protector", "-O1", "-Wall", "-Wno-unused-function"),
    *("-Wl,--build-id=none", "-Wl,-n", "-Wl,-T,cell.ld"),
)


@dataclass(frozen=True)
class Program:
    """A program that was built.

    Attributes
    ----------
    image
        An ELF executable.
    lines
        The cell's line by the address of each instruction, in order.
    """

    image: bytes
    lines: dict[int, int]

    def line(self, address: int) -> int | None:
        """Return the line that an address belongs to, if it is the cell's."""
        starts = list(self.lines)
        found = bisect_right(starts, address) - 1
        return self.lines[starts[found]] or None if found >= 0 else None


def build(source: str, language: str, mode: str, shift: int = 0) -> Program:
    """Build a cell's program for a mode.

    Parameters
    ----------
    shift
        Lines above the source in the cell, for messages.
    """
    if language not in LANGUAGES:
        raise BuildError(unknown("language", language, LANGUAGES))
    if not source.strip():
        raise CellError(source, 0, "the cell is empty: write a program below the first line")
    make = _assemble if language == "asm" else _compile
    return make(source, KINDS[mode], shift)


def runtime(kind: str, main: str, after: str) -> str:
    """Return the assembly source of what a program stands on.

    Parameters
    ----------
    kind
        ``native`` or ``pv``.
    main, after
        Labels: where the program begins, and where it returns to.
    """
    text = (HERE / f"{kind}.s").read_text("utf-8") + (HERE / "library.s").read_text("utf-8")
    return text.replace("cell_main", main).replace("cell_after", after)


def _assemble(source: str, kind: str, shift: int) -> Program:
    own = len(source.split("\n"))
    main = ("main", "exit") if MAIN.search(source) else (f"{ORIGIN:#x}", "cell_end")
    text = f"{source}\n.text\n{runtime(kind, *main)}"
    try:
        made = assemble(text, ORIGIN)
    except AssemblyError as error:
        raise _anchored(source, own, str(error), shift) from None
    symbols = {"cell": ORIGIN, **made.labels}
    lines = {at: n if n <= own else 0 for at, n in made.line_numbers.items()}
    return Program(executable(made.code, ORIGIN, made.labels["_start"], symbols), lines)


def _anchored(source: str, own: int, text: str, shift: int) -> CellError:
    """Return the assembler's error as one of the cell: its line, and a caret."""
    match = LINE.match(text)
    if match is None:
        return CellError(source, 0, text, shift=shift)
    line, message = int(match[1]), match[2]
    clash = re.match(r"label '(\w+)' exists already, in line (\d+)", message)
    if line > own and clash and int(clash[2]) <= own:
        line, message = int(clash[2]), f"{clash[1]!r} is the library's name: choose another label"
    return CellError(source, line if line <= own else 0, message, shift=shift)


def _compile(source: str, kind: str, shift: int) -> Program:
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError("no compiler for C: pip install 'vlab[guests]', or write assembly")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in ("cell.h", "cell.ld"):
            shutil.copyfile(HERE / name, folder / name)
        (folder / "cell.c").write_text(f'#include "cell.h"\n#line 1 "cell.c"\n{source}\n', "utf-8")
        exported = "\n".join(f".globl {n}" for n in ("exit", "print", "print_char", "_start"))
        exported += "\n.globl print_number\n.globl print_hex\n.globl cell_trap\n"
        (folder / "run.S").write_text(exported + runtime(kind, "main", "exit"))
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS]
        command += ["cell.c", "run.S", "-o", "cell.elf"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise _diagnosed(source, done.stderr, shift)
        image = (folder / "cell.elf").read_bytes()
    return Program(image, _lines(image))


def _diagnosed(source: str, output: str, shift: int) -> CellError:
    """Return the compiler's first error as one of the cell."""
    match = DIAGNOSIS.search(output)
    if match is not None:
        return CellError(source, int(match[1]), match[3], int(match[2]), shift)
    undefined = re.search(r"undefined symbol: (\w+)", output)
    if undefined is not None:
        hint = ": write int main(void) { … }" if undefined[1] == "main" else ""
        return CellError(source, 0, f"{undefined[1]!r} is not defined{hint}", shift=shift)
    rows = [row for row in output.splitlines() if "error" in row]
    return CellError(source, 0, rows[0] if rows else "the compiler failed", shift=shift)


def _lines(image: bytes) -> dict[int, int]:
    """Return the lines of ``cell.c`` by address (DWARF 4, section 6.2)."""
    from elftools.elf.elffile import ELFFile

    rows: dict[int, int] = {}
    dwarf: Any = ELFFile(BytesIO(image)).get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        names = [file.name.decode() for file in program.header.file_entry]
        for entry in program.get_entries():
            state = entry.state
            if state is not None:
                own = names[state.file - 1].endswith("cell.c") and not state.end_sequence
                rows[state.address] = state.line if own else 0
    return dict(sorted(rows.items()))
