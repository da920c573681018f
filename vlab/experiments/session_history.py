"""Going backwards: a saved state, and from there forwards again, exactly as the first time.

A machine cannot run backwards, but it is deterministic. So a step back is a jump to an earlier
state and a run to the moment before (as in reversible debuggers: King, Dunlap & Chen 2005,
"Debugging operating systems with time-traveling virtual machines").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlab.errors import MachineError
from vlab.modes import snapshots
from vlab.modes.compose import Guest

if TYPE_CHECKING:
    from vlab.experiments.session import Session

KEPT = 16
"""Checkpoints kept; the oldest and the newest stay."""
EVERY_S = 1.0
"""Seconds of running between checkpoints, so that no way back takes much longer."""
NEAR = 5_000
"""Steps that are run again without a second thought."""
REMEMBERED = 100_000
"""Places to which the session returns exactly."""


@dataclass(eq=False)
class Checkpoint:
    """A state of a session; ``typed`` is how often something had been typed before."""

    moment: int
    steps: int
    left: int | None
    pending: bytes
    typed: int
    state: snapshots.State


class History:
    """Where a session has been, and the way back there.

    Parameters
    ----------
    session
        Whose history it is.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.checkpoints: list[Checkpoint] = []
        self.typed: list[tuple[int, bytes]] = []
        self.visited: dict[int, int] = {}
        self.beginning: Checkpoint | None = None
        self._ran = 0.0
        self._retyped = 0

    # -- remembering -----------------------------------------------------------------

    def take_typed(self) -> None:
        """Let the guest have what was typed, and remember the moment: called between two moves."""
        text = self.session.keyboard.take()
        if text:
            self.typed.append((self.session.loop.moment, text))

    def note_stop(self, seconds: float) -> None:
        """Remember where the session stopped; after long runs, keep a checkpoint."""
        self.take_typed()
        loop = self.session.loop
        if len(self.visited) >= REMEMBERED:
            del self.visited[next(iter(self.visited))]
        self.visited.pop(loop.steps, None)
        self.visited[loop.steps] = loop.moment
        self._ran += seconds
        if self._ran > EVERY_S:
            self._ran = 0.0
            self.keep()

    def keep(self) -> None:
        """Keep a checkpoint of the present state."""
        loop = self.session.loop
        if loop.outcome is not None:
            return
        previous = self.checkpoints[-1].state if self.checkpoints else None
        state = snapshots.capture(self.session.guest, previous)
        pending = self.session.keyboard.pending
        typed = len(self.typed)
        point = Checkpoint(loop.moment, loop.steps, loop.left, pending, typed, state)
        self.checkpoints = [p for p in self.checkpoints if p.moment != point.moment]
        self.checkpoints = sorted([*self.checkpoints, point], key=lambda p: p.moment)
        if len(self.checkpoints) > KEPT:
            del self.checkpoints[1:-2:2]

    def _begin(self) -> None:
        """Make sure that there is a checkpoint of the beginning."""
        if self.beginning is None:
            guest = Guest(self.session.setup)
            self.beginning = Checkpoint(0, 0, None, b"", 0, snapshots.capture(guest))
        if self.beginning not in self.checkpoints:
            self.checkpoints.insert(0, self.beginning)

    # -- going back -------------------------------------------------------------------

    def go_to(self, steps: int) -> None:
        """Go to where so many steps were done: exactly there, if the session stopped there."""
        session, loop = self.session, self.session.loop
        if loop.observer is not None:
            raise MachineError("a session that is being recorded cannot go back")
        self._begin()
        steps = max(steps, self.checkpoints[0].steps)
        moment = self.visited.get(steps)
        reachable = [p for p in self.checkpoints if self._before(p, steps, moment)]
        self._jump(reachable[-1])
        if steps - loop.steps > NEAR:
            self._run_to(steps - NEAR // 2, None)
            self.keep()
        self._run_to(steps, moment)
        session.view.synchronize(loop.left is not None)
        self.checkpoints = [p for p in self.checkpoints if p.moment <= loop.moment]
        self.visited = {s: m for s, m in self.visited.items() if m <= loop.moment}
        self.typed = [(m, text) for m, text in self.typed if m <= loop.moment]

    def _before(self, point: Checkpoint, steps: int, moment: int | None) -> bool:
        if moment is not None:
            return point.moment <= moment
        return point.steps < steps or point is self.beginning

    def _jump(self, point: Checkpoint) -> None:
        session, loop = self.session, self.session.loop
        snapshots.restore(session.guest, point.state, point.left)
        loop.moment, loop.left, loop.outcome = point.moment, point.left, None
        session.keyboard.pending = point.pending
        self._retyped = point.typed

    def _run_to(self, steps: int, moment: int | None) -> None:
        """Run again, typing what was typed, unheard by whoever listens to the console."""
        session, loop = self.session, self.session.loop
        keyboard = session.keyboard
        listener, keyboard.listener = keyboard.listener, None
        try:
            self._retype()
            while loop.outcome is None:
                left = moment - loop.moment if moment is not None else steps - loop.steps
                if left <= 0:
                    break
                if self._retyped < len(self.typed):
                    left = min(left, self.typed[self._retyped][0] - loop.moment)
                loop.move(left)
                self._retype()
        finally:
            keyboard.listener = listener

    def _retype(self) -> None:
        """Type again what was typed up to now."""
        while self._retyped < len(self.typed):
            moment, text = self.typed[self._retyped]
            if moment > self.session.loop.moment:
                break
            self.session.keyboard.pending += text
            self._retyped += 1
