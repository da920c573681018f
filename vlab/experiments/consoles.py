"""What a guest's console is connected to.

A console has ``write(data)`` for what the guest prints, ``read(limit)`` for at most so many
bytes that were typed (empty if there are none now), and ``wait(seconds)``, which returns early
with True when there is something to read.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from vlab.errors import OutputError

ESCAPE = b"\x1d"
"""Control-] leaves an interactive console, as in telnet."""


class Console(Protocol):
    """See the module's text."""

    def write(self, data: bytes) -> None:
        """Take what the guest printed."""

    def read(self, limit: int) -> bytes:
        """Return at most ``limit`` bytes that were typed."""

    def wait(self, seconds: float) -> bool:
        """Wait for input; return whether there is some."""


class Script:
    """Types a fixed text, as fast as the guest takes it, and shows what the guest prints."""

    def __init__(self, text: str = "", output: BinaryIO | None = None) -> None:
        self.pending = text.encode()
        self.output = output

    def write(self, data: bytes) -> None:
        """Show what the guest printed."""
        if self.output is not None:
            self.output.write(data)
            self.output.flush()

    def read(self, limit: int) -> bytes:
        """Return the next bytes of the text."""
        typed, self.pending = self.pending[:limit], self.pending[limit:]
        return typed

    def wait(self, seconds: float) -> bool:
        """Return whether any text is left."""
        return bool(self.pending)


class Terminal:
    """Your terminal, unbuffered and unechoed; Control-] interrupts the run."""

    def __init__(self, keyboard: int, screen: BinaryIO) -> None:
        self.keyboard, self.screen = keyboard, screen

    def write(self, data: bytes) -> None:
        """Show what the guest printed."""
        self.screen.write(data)
        self.screen.flush()

    def read(self, limit: int) -> bytes:
        """Return what was typed since the last call."""
        if not self.wait(0):
            return b""
        typed = os.read(self.keyboard, limit)
        if ESCAPE in typed:
            raise KeyboardInterrupt
        return typed

    def wait(self, seconds: float) -> bool:
        """Wait for a key."""
        return bool(select.select([self.keyboard], [], [], seconds)[0])


class WindowsTerminal(Terminal):
    """The same for the Windows console, which cannot be selected on."""

    def read(self, limit: int) -> bytes:
        """Return what was typed since the last call."""
        import msvcrt

        typed = b""
        while len(typed) < limit and msvcrt.kbhit():  # type: ignore[attr-defined]
            typed += msvcrt.getch()  # type: ignore[attr-defined]
        if ESCAPE in typed:
            raise KeyboardInterrupt
        return typed

    def wait(self, seconds: float) -> bool:
        """Wait for a key."""
        import msvcrt

        end = time.monotonic() + seconds
        while not msvcrt.kbhit():  # type: ignore[attr-defined]
            if time.monotonic() >= end:
                return False
            time.sleep(0.005)
        return True


@contextlib.contextmanager
def terminal() -> Iterator[Terminal]:
    """Give the guest the terminal, and take it back afterwards whatever happened."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise OutputError("an interactive console needs a terminal on standard input and output")
    if os.name == "nt":
        yield WindowsTerminal(-1, sys.stdout.buffer)
        return
    import termios
    import tty

    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setraw(keyboard, termios.TCSADRAIN)
    after = termios.tcgetattr(keyboard)
    after[1] |= termios.OPOST  # the guest ends its lines with a newline alone
    termios.tcsetattr(keyboard, termios.TCSADRAIN, after)
    try:
        yield Terminal(keyboard, sys.stdout.buffer)
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
