"""Widgets that hold a session: opened, run with progress and a stop button, looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import vlab
from vlab.experiments.catalogue import workload as find_workload
from vlab.experiments.running import check_mode
from vlab.widgets import sharing
from vlab.widgets.base import Widget


class MachineWidget(Widget):
    """A widget with a machine.

    Parameters
    ----------
    source
        A workload's name, or a session, which is then the widget's until it is closed.
    options
        As in `vlab.session`, if it is to be opened here.
    begin
        The first work, once there is a session.

    Attributes
    ----------
    session : Session
        The machine. Leave it alone while the widget works (`wait` waits for that).
    """

    session: Any = None

    def __init__(
        self, source: Any, options: dict[str, Any], begin: Callable[[], None] | None = None
    ) -> None:
        def first() -> None:
            if self.session is None:
                self.hold(vlab.session(source, **options))
            if begin is not None:
                begin()

        if isinstance(source, str):
            check(source, options)
        elif source is not None:
            if not isinstance(source, vlab.Session):
                kind = type(source).__name__
                raise vlab.VlabError(f"{kind}: expected a workload's name or a vlab.Session")
            if options:
                names = ", ".join(options)
                raise vlab.VlabError(f"{names}: the session given here has them already")
            self.hold(source)
        self._running: Any = None
        super().__init__(first)

    def hold(self, session: Any) -> None:
        """Let this be the widget's session."""
        self.session = session
        sharing.watch(session, self)

    def follow(self) -> None:
        """Another widget has moved the session: a subclass shows where it is now."""

    def work(self, job: Callable[[], None], key: str | None = None) -> None:
        """Do something in the widget's thread, with the session for itself."""

        def alone() -> None:
            if self.session is None:
                job()
                return
            with sharing.turn(self.session, self, lambda: self.stopping):
                job()

        super().work(alone, key)

    @contextmanager
    def running(self, session: Any = None, total: int | None = None) -> Iterator[Any]:
        """Give a session (the widget's own) to be run: with progress, and stopped by Stop.

        Parameters
        ----------
        total
            Instructions that it is expected to retire, if anybody knows.
        """
        session = session or self.session
        own, start = session.progress, session.instructions

        def tell(retired: int) -> None:
            done = min(1.0, (retired - start) / total) if total else None
            self.progress(done, f"{retired:,} instructions")

        session.progress, self._running = tell, session
        session.button.pressed = self.stopping
        try:
            yield session
        finally:
            session.progress, self._running = own, None

    def interrupt(self) -> None:
        """Interrupt the run under way."""
        session = self._running
        if session is not None:
            session.interrupt()

    def where(self) -> dict[str, Any]:
        """Return where the machine is, as plain data for the page."""
        session = self.session
        return {
            "workload": session.label["workload"],
            "mode": session.setup.mode,
            "pc": f"{session.pc:#x}",
            "symbol": session.symbol(),
            "privilege": privilege_text(session.privilege, session.hardware_privilege),
            "instructions": session.instructions,
            "steps": session.steps,
            "cycles": session.cycles.total,
            "stopped": str(session.stopped),
        }


def check(workload: str, options: dict[str, Any]) -> None:
    """Raise `VlabError` at once, in the cell, for what cannot be opened."""
    given = set(signature(vlab.session).parameters)
    find_workload(workload).bind({k: v for k, v in options.items() if k not in given})
    check_mode(options.get("mode", "native"))
    if options.get("mode") == "simulate":
        raise vlab.VlabError("mode 'simulate' executes no guest: there is no machine to look at")


PRIVILEGE_NAMES = {"U": "U (user program)", "S": "S (kernel)", "M": "M (firmware)"}


def privilege_text(guest: str, hardware: str) -> str:
    """Return the guest's privilege in words, and the hardware's where it differs."""
    text = PRIVILEGE_NAMES[guest]
    return text if guest == hardware else f"{text}, in truth {hardware}"
