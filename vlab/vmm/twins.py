"""Handlers that have twins in machine code, and when those stand in for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., None])


def twin(handler: Handler) -> Handler:
    """Let the twin of a monitor's handler do its work when a subclass calls the stock one.

    An overriding handler that ends in ``super().on_ecall()`` then costs its own calls only. The
    twin is used while it holds: in a run that machine code serves, for the exit that is being
    served. Otherwise the decorated method itself runs, with the same result.
    """
    name = handler.__name__

    @wraps(handler)
    def stock(self: Any, *arguments: Any) -> None:
        compiled = self.compiled
        if compiled is None or not compiled.carry_out(name, arguments):
            handler(self, *arguments)

    return stock  # type: ignore[return-value]
