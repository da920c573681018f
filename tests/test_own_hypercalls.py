"""Hypercalls of one's own: methods of a monitor, called by number."""

from __future__ import annotations

import pytest

import vlab
from vlab.errors import ParameterError
from vlab.vmm.hypercalls import TABLE

PROGRAM = """
        li   a7, 64
        li   a0, 20
        li   a1, 22
        ecall                    # a0 = 42
        li   a7, 11              # HC_SHUTDOWN
        ecall
1:      j    1b
"""


class Adding(vlab.ParaVirt):
    """A monitor that adds for its guest."""

    @vlab.hypercall(64)
    def add(self, a: int, b: int) -> int:
        return a + b


def started(monitor: type | None, text: str = PROGRAM) -> vlab.Session:
    code = vlab.assemble(text).code
    return vlab.session(image=code, mode="paravirt", monitor=monitor, memory="4M")


def test_the_guest_gets_the_methods_result() -> None:
    """Arguments arrive from a0 on, the result is in a0, and the call is counted by its name."""
    session = started(Adding)
    assert session.run().detail == "exit 42"
    assert session.counters.hypercalls_by_name == {"add": 1, "shutdown": 1}
    assert session.counters.exits_by_reason["hypercall"] == 2


def test_without_it_there_is_no_such_hypercall() -> None:
    """The stock monitor answers -38, as the ABI says."""
    session = started(None)
    assert session.run().reason == "finished"
    assert "add" not in session.counters.hypercalls_by_name
    assert not vlab.ParaVirt.own_hypercalls


def test_a_subclass_inherits_and_overrides() -> None:
    """An override without the decorator stops being a hypercall; with it, it replaces."""

    class Doubling(Adding):
        @vlab.hypercall(64)
        def add(self, a: int, b: int) -> int:
            return 2 * (a + b)

    class Inheriting(Adding):
        pass

    assert started(Doubling).run().detail == "exit 84"
    assert started(Inheriting).run().detail == "exit 42"


def test_a_result_of_none_leaves_a0() -> None:
    """A hypercall that returns nothing changes no register."""

    class Silent(vlab.ParaVirt):
        @vlab.hypercall(64)
        def look(self) -> None:
            self.seen = self.hart.x[11]

    session = started(Silent)
    assert session.run().detail == "exit 20"
    assert session.mode.seen == 22


def test_one_number_is_one_hypercall() -> None:
    """Two methods cannot have the same number."""
    with pytest.raises(ParameterError, match="is both"):

        class Twice(Adding):
            @vlab.hypercall(64)
            def other(self) -> int:
                return 0


@pytest.mark.parametrize("number", [0, len(TABLE) - 1, -1, 1 << 16, "64"])
def test_a_number_that_is_taken_or_none_is_refused(number: object) -> None:
    """The ABI's own numbers cannot be redefined this way."""
    with pytest.raises(ParameterError, match="free are"):
        vlab.hypercall(number)  # type: ignore[arg-type]


def test_too_many_arguments_are_refused() -> None:
    """A hypercall has the four argument registers."""
    with pytest.raises(ParameterError, match="up to 4"):
        vlab.hypercall(64)(lambda self, a, b, c, d, e: 0)


def test_the_ported_kernel_runs_under_it() -> None:
    """The stock hypercalls are as before."""
    stock, own = (vlab.run("ptemod", "paravirt", monitor=m, rounds=2) for m in (None, Adding))
    assert own.counters == stock.counters
