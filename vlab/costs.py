"""What events cost: cycles = sum over counters of count times cost, by category.

A *preset* is a table of costs, each with its source. A mode's *price list* (`PRICES`) says
which counter is charged which cost, in which category. Pricing is linear, so the clock can be
driven by `rates` while the guest runs and agrees with `price` afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vlab.counters import Counters
from vlab.errors import CostError, ModeError, unknown
from vlab.presets import COSTS, PRESETS

CATEGORIES: dict[str, str] = {
    "guest_user": "instructions of guest user programs",
    "guest_kernel": "instructions of the guest's kernel",
    "translation": "walking page tables",
    "trap": "entering and leaving trap handlers and the monitor",
    "emulation": "what an emulator needs beyond the instructions themselves",
    "monitor": "work of the monitor's handlers",
    "device_wait": "waiting for devices",
    "idle": "sleeping until a timer fires",
}
"""Where cycles go; together they are the total."""


class Price(NamedTuple):
    """One line of a price list: `counter` is charged `cost`, in `category`.

    A cost that ends in a dot is charged by key: ``exit.`` for ``exits_by_reason["csr"]`` is
    the cost ``exit.csr``, or ``exit.other`` where the table has no such row.
    """

    category: str
    counter: str
    cost: str


_GUEST = (
    Price("guest_user", "retired_user", "instruction"),
    Price("guest_kernel", "retired_kernel", "instruction"),
    Price("translation", "walk_references", "walk_reference"),
    Price("translation", "tlb_flushes", "tlb_flush"),
    Price("device_wait", "mmio_accesses", "mmio_access"),
    Price("device_wait", "device_wait_cycles", "cycle"),
    Price("idle", "idle_cycles", "cycle"),
)
_OWN_TRAPS = (
    Price("trap", "traps", "trap_entry"),
    Price("trap", "interrupts", "trap_entry"),
    Price("trap", "returns", "trap_return"),
    Price("trap", "sbi_calls", "sbi_call"),
)

_EMULATED = (
    Price("emulation", "tlb_misses", "emulated_miss"),
    Price("emulation", "walk_references", "emulated_walk_reference"),
    Price("emulation", "traps", "emulated_trap"),
    Price("emulation", "interrupts", "emulated_trap"),
    Price("emulation", "mmio_accesses", "emulated_device_access"),
)

PRICES: dict[str, tuple[Price, ...]] = {
    "native": (*_GUEST, *_OWN_TRAPS),
    "emulate": (
        *_GUEST,
        *_OWN_TRAPS,
        Price("emulation", "retired", "emulated_instruction"),
        *_EMULATED,
    ),
    "dbt": (
        *_GUEST,
        *_OWN_TRAPS,
        Price("emulation", "retired", "dbt_instruction"),
        Price("emulation", "block_entries", "dbt_entry"),
        Price("emulation", "block_dispatches", "dbt_dispatch"),
        Price("emulation", "instructions_translated", "dbt_translation"),
        Price("emulation", "blocks_dropped", "dbt_drop"),
        Price("emulation", "code_flushes", "dbt_flush"),
        *_EMULATED,
    ),
    "fullvirt": (
        *_GUEST,
        Price("trap", "exits", "exit"),
        Price("monitor", "exits_by_reason", "exit."),
        Price("monitor", "interrupts", "inject"),
        Price("monitor", "shadow_switches", "shadow_switch"),
        Price("monitor", "shadow_flushes", "shadow_flush"),
    ),
    "paravirt": (
        *_GUEST,
        Price("trap", "exits", "pv_exit"),
        Price("monitor", "hypercalls_by_name", "hypercall."),
        Price("monitor", "mmu_updates", "mmu_update"),
        Price("monitor", "upcalls", "upcall"),
        Price("monitor", "ring_requests", "ring_request"),
    ),
}
"""The price list of each technique; ``dbt`` is ``emulate`` by dynamic binary translation."""


class Cost(NamedTuple):
    """One row of a cost table."""

    name: str
    cycles: int
    unit: str
    source: str
    sentence: str


@dataclass(frozen=True)
class Costs:
    """A cost table: ``costs["exit"]`` is a number of cycles.

    Attributes
    ----------
    rows : tuple of Cost
        The table, with the source of every figure.
    """

    name: str
    rows: tuple[Cost, ...]
    _cycles: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_cycles", {row.name: row.cycles for row in self.rows})

    def __getitem__(self, name: str) -> int:
        try:
            return self._cycles[name]
        except KeyError:
            raise CostError(unknown("cost", name, self._cycles)) from None

    def by_key(self, prefix: str, key: str) -> int:
        """Return the cost ``prefix + key``, or ``prefix + "other"`` if there is none."""
        return self._cycles.get(prefix + key, self._cycles[prefix + "other"])

    def replace(self, **cycles: int) -> Costs:
        """Return the table with some figures changed, for "what if" questions.

        Write an underscore twice for the dot: ``costs.replace(exit=600, exit__csr=100)``.
        """
        changed = {name.replace("__", "."): value for name, value in cycles.items()}
        for name, value in changed.items():
            self[name]
            if not isinstance(value, int) or value < 0:
                raise CostError(f"cost {name}={value!r}: must be a whole number, 0 or more")
        rows = tuple(
            row._replace(cycles=changed[row.name], source="set by hand")
            if row.name in changed
            else row
            for row in self.rows
        )
        return Costs(f"{self.name} (changed)", rows)


@dataclass(frozen=True)
class Cycles:
    """Cycles by category, and their sum."""

    by_category: dict[str, int]

    @property
    def total(self) -> int:
        """The sum of the categories."""
        return sum(self.by_category.values())

    def to_dict(self) -> dict[str, int | dict[str, int]]:
        """Return ``{"total": …, "by_category": {…}}``."""
        return {"total": self.total, "by_category": dict(self.by_category)}


def preset(costs: str | Costs = "teaching") -> Costs:
    """Return the cost table of that name; a table is returned as it is."""
    if isinstance(costs, Costs):
        return costs
    if costs not in PRESETS:
        raise CostError(unknown("cost preset", costs, PRESETS))
    figures = PRESETS[costs]
    return Costs(
        costs,
        tuple(
            Cost(name, figures[name][0], unit, figures[name][1], sentence)
            for name, (unit, sentence) in COSTS.items()
        ),
    )


def price_list(mode: str) -> tuple[Price, ...]:
    """Return the price list of a technique."""
    if mode not in PRICES:
        raise ModeError(unknown("mode to price", mode, PRICES))
    return PRICES[mode]


def price(counters: Counters, costs: Costs, mode: str) -> Cycles:
    """Return the modelled cycles of what was counted.

    Parameters
    ----------
    mode
        The technique: ``native``, ``emulate``, ``dbt``, ``fullvirt`` or ``paravirt``.
    """
    cycles = dict.fromkeys(CATEGORIES, 0)
    for category, counter, cost in price_list(mode):
        counted = getattr(counters, counter)
        if isinstance(counted, dict):
            charge = sum(n * costs.by_key(cost, key) for key, n in counted.items())
        else:
            charge = counted * costs[cost]
        cycles[category] += charge
    return Cycles(cycles)


class Rates(dict[str, int]):
    """Cycles that one more of each plain counter adds; a counter without a price adds none.

    ``rates["walk_references"]``; by key, ``rates.of("exits_by_reason", "csr")``.
    """

    def __init__(self, costs: Costs, mode: str) -> None:
        super().__init__()
        self._costs, self._keyed = costs, dict[str, list[str]]()
        self._by_key = dict[tuple[str, str], int]()
        for _, counter, cost in price_list(mode):
            if cost.endswith("."):
                self._keyed.setdefault(counter, []).append(cost)
            else:
                self[counter] = self[counter] + costs[cost]

    def __missing__(self, counter: str) -> int:
        return 0

    def of(self, counter: str, key: str) -> int:
        """Return the cycles that one more of ``counter[key]`` adds on its own account."""
        known = self._by_key.get((counter, key))
        if known is None:
            prefixes = self._keyed.get(counter, ())
            known = sum(self._costs.by_key(prefix, key) for prefix in prefixes)
            self._by_key[counter, key] = known
        return known
