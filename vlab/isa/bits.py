"""Helpers of instruction meanings: what Python's integers and a 64-bit machine do differently."""

from __future__ import annotations

MASK64 = (1 << 64) - 1
MIN64 = 1 << 63


def signed(x: int) -> int:
    """Return a 64-bit word as a two's-complement number: for comparisons and ``>>``."""
    return x - (1 << 64) if x >> 63 else x


def sext(x: int, width: int) -> int:
    """Return the low ``width`` bits of ``x`` sign-extended to a 64-bit word."""
    x &= (1 << width) - 1
    return x | (MASK64 ^ ((1 << width) - 1)) if x >> (width - 1) else x


def quotient(a: int, b: int) -> int:
    """Return the signed quotient of two words, rounded towards zero (by 1 if ``b`` is 0)."""
    x, y = signed(a), signed(b) or 1
    q = abs(x) // abs(y)
    return (q if (x < 0) == (y < 0) else -q) & MASK64


def remainder(a: int, b: int) -> int:
    """Return the signed remainder of two words, with the dividend's sign (by 1 if ``b`` is 0)."""
    x, y = signed(a), signed(b) or 1
    r = abs(x) % abs(y)
    return (-r if x < 0 else r) & MASK64


def uquotient(a: int, b: int) -> int:
    """Return the unsigned quotient of two words (by 1 if ``b`` is 0)."""
    return a // (b or 1)


def uremainder(a: int, b: int) -> int:
    """Return the unsigned remainder of two words (by 1 if ``b`` is 0)."""
    return a % (b or 1)


def mul_high_ss(a: int, b: int) -> int:
    """Return the high 64 bits of the signed product."""
    return signed(a) * signed(b) >> 64 & MASK64


def mul_high_su(a: int, b: int) -> int:
    """Return the high 64 bits of signed ``a`` times unsigned ``b``."""
    return signed(a) * b >> 64 & MASK64


def mul_high_uu(a: int, b: int) -> int:
    """Return the high 64 bits of the unsigned product."""
    return a * b >> 64
