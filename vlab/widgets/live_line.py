"""A line of progress in a cell's output, for what takes longer than a moment."""

from __future__ import annotations

import time
from typing import Any

DELAY_S = 0.4
OFTEN_S = 0.2


class LiveLine:
    """Appears when work takes long, changes, and vanishes when it is done."""

    def __init__(self) -> None:
        self.began = self.shown = time.monotonic()
        self.handle: Any = None

    def __enter__(self) -> LiveLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self.handle is not None:
            self.handle.update({"text/plain": ""}, raw=True)

    def show(self, text: str, at_once: bool = False) -> None:
        """Show a text, now and then."""
        now = time.monotonic()
        if not at_once and (now - self.began < DELAY_S or now - self.shown < OFTEN_S):
            return
        self.shown = now
        text += " … (■ interrupts)"
        from IPython.display import display

        if self.handle is None:
            self.handle = display({"text/plain": text}, raw=True, display_id=True)
        else:
            self.handle.update({"text/plain": text}, raw=True)
