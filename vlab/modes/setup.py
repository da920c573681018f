"""What a run starts from and what it leaves: plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlab.costs import Costs, Cycles
from vlab.counters import Counters

CODE_CACHE = 16 << 20


@dataclass
class Setup:
    """What a guest is booted with.

    Attributes
    ----------
    mode
        Name of an executing mode.
    image, disk, initrd, firmware
        Files or contents; None where there is none.
    options
        Machine options by name.
    monitor
        Subclass of the mode's monitor to use instead of the stock one.
    devices
        Devices of one's own: their classes by address.
    technique
        Of ``emulate``: ``interpreter`` or ``dbt``.
    code_cache
        Bytes of the code cache of ``dbt``.
    """

    mode: str
    image: Path | bytes
    disk: Path | bytes | None
    bootargs: str
    memory: int
    engine: str
    clock: str
    costs: Costs
    options: dict[str, Any]
    initrd: Path | None = None
    firmware: Path | None = None
    console: Any = None
    monitor: type | None = None
    devices: Mapping[int, Callable[[], Any]] = field(default_factory=dict)
    technique: str = "interpreter"
    code_cache: int = CODE_CACHE

    @property
    def priced_as(self) -> str:
        """The price list (`vlab.costs.PRICES`) that the guest's cycles come from."""
        return "dbt" if self.technique == "dbt" else self.mode


@dataclass
class Ended:
    """What a run left: its outcome, and everything counted."""

    console: str
    exit_code: int | None
    outcome: str
    crash: str | None
    counters: Counters
    counters_total: Counters
    cycles: Cycles
    cycles_total: Cycles
    image_sha256: str | None
    machine: Any = field(repr=False, default=None)
