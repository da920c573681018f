"""Texts are broken into lines where they are wider than their place; legends into columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib import rcParams
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

HANDLE = 3.2
"""Ems of a legend's entry beside its text."""
EDGE = 0.01
"""Free space beside a figure's title, as a part of the width."""
UNITS = ("%", "×", "→")
"""What stays on the line of the number before it."""
PASSES = 2
"""The second sees the places as they are after the first has made titles higher."""


def fit(figure: Figure) -> None:
    """Break titles and labels of axes, and the figure's title, into lines that fit."""
    for _ in range(PASSES):
        figure.draw_without_rendering()
        total = figure.bbox.width
        if figure._suptitle is not None:
            figure._suptitle.set(x=EDGE, horizontalalignment="left")
        for text in (figure._suptitle, figure._supxlabel):
            if text is not None:
                break_lines(text, (1 - 3 * EDGE) * total)
        for ax in figure.axes:
            if not ax.get_visible():
                continue
            place = ax.get_window_extent()
            break_lines(ax._left_title, min(place.width, total - place.x0))
            if ax.axison:
                break_lines(ax.xaxis.label, place.width)
                break_lines(ax.yaxis.label, place.height)


def break_lines(text: Text, limit: float) -> None:
    """Break a text at spaces: no line wider than ``limit`` pixels, and all about as long."""
    words = text.get_text().split()
    for n in range(len(words) - 1, 0, -1):
        if words[n] in UNITS:
            words[n - 1 : n + 1] = [f"{words[n - 1]} {words[n]}"]
    widths = [pixels(text, word) for word in words]
    space = pixels(text, "a b") - pixels(text, "ab")
    rows = _rows(widths, space, limit)
    narrow, wide_enough = 0.0, limit
    while wide_enough - narrow > space:
        middle = (narrow + wide_enough) / 2
        if len(_rows(widths, space, middle)) > len(rows):
            narrow = middle
        else:
            wide_enough = middle
    rows = _rows(widths, space, wide_enough)
    text.set_text("\n".join(" ".join(words[n] for n in row) for row in rows))


def _rows(widths: list[float], space: float, limit: float) -> list[list[int]]:
    """Return which words are on which line, each as full as the limit permits."""
    rows: list[list[int]] = []
    left = 0.0
    for n, width in enumerate(widths):
        if rows and width + space <= left:
            rows[-1].append(n)
            left -= width + space
        else:
            rows.append([n])
            left = limit - width
    return rows


def pixels(text: Text, line: str) -> float:
    """Return the width of a line in the font of a text."""
    figure: Any = text.get_figure(root=True)
    return wide(line, text.get_fontproperties()) * figure.dpi / 72


def wide(line: str, font: FontProperties) -> float:
    """Return the width of a line in points."""
    return float(text_to_path.get_text_width_height_descent(line, font, False)[0])


def columns(figure: Figure, names: list[str], most: int = 5) -> int:
    """Return how many columns of a legend fit beside each other."""
    em = float(rcParams["font.size"])
    widest = max(wide(name, FontProperties(size=em)) for name in names)
    return max(1, min(most, len(names), int(figure.get_figwidth() * 72 / (widest + HANDLE * em))))


def below(figure: Figure, handles: list[Any], names: list[str]) -> None:
    """Place a legend under everything, in as many columns as fit."""
    if names:
        figure.legend(
            handles, names, loc="outside lower center", ncols=columns(figure, names),
            columnspacing=1.2, handletextpad=0.6,
        )  # fmt: skip
