"""Emulation of one instruction on a virtual CPU.

This is the whole of "a monitor is an emulator applied only to the instructions that trap":
the executor of a row, which the hardware applies to the physical hart, is applied to the
virtual CPU's record, whose memory is guest-physical and whose tables are the guest's own.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType

from vlab.engines.semantics import SINK, executor
from vlab.isa.decode import Decoded, decode
from vlab.isa.execute import fetch, illegal, raise_trap
from vlab.isa.mmu import tlb_drop
from vlab.isa.table import Instruction
from vlab.state import Hart


@cache
def _executor(row: Instruction) -> FunctionType:
    return executor(row)


def fetch_decoded(vcpu: Hart) -> Decoded | None:
    """Fetch and decode the instruction at the virtual CPU's ``pc`` through its own tables.

    None if the fetch faults (``fault`` is set) or the instruction is illegal.
    """
    if vcpu.tlb_tag[0] != 0:
        tlb_drop(vcpu, 0)  # no stale translation: an emulator without a TLB
    bits = fetch(vcpu)
    if vcpu.fault != 0:
        return None
    vcpu.bits = bits
    return decode(bits)


def emulate(vcpu: Hart) -> int:
    """Emulate the instruction at ``pc``: `CONTINUE`, or `EXIT` with a reason as in an engine."""
    decoded = fetch_decoded(vcpu)
    if decoded is None:
        if vcpu.fault != 0:
            return raise_trap(vcpu, vcpu.fault, vcpu.fault_address)
        return illegal(vcpu)
    if vcpu.tlb_tag[0] != 0:
        tlb_drop(vcpu, 0)
    execute = _executor(decoded.row)
    return execute(vcpu, decoded.rd or SINK, decoded.rs1, decoded.rs2, decoded.imm)
