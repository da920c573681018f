"""Control-C between two moments of a run, and never in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any


class StopButton:
    """While it is entered, Control-C presses it instead of raising `KeyboardInterrupt`.

    A monitor interrupted halfway through an exit would leave a machine that cannot go on.
    Pressed twice, it raises after all: for a handler of one's own that never ends.

    Parameters
    ----------
    on_press
        Called when it is pressed, from whatever thread.

    Attributes
    ----------
    entered : bool
        A run is under way.
    """

    def __init__(self, on_press: Callable[[], None]) -> None:
        self.pressed, self.entered, self.on_press = False, False, on_press
        self._before: Any = None

    def __enter__(self) -> StopButton:
        self._before, self.entered = None, True
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            if self._before is not None:
                signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        self.entered = False
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _press(self, *_: object) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.press()

    def press(self) -> None:
        """Press it."""
        self.pressed = True
        self.on_press()
