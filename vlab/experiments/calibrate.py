"""Calibration: run workloads with several parameters, and solve for what operations cost.

``python -m vlab.experiments.calibrate`` runs every executing mode without timer ticks in the
measured region (``hz=1``), fits each counter as a sum over operations (least squares; the
residual is recorded), measures a tick as the difference that ticks make, and records all of it
with the images it is true of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from vlab.clock import FREQUENCY
from vlab.costs import preset, price
from vlab.devices.disk import DiskTiming
from vlab.experiments import TECHNIQUES, run
from vlab.experiments.calibrate_sessions import QUIET, phases, touched_by_fault, until_timer
from vlab.experiments.catalogue import workload
from vlab.hardware import HardwareOptions
from vlab.modes import IMAGES
from vlab.modes.simulate import BATCH
from vlab.simulation.behaviours import BEHAVIOURS, FEW, Operation, preparations
from vlab.simulation.model import RECORD, Vector, add, difference, flatten, scaled, to_counters
from vlab.simulation.tlb import Tlb
from vlab.simulation.variants import variation

TICKING = {"hz": 5000}

VARIANTS = {"tlb_entries": (16, 32, 256), "tlb_ways": (1, 2), "asid_bits": (0,), "batch": (1, 8)}
"""Settings for which the difference to the default is recorded."""

ROUNDS = 8
"""Rounds of ``timer`` over which its late ticks are averaged."""

DISK_RUNS = tuple(
    {"n": n, "chunk": chunk, "write": write}
    for write in (0, 1)
    for n, chunk in ((1, 1), (8, 1), (32, 1), (32, 4), (32, 8))
)

RUNS: dict[str, tuple[dict[str, int], ...]] = {
    "hello": ({},),
    "compute": tuple({"n": n} for n in (1, 2, 3, 10, 40, 90, 128, 190, 256, 512)),
    "syscall": ({"n": 1}, {"n": 50}, {"n": 400}, {"n": 1000}),
    "ctxswitch": ({"n": 1}, {"n": 2}, {"n": 20}, {"n": 60}, {"n": 150}),
    "pagefault": tuple(
        {"pages": pages} for pages in (1, 2, 3, 4, 5, 6, 20, 150, 510, 515, 700, 1300)
    ),
    "ptemod": tuple(
        {"rounds": rounds, "pages": pages, "populate": populate}
        for populate in (0, 1)
        for rounds, pages in (
            *((rounds, pages) for pages in range(1, FEW) for rounds in (1, 2, 5)),
            *((rounds, pages) for pages in (5, 14, 20, 70) for rounds in (1, 4)),
            *((rounds, pages) for pages in (300, 600) for rounds in (1, 3)),
        )
    ),
    "memwalk": (
        *({"pages": pages, "rounds": 1, "stride": 4096} for pages in (1, 2, 3, 4, 700)),
        {"pages": 1, "rounds": 9, "stride": 4096},
        {"pages": 16, "rounds": 20},
        {"pages": 16, "rounds": 60},
        {"pages": 200, "rounds": 50, "stride": 4096},
        {"pages": 300, "rounds": 20},
        {"pages": 40, "rounds": 3, "stride": 256},
        {"pages": 400, "rounds": 10, "stride": 512},
        {"pages": 50, "rounds": 4, "stride": 512, "random": 1},
        {"pages": 100, "rounds": 4, "stride": 1024, "random": 1},
        {"pages": 200, "rounds": 4, "stride": 1024, "random": 1},
    ),
    "forktree": tuple(
        {"depth": depth, "fanout": fanout}
        for depth, fanout in ((1, 1), (2, 1), (4, 1), (1, 2), (2, 2), (1, 5), (2, 4), (3, 3))
    ),
    "diskpio": DISK_RUNS,
    "diskvirtio": DISK_RUNS,
    "console": tuple({"n": n, "width": width} for n in (5, 30) for width in (20, 100, 160)),
    "timer": tuple(
        {"n": n, "work": work, "hz": 50}
        for n, work in ((1, 0), (2, 10), (12, 10), (12, 200), (3, 2000))
    ),
    "mixed": tuple({"n": n} for n in (1, 2, 3, 4, 5, 6, 7, 8, 20, 40)),
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


def fit(
    name: str, mode: str, faulting: list[list[int]], settings: dict[str, int] | None = None
) -> dict[str, Any]:
    """Fit a workload: what each operation does in the measured region, and before it begins.

    Returns
    -------
    dict
        ``operations`` and ``before``: a vector by operation; ``residuals``: the worst misfit of
        each counter of the region that is not fitted to half a count.
    """
    options = QUIET | (settings or {})
    rows, observed, before_rows, before = [], [], [], []
    for params in RUNS[name]:
        bound = {"batch": options.get("batch", BATCH), **workload(name).bind(params)}
        operations = list(BEHAVIOURS[name](bound, tlb_of(options, faulting)))
        result = measured(name, mode, params, options)
        rows.append(counts(op for op in operations if not op.name.startswith("prepare_")))
        observed.append(flatten(result.counters))
        before_rows.append(counts(preparations(operations)))
        before.append(flatten(result.machine.machine.region.begin))
    region, residuals = solve(rows, observed)
    overlap(region)
    for vector in region.values():
        vector.pop("idle_cycles", None)  # the clock's to say
    return {"operations": region, "before": solve(before_rows, before)[0], "residuals": residuals}


def tlb_of(options: Mapping[str, int], faulting: list[list[int]]) -> Tlb:
    """Return the TLB model of these machine options."""
    hardware = HardwareOptions(**{k: v for k, v in options.items() if k.startswith("tlb_")})
    return Tlb(hardware.tlb_entries, hardware.tlb_ways, faulting)


def variants(mode: str, faulting: list[list[int]], default: dict[str, Any]) -> dict[str, Any]:
    """Return by how much the constants differ under other settings (`vlab.simulation.variants`)."""
    return {
        option: {
            str(value): {
                name: changed
                for name in BEHAVIOURS
                if (
                    changed := variation(
                        fit(name, mode, faulting, {option: value})["operations"],
                        default[name]["operations"],
                    )
                )
            }
            for value in values
        }
        for option, values in VARIANTS.items()
        if option != "batch" or mode == "paravirt"
    }


def counts(operations: Iterable[Operation]) -> dict[str, float]:
    """Return how often each operation is done."""
    times: dict[str, float] = {}
    for operation in operations:
        times[operation.name] = times.get(operation.name, 0) + operation.count
    return times


def solve(rows: list[dict[str, float]], observed: list[Vector]) -> tuple[dict[str, Vector], Vector]:
    """Return the vectors of the operations that fit best, and the residuals.

    Each run counts by its own size: a short one is to be as right as a long one, relatively.
    """
    operations = sorted({op for row in rows for op in row})
    counters = sorted({key for row in observed for key in row})
    a = np.array([[row.get(op, 0) for op in operations] for row in rows], float)
    b = np.array([[row.get(key, 0) for key in counters] for row in observed], float)
    weight = 1 / np.maximum(1, b.sum(axis=1, keepdims=True))
    scale = np.abs(a * weight).max(axis=0)
    solution = np.linalg.lstsq(a * weight / scale, b * weight, rcond=None)[0] / scale[:, None]
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


def late(mode: str, sleeping: dict[str, Vector], moments: dict[str, Vector]) -> dict[str, Vector]:
    """Return what ticks do that do not fall into the sleep of ``timer``.

    Returns
    -------
    dict
        ``late``: into the work; ``kernel_late``: into the call of the kernel, for which the work
        is made as long as brings the program there just when the next tick is due.
    """
    costs = preset()

    def cycles(vector: Vector) -> float:
        return price(to_counters(vector), costs, mode).total

    def ticks(work: int) -> Vector:
        params = {"work": work, "hz": 1000}
        few, many = (
            flatten(measured("timer", mode, {"n": n, **params}, QUIET).counters)
            for n in (4, 4 + ROUNDS)
        )
        extra = difference(many, few)
        add(extra, sleeping["sleep"], -ROUNDS)
        add(extra, sleeping["work"], -ROUNDS * work)
        for name in ("idle_cycles", "retired_user"):  # the clock's to say; none of the program's
            extra.pop(name, None)
        count = extra.pop("interrupts_by_source.timer", 0.0)
        if count < 1:
            raise RuntimeError(f"timer work={work} under {mode}: no late tick")
        return {"interrupts_by_source.timer": 1.0} | scaled(extra, 1 / count)

    step, interval = cycles(scaled(sleeping["work"], 1000)) / 1000, FREQUENCY / 1000
    ahead = cycles(moments["wake"]) + cycles(moments["call"]) / 2
    return {
        "late": nonzero(ticks(round(1.5 * interval / step))),
        "kernel_late": nonzero(ticks(round((interval - ahead) / step))),
    }


def nonzero(vector: Vector) -> Vector:
    """Return a vector without its zeros."""
    return {name: float(f"{value:.9g}") for name, value in vector.items() if abs(value) > 1e-9}


def boot(mode: str) -> dict[str, Any]:
    """Return what is outside the measured region of the shortest program.

    Returns
    -------
    dict
        ``boot``: the counters; ``timer_start``: those when the kernel sets its timer for the
        first time, from which it ticks.
    """
    result = measured("hello", mode, {}, QUIET)
    outside = flatten(result.counters_total - result.counters)
    return {"boot": outside, "timer_start": until_timer(mode)}


def calibrate() -> dict[str, Any]:
    """Run and solve everything."""
    record: dict[str, Any] = {"images": fingerprint(), "techniques": {}}
    for mode in TECHNIQUES:
        faulting = touched_by_fault(mode)
        workloads = {name: fit(name, mode, faulting) for name in BEHAVIOURS}
        moments = phases(mode)
        record["techniques"][mode] = {
            **boot(mode),
            **tick(mode),
            "phases": moments | late(mode, workloads["timer"]["operations"], moments),
            "faulting": faulting,
            "workloads": workloads,
            "variants": record["techniques"]["native"]["variants"]
            if mode == "emulate"  # the emulator's TLB is that of the hardware
            else variants(mode, faulting, workloads),
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
