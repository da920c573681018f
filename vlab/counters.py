"""The one list of counters: what is counted, in which unit, and what it means.

Engines, monitors and devices add to a `Counters` object by plain increments; everybody else
only reads. Totals are never counted twice: they are derived (``exits`` is the sum of
``exits_by_reason``, hits are accesses minus misses).
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

EXIT_REASONS: dict[str, str] = {
    "csr": "a CSR instruction of a virtual privileged level",
    "xret": "a return from a trap (sret, mret)",
    "wfi": "the guest waits for an interrupt",
    "fence": "sfence.vma",
    "syscall": "an environment call from guest user mode, reflected to the guest kernel",
    "sbi": "a call of the firmware by the guest kernel",
    "hypercall": "a hypercall, or a multicall with many of them",
    "page_fault": "a true page fault, reflected to the guest kernel",
    "shadow_fill": "a hidden page fault: the shadow lacked an entry that the guest's tables have",
    "dirty": "a hidden page fault: first write to a page mapped read-only to catch it",
    "pt_write": "a store to a write-protected guest page table",
    "mmio": "a load from or store to a device",
    "exception": "any other exception, reflected to the guest kernel",
    "interrupt": "an interrupt or timer of the host hardware",
}
"""Why the hardware left the guest for the monitor."""


class Counter(NamedTuple):
    """One row of the list."""

    name: str
    unit: str
    sentence: str
    keyed: bool
    """True if it counts by key (``exits_by_reason``)."""
    derived: bool
    """True if it is computed from others."""


def count(unit: str, sentence: str) -> Any:
    """Declare a plain counter."""
    return field(default=0, metadata={"unit": unit, "sentence": sentence})


def tally(unit: str, sentence: str) -> Any:
    """Declare a counter by key."""
    return field(default_factory=Tally, metadata={"unit": unit, "sentence": sentence})


@dataclass(slots=True)
class Counters:
    """What happened, as whole numbers.

    ``end - begin`` is a measured region; ``a + b`` merges two of them.
    """

    retired_user: int = count("instructions", "Retired by guest user programs.")
    retired_kernel: int = count("instructions", "Retired by the guest's privileged levels.")
    loads: int = count("accesses", "Loads of the guest, atomics included.")
    stores: int = count("accesses", "Stores of the guest, atomics included.")
    tlb_accesses: int = count("accesses", "Fetches, loads and stores that needed translation.")
    tlb_misses: int = count("misses", "Translations that the hardware TLB did not hold.")
    walk_references: int = count("references", "Page-table entries read by the hardware's walker.")
    ad_updates: int = count("updates", "Accessed or dirty bits set by the hardware's walker.")
    tlb_flushes: int = count("flushes", "TLB invalidations carried out on the hardware.")
    traps_by_cause: Tally[str] = tally("traps", "Exceptions that the guest's own kernel saw.")
    interrupts_by_source: Tally[str] = tally("interrupts", "Interrupts the guest kernel saw.")
    returns: int = count("returns", "Returns from a trap by the guest's kernel.")
    csr_accesses: int = count("accesses", "CSR instructions of the guest.")
    syscalls: int = count("calls", "Environment calls from guest user mode.")
    page_faults: int = count("faults", "Page faults that the guest's own kernel saw.")
    sbi_calls: int = count("calls", "Calls of the firmware by the guest's kernel.")
    exits_by_reason: Tally[str] = tally("exits", "Times the guest was left for the monitor.")
    hypercalls_by_name: Tally[str] = tally("calls", "Hypercalls, those in multicalls too.")
    mmio_by_device: Tally[str] = tally("accesses", "Loads and stores that reached a device.")
    shadow_fills: int = count("entries", "Shadow page-table entries built.")
    shadow_pt_writes: int = count("writes", "Guest page-table writes that the monitor emulated.")
    shadow_switches: int = count("switches", "Changes of the shadow root in use.")
    shadow_flushes: int = count("flushes", "Shadow address spaces thrown away.")
    mmu_updates: int = count("entries", "Page-table entries that the monitor validated.")
    upcalls: int = count("upcalls", "Traps and events delivered to a ported kernel.")
    ring_requests: int = count("requests", "Requests that the monitor took from shared rings.")
    block_entries: int = count("entries", "Translated blocks that the emulator entered.")
    block_dispatches: int = count("entries", "Those that its dispatcher had to find.")
    blocks_translated: int = count("blocks", "Blocks that the emulator translated.")
    instructions_translated: int = count("instructions", "Guest instructions in those blocks.")
    code_bytes: int = count("bytes", "Host code that the emulator emitted into its code cache.")
    blocks_dropped: int = count("blocks", "Blocks whose instructions the guest overwrote.")
    code_flushes: int = count("flushes", "Times the code cache was full and all was dropped.")
    device_wait_cycles: int = count("cycles", "The hart slept while a device was working.")
    idle_cycles: int = count("cycles", "The hart slept and nothing was under way but a timer.")

    @property
    def retired(self) -> int:
        """instructions: Retired by the guest; the work it got done."""
        return self.retired_user + self.retired_kernel

    @property
    def tlb_hits(self) -> int:
        """hits: Translations that the hardware TLB held."""
        return self.tlb_accesses - self.tlb_misses

    @property
    def traps(self) -> int:
        """traps: Exceptions that the guest's own kernel saw, all causes."""
        return self.traps_by_cause.total()

    @property
    def interrupts(self) -> int:
        """interrupts: Interrupts that the guest's own kernel saw, all sources."""
        return self.interrupts_by_source.total()

    @property
    def exits(self) -> int:
        """exits: Times the hardware left the guest for the monitor, all reasons."""
        return self.exits_by_reason.total()

    @property
    def hypercalls(self) -> int:
        """calls: Hypercalls by any name."""
        return self.hypercalls_by_name.total()

    @property
    def mmio_accesses(self) -> int:
        """accesses: Loads and stores that reached any device."""
        return self.mmio_by_device.total()

    @property
    def host_instructions(self) -> int:
        """instructions: Emitted by the emulator's translator."""
        return self.code_bytes // 4

    def copy(self) -> Counters:
        """Return an independent copy: the beginning of a measured region."""
        return self._combine(Counters(), lambda a, _: a)

    def __add__(self, other: Counters) -> Counters:
        return self._combine(other, lambda a, b: a + b)

    def __sub__(self, other: Counters) -> Counters:
        return self._combine(other, lambda a, b: a - b)

    def _combine(self, other: Counters, merge: Callable[[int, int], int]) -> Counters:
        result = Counters()
        for name in STORED:
            a, b = getattr(self, name), getattr(other, name)
            if isinstance(a, dict):
                merged = {key: merge(a[key], b[key]) for key in {**a, **b}}
                setattr(result, name, Tally({key: n for key, n in merged.items() if n}))
            else:
                setattr(result, name, merge(a, b))
        return result

    def to_dict(self) -> dict[str, int | dict[str, int]]:
        """Return every counter of the list, in its order, as plain numbers and dictionaries."""
        values = ((row.name, getattr(self, row.name)) for row in COUNTERS)
        return {
            name: {key: value[key] for key in sorted(value)} if isinstance(value, dict) else value
            for name, value in values
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Counters:
        """Return the counters that ``to_dict`` wrote down."""
        counters = cls()
        for name in STORED:
            if name in values:
                value = values[name]
                setattr(counters, name, Tally(value) if isinstance(value, dict) else value)
        return counters


STORED: tuple[str, ...] = tuple(f.name for f in fields(Counters))


def _rows() -> Iterator[Counter]:
    for name, member in vars(Counters).items():
        if isinstance(member, property):
            unit, sentence = (member.__doc__ or "").split(": ", 1)
            yield Counter(name, unit, sentence, keyed=False, derived=True)
    for f in fields(Counters):
        keyed = f.default_factory is Tally
        yield Counter(f.name, f.metadata["unit"], f.metadata["sentence"], keyed, derived=False)


COUNTERS: tuple[Counter, ...] = tuple(_rows())
"""Every counter, the derived totals first."""
