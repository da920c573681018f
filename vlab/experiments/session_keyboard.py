"""The console of a session: what is typed, and what is printed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class WaitingForInput(Exception):
    """The guest sleeps, and only something typed can wake it."""


class Keyboard:
    """The console of a session: what is typed waits here until the guest takes it.

    Attributes
    ----------
    pending : bytes
        What the guest can read.
    arriving : deque of bytes
        What was typed, perhaps while the guest runs, which it cannot read before `take`.
    starved : bool
        The guest has gone to sleep, with nothing under way but timers and nothing to read.
    pause : callable
        Called when the run under way is to be looked after, once its present exit was handled.
    """

    def __init__(self, board: Any, listener: Any = None) -> None:
        self.board, self.listener = board, listener
        self.pending = b""
        self.arriving: deque[bytes] = deque()
        self.starved = False
        self.pause: Callable[[], None] = lambda: None

    def type(self, data: bytes) -> None:
        """Type something, from whatever thread."""
        self.arriving.append(data)
        self.pause()

    def take(self) -> bytes:
        """Let the guest read what has arrived; return that."""
        text = b""
        with suppress(IndexError):
            while True:
                text += self.arriving.popleft()
        self.pending += text
        return text

    def write(self, data: bytes) -> None:
        """Pass on what the guest printed."""
        if self.listener is not None:
            self.listener(data)

    def read(self, limit: int) -> bytes:
        """Return what was typed, at most ``limit`` bytes."""
        typed, self.pending = self.pending[:limit], self.pending[limit:]
        return typed

    def wait(self, seconds: float) -> bool:
        """Return whether something was typed; never sleeps."""
        if self.pending:
            return True
        self.starved = not self.board.busy()
        if self.starved:
            self.pause()
        if self.board.bus.deadline() is None:
            raise WaitingForInput
        return False
