"""Progress bars: on a terminal, on standard error, for what takes more than a second."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def on_terminal() -> bool:
    """Return whether anybody is there to see a bar."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def instructions(what: str) -> Iterator[Callable[[int], None] | None]:
    """Show how many guest instructions have retired; gives the callback to tell it by."""
    if not on_terminal():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc=what, unit=" instructions", unit_scale=True, delay=1, leave=False) as bar:
        yield lambda retired: _set(bar, retired)


@contextmanager
def runs() -> Iterator[Callable[[int, int, str], None] | None]:
    """Show which run of how many is under way; gives the callback to tell it by."""
    if not on_terminal():
        yield None
        return
    from tqdm import tqdm

    with tqdm(unit="run", leave=False, bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt}") as bar:

        def begin(number: int, total: int, what: str) -> None:
            bar.total = total
            bar.set_description(what, refresh=False)
            _set(bar, number)
            bar.refresh()

        yield begin


def _set(bar: Any, value: int) -> None:
    bar.update(value - bar.n)
