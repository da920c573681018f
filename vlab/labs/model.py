"""Lab 7: the student models a program's behaviour, and its TLB misses ever better.

The student writes, for the workload ``memwalk`` (a chain of pointers through memory)::

    first_misses(pages, rounds, entries)                          -> TLB misses, a first guess
    class Tlb: __init__(self, entries, ways), access(self, page)  -> whether it hit
    misses(order, stride, rounds, entries, ways, code, data)      -> TLB misses, better
    operations(params, misses)                                    -> list of (operation, count)

``order`` holds the numbers of the slots in the order in which the chain visits them; slot ``i``
lies ``i * stride`` bytes behind the page number ``data``, and the loop's code in page ``code``.
The operations drive ``simulate`` in the place of the stock behaviour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import vlab
from vlab.labs.answers import WrongAnswer
from vlab.simulation import behaviours
from vlab.simulation.behaviours import Operation
from vlab.simulation.tlb import CODE_PAGE, DATA_PAGE, Tlb, random_order

PAGE = 4096
WORKLOAD = "memwalk"
GEOMETRY = {"tlb_entries": 64, "tlb_ways": 4}


def order_of(params: Mapping[str, int]) -> list[int]:
    """Return the slots in the order in which the chain visits them (``guests/user/memwalk.c``)."""
    slots = params["pages"] * PAGE // params["stride"]
    return random_order(slots) if params.get("random") else list(range(slots - 1, -1, -1))


def ask_misses(student: Any, params: Mapping[str, int], geometry: Mapping[str, int]) -> int:
    """Ask for the misses of a run."""
    tlb = {**GEOMETRY, **geometry}
    answer = student.misses(
        order_of(params), params["stride"], params["rounds"], tlb["tlb_entries"], tlb["tlb_ways"],
        CODE_PAGE, DATA_PAGE,
    )  # fmt: skip
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        raise WrongAnswer(said(params, tlb), "a number of misses", repr(answer)[:200], "misses")
    return round(answer)


def said(params: Mapping[str, int], geometry: Mapping[str, int]) -> str:
    """Return a run as text."""
    kind = "random" if params.get("random") else "in order"
    return (
        f"memwalk over {params['pages']} pages, stride {params['stride']}, {params['rounds']} "
        f"rounds, {kind}, TLB of {geometry['tlb_entries']} entries in {geometry['tlb_ways']} ways"
    )


def hint(params: Mapping[str, int], geometry: Mapping[str, int], answer: int) -> str:
    """Return what a prediction leaves out, if it is one of the usual things."""
    order, stride, rounds = order_of(params), params["stride"], params["rounds"]
    entries, ways = ({**GEOMETRY, **geometry}[name] for name in ("tlb_entries", "tlb_ways"))
    for text, code, warm, times in (
        ("a model in which the loop's own page is never fetched", False, True, rounds),
        ("a model whose TLB is empty when the region begins", True, False, rounds),
        ("a model of one round", True, True, 1),
    ):
        tlb = Tlb(entries, ways)
        visits = [
            *range(len(order)),
            *(i for n in range(len(order) - 1, 0, -1) for i in (n, n - 1)),
        ]
        missed = 0
        for n, slot in enumerate((visits if warm else []) + order * times):
            missing = (code and tlb.access(CODE_PAGE)) + tlb.access(
                DATA_PAGE + slot * stride // PAGE
            )
            missed += missing if n >= len(visits) * warm else 0
        if missed == answer:
            return f" ({answer:,} is what {text} predicts)"
    return ""


def measured(
    params: Mapping[str, int], geometry: Mapping[str, int], mode: str = "native"
) -> vlab.Result:
    """Run the program and count."""
    return vlab.run(WORKLOAD, mode, set=dict(geometry), **params)


@contextmanager
def behaving(student: Any, geometry: Mapping[str, int]) -> Iterator[None]:
    """Let ``simulate`` use the student's behaviour of the program."""
    stock = behaviours.BEHAVIOURS[WORKLOAD]

    def behave(params: Any, tlb: Any) -> Iterator[Operation]:
        count = ask_misses(student, params, geometry)
        answer = student.operations(dict(params), count)
        try:
            yield from [Operation(str(name), int(n)) for name, n in answer]
        except (TypeError, ValueError):
            expected, seen = "a list of (operation, count)", repr(answer)[:200]
            raise WrongAnswer(f"operations({params})", expected, seen, "operations") from None

    behaviours.BEHAVIOURS[WORKLOAD] = behave
    try:
        yield
    finally:
        behaviours.BEHAVIOURS[WORKLOAD] = stock


def predicted(
    student: Any, params: Mapping[str, int], geometry: Mapping[str, int], of: str = "native"
) -> vlab.Result:
    """Simulate the program with the student's behaviour of it."""
    with behaving(student, geometry):
        return vlab.run(WORKLOAD, "simulate", of=of, set=dict(geometry), **params)


def error(predicted: float, measured: float) -> float:
    """Return a relative error in percent; counts below a hundred are taken for a hundred."""
    return 100 * abs(predicted - measured) / max(measured, 100)
