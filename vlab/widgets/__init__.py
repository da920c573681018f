"""Widgets for notebooks, each of which drives a real machine with one line in a cell.

>>> import vlab.widgets
>>> vlab.widgets.PageWalkExplorer("memwalk", mode="fullvirt")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "vlab.widgets.base": "Widget",
    "vlab.widgets.console": "Console",
    "vlab.widgets.cost_sliders": "CostSliders",
    "vlab.widgets.mode_race": "ModeRace",
    "vlab.widgets.machine_view": "MachineView",
    "vlab.widgets.page_walk": "PageWalkExplorer",
    "vlab.widgets.trap_microscope": "TrapMicroscope",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vlab.widgets' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
