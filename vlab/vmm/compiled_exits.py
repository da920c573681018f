"""Exit handlers as machine code, for monitors whose handlers are the stock ones.

A monitor's handlers are Python methods that a subclass may override. Those that are not
overridden and that have a twin (`vlab.vmm.fullvirt_service`, `vlab.vmm.paravirt_service`) are
served by the twin; everything else comes back to Python, to the very methods. Overriding one
turns its twin off and nothing else; the stock method that it calls is the twin again
(`vlab.vmm.twins`).
"""

from __future__ import annotations

from functools import partial
from inspect import unwrap
from typing import Any, ClassVar

from vlab.counters import EXIT_REASONS
from vlab.exits import ExitReason
from vlab.state import LAYOUT as HART
from vlab.state import Hart
from vlab.told import Told
from vlab.vmm import exit_record
from vlab.vmm.exit_code import Code, library
from vlab.vmm.exit_record import (
    DECLINED,
    ENTER,
    HANDLER,
    JOURNAL_ROWS,
    LOOK_UP,
    NONE,
    SERVED,
    TRAPPED,
    ExitRecord,
)
from vlab.vmm.moments import NEVER, Moments

STAY = 20_000
"""Exits served in machine code before the machine looks up: a few milliseconds."""

BOTH = slice(0, 2)
HALF = JOURNAL_ROWS // 2
REASONS = tuple(ExitReason)
EXIT_NAMES = tuple(EXIT_REASONS)
(
    NOW, STALE, DEADLINE, SEEN, STUCK, GRANTED, UNREAD, SERVES, MAXIMUM, ROUNDS, LEFT, ENTERED,
    MOMENTS, FILLED,
) = (
    exit_record.LAYOUT[name][0]
    for name in (
        "now", "stale", "deadline", "seen", "stuck", "granted", "unread", "serves", "maximum",
        "rounds", "left", "entered", "moments", "filled",
    )
)  # fmt: skip
EXITS = exit_record.LAYOUT["exits"][0]
CAUSE, TVAL = HART["exit_cause"][0], HART["exit_tval"][0]
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

    takes: ClassVar[dict[str, slice]]
    """Which of cause and tval a handler is called with, if it is called with nothing else."""

    plumbing: ClassVar[tuple[str, ...]]
    """Methods that every exit goes through: overriding one leaves all exits to Python."""

    observed: ClassVar[str]
    """The handler that shows system calls to an observer."""

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
    def code(cls) -> Code:
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
            monitor.compiled = cls(monitor, stock)
            machine.serve, machine.uncounted = monitor.compiled.run, monitor.compiled.count

    def __init__(self, monitor: Any, stock: type) -> None:
        self.monitor, self.machine, self.stock = monitor, monitor.machine, stock
        self.serves = self.served(monitor, stock)
        self.bits = {name: 1 << bit for bit, name in enumerate(self.handlers)}
        self.calls = {name: (bit, self.takes.get(name)) for name, bit in self.bits.items()}
        self.called = {
            HANDLER + bit: (name, getattr(monitor, name), which)
            for name, (bit, which) in self.calls.items()
        }
        self.trap: tuple[int, ...] | None = None
        self.told = -1
        """`Told.changes` when machine code was told."""

        self.on_trap = monitor.on_trap
        if self.serves & self.bits["on_trap"]:  # the stock one, whose twin was asked already
            self.on_trap = partial(unwrap(vars(stock)["on_trap"]), monitor)
        record = self.record = ExitRecord()
        self.words = record.words
        self.stay, self.twin = (function.bound(record.pointer) for function in self.code())
        self.machine.clock.move_to(record.words[NOW : NOW + 3])
        self.moments = Moments(record)
        rates = self.machine.rates
        record.run = self.machine.engine.run_address
        record.vcpu_record, record.hart_record = (
            self.record_of_guest().pointer,
            monitor.hart.pointer,
        )
        record.by_cycles = self.machine.by_cycles
        for price, counters in PRICES.items():
            setattr(record, price, sum(rates[counter] for counter in counters))
        for index, reason in enumerate(EXIT_REASONS):
            record.exit_price[index] = rates.of("exits_by_reason", reason) + rates["exits"]

    def holds(self) -> bool:
        """Return whether the monitor's handlers are still those of the beginning."""
        return self.served(self.monitor, self.stock) == self.serves

    def run(self, left: int) -> ExitReason | None:
        """Run the guest; what is left to do is the exit returned, None if it is to look up.

        `None` means that all exits were handled: the machine goes on at the head of its loop.

        Parameters
        ----------
        left
            Instructions until the run's limit.
        """
        self._begin(left)
        try:
            return self._run()
        finally:
            words, machine = self.words, self.machine
            self.trap = None
            machine.seen, machine.stuck = words[SEEN], words[STUCK]
            self.take()
            self.count()

    def _run(self) -> ExitReason | None:
        machine, monitor, words = self.machine, self.monitor, self.words
        stay, exit_words = self.stay, machine.hart.words
        finisher, counted = machine.board.finisher, machine.board.bus.counted
        on_trap, called = self.on_trap, self.called
        while (self.told == Told.changes and counted) or self._tell():
            why = stay()
            if words[FILLED] > HALF:
                self.take()
            if why == TRAPPED:
                cause, tval = self.trap = exit_words[CAUSE], exit_words[TVAL]
                on_trap(cause, tval)
            elif why > HANDLER:
                cause, tval = trap = self.trap = exit_words[CAUSE], exit_words[TVAL]
                name, handler, which = called[why]
                if which is BOTH:
                    handler(cause, tval)
                else:
                    handler(*(self.expected(name) if which is None else trap[which]))
            elif why <= LOOK_UP:
                machine.granted = words[GRANTED]
                if why == ExitReason.BUDGET:
                    machine.engine.sample(machine.hart, words[GRANTED] - words[LEFT])
                return None if why == LOOK_UP else REASONS[why]
            elif why == ENTER:
                monitor.enter()
                words[STALE], words[ENTERED] = 0, 1
                continue
            else:
                self.trap = exit_words[CAUSE], exit_words[TVAL]
                self.go_on(why)
            self.trap = None
            if finisher.exit_code is not None:
                self._watch()
                return None
        if words[STALE]:
            self._watch()
            return None
        if not words[ENTERED]:
            monitor.enter()
        return self.moments.run_slice(machine, words[MAXIMUM] - machine.guest_instructions)

    def carry_out(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """Serve the present exit as a stock handler would; return whether that was done.

        Parameters
        ----------
        name, arguments
            The handler, and what it was called with.
        """
        called_with = self.trap
        if called_with is None:
            return False
        bit, which = self.calls[name]
        if which is None:
            called_with = self.expected(name)
        elif which is not BOTH:
            called_with = called_with[which]
        if arguments != called_with:
            return False
        if self.machine.on_syscall is not None and name == self.observed:
            return False
        if self.told != Told.changes and not self._tell():
            return False
        status = self.twin(bit)
        if status > SERVED:
            self.go_on(status)
        return status != DECLINED

    def expected(self, name: str) -> tuple[Any, ...]:
        """Return what a handler is called with that takes something else."""
        raise NotImplementedError

    def record_of_guest(self) -> Hart:
        """Return the record of the guest's CPU as its kernel sees it."""
        raise NotImplementedError

    def lend(self) -> bool:
        """Tell the technique's own words what they need to know.

        Returns whether the guest can be run from here as things are.
        """
        raise NotImplementedError

    def take(self) -> None:
        """Take the technique's own words over."""

    def go_on(self, why: int) -> None:
        """Go on in Python with an exit that was served halfway."""

    def count(self) -> None:
        """Add to the machine's counters what machine code has counted."""
        words = self.words
        if words[UNREAD]:
            words[UNREAD] = 0
            counters = self.machine.counters
            for index, count in enumerate(self.record.exits):
                if count:
                    counters.exits_by_reason[EXIT_NAMES[index]] += count
                    words[EXITS + index] = 0
            self.count_more(counters)

    def count_more(self, counters: Any) -> None:
        """Add what the technique counts besides exits."""

    def _tell(self) -> bool:
        """Tell what may have changed; return whether the guest can be run from here."""
        self.told, due = Told.changes, self.machine.board.bus.deadline()
        self.words[DEADLINE] = NEVER if due is None else min(max(due, 0), NEVER)
        if self.lend():
            return True
        self.told = -1
        return False

    def _begin(self, left: int) -> None:
        """Tell what holds for a whole run."""
        machine, words = self.machine, self.words
        words[MAXIMUM] = machine.guest_instructions + left
        words[STALE], words[ROUNDS] = 0, STAY
        words[LEFT], words[ENTERED] = NONE, 0
        words[SEEN], words[STUCK] = machine.seen, machine.stuck
        unobserved = self.serves & ~self.bits[self.observed]
        words[SERVES] = self.serves if machine.on_syscall is None else unobserved

    def _watch(self) -> None:
        """Count the exit that Python handled, after which machine code is not entered again."""
        machine, words = self.machine, self.words
        words[MOMENTS], words[LEFT] = words[MOMENTS] + 1, NONE
        machine.seen, machine.stuck = words[SEEN], words[STUCK]
        machine.watch(1)
        words[SEEN], words[STUCK] = machine.seen, machine.stuck
