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


def refill_apart(hart: Hart, va: int, page: int, lookup: int, access: int, walked: int) -> int:
    """Call `vlab.engines.code_cache.refill`, which saves all registers itself."""
    return _machine_code_only(hart, va, page, lookup, access, walked)


def word_address(hart: Hart, word: int) -> int:
    """Return the host address of a word of the record."""
    return _machine_code_only(hart, word)


def in_register(value: int) -> int:
    """Return a value, which LLVM is to have in a register rather than in many addresses' parts."""
    return _machine_code_only(value)


def no_status(value: int) -> int:
    """Return a value, of which LLVM may take that it is neither 0 nor 1."""
    return _machine_code_only(value)


def unlikely(condition: bool) -> bool:
    """Return a condition, whose way LLVM is to put aside."""
    return _machine_code_only(condition) != 0
