"""What a page walk means, in words."""

from __future__ import annotations

from typing import Any

VALID = 1
ACTS = {"load": "load from", "store": "store to", "fetch": "fetch of an instruction at"}


def number_of(walk: Any) -> str:
    """Return how many memory references the hardware's walker would make."""
    tables = walk.shadow or walk.guest
    n = len(tables.references)
    if tables.root is None:
        return "Translation is off: the address is used as it is, and nothing is read."
    whose = "shadow" if walk.shadow else "guest's"
    reads = f"{n} memory reference{'' if n == 1 else 's'} to the {whose} page tables"
    if walk.in_tlb:
        return f"The TLB holds this translation now: no walk. A miss would cost {reads}."
    return f"Not in the TLB: the hardware's walker makes {reads}."


def exit_reason(session: Any, walk: Any) -> str | None:
    """Return the reason of the VM exit that the access would cause in ``fullvirt``, if any.

    The order of the questions is that of the monitor's handler of page faults.
    """
    guest, shadow = walk.guest, walk.shadow
    if session.setup.mode != "fullvirt" or (shadow and shadow.fault is None):
        return None
    if guest.fault is not None:
        return "page_fault" if guest.fault.name.endswith("_PAGE") else "exception"
    if guest.host_physical is None:
        return "mmio"
    if walk.access == "store" and session.view.is_table(guest.guest_physical):
        return "pt_write"
    held = shadow and shadow.references and shadow.references[-1].pte & VALID
    return "dirty" if held and guest.updates else "shadow_fill"


HIDDEN = {
    "mmio": "the address belongs to a device: the monitor carries the access out on it",
    "pt_write": "the page is one of the guest's page tables, which the monitor write-protects",
    "dirty": "the first write to the page: it is mapped read-only until then to set D",
    "shadow_fill": "the guest's tables have the entry, the shadow lacks it still",
}


def outcome_of(session: Any, walk: Any) -> str:
    """Return how the access would end, and who would learn of it."""
    mode = session.setup.mode
    act = f"A {ACTS[walk.access]} {walk.va:#x}"
    guest, shadow = walk.guest, walk.shadow
    if guest.fault is not None:
        return f"{act} ends in a {fault_of(guest)} {TOLD.get(mode, TOLD['native'])}"
    end = f"{act} reaches {guest.end or 'no memory'}."
    reason = exit_reason(session, walk)
    if reason is not None:
        ends = f"the shadow ends in a {fault_of(shadow)}" if shadow else "there is no shadow yet."
        return (
            f"{end} But {ends} A hidden page fault: {HIDDEN[reason]}. VM exit: {reason}. "
            "The guest never learns of it."
        )
    if guest.updates and shadow is None:
        bits = " and ".join(guest.updates)
        return f"{end} The walker would also set {bits} in the last entry."
    return end


TOLD = {
    "native": "The hardware traps into the guest's kernel.",
    "fullvirt": (
        "A true page fault: the hardware exits to the monitor, which reflects it to the guest's "
        "kernel. VM exit: page_fault."
    ),
    "paravirt": "The monitor passes it on to the guest's kernel as an upcall.",
}
"""Who learns of a true page fault."""


def fault_of(tables: Any) -> str:
    """Return the exception and the entry that causes it."""
    name = tables.fault.name.lower().replace("_", " ")
    text = f"{name} fault, cause {int(tables.fault)}"
    if not tables.references:
        canonical = "the address is not sign-extended from bit 38, which Sv39 demands"
        return f"{text}: {canonical if tables.root is not None else 'physical memory refuses'}."
    last = tables.references[-1]
    return f"{text}: the level-{last.level} entry says: {last.meaning}."
