"""Counters: one list, derived totals, regions by subtraction."""

from __future__ import annotations

import json

from hypothesis import given
from strategies import counters

from vlab.counters import COUNTERS, EXIT_REASONS, STORED, Counters


@given(counters(), counters())
def test_a_region_is_end_minus_begin(begin: Counters, work: Counters) -> None:
    """What was added between two points is what their difference says, for every counter."""
    region = ((begin + work) - begin).to_dict()
    for name, value in work.to_dict().items():
        expected = {k: n for k, n in value.items() if n} if isinstance(value, dict) else value
        assert region[name] == expected, name


@given(counters())
def test_a_copy_is_independent(original: Counters) -> None:
    """Adding to a copy leaves the original alone."""
    before = original.to_dict()
    copy = original.copy()
    copy.loads += 1
    copy.exits_by_reason["mmio"] += 1
    assert original.to_dict() == before


@given(counters())
def test_totals_are_sums_of_their_parts(c: Counters) -> None:
    """Every total of the list is derived from what was counted, never counted itself."""
    assert c.exits == sum(c.exits_by_reason.values())
    assert c.hypercalls == sum(c.hypercalls_by_name.values())
    assert c.mmio_accesses == sum(c.mmio_by_device.values())
    assert c.retired == c.retired_user + c.retired_kernel
    assert c.tlb_hits + c.tlb_misses == c.tlb_accesses
    assert not {row.name for row in COUNTERS if row.derived} & set(STORED)


@given(counters())
def test_to_dict_survives_json(c: Counters) -> None:
    """What a result file holds gives the same counters back."""
    assert Counters.from_dict(json.loads(json.dumps(c.to_dict()))).to_dict() == c.to_dict()


def test_every_counter_says_what_it_means() -> None:
    """Each row has a unit and one sentence, and no name occurs twice."""
    assert len({row.name for row in COUNTERS}) == len(COUNTERS)
    for row in COUNTERS:
        assert row.unit, row
        assert row.sentence.endswith("."), row
        assert row.sentence[0].isupper(), row
    assert all(EXIT_REASONS.values())


def test_the_keys_that_results_promise_are_there() -> None:
    """The names that the command line's JSON promises are counters."""
    promised = (
        "exits exits_by_reason traps_by_cause hypercalls_by_name mmio_by_device "
        "interrupts_by_source syscalls tlb_hits tlb_misses walk_references shadow_fills"
    )
    assert set(promised.split()) <= set(Counters().to_dict())
