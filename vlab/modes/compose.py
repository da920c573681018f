"""Composition: from options to a machine with a guest in it, in any executing mode."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlab.board import RAM_BASE, Board
from vlab.costs import price
from vlab.devices.device import make as make_devices
from vlab.devices.disk import DiskImage
from vlab.devicetree import describe, flatten
from vlab.errors import ImageError, MachineError, unknown
from vlab.hardware import (
    HardwareOptions,
    deprivilege,
    enter_supervisor,
    lines_of,
    reset,
    virtual_lines,
)
from vlab.isa.fields import S
from vlab.loader import Image, load_image
from vlab.machine import Engine, Machine, Outcome
from vlab.memory import PAGE, GuestMemory, Memory, PhysicalMemory
from vlab.modes.native import Native
from vlab.modes.setup import Ended, Setup
from vlab.sbi import Sbi
from vlab.sstc import SupervisorTimer
from vlab.state import Hart
from vlab.vmm.frames import FramePool, guest_p2m, monitor_frames

if TYPE_CHECKING:
    from vlab.modes.fullvirt import FullVirt

DTB_ROOM = 64 << 10
"""Bytes kept for the device tree at the end of RAM."""

GUEST_OPTIONS = ("batch", "hz", "root")
"""Options that are the guest kernel's: passed on its command line."""

FW_DYNAMIC = struct.pack("<6Q", 0x4942534F, 2, 0x8020_0000, S, 0, 0)
"""What OpenSBI's fw_dynamic is told: where the next stage is, and that it is in S-mode."""


def make_engine(name: str, code_cache: int | None = None) -> Engine:
    """Return an engine by its name, under an emulated translator if that has a code cache."""
    if code_cache is not None:
        from vlab.engines.traced import TracedInterpreter, TracedPython

        return (TracedPython if name == "python" else TracedInterpreter)(code_cache)
    if name == "python":
        from vlab.engines.python import PythonEngine

        return PythonEngine()
    from vlab.engines.interpreter import Interpreter

    if name == "translator":
        from vlab.engines.tiered import Translator, unavailable

        if unavailable() is None:
            return Translator()
    return Interpreter()


def split_options(options: dict[str, Any]) -> tuple[HardwareOptions, str]:
    """Return the hardware's options, and the guest kernel's as words of its command line."""
    known = [f.name for f in fields(HardwareOptions)]
    hardware: dict[str, int] = {}
    words = []
    for name, value in options.items():
        if name in GUEST_OPTIONS:
            words.append(f"{name}={value}")
        elif name in known:
            try:
                hardware[name] = int(value)
            except (TypeError, ValueError):
                raise MachineError(f"{name}={value!r}: must be a whole number") from None
        else:
            raise MachineError(unknown("machine option", name, [*known, *GUEST_OPTIONS]))
    return HardwareOptions(**hardware), " ".join(words)


class Guest:
    """A machine with a guest loaded, in one mode; `run` runs it."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        hardware, words = split_options(setup.options)
        self.hardware = hardware
        self.bootargs = f"{words} {setup.bootargs}".strip()
        self.image = load_image(setup.image)
        self.image.check_fits(RAM_BASE, setup.memory)
        self.disk = open_disk(setup.disk)
        self.output = bytearray()
        code_cache = setup.code_cache if setup.technique == "dbt" else None
        self.engine = make_engine(setup.engine, code_cache)
        build = {"native": self.build_native, "emulate": self.build_native}
        build |= {"fullvirt": self.build_fullvirt, "paravirt": self.build_paravirt}
        self.mode = build[setup.mode]()
        self.machine: Machine = self.mode.machine
        self.machine.console = setup.console
        self.machine.tohost = self.image.symbols.get("tohost")

    # -- modes ----------------------------------------------------------------

    def build_native(self) -> Native:
        """The guest on the physical hart, at its own addresses."""
        physical = PhysicalMemory(RAM_BASE, self.setup.memory)
        hart = Hart(physical)
        machine = self.machine_of(hart, physical, lines_of(hart))
        machine.timer = SupervisorTimer(hart, machine.board, lines_of(hart))
        self.start(hart, machine.board, physical)
        kind = self.setup.monitor or Native
        if self.setup.mode == "emulate":
            from vlab.modes.emulate import Emulate

            kind = self.setup.monitor or Emulate
        return kind(machine, self.firmware(machine, lines_of(hart), physical))

    def host(self) -> tuple[PhysicalMemory, FramePool, GuestMemory, Hart]:
        """Host hardware under a monitor: its memory, the monitor's frames, the guest's."""
        size = self.setup.memory
        reserved = monitor_frames(size)
        physical = PhysicalMemory(RAM_BASE, size + reserved * PAGE)
        pool = FramePool(RAM_BASE, reserved)
        p2m = guest_p2m(RAM_BASE, physical.size, reserved, size)
        hart = Hart(physical)
        return physical, pool, GuestMemory(physical, p2m, RAM_BASE), hart

    def build_fullvirt(self) -> FullVirt:
        """The unmodified guest on a virtual CPU, with shadow page tables."""
        from vlab.modes.fullvirt import FullVirt
        from vlab.vmm.shadow import ShadowPaging
        from vlab.vmm.tracked import TrackedMemory

        physical, pool, memory, hart = self.host()
        memory = TrackedMemory(physical, memory.p2m, RAM_BASE)
        vcpu = Hart(memory, share_registers=hart)
        vcpu.ram_base, vcpu.ram_size = memory.base, memory.size
        wire = virtual_lines(vcpu, hart)
        machine = self.machine_of(hart, memory, wire)
        machine.timer = SupervisorTimer(vcpu, machine.board, wire)
        deprivilege(hart)
        reset(vcpu, HardwareOptions(1, 1, self.hardware.asid_bits))
        vcpu.limit = vcpu.budget = 1 << 62
        machine.guest = vcpu
        self.start(vcpu, machine.board, memory)

        def flush(va: int | None, asid: int) -> None:
            engine, by_address = self.engine, va is not None
            engine.tlb_flush(hart, va or 0, by_address, asid, by_address)

        shadow = ShadowPaging(
            physical, pool, memory.p2m, RAM_BASE, 1 << self.hardware.asid_bits, flush
        )
        memory.shadow = shadow
        sbi = self.firmware(machine, wire, memory)
        return (self.setup.monitor or FullVirt)(machine, vcpu, shadow, sbi)

    def build_paravirt(self) -> Any:
        """The ported guest, with direct paging."""
        from vlab.modes.paravirt import build

        return build(self)

    # -- parts ----------------------------------------------------------------

    def machine_of(self, hart: Hart, memory: Memory, wire: Callable[[int, bool], None]) -> Machine:
        """The hardware: a hart in reset on an engine, and the board."""
        setup = self.setup
        self.engine.attach(hart)
        reset(hart, self.hardware)
        board = Board(memory, self.disk, self.print, wire)
        for address, device in make_devices(setup.devices).items():
            board.attach(device, address)
        return Machine(hart, board, self.engine, setup.costs, setup.priced_as, setup.clock)

    def print(self, byte: int) -> None:
        """Take a byte that the guest's console printed."""
        self.output.append(byte)
        if self.setup.console is not None:
            self.setup.console.write(bytes([byte]))

    def firmware(
        self, machine: Machine, wire: Callable[[int, bool], None], memory: Memory
    ) -> Sbi | None:
        """The SBI, unless the guest starts in M-mode or brings firmware."""
        if self.setup.firmware is not None or not self.image.supervisor:
            return None

        def flush() -> None:
            self.engine.tlb_flush(machine.hart, 0, 0, 0, 0)

        return Sbi(machine.board, wire, memory, flush)

    def start(self, hart: Hart, board: Board, memory: Memory) -> None:
        """Load the guest's files and put a hart (or virtual CPU) at its first instruction."""
        load(self.image, memory)
        top = RAM_BASE + memory.size - DTB_ROOM
        initrd = self.load_initrd(memory, top)
        tree = flatten(describe(board, memory.size, self.bootargs, initrd))
        if len(tree) > DTB_ROOM - PAGE:
            raise MachineError(f"command line of {len(self.bootargs)} bytes: too long")
        memory.write(top, tree)
        hart.pc, hart.x[10], hart.x[11] = self.image.entry, 0, top
        if self.setup.firmware is not None:
            firmware = load_image(self.setup.firmware)
            firmware.check_fits(RAM_BASE, memory.size)
            load(firmware, memory)
            info = RAM_BASE + memory.size - PAGE
            memory.write(info, FW_DYNAMIC)
            hart.pc, hart.x[12] = firmware.entry, info
        elif self.image.supervisor:
            enter_supervisor(hart)

    def load_initrd(self, memory: Memory, top: int) -> tuple[int, int] | None:
        """Place the initial RAM disk below the device tree."""
        if self.setup.initrd is None:
            return None
        data = self.setup.initrd.read_bytes()
        first = (top - len(data)) // PAGE * PAGE
        used = max((address + size for address, _, size in self.image.segments), default=0)
        if first < used:
            raise ImageError(f"{self.setup.initrd}: {len(data)} bytes do not fit into memory")
        memory.write(first, data)
        return first, first + len(data)

    # -- running ----------------------------------------------------------------

    def serve_exits(self) -> None:
        """Let machine code serve exits, if there is a monitor and it can be."""
        if self.setup.mode == "fullvirt":
            from vlab.modes.fullvirt import FullVirt
            from vlab.vmm.fullvirt_exits import FullVirtExits

            FullVirtExits.install(self.mode, FullVirt)
        elif self.setup.mode == "paravirt":
            from vlab.modes.paravirt import ParaVirt
            from vlab.vmm.paravirt_exits import ParaVirtExits

            ParaVirtExits.install(self.mode, ParaVirt)

    def run(self, max_instructions: int, progress: Callable[[int], None] | None = None) -> Ended:
        """Run the guest and return what was counted."""
        self.serve_exits()
        outcome = self.machine.run(self.mode, max_instructions, progress)
        return self.ended(outcome)

    def ended(self, outcome: Outcome) -> Ended:
        """Return the results so far."""
        total = self.mode.counters()
        region = self.machine.region
        counters = (region.end or total) - region.begin if region.begin else total
        costs, technique = self.setup.costs, self.setup.priced_as
        return Ended(
            console=self.output.decode("utf-8", "replace"),
            exit_code=outcome.exit_code,
            outcome=outcome.outcome,
            crash=outcome.crash,
            counters=counters,
            counters_total=total,
            cycles=price(counters, costs, technique),
            cycles_total=price(total, costs, technique),
            image_sha256=self.image.sha256,
            machine=self,
        )


def load(image: Image, memory: Memory) -> None:
    """Copy an image's segments into memory; what a segment does not fill stays zero."""
    for address, data, _ in image.segments:
        memory.write(address, data)


def open_disk(disk: Path | bytes | None) -> DiskImage | None:
    """Return the disk, None if there is none."""
    if disk is None:
        return None
    return DiskImage(disk) if isinstance(disk, bytes) else DiskImage.open(disk)
