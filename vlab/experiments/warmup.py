"""Filling the cache of compiled code, so that a first run in front of a class is instant."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vlab.engines import object_cache


class Warmth(NamedTuple):
    """One thing that was made ready, and whether it had to be made."""

    name: str
    made: bool


def steps() -> dict[str, Callable[[], object]]:
    """Return what there is to make ready, by name."""
    from vlab.modes.compose import make_engine
    from vlab.modes.setup import CODE_CACHE
    from vlab.vmm.fullvirt_exits import FullVirtExits
    from vlab.vmm.paravirt_exits import ParaVirtExits

    def fonts() -> object:
        from matplotlib import font_manager

        return font_manager.fontManager

    return {
        "interpreter": lambda: make_engine("interpreter"),
        "translator": lambda: make_engine("translator"),
        "emulated translator": lambda: make_engine("translator", CODE_CACHE),
        "exits of fullvirt": FullVirtExits.code,
        "exits of paravirt": ParaVirtExits.code,
        "fonts of figures": fonts,
    }


def warmup() -> list[Warmth]:
    """Compile what later runs need and keep it in the user's cache directory.

    Returns
    -------
    list of Warmth
        What is ready now. Where the cache cannot be written every process compiles for itself.

    Examples
    --------
    >>> import vlab
    >>> _ = vlab.warmup()
    >>> any(step.made for step in vlab.warmup())
    False
    """
    from vlab import progress

    ready = []
    with progress.runs() as begin:
        todo = steps()
        for number, (name, make) in enumerate(todo.items()):
            if begin is not None:
                begin(number, len(todo), name)
            before = object_cache.made
            make()
            ready.append(Warmth(name, object_cache.made > before))
    return ready
