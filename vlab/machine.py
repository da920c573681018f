"""The machine: composes hart, memory and board, and owns the run loop.

The loop is the same in every mode: run the engine until the next deadline, bring the clock
up to date, let the mode handle the exit.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any, Protocol

from vlab.board import Board
from vlab.bus import BusError
from vlab.clock import FREQUENCY, LAST
from vlab.costs import Costs, Rates
from vlab.counters import Counters
from vlab.exits import ExitReason
from vlab.hart_counters import BLOCK_COUNTERS
from vlab.isa.csr import pending
from vlab.isa.execute import complete_load, complete_store, raise_trap
from vlab.isa.fields import Cause
from vlab.memory import Memory
from vlab.state import LAYOUT, Hart

STUCK = 50_000
"""Traps in a row, with no instruction retired, after which a guest has crashed."""

SLICE = 1_000_000
"""Instructions that an engine runs at most before the machine looks up (interrupts, progress)."""

HARDWARE = {
    "walk_references": "walk_references",
    "tlb_flushes": "tlb_flushes",
    "tlb_misses": "tlb_misses",
    "vectored": "traps",
    "returns": "returns",
}
"""Words of the hardware's record that cost something, and the counters that say what."""

LIMIT, BUDGET = LAYOUT["limit"][0], LAYOUT["budget"][0]


class Engine(Protocol):
    """What executes instructions: ``run`` has the shape of ``KVM_RUN``."""

    name: str

    def attach(self, hart: Hart) -> None:
        """Prepare a hart's record for its memory."""

    def run(self, hart: Hart, budget: int) -> ExitReason:
        """Run at most ``budget`` instructions."""

    def run_until(self, hart: Hart, budget: int, halts: Set[int]) -> ExitReason:
        """Run, but end before the instruction at one of the addresses, the first one apart."""

    def tlb_flush(self, hart: Hart, va: int, by_address: int, asid: int, by_asid: int) -> object:
        """Carry out ``sfence.vma`` on a hart's TLB."""

    def write_satp(self, hart: Hart, value: int) -> object:
        """Change a hart's root page table."""


@dataclass
class Region:
    """The measured region: counters at its begin and end marks."""

    begin: Counters | None = None
    end: Counters | None = None


@dataclass
class Outcome:
    """How a run ended: ``finished``, ``limit``, ``crashed`` or ``interrupted``."""

    outcome: str = "finished"
    exit_code: int | None = None
    crash: str | None = None


class GuestCrashed(Exception):
    """The guest cannot go on; the message says why. Ends the run, never the process."""


class Machine:
    """Hart, memory, board and engine, with one clock.

    Parameters
    ----------
    hart
        The physical hart, attached to ``engine``.
    board
        The devices.
    engine
        What executes instructions.
    costs, technique
        The cost table, and whose price list of it drives the clock.
    clock
        ``"cycles"``: guest time includes the costs of virtualization. ``"retired"``: guest
        time is the number of guest instructions retired, equal in all modes.

    Attributes
    ----------
    on_syscall : callable or None
        An observer, called with the guest's record (the hart, or the virtual CPU) at each
        system call of a user program, before it is taken.
    granted : int
        The budget of the engine's last run.
    uncounted : callable or None
        Adds to the counters what machine code has counted on its own: called before they are read.
    serve : callable or None
        Enters and runs the guest, and serves some exits besides; its result is the exit that is
        left to handle, None if there is none.
    """

    def __init__(
        self, hart: Hart, board: Board, engine: Engine, costs: Costs, technique: str, clock: str
    ) -> None:
        self.hart, self.board, self.engine = hart, board, engine
        self.clock = board.clock
        self.uncounted: Callable[[], None] | None = None
        self._counters = Counters()
        self.region = Region()
        self.outcome = Outcome()
        self.on_syscall: Callable[[Hart], None] | None = None
        self.by_cycles = clock == "cycles"
        self.rates = Rates(costs, technique)
        self.instruction_cost = self.rates["retired_user"] + self.rates["retired"]
        self.seen = self.stuck = 0
        self.guest = hart
        self.guest_memory: Memory = board.memory
        self.console: Any = None
        self.timer: Any = None
        self.tohost: int | None = None
        self.granted = 0
        self.serve: Callable[[int], ExitReason | None] | None = None
        self._hardware = [
            (LAYOUT[word][0], rate)
            for word, counter in (*HARDWARE.items(), *((n, n) for n in BLOCK_COUNTERS))
            if (rate := self.rates[counter])
        ]

    @property
    def counters(self) -> Counters:
        """What was counted, the hardware's own counts apart."""
        if self.uncounted is not None:
            self.uncounted()
        return self._counters

    @property
    def guest_instructions(self) -> int:
        """Guest instructions retired, by the hardware or emulated by a monitor.

        ``guest`` is the record that counts them: the hart, or a monitor's virtual CPU.
        """
        words: memoryview = self.guest.words
        return words[LIMIT] - words[BUDGET]

    def now(self) -> int:
        """Return the present time in cycles, from what was counted so far."""
        guest, words = self.guest.words, self.hart.words
        retired = guest[LIMIT] - guest[BUDGET]
        if not self.by_cycles:
            return retired + self.clock.slept
        now = retired * self.instruction_cost + self.clock.charged + self.clock.slept
        for word, rate in self._hardware:
            now += words[word] * rate
        return now

    def count(self, counter: str, n: int = 1) -> None:
        """Add to a plain counter and charge its cost to the clock."""
        counters = self._counters
        setattr(counters, counter, getattr(counters, counter) + n)
        self.clock.charged += self.rates[counter] * n

    def charge(self, counter: str) -> None:
        """Charge the cost of something that is counted elsewhere."""
        self.clock.charged += self.rates[counter]

    def count_key(self, counter: str, total: str, key: str) -> None:
        """Add to a counter by key, and charge its cost and that of its total."""
        getattr(self._counters, counter)[key] += 1
        self.clock.charged += self.rates.of(counter, key) + self.rates[total]

    def budget(self, left: int) -> int:
        """Return how many instructions may run before the next deadline."""
        deadline = self.board.bus.deadline()
        budget = min(SLICE, left)
        if deadline is not None:
            cost = self.instruction_cost if self.by_cycles else 1
            budget = min(budget, max(1, (deadline - self.clock.now) // cost))
        self.granted = budget
        return budget

    def advance(self) -> None:
        """Bring the clock up to date and let devices act whose time has come.

        Then the console is listened to, too: a guest that exits all the time may never be at the
        end of a budget, where else that is done.
        """
        self.clock.now = now = self.now()
        bus = self.board.bus
        if self.console is not None:
            deadline = bus.deadline()
            if deadline is not None and now >= deadline:
                self.feed()
        bus.advance(now)

    def sleep(self) -> None:
        """Let time pass until the next deadline (the hart waits for an interrupt).

        None passes if the clock, brought up to date, has made an interrupt pending already.
        """
        self.advance()
        if self.feed() or pending(self.guest) & self.guest.mie:
            return
        deadline = self.board.bus.deadline()
        if deadline is None or deadline > LAST:
            if self.console is None or not self.console.wait(0.1):
                raise GuestCrashed("the guest waits for an interrupt that cannot come")
            return
        idle = max(0, deadline - self.clock.now)
        typing = self.console is not None and self.console.wait(idle / FREQUENCY)
        if typing and self.board.uart.room:
            return
        self.clock.slept += idle
        if self.board.busy():
            self.counters.device_wait_cycles += idle
        else:
            self.counters.idle_cycles += idle
        self.advance()

    def set_timer(self) -> None:
        """Let the supervisor timer see that its registers were written."""
        self.advance()
        self.timer.update()

    def feed(self) -> bool:
        """Give the console's UART what was typed; return whether there was anything."""
        room = self.board.uart.room
        typed = self.console.read(room) if self.console is not None and room else b""
        self.board.uart.receive(typed)
        return bool(typed)

    def finished(self) -> int | None:
        """Return the guest's exit code if it has ended: finisher, or HTIF's ``tohost``."""
        if self.tohost is not None:
            value = self.guest_memory.load(self.tohost, 8)
            if value & 1:
                return value >> 1
        return self.board.exit_code

    def mmio(self, hart: Hart, reason: ExitReason) -> None:
        """Carry out a device access of a hart, or of a virtual CPU, on the bus."""
        address, size = hart.exit_addr, hart.exit_size
        try:
            if reason == ExitReason.MMIO_READ:
                complete_load(hart, self.board.bus.read(address, size))
            else:
                self.board.bus.write(address, size, hart.exit_value)
                complete_store(hart)
        except BusError:
            cause = Cause.LOAD_ACCESS if reason == ExitReason.MMIO_READ else Cause.STORE_ACCESS
            raise_trap(hart, cause, hart.exit_tval)
            return
        self.count_key("mmio_by_device", "mmio_accesses", self.board.bus.find(address).name)

    def mark(self, value: int, counters: Counters) -> None:
        """Begin (1) or end (2) the measured region."""
        if value == 1:
            self.region.begin = counters
        elif value == 2 and self.region.begin is not None:
            self.region.end = counters

    def watch(self, steps: int) -> None:
        """Take note of so many traps or instructions; end a guest that only traps."""
        if self.guest_instructions != self.seen:
            self.seen, self.stuck = self.guest_instructions, 0
            return
        self.stuck += steps
        if self.stuck > STUCK:
            raise GuestCrashed(f"an endless trap: nothing retires at {self.guest.pc:#x}")

    def run(
        self,
        mode: Any,
        max_instructions: int,
        progress: Callable[[int], None] | None = None,
    ) -> Outcome:
        """Run until the guest stops, crashes, or has retired ``max_instructions``.

        Interrupting (``KeyboardInterrupt``) ends the run with the outcome ``interrupted``; the
        machine stays as it is and can be inspected or run on.
        """
        result = self.outcome = Outcome()
        try:
            while True:
                self.advance()
                result.exit_code = self.finished()
                if result.exit_code is not None:
                    return result
                left = max_instructions - self.guest_instructions
                if left <= 0:
                    result.outcome = "limit"
                    return result
                if progress is not None:
                    progress(self.guest_instructions)
                if self.serve is not None:
                    reason = self.serve(left)
                    if reason is None:
                        continue
                else:
                    mode.enter()
                    reason = self.engine.run(self.hart, self.budget(left))
                if reason == ExitReason.BUDGET:
                    self.feed()
                mode.handle(reason)
                self.watch(self.granted if reason == ExitReason.BUDGET else 1)
        except GuestCrashed as crash:
            result.outcome, result.crash = "crashed", str(crash)
        except KeyboardInterrupt:
            result.outcome = "interrupted"
        return result
