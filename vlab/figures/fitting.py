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
PASSES = 2
"""The second sees the places as they are after the first has made titles higher."""


def fit(figure: Figure) -> None:
    """Break titles and labels of axes, and the figure's title, into lines that fit."""
    for _ in range(PASSES):
        figure.draw_without_rendering()
        total = figure.bbox.width
        for text in (figure._suptitle, figure._supxlabel):
            if text is not None:
                break_lines(text, 0.97 * total)
        for ax in figure.axes:
            if not ax.get_visible():
                continue
            place = ax.get_window_extent()
            break_lines(ax._left_title, min(place.width, total - place.x0))
            if ax.axison:
                break_lines(ax.xaxis.label, place.width)
                break_lines(ax.yaxis.label, place.height)


def break_lines(text: Text, limit: float) -> None:
    """Break a text at spaces so that no line is wider than ``limit`` pixels."""
    words = text.get_text().split()
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and pixels(text, longer) <= limit:
            lines[-1] = longer
        else:
            lines.append(word)
    text.set_text("\n".join(lines))


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
