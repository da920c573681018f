"""From the words of a hart's record to named counters."""

from __future__ import annotations

from collections import Counter as Tally

from vlab.counters import Counters
from vlab.isa.fields import Cause
from vlab.state import Hart

CAUSE_NAMES = {int(cause): cause.name.lower() for cause in Cause}
INTERRUPT_NAMES = {
    1: "software",
    3: "software",
    5: "timer",
    7: "timer",
    9: "external",
    11: "external",
}
PAGE_FAULTS = (Cause.FETCH_PAGE, Cause.LOAD_PAGE, Cause.STORE_PAGE)


def hardware_counters(hart: Hart) -> Counters:
    """Return what the physical hart counted, as the counters of a guest that owns it."""
    counters = translation_counters(hart)
    counters.retired_user = hart.retired_by_priv[0]
    counters.retired_kernel = hart.retired_by_priv[1] + hart.retired_by_priv[3]
    return counters + trap_counters(hart)


def translation_counters(hart: Hart) -> Counters:
    """Return accesses, TLB and walk counters of the physical hart."""
    return Counters(
        loads=hart.loads,
        stores=hart.stores,
        tlb_accesses=hart.translated,
        tlb_misses=hart.tlb_misses,
        walk_references=hart.walk_references,
        ad_updates=hart.ad_updates,
        tlb_flushes=hart.tlb_flushes,
    )


BLOCK_COUNTERS = ("block_entries", "block_dispatches", "blocks_translated",
                  "instructions_translated", "code_bytes", "blocks_dropped",
                  "code_flushes")  # fmt: skip
"""Of an emulated translator: fields of the record, by the names of their counters."""


def block_counters(hart: Hart) -> Counters:
    """Return what an emulated translator counted."""
    return Counters(**{name: getattr(hart, name) for name in BLOCK_COUNTERS})


def trap_counters(hart: Hart) -> Counters:
    """Return what a hart, or a virtual CPU, did of traps, returns and CSRs."""
    traps = {CAUSE_NAMES[n]: hart.traps_taken[n] for n in CAUSE_NAMES if hart.traps_taken[n]}
    interrupts: Tally[str] = Tally()
    for code, name in INTERRUPT_NAMES.items():
        if hart.interrupts_taken[code]:
            interrupts[name] += hart.interrupts_taken[code]
    return Counters(
        traps_by_cause=Tally(traps),
        interrupts_by_source=interrupts,
        returns=hart.returns,
        csr_accesses=hart.csr_accesses,
        syscalls=hart.traps_taken[Cause.ECALL_U],
        page_faults=sum(hart.traps_taken[n] for n in PAGE_FAULTS),
    )
