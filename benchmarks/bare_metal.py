"""The bare-metal programs of ``benchmarks/programs``, built with the package ``ziglang``.

They go to S-mode under pages of 4 KiB by themselves, print a checksum on the UART of QEMU's
``virt`` board, and end by its test finisher, or by ``tohost`` on Spike.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).parent / "programs"
FLAGS = shlex.split(
    "-target riscv64-freestanding-none -mcpu=generic_rv64+m+a+c -mcmodel=medany -O2 "
    "-ffreestanding -fno-builtin -fno-pic -no-pie -fno-sanitize=all -fno-stack-protector -g0 "
    "-nostdlib -Wl,--build-id=none -Wl,-n"
)


class Program(NamedTuple):
    """A program: its source, what it is compiled with, and what it is like."""

    source: str
    sentence: str
    defines: tuple[str, ...] = ()


def chase(pages: int, steps: int) -> Program:
    """Return the pointer chase over so many pages."""
    sentence = f"a chain of pointers through {pages} pages"
    return Program("chase.c", sentence, (f"-DPAGES={pages}", f"-DSTEPS={steps}"))


PROGRAMS = {
    "alu": Program("alu.c", "arithmetic in registers"),
    "branchy": Program("branchy.c", "a switch and branches that no predictor knows"),
    "copy": Program("copy.c", "memory copied by words and by bytes"),
    "kernels": Program("kernels.c", "in CoreMark's spirit: lists, matrices, a scanner, CRC"),
    "records": Program("records.c", "in Dhrystone's spirit: records, strings, calls"),
    "chase-32": chase(32, 200_000_000),
    "chase-128": chase(128, 200_000_000),
    "chase-2048": chase(2048, 20_000_000),
    "chase-32768": chase(32768, 10_000_000),
}


def build(name: str, folder: Path, scale: Fraction | int = 1) -> Path:
    """Compile a program and return the ELF file; at scale 1 it takes half a second on QEMU."""
    program, output = PROGRAMS[name], folder / f"{name}.elf"
    files = [str(SOURCES / f) for f in ("start.S", "runtime.c", program.source)]
    size = Fraction(scale)  # written without parentheses: a product with it is never rounded to 0
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS]
    command += [f"-DSCALE={size.numerator}/{size.denominator}", *program.defines]
    command += [f"-I{SOURCES}", f"-Wl,-T,{SOURCES / 'link.ld'}"]
    subprocess.run([*command, *files, "-o", str(output)], check=True)
    return output
