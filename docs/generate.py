"""Writes numbers.md from the lists in the code: ``python docs/generate.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlab.costs import CATEGORIES, PRICES, preset
from vlab.counters import COUNTERS, EXIT_REASONS
from vlab.presets import PRESETS

NUMBERS = Path(__file__).parent / "numbers.md"

HEAD = """# What is counted, and what it costs

Made from `vlab/counters.py`, `vlab/costs.py` and `vlab/presets.py` by `docs/generate.py`.

Modelled cycles are the sum over counters of count times cost, by category; the categories add
up to the total exactly. Counters are there twice: of the measured region, and of the whole run.
"""


def numbers() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_counters(), *_categories(), *_prices(), *_costs()])


def _table(*columns: str) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)


def _counters() -> Iterator[str]:
    yield "## Counters\n"
    yield from _table("name", "unit", "meaning")
    for row in COUNTERS:
        by_key = " (by key)" if row.keyed else ""
        yield f"| `{row.name}`{by_key} | {row.unit} | {row.sentence} |"
    yield "\n`exits_by_reason` has these keys:\n"
    yield from _table("reason", "the hardware left the guest because of")
    for reason, sentence in EXIT_REASONS.items():
        yield f"| `{reason}` | {sentence} |"


def _categories() -> Iterator[str]:
    yield "\n## Categories of cycles\n"
    yield from _table("category", "cycles spent on")
    for category, sentence in CATEGORIES.items():
        yield f"| `{category}` | {sentence} |"


def _prices() -> Iterator[str]:
    yield "\n## Price lists\n"
    yield "A cost that ends in a dot is charged by key (`exit.` is `exit.csr` for the key `csr`).\n"
    yield from _table("mode", "category", "counter", "cost")
    for mode, lines in PRICES.items():
        for line in lines:
            yield f"| {mode} | {line.category} | `{line.counter}` | `{line.cost}` |"


def _costs() -> Iterator[str]:
    for name in PRESETS:
        yield f"\n## Costs: {name}\n"
        yield from _table("cost", "cycles", "per", "meaning", "source")
        for row in preset(name).rows:
            yield f"| `{row.name}` | {row.cycles} | {row.unit} | {row.sentence} | {row.source} |"
    yield ""


if __name__ == "__main__":
    NUMBERS.write_text(numbers(), "utf-8")
