"""What a figure was made from: versions, seed, parameters, and the Python that does it again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

DEFAULTS = {"engine": "translator", "clock": "cycles", "costs": "teaching", "seed": 0}
"""What `vlab.run` takes when it is not told."""

MEMORY, LIMIT = 64 << 20, 2_000_000_000


def of_runs(runs: Iterable[Any]) -> dict[str, Any]:
    """Return the origin of results: plain data for a file's metadata.

    ``again`` is an expression that makes the comparison anew.
    """
    made = list(runs)
    if not made:
        return {}
    calls = [_call("run", run) for run in made]
    return {
        "versions": made[0].to_dict()["versions"],
        "seed": sorted({run.settings.get("seed", 0) for run in made}),
        "runs": [
            {"workload": run.workload, "mode": run.mode, "of": run.of, "params": dict(run.params)}
            | {"settings": dict(run.settings)}
            for run in made
        ],
        "again": f"vlab.Comparison([{', '.join(calls)}])",
    }


def of_recording(recording: Any) -> dict[str, Any]:
    """Return the origin of a recording that `vlab.record` made."""
    if getattr(recording, "result", None) is None:
        return {}
    origin = of_runs([recording.result])
    return origin | {"again": _call("record", recording.result)}


def _call(function: str, run: Any) -> str:
    """Return the call that made a run."""
    given: dict[str, Any] = {} if run.of is None else {"of": run.of}
    settings = dict(run.settings)
    if settings.get("technique", "interpreter") != "interpreter":
        given["technique"] = settings["technique"]
    given |= {k: v for k, v in settings.items() if k in DEFAULTS and v != DEFAULTS[k]}
    machine = dict(settings.get("set", {}))
    if machine.get("memory") == MEMORY:
        del machine["memory"]
    if "code_cache" in settings:
        machine["code_cache"] = settings["code_cache"]
    if machine:
        given["set"] = machine
    if settings.get("max_instructions", LIMIT) != LIMIT:
        given["max_instructions"] = settings["max_instructions"]
    given |= run.params
    words = [repr(run.workload), repr(run.mode), *(f"{k}={v!r}" for k, v in given.items())]
    return f"vlab.{function}({', '.join(words)})"
