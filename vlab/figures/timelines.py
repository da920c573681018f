"""The exits of a run on its time axis: who has the processor, and why the guest was left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib import rcParams

from vlab.errors import ParameterError
from vlab.figures.drawing import Drawing, Recipe
from vlab.figures.origin import of_recording
from vlab.figures.panels import short
from vlab.figures.reasons import style
from vlab.figures.style import Look, ink, look, points, strong

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

NUMBERED = 24
"""Exits up to which each has its number on it."""

THINNEST = 1 / 700
"""Width of a bar that is still seen, as a part of what is shown."""

GUEST = "the guest runs"


def timeline(
    recording: Any,
    first: int | None = None,
    count: int | None = None,
    *,
    size: str = "screen",
    theme: str = "light",
) -> Drawing:
    """Return the timeline of a recording's exits, a lane a reason.

    Parameters
    ----------
    recording
        Of `vlab.record`, or its ``to_frame()``.
    first, count
        Number of the first exit shown, and how many; the measured region unless told.
    """
    frame = recording.to_frame() if hasattr(recording, "to_frame") else recording
    shown = _chosen(frame, first, count)
    origin = {"first": first, "count": count} | of_recording(recording)

    def make(wanted: Look) -> Drawing:
        return _draw(shown, wanted)

    return Recipe("timeline", make, origin).draw(look(size, theme))


def _chosen(frame: DataFrame, first: int | None, count: int | None) -> DataFrame:
    if first is None and count is None:
        chosen = frame[frame["measured"]] if frame["measured"].any() else frame
    else:
        chosen = frame[frame.index >= (first or 0)]
        chosen = chosen if count is None else chosen.head(count)
    if not len(chosen):
        raise ParameterError(f"no exits from number {first}: the recording has {len(frame)}")
    return chosen.assign(reason=[str(reason).split("+")[0] for reason in chosen["reason"]])


def _draw(frame: DataFrame, wanted: Look) -> Drawing:
    reasons = list(frame.groupby("reason")["total_cycles"].sum().sort_values().index[::-1])
    start = int(frame["cycle"].iloc[0])
    end = int((frame["cycle"] + frame["total_cycles"]).max())
    span = max(1, end - start)
    figure = wanted.figure(72, 2.6 * (len(reasons) + 1) + 8)
    ax = figure.subplots()
    spent = {name: frame[frame["reason"] == name] for name in reasons}
    _lane(ax, 0, _gaps(frame, start, end), span, ink(), "")
    for row, name in enumerate(reasons, start=1):
        _, colour, hatch = style(name)
        rows = spent[name]
        bars = zip(rows["cycle"] - start, rows["total_cycles"], strict=True)
        _lane(ax, row, list(bars), span, colour, hatch)
    if len(frame) <= NUMBERED:
        _number(ax, frame, start, span, reasons)
    ax.set_yticks(range(len(reasons) + 1), [GUEST, *(style(name)[0] for name in reasons)])
    ax.set_ylim(len(reasons) + 0.6, -0.6)
    ax.set_xlim(0, span)
    ax.grid(axis="y", visible=False)
    ax.xaxis.get_major_locator().set_params(nbins=6)
    ax.xaxis.set_major_formatter(lambda value, _: short(value))
    ax.set_xlabel("cycles of the modelled machine, from the first exit shown")
    parts = [1 - sum(map(_cycles, spent.values())) / span, *(_cycles(r) / span for r in
             spent.values())]  # fmt: skip
    numbers = [None, *(len(rows) for rows in spent.values())]
    for row, (part, n) in enumerate(zip(parts, numbers, strict=True)):
        text = _percent(part) if n is None else f"{n:,} × · {_percent(part)}"
        ax.annotate(
            text, (1, row), xycoords=("axes fraction", "data"), xytext=(points(0.4), 0),
            textcoords="offset points", va="center", annotation_clip=False,
        )  # fmt: skip
    finding = _finding(frame, parts[0], reasons)
    figure.suptitle(finding)
    figure.alt = f"{finding}. " + "; ".join(
        f"{style(name)[0]}: {len(rows):,} exits, {_cycles(rows):,} cycles"
        for name, rows in spent.items()
    )
    return figure


def _percent(part: float) -> str:
    return "<1 %" if 0 < part < 0.005 else f"{100 * max(0, part):.0f} %"


def _cycles(rows: DataFrame) -> int:
    return int(rows["total_cycles"].sum())


def _gaps(frame: DataFrame, start: int, end: int) -> list[tuple[int, int]]:
    """Return (begin, length) of the times between exits."""
    gaps, last = [], start
    for cycle, cost in zip(frame["cycle"], frame["total_cycles"], strict=True):
        if cycle > last:
            gaps.append((last - start, cycle - last))
        last = max(last, int(cycle + cost))
    return gaps


def _lane(
    ax: Axes, row: int, bars: list[tuple[int, int]], span: int, colour: str, hatch: str
) -> None:
    """Draw bars in a lane; what is too short to be seen is drawn as wide as can be seen."""
    thin = span * min(THINNEST, 0.35 / max(1, len(bars)))
    few = all(length > 5 * thin for _, length in bars)
    colour = colour if few else strong(colour)
    ax.broken_barh(
        [(begin, max(length, thin)) for begin, length in bars],
        (row - 0.38, 0.76),
        facecolor=colour,
        hatch=hatch if few else "",
        edgecolor=rcParams["patch.edgecolor"],
        linewidth=points(0.04) if few else 0,
    )


def _number(ax: Axes, frame: DataFrame, start: int, span: int, reasons: list[str]) -> None:
    """Write each exit's number on its bar where there is room for it."""
    room = 0.03 * span
    for place, (cycle, cost, reason) in enumerate(
        zip(frame["cycle"], frame["total_cycles"], frame["reason"], strict=True), start=1
    ):
        if cost >= room:
            ax.text(
                cycle - start + cost / 2,
                1 + reasons.index(reason),
                str(place),
                ha="center",
                va="center",
                color="#000000",
                bbox={"facecolor": "#FFFFFF", "edgecolor": "none", "pad": points(0.06)},
            )


def _finding(frame: DataFrame, guest: float, reasons: list[str]) -> str:
    retired = int(frame["instructions"].iloc[-1] - frame["instructions"].iloc[0])
    return (
        f"{len(frame):,} exits in {retired:,} guest instructions: the guest has the processor "
        f"{_percent(guest)} of the time; {style(reasons[0])[0]} costs most"
    )
