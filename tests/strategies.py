"""Hypothesis strategies that several tests share."""

from __future__ import annotations

from hypothesis import strategies as st

from vlab.counters import COUNTERS, Counters, Tally

NUMBERS = st.integers(0, 1 << 40)
KEYS = st.dictionaries(st.sampled_from(["csr", "mmio", "odd"]), NUMBERS)


@st.composite
def counters(draw: st.DrawFn) -> Counters:
    result = Counters()
    for row in COUNTERS:
        if not row.derived:
            value = Tally(draw(KEYS)) if row.keyed else draw(NUMBERS)
            setattr(result, row.name, value)
    return result
