"""Which widgets a cell has made, so that running it again ends those of the time before."""

from __future__ import annotations

import atexit
from typing import Any

_made: dict[str, tuple[str, list[Any]]] = {}
"""By cell: the execution, and what it made."""


def current_cell() -> tuple[str, str] | None:
    """Return the cell being executed and the execution, if a notebook tells."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    if shell is None or not hasattr(shell, "get_parent"):
        return None
    parent = shell.get_parent() or {}
    cell = parent.get("metadata", {}).get("cellId")
    return (cell, parent.get("header", {}).get("msg_id", "")) if cell else None


def register(widget: Any) -> None:
    """Remember a widget as the cell's, and close those that the cell made before."""
    found = current_cell()
    if found is None:
        cell, execution = "", ""
    else:
        cell, execution = found
    before, widgets = _made.get(cell, (execution, []))
    if before != execution:
        for old in widgets:
            old.close()
        widgets = []
    _made[cell] = (execution, [*widgets, widget])


def forget(widget: Any) -> None:
    """Let go of a widget that was closed."""
    for cell, (execution, widgets) in list(_made.items()):
        _made[cell] = (execution, [w for w in widgets if w is not widget])


@atexit.register
def close_all() -> None:
    """Close every widget: no thread outlives the kernel."""
    for _, widgets in list(_made.values()):
        for widget in list(widgets):
            widget.close()
