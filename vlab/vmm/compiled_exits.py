"""Exit handlers as machine code, for monitors whose handlers are the stock ones.

A monitor's handlers are Python methods that a subclass may override. Those that are not
overridden and that have a twin (`vlab.vmm.fullvirt_service`, `vlab.vmm.paravirt_service`) are
served by the twin; everything else comes back to Python, to the very methods. Overriding one
turns its twin off and nothing else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from vlab.counters import EXIT_REASONS
from vlab.engines import object_cache
from vlab.exits import ExitReason
from vlab.state import LAYOUT as HART
from vlab.state import Hart
from vlab.vmm import exit_record
from vlab.vmm.exit_record import ENTER, LOOK_UP, TRAPPED, ExitRecord

STAY = 20_000
"""Exits served in machine code before the machine looks up: a few milliseconds."""

IN_PYTHON = 40
"""As how many of them one counts that Python served."""

REASONS = tuple(ExitReason)
EXIT_NAMES = tuple(EXIT_REASONS)
NOW, STALE, DEADLINE, CHARGED, SLEPT, SEEN, STUCK, GRANTED, SERVED, SERVES, MAXIMUM, ROUNDS = (
    exit_record.LAYOUT[name][0]
    for name in (
        "now", "stale", "deadline", "charged", "slept", "seen", "stuck", "granted", "served",
        "serves", "maximum", "rounds",
    )
)  # fmt: skip
EXITS = exit_record.LAYOUT["exits"][0]
FAR = (1 << 63) - 1
"""A deadline that never comes."""

PRICES = {
    "instruction_price": ("retired_user", "retired"),
    "walk_price": ("walk_references",),
    "flush_price": ("tlb_flushes",),
    "miss_price": ("tlb_misses",),
    "trap_price": ("traps",),
    "return_price": ("returns",),
    "interrupt_price": ("interrupts",),
    "switch_price": ("shadow_switches",),
    "upcall_price": ("upcalls",),
}
"""Counters whose cost each price is."""


def generate(service: str, guest_memory: bool) -> str:
    """Return a service's ``stay`` and all that it calls as LLVM IR text.

    Parameters
    ----------
    service
        Name of the module.
    guest_memory
        Whether it reads guest-physical memory.
    """
    from vlab.engines.intrinsics import ARITHMETIC, CLEAR_FAST, GUEST_RAM, INTRINSICS
    from vlab.engines.lowering import FunctionLowering, Module, Value
    from vlab.vmm.exit_serving import run_engine

    def call_engine(f: FunctionLowering, _: list[Value]) -> Value:
        word = f"getelementptr i64, ptr %monitor, i64 {exit_record.LAYOUT['run'][0]}"
        address = f.emit(f"load ptr, ptr {f.emit(word)}")
        return Value(f.emit(f"call i64 {address}(ptr %hart)"))

    records = {"hart": HART, "vcpu": HART, "monitor": exit_record.LAYOUT}
    module = Module({**INTRINSICS, run_engine: call_engine}, ARITHMETIC + CLEAR_FAST, records)
    module.chunks.append(GUEST_RAM if guest_memory else "")
    name = module.name_of(import_module(service).stay)
    module.chunks.append(
        "define i64 @stay(ptr %monitor, ptr %vcpu, ptr %hart) {\n"
        f"  %r = call i64 {name}(ptr %monitor, ptr %vcpu, ptr %hart)\n"
        "  ret i64 %r\n}\n"
    )
    return module.text()


@cache
def library(service: str, guest_memory: bool) -> Callable[[int, int, int], int]:
    """Return a service's compiled ``stay``, from the cache if it is there."""
    package = Path(__file__).parent
    sources = (*sorted(package.glob("*.py")), *(package.parent / n for n in ("clock.py",
               "counters.py", "machine.py")))  # fmt: skip
    name = service.rpartition(".")[2].replace("_", "-")
    made = object_cache.load(name, partial(generate, service, guest_memory), ["stay"], sources)
    return ctypes.CFUNCTYPE(ctypes.c_uint64, *[ctypes.c_void_p] * 3)(made["stay"])


class CompiledExits:
    """Runs a monitor's guest, serving in machine code the exits that need no Python.

    Parameters
    ----------
    monitor
        The monitor.
    stock
        The class whose handlers the twins stand for.
    """

    service: ClassVar[str]
    guest_memory: ClassVar[bool] = False
    handlers: ClassVar[tuple[str, ...]]
    """Handlers that have twins, by their bit in `ExitRecord.serves`."""

    plumbing: ClassVar[tuple[str, ...]]
    """Methods that every exit goes through: overriding one leaves all exits to Python."""

    observed: ClassVar[int]
    """Bits of the handlers that show system calls to an observer."""

    @classmethod
    def served(cls, monitor: Any, stock: type) -> int:
        """Return the bits of the handlers that are the stock ones."""

        def is_stock(name: str) -> bool:
            mine = getattr(type(monitor), name) is getattr(stock, name)
            return mine and name not in vars(monitor)

        if not all(is_stock(name) for name in cls.plumbing):
            return 0
        return sum(is_stock(name) << bit for bit, name in enumerate(cls.handlers))

    @classmethod
    def code(cls) -> Callable[[int, int, int], int]:
        """Return the machine code, compiled if it is not in the cache."""
        return library(cls.service, cls.guest_memory)

    @classmethod
    def install(cls, monitor: Any, stock: type) -> None:
        """Let a monitor's machine serve exits in machine code, if it can.

        It cannot if the engine is not machine code itself. A guest that ends its run by a store
        (HTIF) is looked at after every exit, in Python.
        """
        machine = monitor.machine
        compiled = hasattr(machine.engine, "run_address") and machine.tohost is None
        if compiled and cls.served(monitor, stock):
            machine.serve = cls(monitor, stock).run

    def __init__(self, monitor: Any, stock: type) -> None:
        self.monitor, self.machine = monitor, monitor.machine
        self.serves = self.served(monitor, stock)
        self.stay = self.code()
        record = self.record = ExitRecord()
        rates = self.machine.rates
        record.run = self.machine.engine.run_address
        record.by_cycles = self.machine.by_cycles
        for price, counters in PRICES.items():
            setattr(record, price, sum(rates[counter] for counter in counters))
        for index, reason in enumerate(EXIT_REASONS):
            record.exit_price[index] = rates.of("exits_by_reason", reason) + rates["exits"]

    def run(self, left: int) -> ExitReason | None:
        """Run the guest; what is left to do is the exit returned, None if it is to look up.

        `None` means that all exits were handled: the machine goes on at the head of its loop.

        Parameters
        ----------
        left
            Instructions until the run's limit.
        """
        machine, monitor, words = self.machine, self.monitor, self.record.words
        pointers = self.record.pointer, self.record_of_guest().pointer, machine.hart.pointer
        maximum = self._begin(left)
        while self.ready():
            self._load()
            why = self.stay(*pointers)
            self._unload()
            if why < LOOK_UP:
                if REASONS[why] == ExitReason.BUDGET:
                    machine.engine.sample(machine.hart, machine.granted)
                return REASONS[why]
            if why == LOOK_UP:
                return None
            machine.clock.now = words[NOW]
            if why == ENTER:
                monitor.enter()
                words[STALE] = 0
                continue
            if why == TRAPPED:
                monitor.on_trap(machine.hart.exit_cause, machine.hart.exit_tval)
            else:
                self.go_on(why)
            machine.watch(1)
            words[STALE] = 1
            words[ROUNDS] -= min(IN_PYTHON, words[ROUNDS] - 1)
            done = machine.board.exit_code is not None or words[ROUNDS] == 1
            if done or machine.guest_instructions >= maximum:
                return None
        monitor.enter()
        budget = machine.budget(maximum - machine.guest_instructions)
        reason: ExitReason = machine.engine.run(machine.hart, budget)
        return reason

    def record_of_guest(self) -> Hart:
        """Return the record of the guest's CPU as its kernel sees it."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Return whether the guest can be run from here as things are."""
        raise NotImplementedError

    def load(self, words: memoryview) -> None:
        """Tell the technique's own words what they need to know."""

    def unload(self, words: memoryview) -> None:
        """Take the technique's own words over."""

    def go_on(self, why: int) -> None:
        """Go on in Python with an exit that was served halfway."""

    def _begin(self, left: int) -> int:
        """Tell what holds for a whole stay; return the number of instructions that ends it."""
        machine, words = self.machine, self.record.words
        maximum = words[MAXIMUM] = machine.guest_instructions + left
        words[NOW], words[STALE], words[ROUNDS] = machine.clock.now, 0, STAY
        words[SERVES] = self.serves & ~self.observed if machine.on_syscall else self.serves
        return maximum

    def _load(self) -> None:
        """Tell what the Python part of the monitor may have changed."""
        machine, words = self.machine, self.record.words
        deadline = machine.board.bus.deadline()
        words[DEADLINE] = FAR if deadline is None else deadline
        words[CHARGED], words[SLEPT] = machine.charged, machine.slept
        words[SEEN], words[STUCK] = machine.seen, machine.stuck
        self.load(words)

    def _unload(self) -> None:
        """Take over what machine code has changed and counted."""
        machine, words = self.machine, self.record.words
        machine.granted, machine.charged = words[GRANTED], words[CHARGED]
        self.unload(words)
        if not words[SERVED]:
            return
        machine.seen, machine.stuck = words[SEEN], words[STUCK]
        by_reason = machine.counters.exits_by_reason
        for index, count in enumerate(self.record.exits):
            if count:
                by_reason[EXIT_NAMES[index]] += count
                words[EXITS + index] = 0
        words[SERVED] = 0
