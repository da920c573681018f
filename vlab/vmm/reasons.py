"""Names of the reasons for which a guest was left, as `vlab.counters.EXIT_REASONS` lists them."""

from __future__ import annotations

from functools import cache

from vlab.isa.decode import decode

BY_NAME = {"sret": "xret", "mret": "xret", "wfi": "wfi", "sfence.vma": "fence"}


@cache
def reason_of(bits: int) -> str:
    """Return the reason for an instruction that trapped as illegal."""
    decoded = decode(bits)
    if decoded is None:
        return "exception"
    if decoded.row.kind == "csr":
        return "csr"
    return BY_NAME.get(decoded.row.name, "exception")
