"""The interpreter's loads that follow a chain of pointers, as LLVM IR text.

A load into the register with its address gives the next one's address. That one waits for what is
loaded, and the load for what leads from its page to the host's memory. Pages often lie in a row
in memory, and then that is what it was last time: it is compared, and what it was is used. The
processor, which predicts the branch, so loads before it has looked the address up, and a chain of
pointers is no chain of lookups. A load for which that fails often goes on as any other does.
"""

from __future__ import annotations

from vlab.engines.handlers import access_with, by_walk, lookup, virtual_address
from vlab.engines.ir_text import define, operand, tail
from vlab.engines.lowering import Module
from vlab.isa.table import BY_NAME
from vlab.state import LAYOUT

LD = BY_NAME["ld"]

TRIES = 48
"""Failures with which a load gives up; they are counted in the slot's byte for ``rs2``, which no
load has and which begins with some bits of the immediate, 31 at most."""


def generate(module: Module) -> str:
    """Return the two handlers: where the lookup is hit, and where it is missed."""
    where = expected() + access_with(module, LD, "%expected")
    slow = by_walk(module, LD, where, f"slow.{LD.index}")
    fast = virtual_address(LD) + lookup(0, LD.width) + where + "slow:\n" + tail("@follow_slow")
    return define("follow", fast) + define("follow_slow", slow, "noinline cold")


def expected() -> str:
    """Return lines that name the ``%addend`` again, as ``%expected``, most likely from last time.

    (The second load is volatile, or LLVM would see that it can use either for both.)
    """
    return f"""  %before.p = getelementptr i64, ptr %hart, i64 {LAYOUT["near"][0]}
  %before = load i64, ptr %before.p
  %same = icmp eq i64 %before, %addend
  br i1 %same, label %as_before, label %other, !prof !1
as_before:
  %again = load volatile i64, ptr %before.p
  br label %load
other:
  store i64 %addend, ptr %before.p
{operand("tries", 10)}  %more = add i8 %tries.b, 1
  store i8 %more, ptr %tries.s
  %enough = icmp uge i8 %more, {TRIES}
  br i1 %enough, label %give_up, label %load
give_up:
  store ptr @op.{LD.index}, ptr %slot
  br label %load
load:
  %expected = phi i64 [ %again, %as_before ], [ %addend, %other ], [ %addend, %give_up ]
"""
