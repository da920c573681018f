"""The guest's terminal in a cell, typed into live."""

from __future__ import annotations

import threading
import time
from typing import Any

import vlab
from vlab.widgets.machine import MachineWidget
from vlab.widgets.screen import Screen

MODES = ("native", "emulate", "fullvirt", "paravirt")
SHOWN = 400
"""Lines that are sent to the page."""
QUIET_S = 0.15
"""A guest that only sleeps for so long rests until something is typed: its clock stands."""
OFTEN_S = 0.05
PATIENCE_S = 3.0


class Console(MachineWidget):
    """A terminal: what the guest prints, and a keyboard for it.

    The numbers above it are of the whole run and change while you type: every key is an
    interrupt, an access to a device, and in ``fullvirt`` several VM exits.

    Parameters
    ----------
    source
        A workload's name or a session; without one, the guest's shell.
    mode
        ``native``, ``emulate``, ``fullvirt`` or ``paravirt``.
    **options
        More of `vlab.session`'s: ``image`` for a kernel of your own.
    """

    title = "Console"
    script, style = "console.js", "console.css"
    fast = frozenset({"type"})

    def __init__(self, source: Any = None, mode: str | None = None, **options: Any) -> None:
        self.screen = Screen()
        self._typed = ""
        self._lock = threading.Lock()
        self._printed, self._sent_at = False, 0.0
        self._source, self._options = source, options
        if mode is not None or not isinstance(source, vlab.Session):
            options["mode"] = mode or "native"
        super().__init__(source, options, self._begin)

    def _begin(self) -> None:
        self._listen()
        self._live()

    def follow(self) -> None:
        """Show what was printed while another widget moved the session."""
        self._catch_up()
        self._display()

    def _listen(self) -> None:
        self._catch_up()
        self.session.keyboard.listener = self._take

    def _catch_up(self) -> None:
        self.screen = Screen()
        self.screen.write(self.session.console.encode())

    def close(self) -> None:
        """Stop listening, too."""
        if self.session is not None and self.session.keyboard.listener == self._take:
            self.session.keyboard.listener = None
        super().close()

    # -- requests ---------------------------------------------------------------------------

    def on_type(self, text: str) -> None:
        """Type on the guest's keyboard, whether it runs or not."""
        with self._lock:
            self._typed += str(text)
        if self._running is not None:
            self._running.interrupt()
        self.work(self._live, key="live")

    def on_pass(self) -> None:
        """Let the guest's time pass, for programs that sleep long."""
        self._live(PATIENCE_S)

    def on_restart(self, mode: str) -> None:
        """Start the machine again in a mode."""
        if isinstance(self._source, vlab.Session):
            raise vlab.VlabError("this console was given a session: open another to start again")
        self.hold(vlab.session(self._source, **(self._options | {"mode": mode})))
        self._typed = ""
        self._listen()
        self._live()

    # -- running ----------------------------------------------------------------------------

    def _live(self, patience: float = QUIET_S) -> None:
        """Run until the guest has slept for a while with nothing to read, or has ended."""
        quiet_since = time.monotonic()
        with self.running() as session:
            while not self.stopping:
                with self._lock:
                    text, self._typed = self._typed, ""
                if text:
                    session.type(text)
                    quiet_since = time.monotonic()
                stop = session.until(idle=True)
                now = time.monotonic()
                if self._printed or stop.reason == "interrupted":
                    quiet_since = now
                if self._printed and now - self._sent_at > OFTEN_S:
                    self._display()
                asleep = stop.reason in ("idle", "waiting")
                ended = stop.reason not in ("idle", "interrupted")
                if (ended or (asleep and now - quiet_since > patience)) and not self._typed:
                    break
        self._display()

    def _take(self, data: bytes) -> None:
        self.screen.write(data)
        self._printed = True
        if time.monotonic() - self._sent_at > OFTEN_S:
            self._display()

    def _display(self) -> None:
        self._printed, self._sent_at = False, time.monotonic()
        session, counters = self.session, self.session.counters
        stop = session.loop.outcome
        self.show(
            text="\n".join(self.screen.lines[-SHOWN:]),
            column=self.screen.column,
            mode=session.setup.mode,
            modes=MODES,
            ended="" if stop is None else str(session.stopped) if not stop.crash else stop.crash,
            counts={
                "instructions": session.instructions,
                "interrupts": counters.interrupts,
                "device accesses": counters.mmio_accesses,
                "VM exits": counters.exits,
                "hypercalls": counters.hypercalls,
                "cycles": session.cycles.total,
            },
        )

    def describe(self) -> list[str]:
        """Return the end of what was printed."""
        return self.screen.lines[-40:]
