"""Walks that engines remember: nothing that tables, stores, or other spaces do makes them wrong."""

from __future__ import annotations

import pytest
from table_churn import run

GROUPS, SEEDS = 8, 16


@pytest.mark.parametrize("group", range(GROUPS))
def test_tables_that_change_under_a_loop(group: int) -> None:
    """Engines agree on loops whose page tables, address space and code change under them."""
    outcomes = [run(seed, 6000) for seed in range(group * SEEDS, (group + 1) * SEEDS)]
    assert sum(outcome.again for outcome in outcomes) > 500
    assert sum(outcome.faults for outcome in outcomes) > 500
    assert sum(outcome.misses for outcome in outcomes) > 1000
