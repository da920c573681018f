"""Exit handlers as machine code, for monitors whose handlers are the stock ones.

A monitor's handlers are Python methods that a subclass may override. Those that are not
overridden and that `vlab.vmm.exit_service` has a twin of are served by the twin; everything else
comes back to Python, to the very methods. Overriding one turns its twin off and nothing else.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

from vlab.counters import EXIT_REASONS
from vlab.engines import object_cache
from vlab.exits import ExitReason
from vlab.machine import Machine
from vlab.state import LAYOUT as HART
from vlab.state import Hart
from vlab.vmm import exit_record
from vlab.vmm.exit_record import (
    EMULATED,
    ENTER,
    HIDDEN,
    LOOK_UP,
    NONE,
    SPACES,
    WRITTEN,
    ExitRecord,
)
from vlab.vmm.exit_serving import HANDLERS
from vlab.vmm.regimes import number_of

ROUNDS = 20_000
"""Exits served in one stay in machine code: a few milliseconds."""

REASONS = tuple(ExitReason)
ECALL = 1 << HANDLERS.index("on_ecall")
FAR = (1 << 63) - 1
PLUMBING = ("handle", "on_trap", "enter", "attribute", "exited", "emulate")
"""Methods that every exit goes through: overriding one leaves all exits to Python."""

PRICES = {
    "instruction_price": ("retired_user", "retired"),
    "walk_price": ("walk_references",),
    "flush_price": ("tlb_flushes",),
    "miss_price": ("tlb_misses",),
    "trap_price": ("traps",),
    "return_price": ("returns",),
    "interrupt_price": ("interrupts",),
    "switch_price": ("shadow_switches",),
}


def generate() -> str:
    """Return the handlers as LLVM IR text."""
    from vlab.engines.intrinsics import ARITHMETIC, CLEAR_FAST, GUEST_RAM, INTRINSICS
    from vlab.engines.lowering import FunctionLowering, Module, Value
    from vlab.vmm import exit_service

    def run_engine(f: FunctionLowering, _: list[Value]) -> Value:
        word = f"getelementptr i64, ptr %monitor, i64 {exit_record.LAYOUT['run'][0]}"
        address = f.emit(f"load ptr, ptr {f.emit(word)}")
        return Value(f.emit(f"call i64 {address}(ptr %hart)"))

    records = {"hart": HART, "vcpu": HART, "monitor": exit_record.LAYOUT}
    intrinsics = {**INTRINSICS, exit_service.run_engine: run_engine}
    module = Module(intrinsics, ARITHMETIC + CLEAR_FAST + GUEST_RAM, records)
    name = module.name_of(exit_service.stay)
    module.chunks.append(
        "define i64 @stay(ptr %monitor, ptr %vcpu, ptr %hart) {\n"
        f"  %r = call i64 {name}(ptr %monitor, ptr %vcpu, ptr %hart)\n"
        "  ret i64 %r\n}\n"
    )
    return module.text()


@cache
def library() -> Any:
    """Return the compiled ``stay``, from the cache if it is there."""
    from vlab import clock, counters, machine
    from vlab.vmm import exit_faults, exit_service, exit_serving, regimes

    own = (exit_faults, exit_record, exit_service, exit_serving, regimes)
    modules = (clock, counters, machine, *own)
    sources = tuple(Path(module.__file__) for module in modules)
    address = object_cache.load("fullvirt-exits", generate, ["stay"], sources)["stay"]
    return ctypes.CFUNCTYPE(ctypes.c_uint64, *[ctypes.c_void_p] * 3)(address)


def served(monitor: Any, stock: type) -> int:
    """Return the bits of the handlers that are the stock ones."""

    def is_stock(name: str) -> bool:
        return getattr(type(monitor), name) is getattr(stock, name) and name not in vars(monitor)

    if not all(is_stock(name) for name in PLUMBING):
        return 0
    return sum(is_stock(name) << bit for bit, name in enumerate(HANDLERS))


def serves_exits(monitor: Any, stock: type) -> bool:
    """Return whether exits can be served in machine code: the engine is machine code itself.

    A guest that ends its run by a store (HTIF) is looked at after every exit, in Python.
    """
    machine: Machine = monitor.machine
    compiled = hasattr(machine.engine, "run_address") and machine.tohost is None
    return compiled and served(monitor, stock) != 0


def lend_memory(vcpu: Hart, hart: Hart) -> None:
    """Give machine code the way to guest memory, and the hardware's decoder."""
    memory = vcpu.memory
    physical = memory.physical
    vcpu.p2m = memory.p2m.ctypes.data
    vcpu.ram_pointer = physical.pointer - physical.base
    vcpu.code_map = hart.code_map - (physical.base >> 12) * 8
    vcpu.decode_buckets, vcpu.decode_rows = hart.decode_buckets, hart.decode_rows
    vcpu.decode_rvc = hart.decode_rvc


class CompiledExits:
    """Runs a monitor's guest, serving in machine code the exits that need no Python.

    Parameters
    ----------
    monitor
        A monitor with a virtual CPU on shadow page tables.
    stock
        The class whose handlers the twins stand for.
    """

    def __init__(self, monitor: Any, stock: type) -> None:
        self.monitor, self.machine, self.shadow = monitor, monitor.machine, monitor.shadow
        self.serves = served(monitor, stock)
        self.stay = library()
        record = self.record = ExitRecord()
        rates = self.machine.rates
        record.run = self.machine.engine.run_address
        record.firmware = monitor.sbi is not None
        record.by_cycles = self.machine.by_cycles
        record.untagged = self.shadow.asids == 1
        for price, counters in PRICES.items():
            setattr(record, price, sum(rates[counter] for counter in counters))
        for index, reason in enumerate(EXIT_REASONS):
            record.exit_price[index] = rates.of("exits_by_reason", reason) + rates["exits"]
        record.tables = self.shadow.table_map.ctypes.data
        lend_memory(monitor.vcpu, self.machine.hart)
        self.known: list[Any] = []
        self.version = -1

    def run(self, left: int) -> ExitReason | None:
        """Run the guest; what is left to do is the exit returned, None if it is to look up.

        `None` means that all exits were handled: the machine goes on at the head of its loop.

        Parameters
        ----------
        left
            Instructions until the run's limit.
        """
        record, machine, monitor = self.record, self.machine, self.monitor
        vcpu, hart = monitor.vcpu.pointer, machine.hart.pointer
        while self._knows(monitor.space):
            self._load(left)
            why = self.stay(record.pointer, vcpu, hart)
            self._unload()
            if why < LOOK_UP:
                return REASONS[why]
            if why == LOOK_UP:
                return None
            machine.clock.now = record.now
            if why != ENTER:
                self._go_on(why)
                machine.watch(1)
                return None
            monitor.enter()
            left = record.maximum - machine.guest_instructions
        monitor.enter()
        return machine.engine.run(machine.hart, machine.budget(left))

    def _knows(self, space: Any) -> bool:
        if self.version != self.shadow.version:
            self._learn_spaces()
        return space is None or space in self.known

    def _go_on(self, why: int) -> None:
        """Go on in Python with an exit that was served halfway."""
        record, monitor = self.record, self.monitor
        if why == EMULATED:
            monitor.on_emulated_exit()
        elif why == WRITTEN:
            self.shadow.written(record.gpa)
        elif why == HIDDEN:
            va = record.va
            first_write = record.updated and monitor.space.holds(va)
            reason = "dirty" if first_write else "shadow_fill"
            monitor.on_hidden_fault(record.access, va, record.gpa, record.pte, record.level, reason)

    def _load(self, left: int) -> None:
        record, machine, monitor = self.record, self.machine, self.monitor
        deadline = machine.board.bus.deadline()
        record.deadline = FAR if deadline is None else deadline
        record.maximum = machine.guest_instructions + left
        record.now = machine.clock.now
        record.charged, record.slept = machine.charged, machine.slept
        record.attributed = monitor.attributed
        record.seen, record.stuck = machine.seen & NONE, machine.stuck
        record.rounds = ROUNDS
        record.serves = self.serves if machine.on_syscall is None else self.serves & ~ECALL
        record.space = NONE if monitor.space is None else self.known.index(monitor.space)

    def _learn_spaces(self) -> None:
        record, shadow = self.record, self.shadow
        usable = [s for s in shadow.spaces.values() if s.asid or shadow.asids == 1]
        self.known = usable[-SPACES:]
        for index, space in enumerate(self.known):
            record.space_key[index] = number_of(space.key)
            record.space_satp[index] = shadow.satp(space)
        record.spaces = len(self.known)
        self.version = shadow.version

    def _unload(self) -> None:
        record, machine, monitor = self.record, self.machine, self.monitor
        monitor.attributed, machine.granted = record.attributed, record.granted
        if record.space != NONE:
            monitor.space = self.known[record.space]
        machine.charged = record.charged
        if record.switches:
            machine.counters.shadow_switches += record.switches
            record.switches = 0
        if not record.served:
            return
        machine.seen, machine.stuck = record.seen, record.stuck
        counters, exits = machine.counters, record.exits
        for index, reason in enumerate(EXIT_REASONS):
            if exits[index]:
                counters.exits_by_reason[reason] += exits[index]
                exits[index] = 0
        record.served = 0
