"""A live machine: run it, stop it anywhere, look at it, go on.

>>> import vlab
>>> s = vlab.session("hello", mode="fullvirt")
>>> s.until(symbol="trap_entry").reason
'breakpoint'
>>> s.run().reason
'finished'
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vlab.counters import EXIT_REASONS
from vlab.errors import MachineError, unknown
from vlab.experiments.running import Devices
from vlab.experiments.session_history import History
from vlab.experiments.session_keyboard import Keyboard
from vlab.experiments.session_looking import Looking
from vlab.experiments.session_loop import Loop
from vlab.experiments.session_saving import open_saved, save_session
from vlab.experiments.session_signals import StopButton
from vlab.experiments.session_symbols import symbols_of
from vlab.experiments.session_views import view_of
from vlab.modes.compose import Guest
from vlab.modes.setup import Setup

PROGRESS_S = 0.05
EVERYTHING = 1 << 62


@dataclass(frozen=True)
class Stop:
    """Why a session stopped.

    Attributes
    ----------
    reason
        ``finished``, ``crashed``, ``limit``: the run is over. ``step``, ``instructions``,
        ``breakpoint``, ``exit``, ``mark``: what was asked for. ``idle``, ``waiting``: the guest
        sleeps, and in the second case only typing can wake it. ``interrupted``.
    detail
        The exit's reason, the breakpoint's symbol, the exit code, why the guest crashed.
    """

    reason: str
    detail: str = ""
    pc: int = field(default=0, repr=False)

    def __str__(self) -> str:
        return f"{self.reason} {self.detail}".strip()


class Session(Looking):
    """A machine with a guest in it, under control; `vlab.session` makes one.

    Parameters
    ----------
    setup
        What the guest is booted with.
    label
        Workload, parameters and settings, as a `Result` names them.
    max_instructions
        Ends the run.
    progress
        Called some twenty times a second with the number of instructions retired.
    output
        Called with what the guest prints, as bytes.

    Attributes
    ----------
    breakpoints : set of int
        Virtual addresses at which `run`, `until` and `until_exit` stop before the instruction.
    stopped : Stop
        Why the session stopped last.
    """

    def __init__(
        self,
        setup: Setup,
        label: dict[str, Any],
        max_instructions: int,
        progress: Callable[[int], None] | None = None,
        output: Callable[[bytes], None] | None = None,
    ) -> None:
        self.setup, self.label, self.progress = setup, label, progress
        self.guest = Guest(setup)
        self.machine, self.mode = self.guest.machine, self.guest.mode
        self.keyboard = Keyboard(self.machine.board, output)
        self.machine.console = setup.console = self.keyboard
        self.loop = Loop(self.guest, self.keyboard, max_instructions)
        self.view = view_of(self.mode)
        self.symbols = symbols_of(self.guest.image, setup.image)
        self.button = StopButton(self.loop.moments.pause)
        self.breakpoints: set[int] = set()
        self.stopped, self.wall_s = Stop("step"), 0.0
        self.history = History(self)

    def __repr__(self) -> str:
        where = self.symbol() or f"{self.pc:#x}"
        return (
            f"<Session {self.label['workload']} · {self.setup.mode} · {self.stopped} at {where} · "
            f"{self.instructions:,} instructions · {self.cycles.total:,} cycles>"
        )

    # -- running ----------------------------------------------------------------

    def run(self, instructions: int | None = None) -> Stop:
        """Run on: to the end, or until so many more guest instructions have retired."""
        if instructions is None:
            return self._go("instructions", halts=self._addresses())
        check_count("instructions", instructions)
        target = self.machine.guest_instructions + instructions
        return self._go("instructions", instructions=target, halts=self._addresses())

    def step(self, n: int = 1) -> Stop:
        """Step guest instructions, whoever carries them out: the hardware or the monitor.

        An instruction that traps into the guest's kernel is one step, and so is an interrupt.
        """
        check_count("step", n)
        return self._go("step", steps=self.loop.steps + n)

    def until_exit(self, reason: str | None = None) -> Stop:
        """Run until the next VM exit was handled; on hardware of its own, the next trap.

        Parameters
        ----------
        reason
            One of `vlab.counters.EXIT_REASONS`; any unless told.
        """
        if reason is not None and reason not in EXIT_REASONS:
            raise MachineError(unknown("exit reason", reason, EXIT_REASONS))
        wanted = {reason} if reason is not None else set(EXIT_REASONS)
        return self._go("exit", wanted=wanted, halts=self._addresses())

    def until(
        self,
        *,
        pc: int | None = None,
        symbol: str | None = None,
        mark: int | None = None,
        syscall: bool = False,
        idle: bool = False,
    ) -> Stop:
        """Run until the first of these: an address, a mark, a system call, or a guest that waits.

        Parameters
        ----------
        pc, symbol
            Stops before the instruction at this virtual address.
        mark
            1: the measured region begins; 2: it ends.
        syscall
            A user program has called its kernel.
        idle
            The guest sleeps, nothing is under way but timers, and nothing typed is left.
        """
        halts = self._addresses()
        if pc is not None:
            halts |= {pc}
        if symbol is not None:
            halts |= {self.symbols.address(symbol)}
        if mark not in (None, 1, 2):
            raise MachineError(f"mark={mark!r}: must be 1 (begin) or 2 (end)")
        if pc is None and symbol is None and mark is None and not (syscall or idle):
            raise MachineError("until: say what to stop at (pc, symbol, mark, syscall or idle)")
        wanted = {"syscall"} if syscall else set()
        return self._go("exit", wanted=wanted, halts=halts, mark=mark, idle=idle)

    def back(self, n: int = 1) -> Stop:
        """Step backwards: undo the last ``n`` steps."""
        check_count("back", n)
        return self.goto(self.steps - n)

    def goto(self, steps: int) -> Stop:
        """Go to where so many `steps` had been done, back or forth.

        Where the session had stopped there before, it is exactly as it was; what was typed
        later is forgotten. The beginning is as far back as it goes.
        """
        if steps > self.steps:
            return self.step(steps - self.steps)
        with self.button:
            self.history.go_to(steps)
        self.button.pressed = False
        self.stopped = Stop("step", "", self.pc)
        return self.stopped

    def snapshot(self) -> bytes:
        """Return the whole state as bytes, for `restore`, in this process or another."""
        return save_session(self)

    @classmethod
    def restore(
        cls,
        data: bytes,
        *,
        monitor: type | None = None,
        progress: Callable[[int], None] | None = None,
        output: Callable[[bytes], None] | None = None,
        devices: Devices = None,
    ) -> Session:
        """Return a session that goes on where another one was saved, bit for bit.

        Parameters
        ----------
        data
            What `snapshot` returned. Bytes from anywhere are safe: they fit or are refused.
        monitor, devices
            Those of one's own that it was saved with: code is never part of a snapshot.
        """
        return open_saved(cls, data, monitor, progress, output, devices)

    def interrupt(self) -> None:
        """Stop the run that is under way in another thread, or the next one at once."""
        self.button.press()

    def type(self, text: str) -> None:
        """Type on the guest's console; it is read when the guest next runs."""
        self.keyboard.type(text.encode())
        if not self.button.entered:
            self.history.take_typed()

    def _addresses(self) -> frozenset[int]:
        return frozenset(self.breakpoints)

    def _go(
        self,
        why: str,
        *,
        steps: int = EVERYTHING,
        instructions: int = EVERYTHING,
        wanted: set[str] | frozenset[str] = frozenset(),
        halts: frozenset[int] = frozenset(),
        mark: int | None = None,
        idle: bool = False,
    ) -> Stop:
        """Move until something asked for happens."""
        loop, machine = self.loop, self.machine
        begin, first = time.perf_counter(), loop.steps
        shown = begin
        loop.halts, own_tracing = halts, loop.tracing
        loop.tracing = loop.tracing or bool(wanted)
        reason, detail = why, ""
        try:
            with self.button:
                while loop.outcome is None:
                    most = min(steps - loop.steps, instructions - machine.guest_instructions)
                    if most <= 0:
                        break
                    if self.button.pressed:
                        reason = "interrupted"
                        break
                    self.keyboard.starved = False
                    self.history.take_typed()
                    loop.move(most)
                    if loop.happened in wanted:
                        reason, detail = "exit", loop.happened
                        break
                    if loop.happened == "mark" and machine.hart.exit_value == mark:
                        reason, detail = "mark", str(mark)
                        break
                    if loop.happened == "waiting":
                        reason = "waiting"
                        break
                    if idle and self.keyboard.starved:
                        reason = "idle"
                        break
                    if halts and loop.pc in halts and loop.steps != first:
                        reason, detail = "breakpoint", self.symbols.name(loop.pc)
                        break
                    if self.progress is not None and time.perf_counter() - shown > PROGRESS_S:
                        shown = time.perf_counter()
                        self.progress(self.instructions)
        finally:
            self.button.pressed = False
            loop.halts, loop.tracing = frozenset(), own_tracing
            self.view.synchronize(loop.left is not None)
            seconds = time.perf_counter() - begin
            self.wall_s += seconds
            self.history.note_stop(seconds)
            if self.progress is not None:
                self.progress(self.instructions)
        if loop.outcome is not None:
            reason = loop.outcome.outcome
            code = loop.outcome.exit_code
            detail = loop.outcome.crash or ("" if code is None else f"exit {code}")
        self.stopped = Stop(reason, detail, self.pc)
        return self.stopped


def check_count(what: str, n: int) -> None:
    """Raise `MachineError` unless n is a count."""
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise MachineError(f"{what}={n!r}: must be a whole number, 0 or more")
