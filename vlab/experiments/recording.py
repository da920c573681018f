"""Recordings: every VM exit of a run, what it was about, what the monitor did, what it cost.

>>> import vlab
>>> recording = vlab.record("hello", mode="fullvirt")
>>> recording.by_reason == recording.result.counters_total.exits_by_reason
True
"""

from __future__ import annotations

from collections import Counter as Tally
from collections import deque
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from vlab.errors import MachineError
from vlab.exits import ExitReason
from vlab.experiments.recording_costs import PricedCounts
from vlab.experiments.recording_exit import Exit
from vlab.experiments.recording_taps import Taps
from vlab.experiments.session_looking import cause_name
from vlab.experiments.session_opening import session as open_session
from vlab.experiments.session_views import PRIVILEGES
from vlab.isa.fields import Cause

if TYPE_CHECKING:
    import pandas as pd

    from vlab.experiments.result import Result
    from vlab.experiments.session import Session

MAXIMUM = 100_000
"""Exits that a recording keeps unless told: some hundred megabytes."""


class Recording:
    """The exits of a session while it is entered; `vlab.record` records a whole run.

    Parameters
    ----------
    session
        What is recorded.
    maximum
        Exits kept: the last ones. Counted are all of them.

    Attributes
    ----------
    exits : deque of Exit
        Those kept.
    total : int
        Exits recorded, those not kept included.
    by_reason : Counter
        All exits by reason.
    measured : range
        Indices of the exits in the measured region.
    result : Result or None
        Of the run, when `vlab.record` made the recording.
    """

    def __init__(self, session: Session, maximum: int = MAXIMUM) -> None:
        if not isinstance(maximum, int) or maximum < 1:
            raise MachineError(f"maximum={maximum!r}: must be a whole number, 1 or more")
        self.session, self.maximum = session, maximum
        self.exits: deque[Exit] = deque(maxlen=maximum)
        self.total = 0
        self.by_reason: Tally[str] = Tally()
        self.measured = range(0)
        self.result: Result | None = None
        self._by_reason_at: tuple[Tally[str], Tally[str] | None] = (Tally(), None)
        self._region: tuple[Any, Any] = (None, None)
        self._taps = Taps(session)
        self._costs = PricedCounts(session)
        self._open: Exit | None = None
        self._tracing = False

    def __enter__(self) -> Recording:
        loop = self.session.loop
        if loop.observer is not None:
            raise MachineError("this session is being recorded already")
        self._tracing, loop.tracing, loop.observer = loop.tracing, True, self
        region = self.session.machine.region
        self._region = (region.begin, region.end)
        self._taps.install()
        return self

    def __exit__(self, *_: object) -> None:
        loop = self.session.loop
        loop.tracing, loop.observer = self._tracing, None
        self._taps.remove()
        self._close()

    # -- told by the loop ------------------------------------------------------------

    def before(self, reason: ExitReason) -> None:
        """The guest has left the hardware."""
        session, hart = self.session, self.session.machine.hart
        session.loop.attribute()
        self._exits = session.machine.counters.exits_by_reason.copy()
        self._calls = session.machine.counters.sbi_calls
        self._costs.begin()
        self._words = session.view.words()
        trap = reason == ExitReason.TRAP
        cause, tval = (hart.exit_cause, hart.exit_tval) if trap else (0, 0)
        pc = hart.pc
        illegal = trap and cause == Cause.ILLEGAL and tval
        self._next = Exit(
            index=self.total,
            cycle=session.machine.now(),
            instructions=session.instructions,
            reason="",
            cause=cause_name(cause) if trap else reason.name.lower(),
            pc=pc,
            symbol=session.symbols.name(pc),
            bits=tval if illegal else session.instruction(pc),
            tval=tval,
            privilege=PRIVILEGES[session.view.privilege],
        )
        self._taps.begin()

    def after(self) -> None:
        """The exit was handled: keep it if it was one."""
        handlers, accesses, left_out = self._taps.end()
        self._close()
        counters = self.session.machine.counters
        reasons = [
            key
            for key, n in counters.exits_by_reason.items()
            for _ in range(n - self._exits.get(key, 0))
        ]
        if not reasons:
            reason = self.session.loop.happened
            reasons = [] if reason in ("", "mark", "waiting") else [reason]
        if reasons:
            row = self._next
            row.reason = "+".join(reasons)
            row.handlers, row.accesses, row.accesses_left_out = handlers, accesses, left_out
            self.by_reason.update(reasons)
            self.total += 1
            self.exits.append(row)
            self._open = row
            self._note_changes(row)
        self._note_region()

    def entered(self) -> None:
        """The guest runs again: what the exit cost is complete."""
        self._close()

    def _close(self) -> None:
        row, self._open = self._open, None
        if row is not None:
            row.cycles = self._costs.spent(row.privilege)

    def _note_changes(self, row: Exit) -> None:
        view = self.session.view
        words = view.words()
        if words != self._words:
            pairs = zip(view.word_names, self._words, words, strict=True)
            row.changes = {name: (a, b) for name, a, b in pairs if a != b}

    def _note_region(self) -> None:
        region = self.session.machine.region
        begin, end = self._region
        if region.begin is not begin:
            self._by_reason_at = (self.by_reason.copy(), None)
            self.measured = range(self.total, self.total)
        if region.begin is not None and region.end is None:
            self.measured = range(self.measured.start, self.total)
        elif region.end is not end:
            self._by_reason_at = (self._by_reason_at[0], self.by_reason.copy())
        self._region = (region.begin, region.end)

    # -- for whoever looks --------------------------------------------------------------

    @property
    def left_out(self) -> int:
        """How many exits were not kept: the first ones."""
        return self.total - len(self.exits)

    @property
    def by_reason_measured(self) -> Tally[str]:
        """The exits of the measured region by reason, those not kept included."""
        begin, end = self._by_reason_at
        return (self.by_reason if end is None else end) - begin

    def __len__(self) -> int:
        return len(self.exits)

    def __iter__(self) -> Iterator[Exit]:
        return iter(self.exits)

    def __getitem__(self, place: int) -> Exit:
        return self.exits[place]

    def __str__(self) -> str:
        kept = f"; the first {self.left_out:,} are counted but not kept" if self.left_out else ""
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in self.by_reason.most_common())
        return f"{self.total:,} exits{kept}: {reasons}"

    def __repr__(self) -> str:
        return f"<Recording {self}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>" + self.to_frame().head(20).to_html(max_cols=14)

    def to_frame(self) -> pd.DataFrame:
        """Return the exits that were kept, one row each, their cycles in a column a category."""
        import pandas as pd

        from vlab.costs import CATEGORIES

        plain = (
            "index", "cycle", "instructions", "reason", "cause", "pc", "symbol", "bits",
            "instruction", "tval", "privilege", "handlers", "changes", "accesses", "total_cycles",
        )  # fmt: skip
        rows = [
            {name: getattr(row, name) for name in plain}
            | {"measured": row.index in self.measured}
            | {f"cycles_{name}": row.cycles.get(name, 0) for name in CATEGORIES}
            for row in self.exits
        ]
        columns = [*plain, "measured", *(f"cycles_{name}" for name in CATEGORIES)]
        return pd.DataFrame(rows, columns=columns).set_index("index")


def record(
    workload: str | None = None, mode: str = "fullvirt", *, maximum: int = MAXIMUM, **options: Any
) -> Recording:
    """Run a workload to its end and record every exit; nothing comes out differently for it.

    Parameters
    ----------
    mode
        In ``fullvirt`` and ``paravirt`` the VM exits are recorded, in ``native`` and ``emulate``
        the traps into the guest's own kernel and its calls of the firmware.
    maximum
        Exits kept: the last ones.
    **options
        As in `vlab.session`: everything that `vlab.run` takes, and the workload's parameters.

    Returns
    -------
    Recording
        With the run's `Result` in ``result``.
    """
    session = open_session(workload, mode, **options)
    with Recording(session, maximum) as recording:
        session.run()
    recording.result = session.result()
    return recording
