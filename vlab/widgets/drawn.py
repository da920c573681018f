"""Widgets that the browser draws: their scripts share the elements of pictures."""

from __future__ import annotations

from typing import Any

from vlab.errors import VlabError
from vlab.figures.style import CATEGORY_STYLE, MODE_COLOURS, MODE_MARKERS, MODES
from vlab.widgets.base import BASE_SCRIPT, BASE_STYLE, STATIC, Widget

PARTS_SCRIPT = (STATIC / "parts.js").read_text("utf-8")
PARTS_STYLE = (STATIC / "parts.css").read_text("utf-8")
LOOK: dict[str, Any] = {
    "modes": {
        mode: [MODE_COLOURS[mode].replace("#000000", "var(--ink)"), MODE_MARKERS[mode]]
        for mode in MODES
    },
    "categories": {name: list(style) for name, style in CATEGORY_STYLE.items()},
}
"""Colours, markers and hatches of the figures; black is the colour of the page's writing."""


class Stopped(VlabError):
    """The preparation of a widget was stopped."""


class Drawn(Widget):
    """A widget whose script finds ``parts.js`` between ``base.js`` and itself.

    Attributes
    ----------
    more : tuple of str
        Further files of ``static/`` in front of the script.
    """

    more: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if cls.__dict__.get("script"):
            scripts = [(STATIC / name).read_text("utf-8") for name in (*cls.more, cls.script)]
            style = (STATIC / cls.style).read_text("utf-8") if cls.style else ""
            cls._esm = "\n".join((BASE_SCRIPT, PARTS_SCRIPT, *scripts))
            cls._css = "\n".join((BASE_STYLE, PARTS_STYLE, style))
        super(Widget, cls).__init_subclass__(**kwargs)

    def prepare(self, share: float, what: str) -> None:
        """Tell how far the preparation is; give up if the stop button was pressed."""
        if self.stopping:
            raise Stopped("stopped while it was prepared: run the cell again")
        self.progress(share, what)
