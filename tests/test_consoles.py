"""Consoles: a script types as fast as it is read, a terminal is given back as it was."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator

import pytest

from vlab.errors import OutputError
from vlab.experiments.consoles import Script, terminal


def test_a_script_types_no_faster_than_it_is_read() -> None:
    """The text comes in pieces of at most the limit, whole and in order."""
    script = Script("ls\nexit\n")
    pieces = []
    while script.wait(0):
        pieces.append(script.read(3))
    assert b"".join(pieces) == b"ls\nexit\n"
    assert all(len(piece) <= 3 for piece in pieces)
    assert script.read(3) == b""


def test_a_script_shows_what_the_guest_prints() -> None:
    """Output goes through at once."""
    screen = io.BytesIO()
    Script(output=screen).write(b"$ ")
    assert screen.getvalue() == b"$ "


def test_no_terminal_no_interactive_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal the error says so, before anything runs."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(OutputError, match="needs a terminal"), terminal():
        pass


@contextlib.contextmanager
def typist(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make a pseudo-terminal standard input and output; yields its other end."""
    pty = pytest.importorskip("pty")
    there, here = pty.openpty()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", os.fdopen(here, "r", closefd=False))
        raw = os.fdopen(here, "wb", buffering=0, closefd=False)
        patch.setattr(sys, "stdout", io.TextIOWrapper(raw))
        yield there
    os.close(there)
    os.close(here)


def test_a_terminal_passes_keys_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys arrive without Enter and without echo, Control-C among them."""
    with typist(monkeypatch) as keys, terminal() as console:
        assert console.read(10) == b""
        os.write(keys, b"l\x03")
        assert console.wait(1)
        assert console.read(1) == b"l"
        assert console.read(10) == b"\x03"
        console.write(b"ok")
        assert os.read(keys, 10) == b"ok"


def test_a_terminal_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-] interrupts, and the terminal's settings are those from before."""
    termios = pytest.importorskip("termios")

    def leave(keys: int) -> None:
        with terminal() as console:
            assert termios.tcgetattr(sys.stdin.fileno()) != before
            os.write(keys, b"\x1d")
            console.wait(1)
            console.read(10)

    with typist(monkeypatch) as keys:
        before = termios.tcgetattr(sys.stdin.fileno())
        with pytest.raises(KeyboardInterrupt):
            leave(keys)
        assert termios.tcgetattr(sys.stdin.fileno()) == before
