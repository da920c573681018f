"""Calibration: run workloads with several parameters, and solve for what operations cost.

``python -m vlab.experiments.calibrate`` runs every executing mode without timer ticks in the
measured region (``hz=1``), fits each counter as a sum over operations (least squares; the
residual is recorded), measures a tick as the difference that ticks make, and records all of it
with the images it is true of.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from vlab.clock import FREQUENCY
from vlab.devices.disk import DiskTiming
from vlab.experiments import TECHNIQUES, run
from vlab.experiments.catalogue import workload
from vlab.modes import IMAGES
from vlab.simulation.behaviours import BEHAVIOURS
from vlab.simulation.model import RECORD, Vector, flatten
from vlab.simulation.tlb import Tlb

QUIET = {"hz": 1}
"""Guest options under which no tick falls into a measured region."""

TICKING = {"hz": 5000}

RUNS: dict[str, tuple[dict[str, int], ...]] = {
    "hello": ({},),
    "compute": ({"n": 50}, {"n": 128}, {"n": 200}, {"n": 512}),
    "syscall": ({"n": 50}, {"n": 400}, {"n": 1000}),
    "ctxswitch": ({"n": 20}, {"n": 60}, {"n": 150}),
    "pagefault": ({"pages": 20}, {"pages": 150}, {"pages": 510}, {"pages": 700}, {"pages": 1300}),
    "ptemod": tuple(
        {"rounds": rounds, "pages": pages, "populate": populate}
        for populate in (0, 1)
        for rounds, pages in (
            (3, 1),
            (6, 1),
            (3, 2),
            (6, 2),
            (3, 3),
            (6, 3),
            (3, 8),
            (6, 8),
            (4, 14),
            (4, 20),
            (4, 70),
            (3, 300),
            (3, 600),
        )
    ),
    "memwalk": (
        {"pages": 16, "rounds": 20},
        {"pages": 16, "rounds": 60},
        {"pages": 200, "rounds": 50, "stride": 4096},
        {"pages": 300, "rounds": 20},
        {"pages": 40, "rounds": 3, "stride": 256},
        {"pages": 400, "rounds": 10, "stride": 512},
    ),
    "forktree": (
        {"depth": 1, "fanout": 2},
        {"depth": 2, "fanout": 2},
        {"depth": 2, "fanout": 4},
        {"depth": 3, "fanout": 3},
    ),
    "diskpio": tuple(
        {"n": n, "chunk": chunk, "write": write}
        for write in (0, 1)
        for n, chunk in ((8, 1), (32, 1), (32, 4), (32, 8))
    ),
    "diskvirtio": tuple(
        {"n": n, "chunk": chunk, "write": write}
        for write in (0, 1)
        for n, chunk in ((8, 1), (32, 1), (32, 4), (32, 8))
    ),
    "console": tuple({"n": n, "width": width} for n in (5, 30) for width in (20, 100, 160)),
    "timer": tuple({"n": n, "work": work, "hz": 50} for n, work in ((4, 10), (12, 10), (12, 200)))
    + tuple({"n": 20, "work": work, "hz": 10000} for work in (6000, 12000)),
    "mixed": tuple({"n": n} for n in (4, 5, 6, 7, 20, 40)),
}


def fingerprint() -> dict[str, str]:
    """Return the digests of what the constants are true of."""
    return {
        name: hashlib.sha256((IMAGES / name).read_bytes()).hexdigest()
        for name in ("native.elf", "pv.elf", "fs.img")
    }


def measured(name: str, mode: str, params: dict[str, Any], options: dict[str, int]) -> Any:
    """Return a run that finished."""
    result = run(name, mode=mode, set=options, **params)
    if result.outcome != "finished" or result.exit_code != 0:
        raise RuntimeError(f"{name} {params} under {mode}: {result.outcome} {result.crash or ''}")
    return result


def fit(name: str, mode: str) -> dict[str, Any]:
    """Fit a workload: what each operation does in the measured region, and before it begins.

    Returns
    -------
    dict
        ``operations`` and ``before``: a vector by operation; ``residuals``: the worst misfit of
        each counter of the region that is not fitted to half a count.
    """
    rows, observed, before = [], [], []
    for params in RUNS[name]:
        bound = {"batch": 32, **workload(name).bind(params)}
        counts: dict[str, float] = {}
        for operation in BEHAVIOURS[name](bound, Tlb()):
            counts[operation.name] = counts.get(operation.name, 0) + operation.count
        result = measured(name, mode, params, QUIET)
        if name == "timer":  # rounds longer than a tick see more than one
            counts["late_tick"] = result.counters.interrupts_by_source["timer"] - bound["n"]
        rows.append(counts)
        observed.append(flatten(result.counters))
        before.append(flatten(result.machine.machine.region.begin))
    measured_part = [
        {op: n for op, n in row.items() if not op.startswith("prepare_")} for row in rows
    ]
    region, residuals = solve(measured_part, observed)
    overlap(region)
    for vector in region.values():
        vector.pop("idle_cycles", None)  # the clock's to say
    return {"operations": region, "before": solve(rows, before)[0], "residuals": residuals}


def solve(rows: list[dict[str, float]], observed: list[Vector]) -> tuple[dict[str, Vector], Vector]:
    """Return the vectors of the operations that fit best, and the residuals."""
    operations = sorted({op for row in rows for op in row})
    counters = sorted({key for row in observed for key in row})
    a = np.array([[row.get(op, 0) for op in operations] for row in rows], float)
    b = np.array([[row.get(key, 0) for key in counters] for row in observed], float)
    scale = np.abs(a).max(axis=0)
    solution = np.linalg.lstsq(a / scale, b, rcond=None)[0] / scale[:, None]
    residual = np.abs(a @ solution - b).max(axis=0)
    vectors = {
        op: nonzero(dict(zip(counters, row, strict=True)))
        for op, row in zip(operations, solution, strict=True)
    }
    misfit = zip(counters, residual, strict=True)
    return vectors, {name: float(f"{worst:.3g}") for name, worst in misfit if worst > 0.5}


def overlap(vectors: dict[str, Vector]) -> None:
    """Turn a disk operation's waiting into what the processor did meanwhile."""
    timing = DiskTiming()
    per_sector = timing.service(2) - timing.service(1)
    access = timing.service(1) - per_sector
    for name, vector in vectors.items():
        sector = vectors.get(f"{name}_sector")
        if sector is not None:
            vector["overlap"] = access - vector.pop("device_wait_cycles", 0.0)
            vector["overlap_sector"] = per_sector - sector.pop("device_wait_cycles", 0.0)


def tick(mode: str) -> dict[str, Vector]:
    """Return what a timer tick does to a busy guest, and what the first one does besides."""
    runs = [
        flatten(measured("compute", mode, {"n": n}, options).counters)
        for n, options in ((600, QUIET), (600, TICKING), (3000, TICKING), (3000, QUIET))
    ]
    quiet, few, many, long = runs
    ticks = [run.get("interrupts_by_source.timer", 0) for run in runs]
    names = sorted({name for run in runs for name in run})
    extra = [
        {name: a.get(name, 0) - b.get(name, 0) for name in names}
        for a, b in ((few, quiet), (many, long))
    ]
    each = {name: (extra[1][name] - extra[0][name]) / (ticks[2] - ticks[1]) for name in names}
    first = {name: extra[0][name] - ticks[1] * each[name] for name in names}
    return {"tick": nonzero(each), "first_tick": nonzero(first)}


def nonzero(vector: Vector) -> Vector:
    """Return a vector without its zeros."""
    return {name: float(f"{value:.9g}") for name, value in vector.items() if abs(value) > 1e-9}


def boot(mode: str) -> dict[str, Any]:
    """Return what is outside the measured region of the shortest program.

    Returns
    -------
    dict
        ``boot``: the counters; ``timer_start``: the cycle at which the kernel sets its timer
        for the first time, from which it ticks.
    """
    result = measured("hello", mode, {}, QUIET)
    devices = result.machine.machine.board.bus.devices
    timer = next(device for device in devices if device.name == "sbi-timer")
    start = timer.deadline - FREQUENCY // QUIET["hz"]
    return {"boot": flatten(result.counters_total - result.counters), "timer_start": start}


def calibrate() -> dict[str, Any]:
    """Run and solve everything."""
    record: dict[str, Any] = {"images": fingerprint(), "techniques": {}}
    for mode in TECHNIQUES:
        record["techniques"][mode] = {
            **boot(mode),
            **tick(mode),
            "workloads": {name: fit(name, mode) for name in BEHAVIOURS},
        }
    return record


def main() -> None:
    """Calibrate and record."""
    record = calibrate()
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"recorded {RECORD.name}")


if __name__ == "__main__":
    main()
