"""The programs that the guest runs as experiments, and what they take as parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vlab.errors import ParameterError, WorkloadError, unknown

IMAGES = Path(__file__).parent.parent / "images"


@dataclass(frozen=True)
class Parameter:
    """A whole number that a workload takes."""

    name: str
    default: int
    min: int
    max: int
    help: str

    def parse(self, value: object, workload: str) -> int:
        """Return the value as a number in range, or raise `ParameterError`."""
        try:
            number = int(value, 0) if isinstance(value, str) else value.__index__()  # type: ignore[attr-defined]
        except (ValueError, AttributeError):
            number = None
        if number is None or isinstance(value, bool) or not self.min <= number <= self.max:
            raise ParameterError(
                f"workload {workload!r}, parameter {self.name}={value!r}: "
                f"must be a whole number from {self.min} to {self.max}"
            )
        return int(number)


@dataclass(frozen=True)
class Workload:
    """A program of the guest and its parameters."""

    name: str
    program: str
    summary: str
    params: Mapping[str, Parameter]

    def bind(self, given: Mapping[str, Any]) -> dict[str, int]:
        """Return all parameters, defaults filled in, or raise `ParameterError`."""
        for name in given:
            if name not in self.params:
                what = f"parameter of workload {self.name!r}"
                if not self.params:
                    raise ParameterError(f"unknown {what} {name!r}: it takes none")
                raise ParameterError(unknown(what, name, self.params))
        return {
            name: parameter.parse(given.get(name, parameter.default), self.name)
            for name, parameter in self.params.items()
        }

    def bootargs(self, params: Mapping[str, int]) -> str:
        """Return the end of the kernel command line that makes init run it."""
        return " ".join([f"run={self.program}", *(f"{k}={v}" for k, v in params.items())])


@cache
def workloads() -> dict[str, Workload]:
    """Return every workload by its name, in the order of the list."""
    listed = json.loads((IMAGES / "workloads.json").read_text("utf-8"))
    return {
        row["name"]: Workload(
            row["name"],
            row["program"],
            row["summary"],
            {name: Parameter(name, **fields) for name, fields in row["params"].items()},
        )
        for row in listed
    }


def workload(name: str) -> Workload:
    """Return the workload of that name, or raise `WorkloadError`."""
    known = workloads()
    if name not in known:
        raise WorkloadError(unknown("workload", name, known))
    return known[name]
