"""A figure that says what it shows and how it was made, and can be drawn at any size."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from vlab.errors import OutputError
from vlab.figures.fitting import fit
from vlab.figures.style import Look, look
from vlab.output import write_atomically

FORMATS = ("svg", "pdf", "png")


class Drawing(Figure):
    """A matplotlib figure that says in words what it shows.

    Attributes
    ----------
    alt : str
        Alternative text: the finding and the numbers behind it.
    origin : dict
        What it was made from: versions, seed, parameters, and the Python that makes it again.
    recipe : Recipe
        Draws the same figure at other sizes.
    """

    alt: str = ""
    origin: dict[str, Any]
    recipe: Recipe
    look: Look

    def save(self, path: str | Path, size: str = "screen", theme: str = "light") -> Path:
        """Write the figure to an ``.svg``, ``.pdf`` or ``.png`` file and return its path.

        Parameters
        ----------
        size
            ``screen``, ``slide`` (16:9, for a projector), ``paper`` (7.2 inches across) or
            ``poster`` (24 inches across).
        theme
            ``light`` or ``dark``.
        """
        path, wanted = Path(path), look(size, theme)
        kind = check_format(path)
        figure = self if wanted == self.look else self.recipe.draw(wanted)
        write_atomically(path, lambda: to_bytes(figure, kind))
        return path

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data = {"image/png": to_bytes(self, "png", dpi=80), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt}}


@dataclass(frozen=True)
class Recipe:
    """What draws a figure in a look, and what it is made from."""

    kind: str
    function: Callable[[Look], Drawing]
    origin: dict[str, Any] = field(default_factory=dict)

    def draw(self, wanted: Look) -> Drawing:
        """Return the figure, its texts fitted into the places that they have."""
        with rc_context(wanted.rc()):
            figure = self.function(wanted)
            fit(figure)
        figure.recipe, figure.look = self, wanted
        figure.origin = {
            "figure": self.kind,
            "size": wanted.size.name,
            "theme": wanted.theme,
            **self.origin,
        }
        return figure


def check_format(path: str | Path) -> str:
    """Return the format that the file's name asks for, or raise `OutputError`."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise OutputError(f"cannot write {str(path)!r}: a figure is an .svg, .pdf or .png file")
    return suffix


def render(figure: Drawing, path: str | Path) -> bytes:
    """Return the figure as the content of that file."""
    return to_bytes(figure, check_format(path))


def to_bytes(figure: Drawing, kind: str, dpi: float | None = None) -> bytes:
    """Return the figure in a format, its alternative text and its origin in the metadata."""
    origin = json.dumps(figure.origin)
    described: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Description": figure.alt, "Source": origin},
        "pdf": {"CreationDate": None, "Subject": figure.alt, "Keywords": origin},
        "png": {"Description": figure.alt, "Source": origin},
    }
    buffer = BytesIO()
    with rc_context(figure.look.rc()):
        figure.savefig(
            buffer, format=kind, dpi=dpi or figure.look.size.dpi, metadata=described[kind]
        )
    return buffer.getvalue()
