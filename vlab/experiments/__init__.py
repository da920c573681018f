"""Experiments: run a workload in a mode, compare modes, boot a kernel of your own.

Each is loaded when it is first used: a run needs no comparison.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlab.experiments.booting import boot, shell
    from vlab.experiments.catalogue import Workload, workloads
    from vlab.experiments.comparing import compare
    from vlab.experiments.comparison import Comparison
    from vlab.experiments.result import Result
    from vlab.experiments.running import ENGINES, MODES, TECHNIQUES, run

__all__ = [
    "ENGINES",
    "MODES",
    "TECHNIQUES",
    "Comparison",
    "Result",
    "Workload",
    "boot",
    "compare",
    "run",
    "shell",
    "workloads",
]

_HOMES = {
    "booting": "boot shell",
    "catalogue": "Workload workloads",
    "comparing": "compare",
    "comparison": "Comparison",
    "result": "Result",
    "running": "ENGINES MODES TECHNIQUES run",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
