"""The run loop of a session: the machine's own, cut into moments at which it can be stopped.

`Machine.run` cuts a run into slices: it brings the clock up to date, enters the guest, and lets
the engine run until the next deadline or exit. Where slices begin decides when an interrupt
arrives, so a run that is stopped must neither add a boundary nor move one. Here a slice
that was interrupted is continued with what was left of it, and a run comes out the same
however often it was stopped.

As long as nobody has to see single exits, machine code serves them, as in `Machine.run`.
"""

from __future__ import annotations

from typing import Any, Protocol

from vlab.exits import ExitReason
from vlab.experiments.session_keyboard import Keyboard, WaitingForInput
from vlab.isa.execute import raise_trap
from vlab.isa.fields import INTERRUPT, MASK64, Cause
from vlab.machine import GuestCrashed, Outcome
from vlab.state import LAYOUT
from vlab.vmm.exit_record import ExitRecord
from vlab.vmm.moments import Moments

PC = LAYOUT["pc"][0]
PAGE_FAULTS = (Cause.FETCH_PAGE, Cause.LOAD_PAGE, Cause.STORE_PAGE)
CHUNK = {"python": 20_000}
"""Instructions between looks at the stop button: some hundredths of a second."""
LONG_CHUNK = 1_000_000
FEWEST = 2
"""Moments for which machine code can be asked: an entry is one, and something must be run."""


class Observer(Protocol):
    """What is told of every exit, without changing anything."""

    def before(self, reason: ExitReason) -> None:
        """The guest has left the hardware; nobody has looked at it yet."""

    def after(self) -> None:
        """The exit was handled."""

    def entered(self) -> None:
        """The guest is about to run again: what the exit cost is complete."""


def trap_reason(cause: int) -> str:
    """Return the name, as in `vlab.counters.EXIT_REASONS`, of a trap into the guest's kernel."""
    if cause & INTERRUPT:
        return "interrupt"
    if cause == Cause.ECALL_U:
        return "syscall"
    return "page_fault" if cause in PAGE_FAULTS else "exception"


class Loop:
    """A guest under way.

    Attributes
    ----------
    left : int or None
        What is left of the slice under way; None between slices.
    moment : int
        Counts everything that happens one after the other: instructions and traps on the
        hardware, exits, entries. The same moment of the same run is the same state.
        In `moments`, which machine code counts, too.
    outcome : Outcome or None
        How the run ended; None while it goes on.
    tracing : bool
        Tell of the traps into the guest's own kernel, too, which on hardware of its own nobody
        else sees.
    halts : frozenset of int
        Addresses at which to stop.
    happened : str
        What the last `move` met: the reason of an exit or trap, ``mark``, ``waiting``, or nothing.
    """

    def __init__(self, guest: Any, keyboard: Keyboard, max_instructions: int) -> None:
        self.guest, self.machine, self.mode = guest, guest.machine, guest.mode
        self.hart, self.engine = self.machine.hart, self.machine.engine
        self.keyboard = keyboard
        self.max_instructions = max_instructions
        self.attribute = getattr(self.mode, "attribute", lambda: None)
        self.chunk = CHUNK.get(self.engine.name, LONG_CHUNK)
        guest.serve_exits()
        self.compiled = getattr(self.mode, "compiled", None)
        self.moments = Moments(ExitRecord()) if self.compiled is None else self.compiled.moments
        keyboard.pause = self.moments.pause
        self.left: int | None = None
        self.outcome: Outcome | None = None
        self.tracing = False
        self.halts: frozenset[int] = frozenset()
        self.observer: Observer | None = None
        self.happened = ""

    @property
    def moment(self) -> int:
        """Where in the run the guest is."""
        return self.moments.now

    @moment.setter
    def moment(self, moment: int) -> None:
        self.moments.now = moment

    @property
    def steps(self) -> int:
        """Guest instructions retired, and traps and firmware calls taken instead."""
        machine = self.machine
        counters = machine.counters
        taken = machine.guest.vectored + counters.sbi_calls + counters.upcalls
        return int(machine.guest_instructions + taken)

    @property
    def pc(self) -> int:
        """Where the guest is."""
        record = self.machine.guest if self.left is None else self.hart
        return int(record.pc)

    def move(self, most: int) -> None:
        """Enter the guest, or run it for at most ``most`` moments and handle its exit.

        Where nobody has to see them, many slices and their exits are one move.
        """
        self.happened = ""
        try:
            if self.left is None:
                self._enter(most)
            else:
                self._run(min(self.left, most, self.chunk))
        except WaitingForInput:
            self._between_slices()
            self.happened = "waiting"
        except GuestCrashed as crash:
            self._between_slices()
            self.outcome = Outcome("crashed", crash=str(crash))

    def _between_slices(self) -> None:
        self.left = None
        self.moment += 1

    def _enter(self, most: int) -> None:
        machine = self.machine
        machine.advance()
        code = machine.finished()
        if code is not None:
            self.outcome = Outcome("finished", code)
            return
        room = self.max_instructions - machine.guest_instructions
        if room <= 0:
            self.outcome = Outcome("limit")
            return
        if most >= FEWEST and self._unseen():
            self._serve(room, min(most, self.chunk))
            return
        self.mode.enter()
        self.left = machine.budget(room)
        self.moment += 1
        if self.observer is not None:
            self.observer.entered()

    def _unseen(self) -> bool:
        """Return whether nobody has to see single exits, so that machine code may serve them."""
        seen = self.tracing or self.halts or self.observer is not None
        if seen or self.machine.serve is None or self.compiled is None:
            return False
        return bool(self.compiled.holds())

    def _serve(self, room: int, most: int) -> None:
        """Let machine code enter and run the guest, and serve exits, for at most ``most`` moments.

        Parameters
        ----------
        room
            Instructions until the run's limit.
        """
        machine, moments = self.machine, self.moments
        machine.stuck = 0  # a guest that only traps is the session's user's to stop
        moments.pause_after(most, machine.guest_instructions)
        try:
            reason = machine.serve(room)
        finally:
            moments.go_on()
            self.left = moments.left
        if reason is not None:
            self._end(reason)

    def _run(self, budget: int) -> None:
        hart = self.hart
        own = hart.intercept
        if self.tracing:
            hart.intercept = MASK64
        reason, used = self._execute(budget)
        hart.intercept = own
        self.left -= used  # type: ignore[operator]
        self.moment += used
        if reason == ExitReason.TRAP and not self._exits(own, hart.exit_cause):
            self._vector()
            reason = ExitReason.BUDGET
        self._end(reason)

    def _end(self, reason: ExitReason) -> None:
        """Handle what ended a run of the engine, unless it was cut short within a slice."""
        if reason == ExitReason.BUDGET and self.left:
            self.attribute()
            return
        if reason == ExitReason.BUDGET:
            self.machine.feed()
            self.mode.handle(reason)
        else:
            self._exit(reason)
        self._between_slices()

    def _execute(self, budget: int) -> tuple[ExitReason, int]:
        """Run the engine; return why it stopped, and how much of the budget was used."""
        hart = self.hart
        reason = self.engine.run_until(hart, budget, self.halts)
        return reason, budget - hart.budget

    @staticmethod
    def _exits(intercept: int, cause: int) -> bool:
        return bool(intercept >> (63 if cause & INTERRUPT else cause) & 1)

    def _vector(self) -> None:
        """Let the hardware take the trap that only tracing had intercepted."""
        hart, cause = self.hart, self.hart.exit_cause
        self._before(ExitReason.TRAP)
        raise_trap(hart, cause, hart.exit_tval)
        self.left -= 1  # type: ignore[operator]
        self.moment += 1
        self.happened = trap_reason(cause)
        if self.observer is not None:
            self.observer.after()
            self.observer.entered()

    def _exit(self, reason: ExitReason) -> None:
        counters = self.machine.counters
        exits, calls = counters.exits_by_reason.copy(), counters.sbi_calls
        self._before(reason)
        self.mode.handle(reason)
        changed = [key for key, n in counters.exits_by_reason.items() if n != exits[key]]
        if changed:
            self.happened = changed[-1]
        elif reason == ExitReason.MARK:
            self.happened = "mark"
        elif counters.sbi_calls != calls:
            self.happened = "sbi"
        if self.observer is not None:
            self.observer.after()

    def _before(self, reason: ExitReason) -> None:
        if self.observer is not None:
            self.observer.before(reason)
