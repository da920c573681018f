"""vlab: one real guest operating system, run in four modes of virtualization, compared.

>>> import vlab
>>> vlab.run("hello", mode="fullvirt").exit_code
0

Everything public is an attribute of this package and is loaded when first used, so that
``import vlab`` is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vlab.cells import CellRuns, guest_cell
    from vlab.costs import Costs, Cycles, preset, price
    from vlab.counters import COUNTERS, Counters
    from vlab.devices.device import Device
    from vlab.engines.custom import instruction
    from vlab.errors import VlabError
    from vlab.experiments import Comparison, Result, Workload, boot, compare, run, shell, workloads
    from vlab.experiments.predictions import reveal
    from vlab.experiments.recording import Recording, record
    from vlab.experiments.session import Session
    from vlab.experiments.session_opening import session
    from vlab.experiments.warmup import warmup
    from vlab.isa.assembler import assemble
    from vlab.modes.fullvirt import FullVirt
    from vlab.modes.paravirt import ParaVirt
    from vlab.vmm.hypercalls import hypercall

__all__ = [
    "COUNTERS",
    "CellRuns",
    "Comparison",
    "Costs",
    "Counters",
    "Cycles",
    "Device",
    "FullVirt",
    "ParaVirt",
    "Recording",
    "Result",
    "Session",
    "VlabError",
    "Workload",
    "__version__",
    "assemble",
    "block_listing",
    "boot",
    "compare",
    "guest_cell",
    "hypercall",
    "instruction",
    "preset",
    "price",
    "record",
    "reveal",
    "run",
    "session",
    "shell",
    "translated_blocks",
    "warmup",
    "workloads",
]

_HOMES = {
    "vlab.cells": "CellRuns guest_cell",
    "vlab.widgets.magic": "load_ipython_extension",
    "vlab.experiments": "Comparison Result Workload boot compare run shell workloads",
    "vlab.experiments.predictions": "reveal",
    "vlab.experiments.recording": "Recording record",
    "vlab.experiments.session": "Session",
    "vlab.experiments.translated_blocks": "block_listing translated_blocks",
    "vlab.experiments.session_opening": "session",
    "vlab.counters": "COUNTERS Counters",
    "vlab.costs": "Costs Cycles preset price",
    "vlab.devices.device": "Device",
    "vlab.engines.custom": "instruction",
    "vlab.errors": "VlabError",
    "vlab.experiments.warmup": "warmup",
    "vlab.modes.fullvirt": "FullVirt",
    "vlab.isa.assembler": "assemble",
    "vlab.modes.paravirt": "ParaVirt",
    "vlab.vmm.hypercalls": "hypercall",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "widgets":
        return import_module("vlab.widgets")
    if name not in _HOME:
        raise AttributeError(f"module 'vlab' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
