"""The model: what each abstract operation does to each counter, by technique.

Counters are linear in operations; what is not linear (TLB misses, timer ticks, waiting for
disks) comes from the TLB model, from the clock, and from the disks' own timing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from vlab.counters import Counters
from vlab.devices.disk import DiskTiming
from vlab.errors import MachineError
from vlab.simulation.behaviours import Operation

RECORD = Path(__file__).parent.parent / "data" / "simulation.json"
Vector = dict[str, float]
"""Counter by name; a keyed one as ``name.key``."""


@cache
def constants() -> dict[str, Any]:
    """Return the recorded constants."""
    if not RECORD.is_file():
        raise MachineError(
            "the simulation is not calibrated: run `python -m vlab.experiments.calibrate`"
        )
    return json.loads(RECORD.read_text("utf-8"))


def flatten(counters: Counters) -> Vector:
    """Return counters as a vector."""
    vector: Vector = {}
    for row in fields(Counters):
        value = getattr(counters, row.name)
        if isinstance(value, dict):
            vector |= {f"{row.name}.{key}": n for key, n in value.items()}
        else:
            vector[row.name] = value
    return vector


def to_counters(vector: Vector) -> Counters:
    """Return a vector as counters, rounded to whole numbers."""
    counters = Counters()
    for name, value in vector.items():
        base, _, key = name.partition(".")
        n = max(0, round(value))
        if not key:
            setattr(counters, base, n)
        elif n:
            getattr(counters, base)[key] = n
    return counters


def add(vector: Vector, other: Vector, times: float) -> None:
    """Add a multiple of one vector to another."""
    for name, value in other.items():
        vector[name] = vector.get(name, 0.0) + value * times


def difference(vector: Vector, other: Vector) -> Vector:
    """Return one vector less another, without zeros."""
    keys = {**vector, **other}
    less = {key: vector.get(key, 0.0) - other.get(key, 0.0) for key in keys}
    return {key: value for key, value in less.items() if value}


def scaled(vector: Vector, times: float) -> Vector:
    """Return a multiple of a vector."""
    return {key: value * times for key, value in vector.items()}


def charge(
    operations: Iterable[Operation], vectors: dict[str, Vector], timing: DiskTiming | None
) -> Vector:
    """Return the sum of what the operations do.

    A disk's request waits for the device's service time less what the processor did meanwhile
    (the constants ``overlap`` and ``overlap_sector``, in cycles).
    """
    total: Vector = {}
    for name, count, sectors in operations:
        vector = vectors.get(name)
        if vector is None or count == 0:
            continue
        add(total, {k: v for k, v in vector.items() if not k.startswith("overlap")}, count)
        if sectors and timing is not None:
            meanwhile = vector["overlap"] + sectors * vector["overlap_sector"]
            wait = max(0.0, timing.service(sectors) - meanwhile)
            total["device_wait_cycles"] = total.get("device_wait_cycles", 0.0) + wait * count
    return total
