"""Control-C between two moments of a run, and never in the middle of one."""

from __future__ import annotations

import signal
import threading
from typing import Any


class StopButton:
    """While it is entered, Control-C presses it instead of raising `KeyboardInterrupt`.

    A monitor interrupted halfway through an exit would leave a machine that cannot go on.
    Pressed twice, it raises after all: for a handler of one's own that never ends.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._before: Any = None

    def __enter__(self) -> StopButton:
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            if self._before is not None:
                signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _press(self, *_: object) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
