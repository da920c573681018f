"""A race of one workload in several modes: who is ahead at equal modelled time?

Progress is measured by the guest's useful work: user instructions retired since the measured
region began, which are equal in every mode (the kernel's are not: a ported kernel has others). Time
is modelled cycles since the region began. Every racer is a session, run in short slices
until it has used up the time that the race has reached, so all are seen at the same modelled
time, however long the host took for each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from vlab.errors import ModeError
from vlab.experiments.running import TECHNIQUES, check_mode, run
from vlab.experiments.session_opening import session as open_session

if TYPE_CHECKING:
    from vlab.costs import Cycles
    from vlab.counters import Counters
    from vlab.experiments.result import Result

SLICE = 20_000
"""Guest instructions that a racer runs at most before somebody else may have the processor."""
FIRST = 100
"""Instructions of its first slice, before anybody knows how fast it is."""
POINTS = 160
"""Points kept of a racer's curve before every second one is dropped."""


class Racer:
    """One mode's session.

    Attributes
    ----------
    counters, cycles
        Of the measured region so far.
    result : Result or None
        What `vlab.run` returns for the same; None while the guest runs.
    rate, ran
        Cycles an instruction, and instructions, of its last slice.
    """

    def __init__(self, workload: str, mode: str, **options: Any) -> None:
        self.mode = mode
        self.session = open_session(workload, mode, **options)
        self.session.until(mark=1)
        self.result: Result | None = None
        self.points: list[tuple[int, int]] = [(0, 0)]
        self._stride, self._seen = 1, 0
        self.rate, self.ran = 1.0, FIRST
        self._look()

    def _look(self) -> None:
        result = self.session.result()
        self.counters: Counters = result.counters
        self.cycles: Cycles = result.cycles
        self.arrived = self.session.machine.region.end is not None
        if self.session.loop.outcome is not None:
            self.result, self.arrived = result, True

    @property
    def time(self) -> int:
        """Modelled cycles since the region began."""
        return self.cycles.total

    @property
    def work(self) -> int:
        """User instructions retired since the region began."""
        return self.counters.retired_user

    def advance(self, instructions: int) -> None:
        """Run on for so many guest instructions; behind the finish, until the guest has ended."""
        if self.result is not None:
            return
        time = self.time
        self.session.run(instructions)
        self._look()
        self.rate, self.ran = max(1.0, (self.time - time) / instructions), instructions
        self._note()

    def _note(self) -> None:
        """Keep a point of the curve, fewer and fewer of them as it grows."""
        self._seen += 1
        point = (self.time, self.work)
        if self.points[-1] != point and (self._seen % self._stride == 0 or self.arrived):
            self.points.append(point)
        if len(self.points) > POINTS:
            self.points = self.points[::2]
            self._stride *= 2

    def when(self, work: int) -> float:
        """Return at which time so much work was done first, between two points of the curve."""
        place = bisect_left(self.points, work, key=lambda point: point[1])
        if place == len(self.points):
            return float(self.points[-1][0])
        (t1, w1), (t0, w0) = self.points[place], self.points[max(0, place - 1)]
        return t0 + (t1 - t0) * (work - w0) / (w1 - w0) if w1 != w0 else float(t1)


class Race:
    """The race.

    Parameters
    ----------
    workload
        A name from ``vlab.workloads()``.
    modes
        Who takes part; ``simulate`` among them changes nothing, as predictions are always made.
    options
        As in `vlab.run`, the workload's parameters among them.
    tell
        Called with a share from 0 to 1 and what is being prepared; it may raise, to give up.

    Attributes
    ----------
    time : int
        Modelled cycles that the race has reached.
    rehearsal : Racer
        A run in ``native``, before the race, to know how long the way is.
    finish : int
        User instructions of the whole region.
    predictions : dict
        What ``simulate`` predicts for each mode, a `Result`.
    """

    def __init__(
        self,
        workload: str = "mixed",
        modes: Iterable[str] | str = TECHNIQUES,
        *,
        tell: Callable[[float, str], None] = lambda share, what: None,
        **options: Any,
    ) -> None:
        self.workload, self.modes, self.options = workload, racing(modes), options
        self.predictions = {
            mode: run(workload, "simulate", of=mode, **options) for mode in self.modes
        }
        tell(0, "a rehearsal in native")
        self.rehearsal = Racer(workload, "native", **options)
        way = run(workload, "simulate", of="native", **options).counters_total.retired or 1
        while self.rehearsal.result is None:
            self.rehearsal.advance(max(SLICE // 10, self.rehearsal.counters.retired // 200))
            done = self.rehearsal.session.instructions / way
            tell(min(done, 1) / 2, "a rehearsal in native")
        self.finish = self.rehearsal.work
        self.racers: dict[str, Racer] = {}
        for number, mode in enumerate(self.modes):
            tell(0.5 + number / len(self.modes) / 2, f"booting in {mode}")
            self.racers[mode] = Racer(workload, mode, **options)
        self.time = 0

    @property
    def length(self) -> int:
        """Modelled cycles that the slowest will take, as predicted."""
        return max([p.cycles.total for p in self.predictions.values()] + [1])

    @property
    def over(self) -> bool:
        """Whether every guest has shut down."""
        return all(racer.result is not None for racer in self.racers.values())

    def behind(self) -> list[Racer]:
        """Return who has not used up the time that the race has reached."""
        return [
            racer
            for racer in self.racers.values()
            if racer.result is None and (racer.arrived or racer.time < self.time)
        ]

    def slice(self) -> bool:
        """Let everybody who is behind run a short slice; return whether anybody still is."""
        for racer in self.behind():
            racer.advance(self._instructions(racer))
        return bool(self.behind())

    def _instructions(self, racer: Racer) -> int:
        """Return how many instructions should bring a racer to the time of the race."""
        if racer.arrived:
            return SLICE
        fit = int((self.time - racer.time) / racer.rate)
        return max(1, min(SLICE, fit, 2 * racer.ran))

    def advance(self, cycles: int, going_on: Callable[[], bool] = lambda: True) -> None:
        """Let the race go on for so many modelled cycles, for everybody."""
        self.time += cycles
        while self.slice() and going_on():
            pass

    def frame(self) -> dict[str, Any]:
        """Return what is seen now, as plain data: a lane a mode."""
        return {
            "time": self.time,
            "over": self.over,
            "lanes": [self._lane(racer) for racer in self.racers.values()],
        }

    def _lane(self, racer: Racer) -> dict[str, Any]:
        counters, time = racer.counters, racer.time
        return {
            "mode": racer.mode,
            "time": time,
            "work": racer.work,
            "progress": racer.work / self.finish if self.finish else float(racer.arrived),
            "arrived": racer.arrived,
            "over": racer.result is not None,
            "exits": counters.exits,
            "traps": counters.traps + counters.interrupts,
            "syscalls": counters.syscalls,
            "walk_references": counters.walk_references,
            "throughput": self._throughput(racer) if time else None,
            "cycles": {name: n for name, n in racer.cycles.by_category.items() if n},
            "curve": racer.points,
        }

    def _throughput(self, racer: Racer) -> float:
        """Return work per cycle, relative to `native` when it had done as much."""
        if racer.mode == "native":
            return 1.0
        alone = self.rehearsal
        return (alone.time if racer.arrived else alone.when(racer.work)) / racer.time

    def predicted(self) -> dict[str, int]:
        """Return the predicted cycles of each mode."""
        return {mode: result.cycles.total for mode, result in self.predictions.items()}

    def results(self) -> list[Result]:
        """Return the results of those that are over, as `vlab.run` gives them."""
        return [racer.result for racer in self.racers.values() if racer.result is not None]


def racing(modes: Iterable[str] | str) -> list[str]:
    """Return the executing modes among those asked for, once each."""
    chosen = list(dict.fromkeys([modes] if isinstance(modes, str) else modes))
    for mode in chosen:
        check_mode(mode)
    executing = [mode for mode in chosen if mode in TECHNIQUES]
    if not executing:
        raise ModeError("modes: at least one that executes the guest (simulate is shown beside)")
    return executing
