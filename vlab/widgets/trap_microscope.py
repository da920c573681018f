"""The exits of a run on a timeline, each of which can be looked into."""

from __future__ import annotations

from typing import Any

import traitlets

from vlab.counters import EXIT_REASONS
from vlab.errors import MachineError
from vlab.experiments.recording import MAXIMUM, Recording
from vlab.experiments.running import run
from vlab.experiments.session import Session
from vlab.experiments.session_opening import session as open_session
from vlab.figures.drawing import Drawing
from vlab.figures.style import REASON_STYLE
from vlab.figures.timelines import timeline
from vlab.widgets.drawn import LOOK, Drawn
from vlab.widgets.exit_details import details, handler_source, sentence
from vlab.widgets.timeline import Timeline

DRAWN = 20_000
"""Exits up to which the stored picture is a figure: it takes half a second."""


class TrapMicroscope(Drawn):
    """See when and why the guest was left, and all about any one of its exits.

    Parameters
    ----------
    recording
        What `vlab.record` returned, or the name of a workload to be recorded now.
    mode
        In ``fullvirt`` and ``paravirt`` the VM exits are seen, in ``native`` and ``emulate`` the
        traps into the guest's own kernel.
    maximum
        Exits kept: the last ones; all are counted.
    **options
        As in `vlab.record`, if a workload is recorded.

    Attributes
    ----------
    recording : Recording or None
        What is looked at; None until it is over.
    """

    title = "Trap microscope"
    script, style = "trap_microscope.js", "trap_microscope.css"
    more = ("exit_panel.js",)
    latest = frozenset({"select"})

    columns = traitlets.Bytes().tag(sync=True)

    def __init__(
        self,
        recording: Recording | str = "mixed",
        mode: str = "fullvirt",
        *,
        maximum: int = MAXIMUM,
        **options: Any,
    ) -> None:
        self.recording: Recording | None = None
        self._session: Session | None = None
        self._instructions = 0
        self.place: int | None = None
        self._chosen = 0
        if isinstance(recording, Recording):
            given = recording
            super().__init__(lambda: self._present(given))
            return
        self._session = open_session(recording, mode, progress=self._watch, **options)
        fresh = Recording(self._session, maximum)
        plain = {name: value for name, value in options.items() if name != "monitor"}
        predicted = run(recording, "simulate", of=mode, **plain)
        self._instructions = predicted.counters_total.retired
        super().__init__(lambda: self._record(fresh))

    # -- recording ------------------------------------------------------------------------

    def _record(self, recording: Recording) -> None:
        session = recording.session
        with recording:
            session.run()
        recording.result = session.result()
        self._present(recording)

    def _watch(self, instructions: int) -> None:
        share = min(1.0, instructions / (self._instructions or 1))
        self.progress(share, f"{instructions:,} instructions")

    def interrupt(self) -> None:
        """End the recording; what was recorded so far is shown."""
        if self._session is not None:
            self._session.interrupt()

    def _present(self, recording: Recording) -> None:
        if not len(recording):
            raise MachineError("there is nothing to look at: the recording has no exits")
        self.recording = recording
        self.timeline = timeline = Timeline(recording)
        result = recording.result
        self.columns = timeline.packed()
        self.show(
            workload=recording.session.label["workload"],
            mode=recording.session.setup.mode,
            outcome=result.outcome if result else "under way",
            exits=len(timeline),
            first=timeline.first,
            total=recording.total,
            end=timeline.end,
            measured=timeline.measured(),
            reasons=timeline.reasons,
            says={name: _says(name) for name in timeline.reasons},
            looks=looks(timeline.reasons),
            totals=timeline.totals(),
            outside=timeline.outside(),
            spent=dict(result.cycles_total.by_category) if result else {},
            symbols=timeline.symbols,
            style=LOOK,
        )

    # -- what the page asks for -------------------------------------------------------------

    def on_select(self, place: int) -> None:
        """Show all that is known of an exit, by its place among those kept."""
        if self.recording is None:
            raise MachineError("the recording is not over yet")
        if not isinstance(place, int):
            raise MachineError(f"exit {place!r}: must be a whole number")
        seen = details(self.recording, place)
        self.place = place
        words = {"sentence": sentence(self.recording, place), "chosen": self._chosen}
        self.show(selected=seen | words)

    def look(self, index: int) -> None:
        """Choose an exit by its number in the run, from a cell, for everybody to look at."""
        if self.recording is None:
            raise MachineError("the recording is not over yet")
        first, behind = self.timeline.first, self.timeline.first + len(self.timeline)
        if not isinstance(index, int) or not first <= index < behind:
            raise MachineError(f"exit {index!r}: must be from {first} to {behind - 1}")
        self._chosen += 1
        self.ask("select", place=index - first)

    def on_source(self, name: str) -> None:
        """Show the Python source of a handler of the monitor."""
        if self.recording is None:
            raise MachineError("the recording is not over yet")
        self.show(source=handler_source(self.recording, name) if name else None)

    @property
    def exit(self) -> Any:
        """The exit that is selected, as it is in the recording; None if none is."""
        if self.recording is None or self.place is None:
            return None
        return self.recording[self.place]

    def describe(self) -> list[str]:
        """Return the exits by reason, a strip of the run for each, and the selected exit."""
        if self.recording is None:
            return ["The run is being recorded."]
        columns = self.timeline.columns(60)
        lines = [str(self.recording)]
        for row in self.timeline.totals():
            shares = columns.get(row["reason"], [])
            strip = "".join(" ▁▂▃▄▅▆▇█"[min(8, -int(-8 * share // 1))] for share in shares)
            cycles = sum(row["cycles"].values())
            lines.append(f"{row['reason']:12}{row['exits']:9,}{cycles:14,} cycles  {strip}")
        if self.place is not None:
            lines.append(sentence(self.recording, self.place))
        return lines

    def drawing(self) -> Drawing | None:
        """Return the timeline of the measured region, unless it has too many exits."""
        if self.recording is None or len(self.recording) > DRAWN:
            return None
        return timeline(self.recording)


def looks(reasons: list[str]) -> dict[str, tuple[str, str, str]]:
    """Return label, colour and hatch of each reason, those of every figure."""
    other = REASON_STYLE["other"]
    return {name: REASON_STYLE.get(name.split("+")[0], other) for name in reasons}


def _says(reason: str) -> str:
    return "; ".join(EXIT_REASONS[name] for name in reason.split("+"))
