"""Settings other than those of the calibration: how the constants change with them.

The constants are of the default hardware and guest. For some other values of each option the
calibration recorded the difference; values between are interpolated, on a scale on which the
effect is about even; those beyond are taken for the last. Differences of several options add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import log2
from typing import Any

from vlab.simulation.model import Vector, add

SCALES: dict[str, tuple[int, Callable[[int], float]]] = {
    "tlb_entries": (64, log2),
    "tlb_ways": (4, log2),
    "asid_bits": (16, lambda bits: min(bits, 1)),
    "batch": (32, lambda batch: 1 / batch),
}
"""Default of each option, and the scale on which its effect is interpolated."""

Recorded = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Vector]]]]
"""Difference by option, value, workload and operation."""


def weights(option: str, value: int, values: list[int]) -> dict[int, float]:
    """Return how much of the difference at each recorded value a value has.

    >>> weights("tlb_entries", 128, [16, 256])
    {256: 0.5}
    """
    default, scale = SCALES[option]
    points = sorted({*values, default}, key=scale)
    at = min(max(scale(value), scale(points[0])), scale(points[-1]))
    for low, high in pairwise(points):
        if scale(low) <= at <= scale(high):
            share = (at - scale(low)) / (scale(high) - scale(low))
            found = {low: 1 - share, high: share}
            return {n: part for n, part in found.items() if n != default and part}
    return {}


def varied(
    vectors: Mapping[str, Vector], workload: str, settings: Mapping[str, int], recorded: Recorded
) -> dict[str, Vector]:
    """Return the constants of a workload under other settings."""
    result = {name: dict(vector) for name, vector in vectors.items()}
    for option, by_value in recorded.items():
        chosen = weights(option, settings[option], [int(value) for value in by_value])
        for value, share in chosen.items():
            for operation, vector in by_value[str(value)].get(workload, {}).items():
                add(result[operation], vector, share)
    return result


def variation(vectors: Mapping[str, Vector], default: Mapping[str, Vector]) -> dict[str, Any]:
    """Return by how much constants differ, operation by operation; what does not, left out."""
    changed = {}
    for operation, vector in vectors.items():
        other = default.get(operation, {})
        less = {key: vector.get(key, 0.0) - other.get(key, 0.0) for key in {**vector, **other}}
        worth = {
            key: float(f"{value:.6g}")
            for key, value in less.items()
            if abs(value) > 1e-4 * max(0.01, abs(other.get(key, 0.0)))
        }
        if worth:
            changed[operation] = worth
    return changed
