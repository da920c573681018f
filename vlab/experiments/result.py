"""What one run produced, as plain data."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Any

import vlab
from vlab.costs import Cycles
from vlab.counters import Counters

PACKAGES = ("numpy", "numba", "llvmlite")
OUTCOMES = {
    "finished": "the guest shut the machine down",
    "limit": "the instruction limit was reached",
    "crashed": "the guest did something from which it cannot continue",
    "interrupted": "the run was interrupted from outside",
}


@cache
def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"vlab": vlab.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found | {"platform": f"{platform.system()} {platform.machine()}"}


@dataclass(repr=False)
class Result:
    """One run of one workload in one mode.

    Attributes
    ----------
    of : str or None
        The technique that a ``simulate`` run predicts.
    counters, cycles
        Of the measured region.
    counters_total, cycles_total
        Of the whole run, boot included.
    outcome
        ``finished``, ``limit``, ``crashed`` or ``interrupted``.
    machine
        What ran, for inspection; not part of the data.
    """

    workload: str
    mode: str
    of: str | None
    params: dict[str, Any]
    image_sha256: str | None
    exit_code: int | None
    console: str
    counters: Counters
    counters_total: Counters
    cycles: Cycles
    cycles_total: Cycles
    wall_s: float
    outcome: str = "finished"
    crash: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    machine: Any = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"<Result {self.summary()}>"

    @property
    def technique(self) -> str:
        """The price list that was charged: the mode, ``of`` for a prediction, or ``dbt``."""
        return "dbt" if self.emulation == "dbt" else self.of or self.mode

    @property
    def emulation(self) -> str | None:
        """How an ``emulate`` run emulated: ``interpreter`` or ``dbt``; None in other modes."""
        return self.settings.get("technique")

    @property
    def guest_instructions(self) -> int:
        """Instructions that the guest retired in the measured region."""
        return self.counters.retired

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data, ready for JSON."""
        predicted = {"of": self.of} if self.of is not None else {}
        if self.emulation is not None:
            predicted["technique"] = self.emulation
        return {
            "workload": self.workload,
            "mode": self.mode,
            **predicted,
            "params": dict(self.params),
            "image_sha256": self.image_sha256,
            "outcome": self.outcome,
            "crash": self.crash,
            "exit_code": self.exit_code,
            "console": self.console,
            "guest_instructions": self.guest_instructions,
            "counters": self.counters.to_dict(),
            "counters_total": self.counters_total.to_dict(),
            "cycles": self.cycles.to_dict(),
            "cycles_total": self.cycles_total.to_dict(),
            "wall_s": self.wall_s,
            "settings": dict(self.settings),
            "versions": dict(versions()),
        }

    def to_json(self) -> str:
        """Return the result as JSON text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False)

    def summary(self) -> str:
        """Return one line: what ran, how it ended, what it cost."""
        c = self.counters
        mode = f"{self.mode} of {self.of}" if self.of else self.mode
        if self.emulation == "dbt":
            mode += " by dbt"
        end = OUTCOMES[self.outcome] if self.outcome != "finished" else f"exit {self.exit_code}"
        if self.crash:
            end = self.crash
        return (
            f"{self.workload} · {mode} · {end} · {c.retired:,} instructions · "
            f"{self.cycles.total:,} cycles · {c.traps + c.interrupts:,} traps · "
            f"{c.exits:,} exits · {self.wall_s:.2f} s"
        )

    def _repr_html_(self) -> str:
        total = self.cycles.total or 1
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td style='text-align:right'>{cycles:,}</td>"
            f"<td style='text-align:right'>{100 * cycles / total:.1f} %</td></tr>"
            for name, cycles in self.cycles.by_category.items()
            if cycles
        )
        return (
            f"<p>{escape(self.summary())}</p><pre>{escape(self.console)}</pre>"
            f"<table><tr><th>category</th><th>cycles</th><th>share</th></tr>{rows}</table>"
        )
