"""What compiled exit handlers know and count: one block of words, as a hart's record is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlab.isa.fields import MASK64
from vlab.words import address, name_words, zeros

SPACES = 64
"""Address spaces whose roots the compiled handlers can switch between."""

FULLVIRT_HANDLERS = (
    "on_interrupt",
    "on_ecall",
    "on_illegal_instruction",
    "on_exception",
    "on_page_fault",
    "on_hidden_fault",
    "on_emulated_access",
    "on_trap",
)
PARAVIRT_HANDLERS = ("on_hypercall", "on_syscall", "on_exception", "on_trap")
"""Handlers that have twins, by their bit in `ExitRecord.serves`."""

REASON_WORDS = 16

JOURNAL_ROWS = 256
"""Shadow entries that the journal holds: space, page, entry, and guest frame if writable."""

NONE = MASK64
"""No space; no slice."""

DECLINED, SERVED = 0, 1
"""What came of an exit: its handlers are to serve it in Python; it was served."""

LOOK_UP, ENTER, TRAPPED, HIDDEN, DEVICE, TABLE, EMULATED, WRITTEN = range(64, 72)
"""Why a stay ended, besides the engine's own exit reasons: a deadline has come or enough was
done; the guest is to be entered by the Python monitor; a trap is to be served; a hidden page
fault is; an access to a device, or to a page table, is to be emulated; an emulated instruction
needs the board; a guest page table was written."""

HANDLER = 256
"""With the bit of a handler: a trap is to be served by that one."""

FIELDS: tuple[tuple[str, int, str], ...] = (
    ("run", 1, "host address of the engine's run"),
    ("vcpu_record", 1, "host address of the record of the guest's CPU"),
    ("hart_record", 1, "host address of the hardware's"),
    ("serves", 1, "bit per handler that is compiled"),
    ("handler", 1, "bit of the handler whose twin is called"),
    ("firmware", 1, "1 if the guest's calls of the firmware are the monitor's to serve"),
    ("attributed", 1, "instructions of the hardware that are already the virtual CPU's"),
    # the clock
    ("by_cycles", 1, "1 if guest time includes the costs of virtualization"),
    ("now", 1, "cycles, as last computed; with the next two `vlab.clock.Clock`"),
    ("charged", 1, "cycles charged for what monitors and devices did"),
    ("slept", 1, "cycles slept"),
    ("stale", 1, "1 after an exit that Python handled: time may have passed"),
    ("deadline", 1, "cycle at which a device acts next"),
    ("instruction_price", 1, "cycles of an instruction"),
    ("walk_price", 1, "cycles of a reference of a page walk"),
    ("flush_price", 1, "cycles of a TLB flush"),
    ("miss_price", 1, "cycles of a TLB miss, its walk apart"),
    ("trap_price", 1, "cycles of a trap that the hardware vectors"),
    ("return_price", 1, "cycles of a return"),
    ("interrupt_price", 1, "cycles of making the virtual CPU take an interrupt"),
    ("switch_price", 1, "cycles of a change of shadow"),
    ("exit_price", REASON_WORDS, "cycles of an exit, by reason"),
    # counted
    ("exits", REASON_WORDS, "exits served, by reason"),
    ("unread", 1, "1 if anything was counted that is not in the machine's counters"),
    ("switches", 1, "changes of shadow"),
    ("fills", 1, "shadow entries filled"),
    ("tables", 1, "host address of `ShadowPaging.table_map`"),
    ("paths", 1, "host address of `ShadowPaging.paths`, 0 if fills are all the monitor's"),
    ("journal", 1, "host address of the journal of shadow entries"),
    ("filled", 1, "rows in it"),
    # a ported guest
    ("hypercall_price", 1, "cycles of the return from an upcall, besides the exit"),
    ("upcall_price", 1, "cycles of an upcall, besides the exit"),
    ("upcalls", 1, "upcalls made"),
    ("resumed", 1, "returns from upcalls"),
    ("shared", 1, "host address of the shared page"),
    ("shared_code", 1, "host address of the word that is not 0 if code of that page was decoded"),
    ("upcall_entry", 1, "virtual address where upcalls go, 0 if there is none"),
    ("kernel_satp", 1, "the hardware's satp for the kernel, 0 if it has no tag yet"),
    ("user_satp", 1, "the hardware's satp for user programs, 0 likewise or without any"),
    # a page fault that is left to Python halfway
    ("access", 1, "fetch, load or store"),
    ("va", 1, "virtual address"),
    ("gpa", 1, "guest-physical address"),
    ("pte", 1, "leaf entry of the guest"),
    ("level", 1, "its level"),
    ("updated", 1, "1 if the walk has set its accessed or dirty bit"),
    # ends of a stay
    ("maximum", 1, "retired instructions at which the run ends"),
    ("seen", 1, "retired instructions when progress was last seen"),
    ("stuck", 1, "traps since, without one"),
    ("granted", 1, "instructions of the slice last begun"),
    ("left", 1, "what is left of the slice under way, all ones between slices"),
    ("rounds", 1, "exits that may still be served in this stay"),
    ("entered", 1, "1 if the Python monitor has just entered the guest"),
    # moments of a run (`vlab.vmm.moments`)
    ("moments", 1, "moments that have passed"),
    ("pause", 1, "moment at which to pause, in the middle of a slice if need be"),
    ("ahead", 1, "by how many there may be more retired instructions without a pause"),
    # address spaces
    ("untagged", 1, "1 if the hardware's TLB has no address-space tags"),
    ("space", 1, "index of the space in use, all ones if none"),
    ("spaces", 1, "number of spaces known"),
    ("space_key", SPACES, "guest root frame << 4 | regime"),
    ("space_satp", SPACES, "the hardware's satp for it"),
)

LAYOUT: dict[str, tuple[int, int]] = {}
for _name, _count, _ in FIELDS:
    LAYOUT[_name] = (sum(count for _, count in LAYOUT.values()), _count)


class ExitRecord:
    """The words by name, as attributes."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def __init__(self) -> None:
        size = sum(count for _, count in LAYOUT.values())
        self.words = zeros(size)
        self.pointer = address(self.words)
        for name, (first, count) in LAYOUT.items():
            if count > 1:
                setattr(self, name, self.words[first : first + count])


name_words(ExitRecord, LAYOUT)
