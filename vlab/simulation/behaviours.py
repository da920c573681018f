"""Behaviours: what each workload does, as abstract operations.

A behaviour is a generator of `Operation`: so many of something whose cost is known from
calibration; ``prepare_...`` belongs to what comes before the measured region. It knows the
program (``guests/user``) and no technique.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from vlab.simulation.tlb import Tlb, chain_misses

PAGE = 4096
ENTRIES_PER_TABLE = 512
FLUSH_BY_PAGE = 16
"""Pages up to which the guest's kernel flushes the TLB page by page (``guests/kernel/vm.c``)."""

FLOOD = 4
"""Pages from which on a round floods a page table with writes (`vlab.vmm.shadow.FLOOD`)."""

PRIMES_LIMIT = 256
SERVICES = 4
CONSOLE_PIECE = 128
"""Bytes that the kernel takes from a writing program at once (``guests/kernel/console.c``)."""


class Operation(NamedTuple):
    """``count`` times the operation called ``name``; ``sectors`` of a disk's request."""

    name: str
    count: int
    sectors: int = 0


Params = Mapping[str, int]
Behaviour = Callable[[Params, Tlb], Iterator[Operation]]


def hello(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Print one line."""
    yield Operation("line", 1)


def compute(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Rounds whose sieve grows from half of its limit to the limit, and begins anew."""
    n, half = params["n"], PRIMES_LIMIT // 2
    whole, rest = divmod(n, half)
    yield Operation("start", 1)
    yield Operation("round", n)
    yield Operation("cell", n * half + whole * half * (half - 1) // 2 + rest * (rest - 1) // 2)


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
    yield Operation("start", 1)
    yield Operation("first_touch", params["pages"])
    yield Operation("table", -(-params["pages"] // ENTRIES_PER_TABLE))


def ptemod(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """Rounds of mapping, writing, protecting, unprotecting and unmapping pages."""
    rounds, pages, batch = params["rounds"], params["pages"], params["batch"]
    kind = "populated" if params["populate"] else "demand"
    yield Operation("start", 1)
    yield Operation(f"{kind}_round", rounds)
    yield Operation(f"{kind}_page", rounds * pages)
    yield Operation(f"{kind}_table", rounds * ((pages - 1) // ENTRIES_PER_TABLE))
    if pages <= FLUSH_BY_PAGE:
        yield Operation(f"{kind}_page_flushed", rounds * pages)
    else:
        yield Operation(f"{kind}_all_flushed", rounds)
    if pages < FLOOD:
        yield Operation(f"{kind}_of_{pages}", rounds)
    if params["populate"]:
        full = 3 * (pages // batch) + (pages - 1) // batch
        yield Operation("full_batch", rounds * full)


def memwalk(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """A chain of pointers; how often the TLB misses is the TLB model's to say."""
    slots = params["pages"] * PAGE // max(8, params["stride"] & ~7)
    yield Operation("prepare_page", params["pages"])
    yield Operation("prepare_slot", slots)
    yield Operation("start", 1)
    yield Operation("step", slots * params["rounds"])
    yield Operation("miss", chain_misses(tlb, slots, params))


def forktree(params: Params, tlb: Tlb) -> Iterator[Operation]:
    """A tree of processes: a leaf forks no more, an inner one collects its children."""
    depth, fanout = params["depth"], params["fanout"]
    inner = sum(fanout**level for level in range(depth))
    yield Operation("start", 1)
    yield Operation("child", inner * fanout)
    yield Operation("inner_child", inner - 1)


def _disk(disk: str) -> Behaviour:
    def behave(params: Params, tlb: Tlb) -> Iterator[Operation]:
        n, chunk = params["n"], params["chunk"]
        verb = "write" if params["write"] else "read"
        whole, rest = divmod(n, chunk)
        yield Operation("start", 1)
        yield Operation(f"{disk}_{verb}", whole, chunk)
        yield Operation(f"{disk}_{verb}", int(rest > 0), rest)
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
    """Requests for four services in turn."""
    n = params["n"]
    yield Operation("start", 1)
    for service, name in enumerate(("read_file", "use_memory", "compute", "write_file")):
        yield Operation(name, (n + SERVICES - 1 - service) // SERVICES)


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
