"""Charts of one's own numbers: labelled, legible, and said in words."""

from __future__ import annotations

import pytest

from vlab.errors import ParameterError
from vlab.figures import bars, curves


def overlaps(texts) -> bool:
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    return any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[n + 1 :])


def test_bars_are_labelled_with_their_numbers() -> None:
    """Each bar has its name and number, and the alternative text has them all."""
    figure = bars({"native": 1, "mine": 12345.678}, "It is slow", "cycles", guess={"mine": 9})
    ax = figure.axes[0]
    assert [t.get_text() for t in ax.texts] == ["1", "1.235e+04"]
    assert figure.alt == "It is slow. cycles: native 1; mine 1.235e+04."
    assert figure.legends


def test_without_a_prediction_there_is_no_legend() -> None:
    """A prediction that was not made is not drawn."""
    assert not bars({"a": 1}, "T", "u", guess={"a": None}).legends


def test_names_at_the_ends_of_curves_do_not_overlap() -> None:
    """Lines that end at the same height are named above each other."""
    figure = curves([1, 2, 4], {n: [3, 2, 1] for n in "abc"}, "T", "x", "y", log_x=True)
    figure.canvas.draw()
    assert [t.get_text() for t in figure.axes[0].texts] == ["a", "b", "c"]
    assert not overlaps(figure.axes[0].texts)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: bars({}, "T", "u"), "at least one"),
        (lambda: bars({"a": 0}, "T", "u", log=True), "above 0"),
        (lambda: curves([1, 2], {"a": [1]}, "T", "x", "y"), "'a': must have 2 values"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, reason: str) -> None:
    """Too few values, or none that a logarithm has, are said in one line."""
    with pytest.raises(ParameterError, match=reason):
        call()
