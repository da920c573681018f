"""Operations that Python code of the engines names and machine code carries out.

How each is emitted is told in `vlab.engines.intrinsics`, which only what compiles needs.
"""

from __future__ import annotations

from vlab.state import Hart


def _machine_code_only(*_: object) -> int:
    raise NotImplementedError("only machine code can do this")


def peek16(address: int) -> int:
    """Return 16 bits of host memory."""
    return _machine_code_only(address)


def peek32(address: int) -> int:
    """Return 32 bits of host memory."""
    return _machine_code_only(address)


def peek64(address: int) -> int:
    """Return 64 bits of host memory."""
    return _machine_code_only(address)


def poke64(address: int, value: int) -> None:
    """Write 64 bits of host memory."""
    _machine_code_only(address, value)


def poke32(address: int, value: int) -> None:
    """Write 32 bits of host memory."""
    _machine_code_only(address, value)


def sync_code(begin: int, end: int) -> None:
    """Have the processor fetch what was written there: of most, caches of code see no stores."""
    _machine_code_only(begin, end)


def handler_address(hart: Hart, index: int) -> int:
    """Return the address of a handler that belongs to no row."""
    return _machine_code_only(hart, index)


def execute_row(hart: Hart, row: int, rd: int, rs1: int, rs2: int, imm: int) -> int:
    """Call the executor of a row."""
    return _machine_code_only(hart, row, rd, rs1, rs2, imm)
