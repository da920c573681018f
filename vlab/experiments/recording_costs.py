"""What one exit costs: the mode's price list, applied to what was counted in the meantime."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vlab.costs import price_list

if TYPE_CHECKING:
    from vlab.experiments.session import Session

Getter = Callable[[], int]


class PricedCounts:
    """The counters that cost something, read cheaply: thousands of times in a run."""

    def __init__(self, session: Session) -> None:
        machine, view, costs = session.machine, session.view, session.setup.costs
        counters, hart, record = machine.counters, machine.hart, view.counted
        shadow = getattr(session.mode, "shadow", None)
        special: dict[str, Getter] = {
            "retired": lambda: session.instructions,
            "walk_references": lambda: hart.walk_references,
            "tlb_flushes": lambda: hart.tlb_flushes,
            "tlb_misses": lambda: hart.tlb_misses,
            "traps": lambda: sum(record.traps_taken),
            "interrupts": lambda: sum(record.interrupts_taken),
            "returns": lambda: record.returns,
            "exits": lambda: sum(counters.exits_by_reason.values()),
            "mmio_accesses": lambda: sum(counters.mmio_by_device.values()),
            "shadow_flushes": lambda: 0 if shadow is None else int(shadow.flushes),
        }
        self.costs = costs
        self.lines: list[tuple[str, Getter, int]] = []
        self.keyed: list[tuple[str, dict[str, int], str]] = []
        self.instruction = costs["instruction"]
        for category, counter, cost in price_list(session.setup.priced_as):
            if cost.endswith("."):
                self.keyed.append((category, getattr(counters, counter), cost))
            elif counter not in ("retired_user", "retired_kernel"):
                getter = special.get(counter, lambda name=counter: getattr(counters, name))
                self.lines.append((category, getter, costs[cost]))
        self.retired = special["retired"]
        self._plain: list[int] = []
        self._keyed: list[dict[str, int]] = []
        self._retired = 0

    def begin(self) -> None:
        """Note what is counted so far."""
        self._plain = [getter() for _, getter, _ in self.lines]
        self._keyed = [dict(counts) for _, counts, _ in self.keyed]
        self._retired = self.retired()

    def spent(self, privilege: str) -> dict[str, int]:
        """Return the cycles charged since `begin`, by category.

        ``privilege`` is that of the guest's instruction, in case it was emulated.
        """
        cycles: dict[str, int] = {}
        for (category, getter, cost), before in zip(self.lines, self._plain, strict=True):
            charge = (getter() - before) * cost
            if charge:
                cycles[category] = cycles.get(category, 0) + charge
        for (category, counts, prefix), old in zip(self.keyed, self._keyed, strict=True):
            for key, n in counts.items():
                if n != old.get(key, 0):
                    charge = (n - old.get(key, 0)) * self.costs.by_key(prefix, key)
                    cycles[category] = cycles.get(category, 0) + charge
        retired = self.retired() - self._retired
        if retired:
            category = "guest_user" if privilege == "U" else "guest_kernel"
            cycles[category] = cycles.get(category, 0) + retired * self.instruction
        return cycles
