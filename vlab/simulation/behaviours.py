"""Behaviours: what each workload does, as abstract operations.

A behaviour is a generator of `Operation`: so many of something whose cost is known from
calibration; ``prepare_...`` belongs to what comes before the measured region. It knows the
program (``guests/user``) and no technique.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from math import lgamma, log, pi
from typing import NamedTuple

from vlab.simulation.tlb import Tlb, chain_misses

PAGE = 4096
ENTRIES_PER_TABLE = 512
FLUSH_BY_PAGE = 16
"""Pages up to which the guest's kernel flushes the TLB page by page (``guests/kernel/vm.c``)."""

FEW = 5
"""Pages from which on a table is written to as often as it takes for shadow paging to let go of
it (`vlab.vmm.shadow.FLOOD`); up to there each number of pages is an operation of its own."""

PRIMES_LIMIT = 256
SERVICES = ("read_file", "use_memory", "compute", "write_file")
SCRATCH_SECTORS = 128
"""Sectors after which the disk programs begin again (``guests/user/diskwork.c``)."""

CONSOLE_PIECE = 128
"""Bytes that the kernel takes from a writing program at once (``guests/kernel/console.c``)."""


class Operation(NamedTuple):
    """``count`` times the operation called ``name``; ``sectors`` of a disk's request."""

    name: str
    count: float  # type: ignore[assignment]
    sectors: int = 0


def preparations(operations: Iterable[Operation]) -> list[Operation]:
    """Return the operations that come before the measured region."""
    return [
        Operation("start", 1),
        *(operation for operation in operations if operation.name.startswith("prepare_")),
    ]


Params = Mapping[str, int]
Behaviour = Callable[[Params, Tlb], Iterator[Operation]]


def hello(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Print one line."""
    yield Operation("line", 1)


@cache
def sieve(limit: int) -> tuple[int, int]:
    """Return how many primes are below a limit, and how many multiples the sieve strikes out."""
    composite, primes, struck = set[int](), 0, 0
    for i in range(2, limit):
        if i not in composite:
            multiples = range(i * i, limit, i)
            primes, struck = primes + 1, struck + len(multiples)
            composite.update(multiples)
    return primes, struck


def divisions(n: int) -> float:
    """Return the expected divisions of Euclid's algorithm over all rounds, less one in each.

    Round i divides a checksum by i * i + 1: 12 ln 2 / pi^2 * ln(i * i + 1) divisions on average
    (Knuth, The Art of Computer Programming, 4.5.3); the sum of ln(i * i) is 2 ln (n - 1)!.
    """
    early = min(n, PRIMES_LIMIT)
    total = sum(log(i * i + 1) for i in range(early)) + 2 * (lgamma(n) - lgamma(early))
    return 12 * log(2) / pi**2 * total


def compute(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Rounds whose sieve grows from half of its limit to the limit, and begins anew."""
    n, half = params["n"], PRIMES_LIMIT // 2
    whole, rest = divmod(n, half)
    times = [whole + (i < rest) for i in range(half)]
    yield Operation("start", 1)
    yield Operation("round", n)
    yield Operation("cell", sum(k * (half + i) for i, k in enumerate(times)))
    yield Operation("prime", sum(k * sieve(half + i)[0] for i, k in enumerate(times)))
    yield Operation("multiple", sum(k * sieve(half + i)[1] for i, k in enumerate(times)))
    yield Operation("division", divisions(n))


def syscall(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Null system calls."""
    yield Operation("start", 1)
    yield Operation("call", params["n"])


def ctxswitch(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Round trips through two pipes."""
    yield Operation("start", 1)
    yield Operation("round_trip", params["n"])


def pagefault(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """First touches; each 512 pages need one more page table."""
    pages = params["pages"]
    if pages < FEW:
        yield Operation(f"few_{pages}", 1)
        return
    yield Operation("start", 1)
    yield Operation("first_touch", pages)
    yield Operation("table", (pages - 1) // ENTRIES_PER_TABLE)


def ptemod(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Rounds of mapping, writing, protecting, unprotecting and unmapping pages.

    The first round finds no page table there, and the others find that of the one before.
    """
    rounds, pages, batch = params["rounds"], params["pages"], params["batch"]
    kind = "populated" if params["populate"] else "demand"
    yield Operation("start", 1)
    for which, times in (("first", 1), ("later", rounds - 1)):
        if pages < FEW:
            yield Operation(f"{kind}_{which}_of_{pages}", times)
            continue
        yield Operation(f"{kind}_{which}", times)
        yield Operation(f"{kind}_{which}_page", times * pages)
        yield Operation(f"{kind}_{which}_table", times * ((pages - 1) // ENTRIES_PER_TABLE))
        if pages <= FLUSH_BY_PAGE:
            yield Operation(f"{kind}_page_flushed", times * pages)
        else:
            yield Operation(f"{kind}_all_flushed", times)
    if params["populate"]:
        full = 3 * (pages // batch) + (pages - 1) // batch
        yield Operation("full_batch", rounds * full)


def memwalk(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """A chain of pointers; how often the TLB misses is the TLB model's to say."""
    slots = params["pages"] * PAGE // max(8, params["stride"] & ~7)
    misses = chain_misses(tlb, slots, params)
    touched = min(params["pages"], slots)
    if touched < FEW:
        yield Operation(f"prepare_{touched}_pages", 1)
    else:
        yield Operation("prepare_pages", 1)
        yield Operation("prepare_page", touched)
        yield Operation("prepare_table", (touched - 1) // ENTRIES_PER_TABLE)
    yield Operation("prepare_slot", slots)
    yield Operation("prepare_random_slot", slots if params["random"] else 0)
    yield Operation("prepare_miss", misses.prepared)
    yield Operation("start", 1)
    yield Operation("round", params["rounds"])
    yield Operation("step", slots * params["rounds"])
    yield Operation("miss", misses.followed)


def forktree(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """A tree of processes: a leaf forks no more, an inner one collects its children.

    The first process of each level finds its tables in another state than those after it.
    """
    depth, fanout = params["depth"], params["fanout"]
    inner = sum(fanout**level for level in range(depth))
    yield Operation("start", 1)
    yield Operation("child", inner * fanout)
    yield Operation("inner_child", inner - 1)
    yield Operation("level", depth)


def _disk(disk: str) -> Behaviour:
    def behave(params: Params, tlb: Tlb) -> Iterator[Operation]:
        n, chunk = params["n"], params["chunk"]
        verb = "write" if params["write"] else "read"
        passes, last = divmod(n, SCRATCH_SECTORS)
        requests = Counter[int]()
        for sectors, times in ((SCRATCH_SECTORS, passes), (last, 1)):
            requests[chunk] += times * (sectors // chunk)
            requests[sectors % chunk] += times
        yield Operation("prepare_writing", params["write"])
        yield Operation("start", 1)
        for sectors in sorted(requests.keys() - {0}):
            yield Operation(f"{disk}_{verb}", requests[sectors], sectors)
        yield Operation(f"{disk}_{verb}_sector", n)

    behave.__doc__ = f"Requests of the {disk} disk."
    return behave


def console(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Lines of so many characters."""
    yield Operation("start", 1)
    yield Operation("line", params["n"])
    yield Operation("character", params["n"] * (params["width"] + 1))
    yield Operation("further_piece", params["n"] * (params["width"] // CONSOLE_PIECE))


def timer(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Sleeps until the next tick, each followed by some work."""
    yield Operation("start", 1)
    yield Operation("sleep", params["n"])
    yield Operation("work", params["n"] * params["work"])


def mixed(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Requests for four services in turn; what a service needs is read or mapped at its first."""
    n = params["n"]
    yield Operation("start", 1)
    for service, name in enumerate(SERVICES):
        times = (n + len(SERVICES) - 1 - service) // len(SERVICES)
        yield Operation(f"first_{name}", min(times, 1))
        yield Operation(name, times)


BEHAVIOURS: dict[str, Behaviour] = {
    "hello": hello,
    "compute": compute,
    "syscall": syscall,
    "ctxswitch": ctxswitch,
    "pagefault": pagefault,
    "ptemod": ptemod,
    "memwalk": memwalk,
    "forktree": forktree,
    "diskpio": _disk("ata"),
    "diskvirtio": _disk("virtio"),
    "console": console,
    "timer": timer,
    "mixed": mixed,
}
