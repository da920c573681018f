"""The exits of a recording as columns of numbers, and their totals."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vlab.counters import EXIT_REASONS

if TYPE_CHECKING:
    from vlab.experiments.recording import Recording

COSTLY = ("trap", "monitor")
"""Categories that only exits are charged to, under a monitor."""


class Timeline:
    """When each exit was, how long it took, and why.

    Parameters
    ----------
    recording
        A recording that is over.

    Attributes
    ----------
    reasons : list of str
        Those that occurred, in the order of `vlab.counters.EXIT_REASONS`. An exit that counts for
        several (``a+b``) is a reason of its own here.
    begin, cost, why, where
        A column each: the cycle at which the guest was left, the cycles that it took, the number of
        the reason, and the number of the symbol in `symbols`.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        order = list(EXIT_REASONS)
        seen = {row.reason for row in recording}
        self.reasons = sorted(seen, key=lambda name: (order.index(name.split("+")[0]), name))
        numbers = {name: n for n, name in enumerate(self.reasons)}
        self.symbols: list[str] = []
        places: dict[str, int] = {}
        self.begin, self.cost = array("d"), array("d")
        self.why, self.where = array("B"), array("H")
        for row in recording:
            self.begin.append(row.cycle)
            self.cost.append(row.total_cycles)
            self.why.append(numbers[row.reason])
            symbol = (
                (row.symbol or f"{row.pc:#x}").split("+")[0] if row.privilege != "U" else "user"
            )
            if symbol not in places and len(places) < 1 << 16:
                places[symbol] = len(places)
                self.symbols.append(symbol)
            self.where.append(places.get(symbol, 0))

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def first(self) -> int:
        """The number of the first exit that was kept."""
        return self.recording.left_out

    @property
    def end(self) -> float:
        """The cycle at which the run ended."""
        result = self.recording.result
        last = self.begin[-1] + self.cost[-1] if len(self) else 1.0
        return max(last, float(result.cycles_total.total) if result else 0.0)

    def packed(self) -> bytes:
        """Return the columns one after the other, as the page takes them: f64, f64, u16, u8."""
        return b"".join(c.tobytes() for c in (self.begin, self.cost, self.where, self.why))

    def measured(self) -> list[int]:
        """Return the first place of the measured region and the first behind it."""
        region = self.recording.measured
        return [min(max(0, n - self.first), len(self)) for n in (region.start, region.stop)]

    def columns(
        self,
        bins: int,
        reasons: Iterable[str] | None = None,
        span: tuple[float, float] | None = None,
    ) -> dict[str, list[float]]:
        """Return, by reason, the share of each of so many stretches of time spent in exits.

        An exit that lies in several stretches counts in each for the part that lies there.
        """
        begin, end = span or (0.0, self.end)
        width = (end - begin) / bins
        shares = {name: [0.0] * bins for name in reasons or self.reasons}
        first = max(0, bisect_left(self.begin, begin) - 1)
        for place in range(first, bisect_right(self.begin, end)):
            share = shares.get(self.reasons[self.why[place]])
            if share is None:
                continue
            start = max(self.begin[place], begin)
            stop = min(self.begin[place] + self.cost[place], end)
            last = min(int((stop - begin) / width), bins - 1)
            for n in range(int((start - begin) / width), last + 1):
                left = begin + n * width
                share[n] += max(0.0, min(stop, left + width) - max(start, left)) / width
        return shares

    def totals(self) -> list[dict[str, Any]]:
        """Return a row a reason: exits of the run and of the measured region, and their cycles.

        `exits` and `measured` count all exits, those not kept included; `cycles` are of those kept.
        """
        recording = self.recording
        cycles: dict[str, dict[str, int]] = {name: {} for name in self.reasons}
        kept = dict.fromkeys(self.reasons, 0)
        for row in recording:
            kept[row.reason] += 1
            total = cycles[row.reason]
            for category, n in row.cycles.items():
                total[category] = total.get(category, 0) + n
        whole, measured = recording.by_reason, recording.by_reason_measured
        return [
            {
                "reason": name,
                "exits": whole[name],
                "measured": measured[name],
                "kept": kept.get(name, 0),
                "cycles": cycles.get(name, {}),
            }
            for name in [*self.reasons, *sorted(set(whole) - set(self.reasons))]
        ]

    def outside(self) -> dict[str, int]:
        """Return the run's cycles for the monitor that were charged at no exit that was kept."""
        result = self.recording.result
        if result is None:
            return {}
        spent = dict.fromkeys(COSTLY, 0)
        for row in self.recording:
            for category in COSTLY:
                spent[category] += row.cycles.get(category, 0)
        return {name: result.cycles_total.by_category[name] - n for name, n in spent.items()}
