"""What every widget is made of: a thread for the machine, a state for the page, a picture.

The page sends *requests* (``{"do": name, …}``); the widget's method ``on_<name>`` carries them
out in the widget's own thread, so that the kernel stays free, and calls `show` with what the
page is to display. Each change carries a generation number, which the page writes into the
document when it has drawn it.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from vlab.errors import VlabError
from vlab.widgets import lifecycle, picture
from vlab.widgets.worker import Worker

if TYPE_CHECKING:
    from vlab.figures.drawing import Drawing

STATIC = Path(__file__).parent / "static"
BASE_SCRIPT = (STATIC / "base.js").read_text("utf-8")
BASE_STYLE = (STATIC / "base.css").read_text("utf-8")
UPDATES_S = 0.05
FIRST_PICTURE_S = 0.9
"""How long displaying a widget waits for its first state, so that the stored picture has it."""


class Widget(anywidget.AnyWidget):
    """A live instrument in a notebook.

    A subclass names its files in ``static/`` (``script``, ``style``) and has methods
    ``on_<name>(**fields)``. The script defines ``build(ui)``, which makes the elements once and
    returns a function that draws a view.

    Parameters
    ----------
    begin
        The first work, done in the widget's thread.

    Attributes
    ----------
    title
        What it is, in a few words; also its label for screen readers.
    view
        What the page displays, as plain data.
    status
        Generation, whether work is under way, progress, and the last error.
    """

    title = "Widget"
    script = ""
    style = ""
    fast: frozenset[str] = frozenset()
    """Requests that are carried out at once, in the main thread: those that stop or pause."""
    latest: frozenset[str] = frozenset()
    """Requests of which only the last one that waits is carried out: typing, dragging."""

    view = traitlets.Dict().tag(sync=True)
    status = traitlets.Dict().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if cls.__dict__.get("script"):
            cls._esm = BASE_SCRIPT + (STATIC / cls.script).read_text("utf-8")
            style = (STATIC / cls.style).read_text("utf-8") if cls.style else ""
            cls._css = BASE_STYLE + style
        super().__init_subclass__(**kwargs)

    def __init__(self, begin: Callable[[], None] | None = None) -> None:
        self._sending = threading.RLock()
        self._generation, self._shown_at = 0, 0.0
        self._stops = self._stops_before = 0
        self._now: dict[str, Any] = {"busy": False, "fraction": None, "text": "", "error": ""}
        super().__init__(label=self.title)
        self._worker = Worker(self._busy, self._failed)
        self.on_msg(self._asked)
        lifecycle.register(self)
        self._tell()
        if begin is not None:
            self.work(begin)

    # -- what the page asks for -------------------------------------------------------------

    def ask(self, do: str, **fields: Any) -> None:
        """Ask as the page does; the work is done later, in the widget's thread."""
        method = getattr(self, f"on_{do}", None)
        if self._now["error"]:
            self._tell(error="")
        if do == "stop":
            self.stop()
        elif method is None:
            self._failed(VlabError(f"{type(self).__name__} cannot {do!r}"))
        elif do in self.fast:
            self._try(lambda: method(**fields))
        else:
            self.work(lambda: method(**fields), do if do in self.latest else None)

    def work(self, job: Callable[[], None], key: str | None = None) -> None:
        """Do something in the widget's thread; of those with a key only the last that waits."""

        stops = self._stops

        def begin() -> None:
            self._stops_before = stops
            job()

        self._worker.do(begin, key)

    def stop(self) -> None:
        """Stop what is under way and forget what waits."""
        self._stops += 1
        self._worker.forget()
        self.interrupt()

    def interrupt(self) -> None:
        """Interrupt the machine under way; a subclass that runs one overrides this."""

    @property
    def stopping(self) -> bool:
        """Whether the work under way was told to stop: long work looks at it."""
        return self._stops != self._stops_before

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is left to do; return whether it came to that in time."""
        return self._worker.wait(seconds)

    def close(self) -> None:
        """Stop, end the thread, and vanish from the page."""
        if not hasattr(self, "_worker") or self._worker.closed:
            return
        self.stop()
        self._worker.close()
        lifecycle.forget(self)
        super().close()

    # -- what the page displays -------------------------------------------------------------

    def show(self, **parts: Any) -> None:
        """Change parts of the view and send it."""
        with self._sending:
            self._tell(view={**self.view, **parts})

    def progress(self, fraction: float | None, text: str = "") -> None:
        """Tell how far the work is, at most some twenty times a second.

        Parameters
        ----------
        fraction
            From 0 to 1; None if nobody can know.
        """
        if time.monotonic() - self._shown_at >= UPDATES_S:
            self._tell(fraction=fraction, text=text)

    def _busy(self, busy: bool) -> None:
        if busy and self._now["busy"]:
            return
        self._tell(busy=busy, fraction=None, text="")

    def _failed(self, error: Exception) -> None:
        if isinstance(error, VlabError):
            text = str(error)
        else:
            text = f"{type(error).__name__}: {error}"
            logging.getLogger("vlab").error("in a widget", exc_info=error)
        self._tell(error=text)

    def _tell(self, view: dict[str, Any] | None = None, **changes: Any) -> None:
        with self._sending:
            self._generation += 1
            self._shown_at = time.monotonic()
            self._now |= changes
            with self.hold_sync():
                if view is not None:
                    self.view = view
                self.status = {**self._now, "generation": self._generation}

    def _asked(self, _: Any, content: Any, __: Any) -> None:
        fields = dict(content) if isinstance(content, dict) else {}
        do = str(fields.pop("do", ""))
        self._try(lambda: self.ask(do, **fields))

    def _try(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:  # shown in the widget, where it was caused
            self._failed(error)

    # -- where no widget runs ---------------------------------------------------------------

    def describe(self) -> list[str]:
        """Return what the widget shows now, as lines of text."""
        return []

    def drawing(self) -> Drawing | None:
        """Return a figure of what the widget shows now, if there is one; else its text is drawn."""
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        self.wait(FIRST_PICTURE_S)
        live = super()._repr_mimebundle_(**kwargs)
        data, metadata = live if isinstance(live, tuple) else (live, {})
        error = self._now["error"]
        lines = [error] if error else self.describe()
        figure = None if error else self.drawing()
        data |= {"text/plain": "\n".join([self.title, *lines])}
        if figure is not None:
            shown, described = figure._repr_mimebundle_()
            drawn, alt = picture.captioned(shown["image/png"]), described["image/png"]["alt"]
        else:
            drawn, alt = picture.png(self.title, lines), self.title
            data |= {"text/html": picture.html(self.title, lines)}
        data |= {"image/png": base64.b64encode(drawn).decode()}
        return data, metadata | {"image/png": {"alt": alt}}
