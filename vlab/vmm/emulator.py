"""Emulation of one instruction on a virtual CPU.

This is the whole of "a monitor is an emulator applied only to the instructions that trap":
the executor of a row, which the hardware applies to the physical hart, is applied to the
virtual CPU's record, whose memory is guest-physical and whose tables are the guest's own.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType

from vlab.engines.semantics import SINK, executor
from vlab.isa.decode import decode
from vlab.isa.execute import fetch, illegal, raise_trap
from vlab.isa.mmu import tlb_drop
from vlab.isa.table import Instruction
from vlab.state import Hart


@cache
def _executor(row: Instruction) -> FunctionType:
    return executor(row)


def fetch_bits(vcpu: Hart) -> int:
    """Fetch the instruction at ``pc`` through the guest's own tables; 0 if that faults."""
    forget(vcpu)
    bits = fetch(vcpu)
    return 0 if vcpu.fault else bits


def forget(vcpu: Hart) -> None:
    """Drop the emulator's last translation: it never uses a stale one."""
    if vcpu.tlb_tag[0] != 0:
        tlb_drop(vcpu, 0)


def emulate(vcpu: Hart, bits: int = 0) -> int:
    """Emulate the instruction at ``pc``: `CONTINUE`, or `EXIT` with a reason as in an engine.

    Parameters
    ----------
    bits
        The instruction where the hardware has told it (``stval`` of an illegal-instruction
        exception); 0: it is fetched.
    """
    if bits == 0:
        bits = fetch_bits(vcpu)
        if vcpu.fault != 0:
            return raise_trap(vcpu, vcpu.fault, vcpu.fault_address)
    forget(vcpu)
    vcpu.bits = bits
    decoded = decode(bits)
    if decoded is None:
        return illegal(vcpu)
    vcpu.length = decoded.length
    execute = _executor(decoded.row)
    return execute(vcpu, decoded.rd or SINK, decoded.rs1, decoded.rs2, decoded.imm)
