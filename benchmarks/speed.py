"""The engines against QEMU on the same bare-metal programs, in alternating runs.

``python benchmarks/speed.py [PROGRAM …] [--rounds 3] [--scale 4] [--engines translator,qemu]``
builds ``benchmarks/programs`` with the package ``ziglang`` and prints the user processor time of
whole processes, start-up and translation included: medians, and for each engine how many
times less it is than QEMU's (more than 1: ahead of QEMU), with the spread over the rounds.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).parent / "programs"
BASE, SIZE, UART, FINISHER = 0x8000_0000, 256 << 20, 0x1000_0000, 0x10_0000
SLICE = 1 << 40
QEMU = "qemu-system-riscv64"
FLAGS = shlex.split(
    "-target riscv64-freestanding-none -mcpu=generic_rv64+m+a+c -mcmodel=medany -O2 "
    "-ffreestanding -fno-builtin -fno-pic -no-pie -fno-sanitize=all -fno-stack-protector -g0 "
    "-nostdlib -Wl,--build-id=none -Wl,--strip-all -Wl,-n"
)


class Program(NamedTuple):
    """A program: its source, and what it is compiled with."""

    source: str
    defines: tuple[str, ...] = ()


PROGRAMS = {
    "alu": Program("alu.c"),
    "branchy": Program("branchy.c"),
    "copy": Program("copy.c"),
    "kernels": Program("kernels.c"),
    "records": Program("records.c"),
    "chase-128": Program("chase.c", ("-DPAGES=128", "-DSTEPS=200000000")),
    "chase-2048": Program("chase.c", ("-DPAGES=2048", "-DSTEPS=20000000")),
    "chase-32768": Program("chase.c", ("-DPAGES=32768", "-DSTEPS=10000000")),
}


def build(name: str, folder: Path, scale: int = 1) -> Path:
    """Compile a program and return the ELF file."""
    program, output = PROGRAMS[name], folder / f"{name}.elf"
    files = [str(SOURCES / f) for f in ("start.S", "runtime.c", program.source)]
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, f"-DSCALE={scale}"]
    link = f"-Wl,-T,{SOURCES / 'link.ld'}"
    command += [*program.defines, f"-I{SOURCES}", link]
    subprocess.run([*command, *files, "-o", str(output)], check=True)
    return output


def run_here(engine_name: str, elf: str) -> None:
    """Run a program on an engine of vlab's in this process, and print what it prints."""
    from vlab.exits import ExitReason
    from vlab.hardware import HardwareOptions, reset
    from vlab.isa.execute import complete_store
    from vlab.loader import load_image
    from vlab.memory import PhysicalMemory
    from vlab.modes.compose import make_engine
    from vlab.state import Hart

    memory = PhysicalMemory(BASE, SIZE)
    image = load_image(elf)
    for address, data, _ in image.segments:
        memory.write(address, data)
    hart, engine = Hart(memory), make_engine(engine_name)
    engine.attach(hart)
    reset(hart, HardwareOptions())
    hart.pc = image.entry
    while True:
        reason = engine.run(hart, SLICE)
        if reason == ExitReason.MMIO_WRITE and hart.exit_addr == UART:
            print(chr(hart.exit_value & 0xFF), end="")
        elif reason == ExitReason.MMIO_WRITE and hart.exit_addr == FINISHER:
            print(hart.limit - hart.budget, file=sys.stderr)
            return
        elif reason != ExitReason.BUDGET:
            raise SystemExit(f"{reason.name} at {hart.pc:#x}")
        if reason == ExitReason.MMIO_WRITE:
            complete_store(hart)


def command_of(engine: str, elf: Path) -> list[str]:
    """Return the command that runs a program."""
    if engine == "qemu":
        machine = "-machine virt -m 256M -bios none -display none -monitor none -serial stdio"
        return [QEMU, *machine.split(), "-kernel", str(elf)]
    return [sys.executable, __file__, "--run", engine, str(elf)]


def measure(engine: str, elf: Path) -> tuple[float, str, int]:
    """Return user seconds of a whole process, what it printed, and instructions if it tells."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            command_of(engine, elf), stdout=out, stderr=err, stdin=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        told = err.read().strip()
        if process.returncode:
            raise SystemExit(f"{engine} on {elf.name} failed: {told[-300:]}")
        return usage.ru_utime, out.read().strip(), int(told) if told.isdigit() else 0


def main() -> None:
    """Build, run in alternation, print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("programs", nargs="*", help=f"of {', '.join(PROGRAMS)}; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=int, default=4, help="how much work; 4: 2 s on QEMU")
    parser.add_argument("--engines", default="translator,interpreter,qemu")
    parser.add_argument("--run", nargs=2, metavar=("ENGINE", "ELF"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_here(*options.run)
        return
    engines = [e for e in options.engines.split(",") if e != "qemu" or shutil.which(QEMU)]
    print(f"{'program':12} {'G instr':>8}" + "".join(f"{e:>12}" for e in engines), end="")
    print("".join(f"{'QEMU/' + e:>26}" for e in engines if e != "qemu"))
    ratios: dict[str, list[float]] = {e: [] for e in engines if e != "qemu"}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.programs or PROGRAMS:
            row(name, build(name, Path(folder), options.scale), engines, options.rounds, ratios)
    for engine, found in ratios.items():
        if found:
            mean = math.exp(statistics.fmean(map(math.log, found)))
            print(f"geometric mean QEMU/{engine}: {mean:.2f}")


def row(
    name: str, elf: Path, engines: list[str], rounds: int, ratios: dict[str, list[float]]
) -> None:
    """Measure a program on all engines and print its row."""
    times: dict[str, list[float]] = {e: [] for e in engines}
    printed, count = set(), 0
    for _ in range(rounds):
        for engine in engines:
            seconds, text, told = measure(engine, elf)
            times[engine].append(seconds)
            printed.add(text)
            count = told or count
    if len(printed) != 1:
        raise SystemExit(f"{name}: the engines print different results: {sorted(printed)}")
    line = f"{name:12} {count / 1e9:8.2f}"
    line += "".join(f"{statistics.median(times[e]):10.2f} s" for e in engines)
    for engine in ratios if "qemu" in engines else ():
        each = [q / t for q, t in zip(times["qemu"], times[engine], strict=True)]
        ratios[engine].append(statistics.median(each))
        line += f"{statistics.median(each):14.2f} ({min(each):.2f}-{max(each):.2f})"
    print(line, flush=True)


if __name__ == "__main__":
    main()
