"""Several widgets on one session: one moves it at a time, and all show where it came to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import vlab

PATIENCE_S = 0.1


class Shared:
    """Whose turn it is, and who watches."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.watchers: WeakSet[Any] = WeakSet()


_sessions: WeakKeyDictionary[Any, Shared] = WeakKeyDictionary()


def watch(session: Any, widget: Any) -> None:
    """Tell a widget (by its ``follow``) whenever another one has moved the session."""
    _sessions.setdefault(session, Shared()).watchers.add(widget)


@contextmanager
def turn(session: Any, widget: Any, given_up: Callable[[], bool]) -> Iterator[None]:
    """Have the session for oneself.

    Parameters
    ----------
    given_up
        Whether the widget does not want its turn any more.
    """
    shared = _sessions[session]
    while not shared.turn.acquire(timeout=PATIENCE_S):
        if given_up():
            raise vlab.VlabError("stopped while another widget was running the machine")
    try:
        before = _state(session)
        yield
        moved = _state(session) != before
    finally:
        shared.turn.release()
    if moved:
        for other in list(shared.watchers):
            if other is not widget and other.session is session:
                other.work(other.follow, key="follow")


def _state(session: Any) -> tuple[int, frozenset[int]]:
    return session.loop.moment, frozenset(session.breakpoints)
