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
from vlab.vmm import exit_record
from vlab.vmm.exit_code import Code, library
from vlab.vmm.exit_record import DECLINED, ENTER, LOOK_UP, NONE, SERVED, TRAPPED, ExitRecord
from vlab.vmm.moments import NEVER, Moments

STAY = 20_000
"""Exits served in machine code before the machine looks up: a few milliseconds."""

REASONS = tuple(ExitReason)
EXIT_NAMES = tuple(EXIT_REASONS)
(
    NOW, STALE, DEADLINE, CHARGED, SLEPT, SEEN, STUCK, GRANTED, UNREAD, SERVES, MAXIMUM, ROUNDS,
    HANDLER, LEFT_TO, LEFT, ENTERED, MOMENTS,
) = (
    exit_record.LAYOUT[name][0]
    for name in (
        "now", "stale", "deadline", "charged", "slept", "seen", "stuck", "granted", "unread",
        "serves", "maximum", "rounds", "handler", "left_to", "left", "entered", "moments",
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
    """Which of cause and tval a handler is called with."""

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
        self.stay, self.twin = self.code()
        self.bits = {name: 1 << bit for bit, name in enumerate(self.handlers)}
        self.calls = {name: (bit, self.takes.get(name)) for name, bit in self.bits.items()}
        self.trap: tuple[int, ...] | None = None
        self.on_trap = monitor.on_trap
        if self.serves & self.bits["on_trap"]:  # the stock one, whose twin was asked already
            self.on_trap = partial(unwrap(vars(stock)["on_trap"]), monitor)
        record = self.record = ExitRecord()
        self.words, self.pointer = record.words, record.pointer
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
            self.count()

    def _run(self) -> ExitReason | None:
        machine, monitor, words = self.machine, self.monitor, self.words
        stay, pointer, exit_words = self.stay, self.pointer, machine.hart.words
        clock, finisher = machine.clock, machine.board.finisher
        deadline_of, due, slept = machine.board.bus.deadline, -1, -1  # not told yet
        lend, take, on_trap = self.lend, self.take, self.on_trap
        while lend(words):
            deadline = deadline_of()
            if deadline != due:
                due = deadline
                words[DEADLINE] = NEVER if due is None else due
            if machine.slept != slept:
                words[SLEPT] = slept = machine.slept
            words[CHARGED] = machine.charged
            why = stay(pointer)
            machine.charged = words[CHARGED]
            clock.now = now = words[NOW]
            take(words)
            if why == TRAPPED:
                self.trap = trap = exit_words[CAUSE], exit_words[TVAL]
                on_trap(*trap)
            elif why <= LOOK_UP:
                machine.granted = words[GRANTED]
                if why == ExitReason.BUDGET:
                    machine.engine.sample(machine.hart, words[GRANTED] - words[LEFT])
                return None if why == LOOK_UP else REASONS[why]
            elif why == ENTER:
                monitor.enter()
                words[STALE], words[ENTERED], words[NOW] = 0, 1, clock.now
                continue
            else:
                self.trap = exit_words[CAUSE], exit_words[TVAL]
                self.go_on(why)
            self.trap = None
            words[STALE] = 1
            if clock.now != now:
                words[NOW] = clock.now
            words[MOMENTS], words[LEFT] = words[MOMENTS] + 1, NONE
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
        trap, words, machine = self.trap, self.words, self.machine
        bit, which = self.calls[name]
        if trap is None or words[LEFT_TO] == bit:
            return False
        if arguments != (self.expected(name) if which is None else trap[which]):
            return False
        if machine.on_syscall is not None and name == self.observed:
            return False
        if not self.lend(words):
            return False
        words[HANDLER], words[CHARGED], words[NOW] = bit, machine.charged, machine.clock.now
        status = self.twin(self.pointer)
        machine.charged = words[CHARGED]
        self.take(words)
        if status > SERVED:
            self.go_on(status)
        return status != DECLINED

    def expected(self, name: str) -> tuple[Any, ...]:
        """Return what a handler is called with that takes something else."""
        raise NotImplementedError

    def record_of_guest(self) -> Hart:
        """Return the record of the guest's CPU as its kernel sees it."""
        raise NotImplementedError

    def lend(self, words: memoryview) -> bool:
        """Tell the technique's own words what they need to know.

        Returns whether the guest can be run from here as things are.
        """
        raise NotImplementedError

    def take(self, words: memoryview) -> None:
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

    def _begin(self, left: int) -> None:
        """Tell what holds for a whole run."""
        machine, words = self.machine, self.words
        words[MAXIMUM] = machine.guest_instructions + left
        words[NOW], words[STALE], words[ROUNDS] = machine.clock.now, 0, STAY
        words[LEFT], words[ENTERED] = NONE, 0
        words[SEEN], words[STUCK] = machine.seen, machine.stuck
        unobserved = self.serves & ~self.bits[self.observed]
        words[SERVES] = self.serves if machine.on_syscall is None else unobserved

    def _watch(self) -> None:
        """Let the machine watch for progress."""
        machine, words = self.machine, self.words
        machine.seen, machine.stuck = words[SEEN], words[STUCK]
        machine.watch(1)
        words[SEEN], words[STUCK] = machine.seen, machine.stuck
