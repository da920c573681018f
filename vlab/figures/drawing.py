"""A figure with alternative text, and files of it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from vlab.errors import OutputError
from vlab.figures.style import RC

FORMATS = ("svg", "pdf", "png")


class Drawing(Figure):
    """A matplotlib figure that says in words what it shows.

    Attributes
    ----------
    alt : str
        Alternative text: the finding and the numbers behind it.
    """

    alt: str = ""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data = {"image/png": to_bytes(self, "png", dpi=80), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt}}


def check_format(path: str | Path) -> str:
    """Return the format that the file's name asks for, or raise `OutputError`."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise OutputError(f"cannot write {str(path)!r}: a figure is an .svg, .pdf or .png file")
    return suffix


def render(figure: Drawing, path: str | Path) -> bytes:
    """Return the figure as the content of that file."""
    return to_bytes(figure, check_format(path))


def to_bytes(figure: Drawing, kind: str, dpi: float | str = "figure") -> bytes:
    """Return the figure in a format, its alternative text in the metadata."""
    described: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Description": figure.alt},
        "pdf": {"CreationDate": None, "Subject": figure.alt},
        "png": {"Description": figure.alt},
    }
    buffer = BytesIO()
    with rc_context(RC):
        figure.savefig(
            buffer,
            format=kind,
            dpi=200 if dpi == "figure" else dpi,
            metadata=described[kind],
            bbox_inches="tight",
        )
    return buffer.getvalue()
