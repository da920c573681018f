"""The state of a hart's record: all that a guest or a counter can see, by name.

What an engine keeps for itself (caches, host addresses, scratch words) is left out and built
anew; so a saved state holds for every engine. Restored words index arrays in machine code,
so those that do are checked.
"""

from __future__ import annotations

import numpy as np

from vlab.errors import SnapshotError
from vlab.isa.fields import (
    MASK64,
    MPP_SHIFT,
    MSTATUS_WRITABLE,
    SATP_ASID,
    XL_64,
    M,
    S,
    U,
)
from vlab.isa.mmu import update_regime
from vlab.isa.physical import clear_fast
from vlab.isa.pmp import PMP_ENTRIES, pmp_update
from vlab.state import FIELDS, LAYOUT, Hart

_ORDER = [name for name, _, _ in FIELDS]


def _between(first: str, last: str) -> list[str]:
    return _ORDER[_ORDER.index(first) : _ORDER.index(last) + 1]


WORDS = (*_between("x", "time_fresh"), *_between("loads", "user_ecalls"), "tlb_levels")
TLB = ("tlb_tag", "tlb_asid", "tlb_pte")
GEOMETRY = ("tlb_sets", "tlb_ways", "tlb_asid_mask")
PRIVILEGES = (U, S, M)
OF_ITS_EMULATOR = ("x", "tlb_misses", "walks", "walk_references")
"""Of a virtual CPU that shares its registers: words that only whatever emulates for it uses."""
AMPLE = 1 << 62
"""Budget of a record that no engine runs."""


def save(hart: Hart, without: tuple[str, ...] = ()) -> dict[str, bytes | int]:
    """Return a record's state as plain data; words ``without`` meaning are zeros in it."""
    entries = hart.tlb_sets * hart.tlb_ways
    state: dict[str, bytes | int] = {"retired": (hart.limit - hart.budget) & MASK64}
    for name in WORDS:
        count = LAYOUT[name][1]
        state[name] = bytes(8 * count) if name in without else _bytes(hart, name, count)
    for name in TLB:
        state[name] = _bytes(hart, name, entries)
    state["tlb_next"] = _bytes(hart, "tlb_next", hart.tlb_sets)
    for name in GEOMETRY:
        state[name] = getattr(hart, name)
    return state


def _bytes(hart: Hart, name: str, count: int) -> bytes:
    first = LAYOUT[name][0]
    return hart.words[first : first + count].tobytes()


def restore(hart: Hart, state: dict[str, bytes | int], budget: int = AMPLE) -> None:
    """Put a record into a saved state; ``budget`` is what an engine may still run of a slice."""
    check(hart, state)
    for name in (*WORDS, *TLB, "tlb_next"):
        data = state[name]
        assert isinstance(data, bytes)
        first = LAYOUT[name][0]
        hart.words[first : first + len(data) // 8] = memoryview(data).cast(hart.words.format)
    retired = state["retired"]
    assert isinstance(retired, int)
    hart.budget, hart.limit = budget, retired + budget
    hart.length = hart.fault = 0
    pmp_update(hart)
    clear_fast(hart)
    hart.fast_used = 0
    update_regime(hart)


def check(hart: Hart, state: dict[str, bytes | int]) -> None:
    """Raise `SnapshotError` unless a state is one that this record can be in."""
    expected = save(hart)
    if set(state) != set(expected):
        raise SnapshotError("a hart's state has other words than this version's")
    for name, now in expected.items():
        value = state[name]
        if type(value) is not type(now):
            raise SnapshotError(f"hart, {name}: {type(value).__name__} is not what it holds")
        if name in GEOMETRY and value != now:
            raise SnapshotError(f"hart, {name}: {value}, but this machine has {now}")
        if isinstance(value, bytes) and isinstance(now, bytes) and len(value) != len(now):
            raise SnapshotError(f"hart, {name}: {len(value)} bytes, must be {len(now)}")
    retired = state["retired"]
    if not isinstance(retired, int) or not 0 <= retired <= MASK64:
        raise SnapshotError(f"hart, retired: {retired}: must be a word")
    words = {k: np.frombuffer(v, np.uint64) for k, v in state.items() if isinstance(v, bytes)}
    _check_values(hart, words)


def _check_values(hart: Hart, words: dict[str, np.ndarray]) -> None:
    def require(holds: bool, what: str) -> None:
        if not holds:
            raise SnapshotError(f"hart, {what}: no hart can be in this state")

    status, satp = int(words["mstatus"][0]), int(words["satp"][0])
    require(int(words["priv"][0]) in PRIVILEGES, "priv")
    require(not status & ~(MSTATUS_WRITABLE | XL_64) and status >> MPP_SHIFT & 3 != 2, "mstatus")
    require(satp >> 60 in (0, 8), "satp")
    require((satp & SATP_ASID) >> 44 <= hart.tlb_asid_mask, "satp")
    tags = words["tlb_tag"]
    valid = tags[tags != 0]
    levels = valid >> np.uint64(1) & np.uint64(3)
    require(bool(np.all(valid & np.uint64(0xFF9) == 1)) and bool(np.all(levels < 3)), "tlb_tag")
    counted = [int(np.sum(levels == n)) for n in range(3)]
    require(words["tlb_levels"].tolist() == counted, "tlb_levels")
    require(bool(np.all(words["tlb_next"] < hart.tlb_ways)), "tlb_next")
    require(int(words["pmp_count"][0]) <= PMP_ENTRIES, "pmp_count")
