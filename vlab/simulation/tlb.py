"""A model of the TLB: the same geometry and replacement, driven with pages instead of accesses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PAGE = 4096
CODE_PAGE, DATA_PAGE = 0x100000, 0x200000
"""Virtual page numbers of the loop's code and of the data: only their sets matter."""

SEED = 88172645463325252
"""Of the guest's random numbers (``guests/user/memwalk.c``)."""

EXACT_SLOTS = 8192
"""Longest random chain that is followed slot by slot."""

SIMULATED_ROUNDS, PERIOD = 24, 12
"""Rounds that are followed, and how many of the last stand for all that come after.

FIFO does not settle to all misses when a cycle of pages exceeds a set: hits do not renew an entry,
so which pages hit goes round in a cycle that depends on what the TLB held before.
"""


class Tlb:
    """Set-associative, FIFO in each set, as `vlab.isa.mmu` has it."""

    def __init__(self, entries: int = 64, ways: int = 4) -> None:
        self.sets, self.ways = entries // ways, ways
        self.contents: list[list[int]] = [[] for _ in range(self.sets)]

    def access(self, page: int) -> bool:
        """Look a page up and return whether it missed; a miss enters it."""
        held = self.contents[page % self.sets]
        if page in held:
            return False
        if len(held) == self.ways:
            held.pop(0)
        held.append(page)
        return True


def misses_of(tlb: Tlb, pages: Iterable[int]) -> int:
    """Return the misses of a loop that touches these pages, one after the other.

    The loop's own page is needed between any two: FIFO evicts it now and then.
    """
    count = 0
    for page in pages:
        if tlb.access(page):
            count += 1 + tlb.access(CODE_PAGE)
    return count


def random_order(slots: int) -> list[int]:
    """Return the order in which the guest's shuffled chain visits its slots (Sattolo 1986)."""
    mask, state = (1 << 64) - 1, SEED
    chain = list(range(slots))
    for i in range(slots - 1, 0, -1):
        state ^= state << 13 & mask
        state ^= state >> 7
        state ^= state << 17 & mask
        j = state % i
        chain[i], chain[j] = chain[j], chain[i]
    order, at = [], 0
    for _ in range(slots):
        at = chain[at]
        order.append(at)
    return order


def chain_misses(tlb: Tlb, slots: int, params: Mapping[str, int]) -> int:
    """Return the misses of following a chain of so many slots, ``rounds`` times around.

    A chain in order touches each page once a round. A shuffled one is followed as it is, or,
    if it is long, by its expectation: every step is to a page drawn at random.
    """
    stride, rounds = max(8, params["stride"] & ~7), params["rounds"]
    if params["random"] and slots > EXACT_SLOTS:
        held = min(1.0, tlb.sets * tlb.ways / params["pages"])
        return round(slots * rounds * (1 - held))
    upward = [DATA_PAGE + page for page in range(params["pages"])]
    downward = upward[::-1]
    misses_of(tlb, upward)  # the program fills its memory from below,
    misses_of(tlb, downward)  # and makes the chain from above
    if params["random"]:
        around = [DATA_PAGE + slot * stride // PAGE for slot in random_order(slots)]
    else:
        around = downward
    counts = [misses_of(tlb, around) for _ in range(min(rounds, SIMULATED_ROUNDS))]
    rest = rounds - len(counts)
    return sum(counts) + round(rest * sum(counts[-PERIOD:]) / PERIOD)
