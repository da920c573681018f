"""The race of the modes, with play, pause, single step and speed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from vlab.errors import ModeError, ParameterError
from vlab.experiments.catalogue import workload as find_workload
from vlab.experiments.catalogue import workloads
from vlab.experiments.comparison import Comparison
from vlab.experiments.running import MODES
from vlab.figures.charts import bars
from vlab.figures.drawing import Drawing
from vlab.widgets.drawn import LOOK, Drawn
from vlab.widgets.race import Race, racing

FRAME_S = 0.05
SLOWEST_S, FASTEST_S = 240.0, 1.0
"""Seconds that the slowest racer's way may take."""
USUAL_S = 15.0
PARTS = 5
"""Parts of the way between two pictures, after each of which it may be cut short."""
STEPS = 100
"""Single steps of which the slowest racer's way consists."""


class ModeRace(Drawn):
    """One workload in all modes at once, seen at equal modelled time.

    Parameters
    ----------
    workload
        A name from ``vlab.workloads()``.
    modes
        Who takes part. What ``simulate`` predicts for each is shown beside it.
    seconds
        How long the slowest takes when played.
    **options
        As in `vlab.run`, the workload's parameters among them.
    """

    title = "Mode race"
    script, style = "mode_race.js", "mode_race.css"
    fast = frozenset({"pause", "speed"})

    def __init__(
        self,
        workload: str = "mixed",
        modes: Iterable[str] = MODES,
        *,
        seconds: float = USUAL_S,
        **options: Any,
    ) -> None:
        self.workload = find_workload(workload).name
        self.modes, self.options = racing(modes), options
        self.race: Race | None = None
        self._seconds = USUAL_S
        self.on_speed(seconds)
        self._playing = False
        self._longest = 0
        super().__init__(self.on_restart)

    # -- what the page asks for ----------------------------------------------------------

    def on_restart(self) -> None:
        """Begin again: boot every guest up to the measured region."""
        self.race = race = Race(self.workload, self.modes, tell=self.prepare, **self.options)
        self._longest = race.length // (10 * STEPS) + 1
        self.show(
            workload=self.workload,
            workloads=list(workloads()),
            finish=race.finish,
            length=race.length,
            predicted=race.predicted(),
            seconds=self._seconds,
            style=LOOK,
            playing=False,
            frame=race.frame(),
        )

    def on_choose(self, workload: str) -> None:
        """Race another workload, with its usual parameters."""
        chosen = find_workload(workload)
        before = find_workload(self.workload)
        self.workload = chosen.name
        self.options = {n: v for n, v in self.options.items() if n not in before.params}
        self.on_restart()

    def on_play(self) -> None:
        """Let the race go on until it is over or paused."""
        race = self._ready()
        self._playing = True
        before = time.perf_counter()
        while self._going_on() and not race.over:
            now = time.perf_counter()
            wanted = int(race.length * min(now - before, 4 * FRAME_S) / self._seconds)
            before = now
            way = self._go(min(wanted, self._longest) + 1, now + FRAME_S)
            self._longest = self._allowed(way, time.perf_counter() - now)
            done = min(1.0, race.time / race.length)
            view = {**self.view, "frame": race.frame(), "playing": True}
            self._tell(view, fraction=done, text="playing")
            time.sleep(max(0.0, FRAME_S - (time.perf_counter() - now)))
        self._playing = False
        self.show(frame=race.frame(), playing=False)

    def on_pause(self) -> None:
        """Pause; what is under way is finished within a moment."""
        self._playing = False

    def on_step(self) -> None:
        """Go on by a hundredth of the slowest racer's way."""
        race = self._ready()
        self._playing = True
        self._move(race.length // STEPS + 1)
        self._playing = False
        self.show(frame=race.frame(), playing=False)

    def on_speed(self, seconds: float) -> None:
        """Let the slowest racer take so many seconds."""
        if not isinstance(seconds, int | float) or not SLOWEST_S >= seconds >= FASTEST_S:
            raise ParameterError(
                f"seconds={seconds!r}: must be from {FASTEST_S:g} to {SLOWEST_S:g}"
            )
        self._seconds = float(seconds)

    def interrupt(self) -> None:
        """Pause, as the stop button does."""
        self._playing = False

    # -- moving ---------------------------------------------------------------------------

    def _ready(self) -> Race:
        if self.race is None:
            raise ModeError("the guests have not booted: begin again")
        return self.race

    def _going_on(self) -> bool:
        return self._playing and not self.stopping

    def _move(self, cycles: int) -> None:
        self._ready().advance(cycles, lambda: not self.stopping)

    def _go(self, way: int, deadline: float) -> int:
        """Go a way in parts, after each of which all are at equal time; return how far it was.

        How much the host does in a modelled cycle changes from one moment to the next.
        """
        gone, part = 0, way // PARTS + 1
        while gone < way and self._going_on() and (not gone or time.perf_counter() < deadline):
            self._move(part)
            gone += part
        return gone

    def _allowed(self, way: int, took: float) -> int:
        """Return how far to go at once next: what takes a frame at the pace of the last way.

        (A way may take no time at all by the host's clock.)
        """
        most = 2 * way + self._ready().length // STEPS
        return min(most, int(way * FRAME_S / took) + 1) if took else most

    # -- results --------------------------------------------------------------------------

    @property
    def comparison(self) -> Comparison:
        """The results of those that have arrived, as `vlab.compare` gives them, and predictions."""
        race = self._ready()
        return Comparison([*race.results(), *race.predictions.values()])

    def describe(self) -> list[str]:
        """Return a line a lane."""
        if self.race is None:
            return ["The guests are booting."]
        race = self.race
        if race.time == 0:
            lines = [f"{self.workload}: what simulate predicts; press Play to see"]
            return lines + [
                f"{mode:9}{'░' * max(1, round(60 * cycles / race.length)):60}{cycles:15,} cycles"
                for mode, cycles in race.predicted().items()
            ]
        lines = [f"{self.workload} after {race.time:,} modelled cycles"]
        for lane in race.frame()["lanes"]:
            bar = "█" * round(30 * lane["progress"])
            left = f"{lane['exits']:9,} exits" if lane["exits"] else f"{lane['traps']:9,} traps"
            share, cycles = f"{lane['progress']:4.0%}", f"{lane['time']:14,} cycles"
            lines.append(f"{lane['mode']:9}{bar:·<30} {share}{cycles}{left}")
        return lines

    def drawing(self) -> Drawing | None:
        """Return what is predicted, and when all have arrived, what was measured."""
        if self.race is None:
            return None
        if self.race.over:
            return self.comparison.plot("slowdown")
        predicted = self.race.predicted()
        first, last = (pick(predicted, key=predicted.__getitem__) for pick in (min, max))
        title = f"{self.workload}: {first} will be the first to arrive, {last} the last"
        return bars(predicted, title, "modelled cycles that simulate predicts", number="{:,.0f}")
