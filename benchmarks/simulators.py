"""What runs an ELF file: engines of vlab's, QEMU, Spike, Unicorn, or anything by a command.

``python benchmarks/simulators.py ENGINE FILE.elf`` runs one in this process; ``ENGINE`` is an
engine of vlab's or ``unicorn``. It prints what the program prints and, for an engine of vlab's,
the instructions retired on the error stream.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

BASE, SIZE, UART, FINISHER = 0x8000_0000, 256 << 20, 0x1000_0000, 0x10_0000
SLICE = 1 << 40
QEMU = "qemu-system-riscv64"
OWN = ("translator", "interpreter", "python")


class Simulator(NamedTuple):
    """A simulator: its name, and its command, in which ``{elf}`` is replaced."""

    name: str
    template: tuple[str, ...]

    def command(self, elf: Path) -> list[str]:
        """Return the command that runs an ELF file."""
        return [word.replace("{elf}", str(elf)) for word in self.template]


class Run(NamedTuple):
    """User processor seconds of a whole process, what it printed, and instructions if it tells."""

    seconds: float
    printed: str
    instructions: int


def spike() -> str | None:
    """Return the path of Spike, None if it, or the ``dtc`` that it starts, is not installed."""
    if shutil.which("dtc") is None:
        return None
    beside = Path(sys.executable).parent / "spike"
    return str(beside) if beside.exists() else shutil.which("spike")


def own(name: str) -> Simulator:
    """Return an engine of vlab's, or Unicorn, in a process of its own."""
    return Simulator(name, (sys.executable, __file__, name, "{elf}"))


def known() -> dict[str, Simulator]:
    """Return every simulator that is installed, by name."""
    found = [own(name) for name in OWN]
    if shutil.which(QEMU):
        machine = "-machine virt -m 256M -bios none -display none -monitor none -serial stdio"
        found.append(Simulator("qemu", (QEMU, *machine.split(), "-kernel", "{elf}")))
    if path := spike():
        memory = f"-m{BASE:#x}:{SIZE:#x}"
        isa = "--isa=rv64imac_zicsr_zifencei"
        found.append(Simulator("spike", (path, isa, memory, "{elf}")))
    if importlib.util.find_spec("unicorn"):
        found.append(own("unicorn"))
    return {simulator.name: simulator for simulator in found}


def other(text: str) -> Simulator:
    """Return a simulator from ``NAME=COMMAND``; ``{elf}`` in it is the program."""
    name, equals, template = text.partition("=")
    if not (name and equals and "{elf}" in template):
        raise ValueError(f"{text!r}: write it as NAME=COMMAND, with {{elf}} for the program")
    return Simulator(name, tuple(shlex.split(template)))


def measure(simulator: Simulator, elf: Path) -> Run:
    """Run a program in a process and return what it took."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            simulator.command(elf), stdout=out, stderr=err, stdin=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        told = err.read().strip()
        if process.returncode:
            raise RuntimeError(f"{simulator.name} on {elf.name} failed: {told[-300:]}")
        count = int(told) if told.isdigit() else 0
        return Run(usage.ru_utime, out.read().strip(), count)


def run_engine(engine_name: str, elf: str) -> None:
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


def run_unicorn(elf: str) -> None:
    """Run a program on Unicorn in this process, and print what it prints."""
    import unicorn
    from unicorn import riscv_const

    from vlab.loader import load_image

    machine = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV64)
    machine.mem_map(BASE, SIZE)
    image = load_image(elf)
    for address, data, _ in image.segments:
        machine.mem_write(address, data)

    def read(*_: object) -> int:
        return 0

    def write(uc: unicorn.Uc, offset: int, size: int, value: int, device: int) -> None:
        if device == UART:
            print(chr(value & 0xFF), end="")
        else:
            uc.emu_stop()

    for device in (UART, FINISHER):
        machine.mmio_map(device, 0x1000, read, device, write, device)
    machine.reg_write(riscv_const.UC_RISCV_REG_PC, image.entry)
    machine.emu_start(image.entry, 0)


if __name__ == "__main__":
    chosen, file = sys.argv[1:]
    if chosen == "unicorn":
        run_unicorn(file)
    else:
        run_engine(chosen, file)
