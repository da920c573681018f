"""Predictions: beside what was measured, with a verdict in words."""

from __future__ import annotations

import pytest

import vlab
from vlab.errors import ParameterError


@pytest.mark.parametrize(
    ("guess", "measured", "verdict"),
    [
        (None, 5, "nothing was written down"),
        (5, 5, "exactly right"),
        (10, 5, "too high by a factor of 2"),
        (5, 6, "too low by a factor of 1.2 (close)"),
        (0, 5, "off"),
        (0, 0, "exactly right"),
    ],
)
def test_the_verdict_is_in_words(guess, measured, verdict: str) -> None:
    """Nothing written down is no error, and a factor says how far off it was."""
    assert vlab.reveal(guess, measured)[0].verdict == verdict


def test_several_are_a_table() -> None:
    """Each measured number has a row, with or without a prediction."""
    table = vlab.reveal({"a<b": 1}, {"a<b": 1, "c": 2.5})
    assert [row.guess for row in table] == [1, None]
    assert "<td>a&lt;b</td>" in table._repr_html_()
    assert "c: predicted –, measured 2.5" in str(table)


@pytest.mark.parametrize(
    ("guess", "reason"),
    [({"b": 1}, "unknown prediction 'b'"), ({"a": "many"}, "must be a number"), (True, "number")],
)
def test_what_is_no_prediction_is_refused(guess, reason: str) -> None:
    """A name that was not measured, or a text, is said in one line."""
    with pytest.raises(ParameterError, match=reason):
        vlab.reveal(guess, {"a": 1})
