"""Costs: categories add up, pricing is linear, every figure has a source."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import counters

from vlab.costs import CATEGORIES, PRICES, Rates, preset, price
from vlab.counters import COUNTERS, EXIT_REASONS, Counters, Tally
from vlab.errors import CostError, ModeError
from vlab.presets import COSTS, PRESETS

MODES = st.sampled_from(sorted(PRICES))
TABLES = st.sampled_from(sorted(PRESETS))


@given(counters(), MODES, TABLES)
def test_categories_add_up_to_the_total_exactly(c: Counters, mode: str, table: str) -> None:
    """The total is the sum of the categories, in whole cycles."""
    cycles = price(c, preset(table), mode)
    assert set(cycles.by_category) == set(CATEGORIES)
    assert all(isinstance(n, int) for n in cycles.by_category.values())
    as_dict = cycles.to_dict()
    assert as_dict["total"] == sum(as_dict["by_category"].values())


@given(counters(), counters(), MODES)
def test_pricing_is_linear(a: Counters, b: Counters, mode: str) -> None:
    """The price of two stretches is the sum of their prices, category by category."""
    costs = preset("teaching")
    parts = price(a, costs, mode).by_category, price(b, costs, mode).by_category
    for category, cycles in price(a + b, costs, mode).by_category.items():
        assert cycles == parts[0][category] + parts[1][category]


@settings(max_examples=50)
@given(counters(), MODES, TABLES)
def test_rates_agree_with_price(c: Counters, mode: str, table: str) -> None:
    """A clock driven by rates while the guest runs shows what pricing says afterwards."""
    rates = Rates(preset(table), mode)
    clock = 0
    for row in COUNTERS:
        value = getattr(c, row.name)
        if row.keyed:
            clock += sum(n * rates.of(row.name, key) for key, n in value.items())
        else:
            clock += value * rates[row.name]
    assert clock == price(c, preset(table), mode).total


def test_prices_name_counters_and_costs_that_exist() -> None:
    """Every line of every price list can be charged from every preset."""
    keyed = {row.name: row.keyed for row in COUNTERS}
    for lines in PRICES.values():
        for line in lines:
            assert line.category in CATEGORIES
            assert keyed[line.counter] == line.cost.endswith("."), line
            for table in PRESETS.values():
                assert (line.cost + "other" if keyed[line.counter] else line.cost) in table


def test_every_figure_has_a_source() -> None:
    """Each preset has exactly the costs of the list, and says where each comes from."""
    origins = ("assumed", "derived", "published", "second hand", "calibrated")
    for table in PRESETS.values():
        assert set(table) == set(COSTS)
        for cycles, source in table.values():
            assert cycles >= 0
            assert source.startswith(origins), source


def test_every_exit_reason_has_a_price() -> None:
    """A reason for an exit that the list names is priced by name, not as `other`."""
    handled = {name.removeprefix("exit.") for name in COSTS if name.startswith("exit.")}
    assert set(EXIT_REASONS) - handled == {"hypercall"}  # a paravirtual guest's: pv_exit


def test_an_unknown_key_costs_what_other_costs() -> None:
    """A reason that a student's monitor invents is charged as `other`."""
    c = Counters(exits_by_reason=Tally(invented=2))
    costs = preset("teaching")
    assert price(c, costs, "fullvirt").by_category["monitor"] == 2 * costs["exit.other"]


def test_what_if() -> None:
    """A changed figure changes the price by exactly its count, and the table says so."""
    c = Counters(exits_by_reason=Tally(csr=10))
    costs = preset("teaching")
    cheaper = costs.replace(exit=costs["exit"] - 1, exit__csr=costs["exit.csr"] - 2)
    assert price(c, costs, "fullvirt").total - price(c, cheaper, "fullvirt").total == 30
    assert {row.source for row in cheaper.rows if row.name in ("exit", "exit.csr")} == {
        "set by hand"
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: preset("xeon2006"), "did you mean 'xeon-2006'"),
        (lambda: preset("teaching")["exits"], "did you mean 'exit'"),
        (lambda: preset("teaching").replace(exit=-1), "exit=-1: must be a whole number"),
        (lambda: preset("teaching").replace(exit=1.5), "must be a whole number"),
    ],
)
def test_wrong_tables_are_refused(wrong, message: str) -> None:
    """A table, a cost or a figure that cannot be is refused in one line."""
    with pytest.raises(CostError, match=message) as error:
        wrong()
    assert "\n" not in str(error.value)


def test_an_unknown_mode_has_no_price() -> None:
    """Pricing asks for one of the techniques."""
    with pytest.raises(ModeError, match="did you mean 'fullvirt'"):
        price(Counters(), preset(), "fulvirt")
