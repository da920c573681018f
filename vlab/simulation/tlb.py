"""A model of the TLB: the same geometry and replacement, driven with pages instead of accesses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

PAGE = 4096
CODE_PAGE, DATA_PAGE = 0x100000, 0x120000
"""Virtual page numbers of the loop's code and of the data (``guests/kernel/param.h``)."""

SEED = 88172645463325252
"""Of the guest's random numbers (``guests/user/memwalk.c``)."""

EXACT_SLOTS = 8192
"""Longest random chain that is followed slot by slot."""

FOLLOWED = 40_000
"""Accesses up to which rounds are followed; what comes after is like the last of them.

FIFO does not settle to all misses when a cycle of pages exceeds a set: hits do not renew an entry,
so which pages hit goes round in a cycle that depends on what the TLB held before.
"""

Touch = Sequence[int]
"""Page number, its level, and by how much the number grows from one page fault to the next."""


class Tlb:
    """Set-associative, FIFO in each set, as `vlab.isa.mmu` has it.

    Parameters
    ----------
    faulting
        What else is translated at a page's first touch: the kernel's pages, which the
        technique maps by gigapages or by pages.
    """

    def __init__(self, entries: int = 64, ways: int = 4, faulting: Sequence[Touch] = ()) -> None:
        self.sets, self.ways, self.faulting = entries // ways, ways, faulting
        self.contents: list[list[tuple[int, int]]] = [[] for _ in range(self.sets)]

    def access(self, page: int, level: int = 0) -> bool:
        """Look a page up and return whether it missed; a miss enters it."""
        held = self.contents[page % self.sets]
        if (page, level) in held:
            return False
        if len(held) == self.ways:
            held.pop(0)
        held.append((page, level))
        return True

    def fault(self, n: int) -> None:
        """Serve the ``n``-th page fault."""
        for page, level, step in self.faulting:
            self.access(page + n * step, level)

    def shares_way(self, page: int) -> bool:
        """Return whether a page and the loop's code evict each other at every access."""
        return self.ways == 1 and page % self.sets == CODE_PAGE % self.sets


def misses_of(tlb: Tlb, pages: Iterable[int], accesses: float = 1) -> float:
    """Return the misses of a loop that touches these pages, one after the other.

    The loop's own page is needed between any two: FIFO evicts it now and then.

    Parameters
    ----------
    accesses
        Accesses to each page, before the next.
    """
    count = 0.0
    for page in pages:
        if tlb.access(page):
            count += 1 + tlb.access(CODE_PAGE)
            if tlb.shares_way(page):
                count += 2 * (accesses - 1)
    return count


def shuffle(slots: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Return which slots the guest's shuffle exchanges (Sattolo 1986), and the order it makes."""
    mask, state = (1 << 64) - 1, SEED
    chain = list(range(slots))
    exchanges = []
    for i in range(slots - 1, 0, -1):
        state ^= state << 13 & mask
        state ^= state >> 7
        state ^= state << 17 & mask
        j = state % i
        chain[i], chain[j] = chain[j], chain[i]
        exchanges.append((i, j))
    order, at = [], 0
    for _ in range(slots):
        at = chain[at]
        order.append(at)
    return exchanges, order


def random_order(slots: int) -> list[int]:
    """Return the order in which the guest's shuffled chain visits its slots."""
    return shuffle(slots)[1]


def expected_misses(tlb: Tlb, pages: int) -> float:
    """Return the expected misses of an access to one of so many pages drawn at random.

    Whatever misses takes the place of an entry that is as likely to be needed as any other. The
    loop's code has a way of its set, from which it is evicted once for all other ways.
    """
    count = 0.0
    for index in range(tlb.sets):
        there = (pages - index + tlb.sets - 1) // tlb.sets
        if index == CODE_PAGE % tlb.sets and there >= tlb.ways:
            held = tlb.ways - 1
            count += (there - held) * (1 + 1 / held) if held else 2 * there
        else:
            count += max(0, there - tlb.ways)
    return count / pages


class Chain(NamedTuple):
    """Misses while the chain is made, and while it is followed."""

    prepared: float
    followed: float


def chain_misses(tlb: Tlb, slots: int, params: Mapping[str, int]) -> Chain:
    """Return the misses of making a chain of so many slots and following it ``rounds`` times.

    A chain in order touches each page once a round. A shuffled one is followed as it is, or,
    if it is long, by its expectation: every step is to a page drawn at random.
    """
    stride, rounds = max(8, params["stride"] & ~7), params["rounds"]
    upward = list(dict.fromkeys(DATA_PAGE + slot * stride // PAGE for slot in range(slots)))
    if params["random"] and slots > EXACT_SLOTS:
        expected = slots * expected_misses(tlb, len(upward))
        growing = slots * sum(expected_misses(tlb, n + 1) for n in range(len(upward))) / len(upward)
        return Chain(growing, rounds * expected)
    for n, page in enumerate(upward):  # the program fills its memory from below,
        tlb.fault(n)
        misses_of(tlb, [page])
    if not params["random"]:
        prepared = misses_of(tlb, upward[::-1])  # and makes the chain from above
        return Chain(prepared, around_misses(tlb, upward[::-1], slots / len(upward), rounds))
    pages = [DATA_PAGE + slot * stride // PAGE for slot in range(slots)]
    exchanges, order = shuffle(slots)
    prepared = misses_of(tlb, (pages[slot] for pair in exchanges for slot in pair))
    return Chain(prepared, around_misses(tlb, [pages[slot] for slot in order], 1, rounds))


def around_misses(tlb: Tlb, around: list[int], accesses: float, rounds: int) -> float:
    """Return the misses of going around so many times: until the TLB's contents recur."""
    counts: list[float] = []
    seen: dict[tuple[tuple[tuple[int, int], ...], ...], int] = {}
    most = max(2, FOLLOWED // len(around))
    while len(counts) < min(rounds, most):
        state = tuple(map(tuple, tlb.contents))
        if state in seen:
            break
        seen[state] = len(counts)
        counts.append(misses_of(tlb, around, accesses))
    cycle = counts[seen.get(tuple(map(tuple, tlb.contents)), len(counts) // 2) :]
    left = rounds - len(counts)
    whole, rest = divmod(left, len(cycle)) if left else (0, 0)
    return sum(counts) + whole * sum(cycle) + sum(cycle[:rest])
