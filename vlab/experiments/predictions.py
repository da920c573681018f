"""Predictions: written down before an experiment, looked at again after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from vlab.errors import ParameterError, unknown

NEAR = 1.25
"""A prediction within this factor is a good one."""


@dataclass(frozen=True)
class Prediction:
    """One number that was predicted, and what was measured.

    Attributes
    ----------
    guess
        None if nothing was written down.
    """

    name: str
    guess: float | None
    measured: float

    @property
    def factor(self) -> float | None:
        """How far it is off, as a factor of 1 or more; None if that cannot be said."""
        if self.guess is None or self.guess * self.measured <= 0:
            return 1.0 if self.guess == self.measured else None
        return max(self.guess / self.measured, self.measured / self.guess)

    @property
    def verdict(self) -> str:
        """The comparison in words."""
        if self.guess is None:
            return "nothing was written down"
        if self.guess == self.measured:
            return "exactly right"
        if self.factor is None:
            return "off"
        word = "high" if self.guess > self.measured else "low"
        near = " (close)" if self.factor <= NEAR else ""
        return f"too {word} by a factor of {self.factor:.3g}{near}"


class Predictions(tuple[Prediction, ...]):
    """Predictions side by side with what was measured; a table in a notebook."""

    def __str__(self) -> str:
        rows = ((row, _text(row.guess), _text(row.measured)) for row in self)
        return "\n".join(
            f"{row.name}: predicted {guess}, measured {measured}: {row.verdict}"
            for row, guess, measured in rows
        )

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{escape(row.name)}</td><td>{_text(row.guess)}</td>"
            f"<td>{_text(row.measured)}</td><td>{row.verdict}</td></tr>"
            for row in self
        )
        head = "<tr><th></th><th>you predicted</th><th>measured</th><th></th></tr>"
        return f"<table>{head}{cells}</table>"


def reveal(
    guess: Mapping[str, float | None] | float | None, measured: Mapping[str, float] | float
) -> Predictions:
    """Put what was predicted beside what was measured.

    Parameters
    ----------
    guess
        A number, or numbers by name; None where nothing was written down.
    measured
        The same of what was measured.

    Examples
    --------
    >>> import vlab
    >>> print(vlab.reveal({"exits": 10}, {"exits": 20}))
    exits: predicted 10, measured 20: too low by a factor of 2
    """
    results = measured if isinstance(measured, Mapping) else {"the answer": measured}
    guesses = guess if isinstance(guess, Mapping) else dict.fromkeys(results, guess)
    for name, value in guesses.items():
        if name not in results:
            raise ParameterError(unknown("prediction", name, results))
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ParameterError(f"prediction {name!r}: {value!r}: must be a number or None")
    return Predictions(Prediction(name, guesses.get(name), n) for name, n in results.items())


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}"
