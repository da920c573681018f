"""The exits of ``fullvirt`` that machine code serves (`vlab.vmm.compiled_exits`)."""

from __future__ import annotations

from typing import Any, ClassVar

from vlab.counters import Counters
from vlab.isa.fields import STORE
from vlab.state import Hart
from vlab.vmm.compiled_exits import CompiledExits
from vlab.vmm.exit_record import (
    EMULATED,
    FULLVIRT_HANDLERS,
    HIDDEN,
    JOURNAL_ROWS,
    LAYOUT,
    NONE,
    SPACES,
    WRITTEN,
)
from vlab.vmm.regimes import number_of
from vlab.vmm.shadow import ShadowPaging
from vlab.vmm.shadow_paths import MOST_FRAMES
from vlab.words import address, zeros

SPACE, ATTRIBUTED, SWITCHES, FILLED = (
    LAYOUT[n][0] for n in ("space", "attributed", "switches", "filled")
)


class FullVirtExits(CompiledExits):
    """Serves exits of a guest on a virtual CPU with shadow page tables."""

    service = "vlab.vmm.fullvirt_service"
    guest_memory = True
    handlers = FULLVIRT_HANDLERS
    takes: ClassVar = {
        "on_trap": slice(0, 2),
        "on_interrupt": slice(0, 1),
        "on_ecall": slice(0, 0),
        "on_illegal_instruction": slice(1, 2),
        "on_exception": slice(0, 2),
        "on_page_fault": slice(0, 2),
    }
    plumbing = ("handle", "enter", "attribute", "exited", "emulate")
    observed = "on_ecall"

    def __init__(self, monitor: Any, stock: type) -> None:
        super().__init__(monitor, stock)
        self.shadow, record = monitor.shadow, self.record
        record.firmware = monitor.sbi is not None
        record.untagged = self.shadow.asids == 1
        self._lend_shadow()
        lend_memory(monitor.vcpu, self.machine.hart)
        self.hidden: tuple[Any, ...] | None = None
        self.known: list[Any] = []
        self.places: dict[Any, int] = {None: NONE}
        self.version = -1

    def _lend_shadow(self) -> None:
        """Let machine code fill the shadow, if nobody else has a say in that."""
        record, shadow = self.record, self.shadow
        record.tables = address(shadow.table_map)
        self.journal = zeros(JOURNAL_ROWS * 4)
        record.journal = address(self.journal)
        self.fills = self._fills_alone()
        if self.fills:
            record.paths = address(shadow.paths)

    def _fills_alone(self) -> bool:
        monitor, shadow = self.monitor, self.shadow
        own = type(monitor).fill is not self.stock.fill or "fill" in vars(monitor)
        own = own or not {"fill", "written", "is_table"}.isdisjoint(vars(shadow))
        return not own and type(shadow) is ShadowPaging and len(shadow.p2m) <= MOST_FRAMES

    def holds(self) -> bool:
        """Return whether handlers, and who fills the shadow, are still those of the beginning."""
        return super().holds() and self._fills_alone() == self.fills

    def record_of_guest(self) -> Hart:
        """Return the virtual CPU."""
        vcpu: Hart = self.monitor.vcpu
        return vcpu

    def _learn_spaces(self) -> None:
        record, shadow = self.record, self.shadow
        usable = [s for s in shadow.spaces.values() if s.asid or shadow.asids == 1]
        self.known = usable[-SPACES:]
        for index, space in enumerate(self.known):
            record.space_key[index] = number_of(space.key)
            record.space_satp[index] = shadow.satp(space)
        record.spaces = len(self.known)
        self.places = {None: NONE} | {space: n for n, space in enumerate(self.known)}
        self.version = shadow.version

    def lend(self, words: memoryview) -> bool:
        """Say which shadow is in use, if it is none or among those that machine code knows."""
        if self.version != self.shadow.version:
            self._learn_spaces()
        monitor = self.monitor
        place = self.places.get(monitor.space)
        if place is None:
            return False
        words[SPACE], words[ATTRIBUTED] = place, monitor.attributed
        return True

    def take(self, words: memoryview) -> None:
        """Learn which shadow is in use now."""
        monitor, space = self.monitor, words[SPACE]
        monitor.attributed = words[ATTRIBUTED]
        if space != NONE:
            monitor.space = self.known[space]
        if words[FILLED]:
            self._read_journal()

    def _read_journal(self) -> None:
        """Take the shadow entries over that machine code has filled."""
        shadow, words, count = self.shadow, self.words, self.words[FILLED]
        rows = iter(self.journal[: 4 * count].tolist())
        for index, page, entry, frame in zip(rows, rows, rows, rows, strict=True):
            space = self.known[index]
            space.leaves[page] = entry
            if frame:
                shadow.writable.setdefault(frame, set()).add((space, page))
        words[FILLED] = 0
        shadow.fills += count
        self.machine.count("shadow_fills", count)

    def count_more(self, counters: Counters) -> None:
        """Add the changes of shadow."""
        words = self.words
        counters.shadow_switches += words[SWITCHES]
        words[SWITCHES] = 0

    def go_on(self, why: int) -> None:
        """Go on with a device access, a page table that was written, or a hidden fault."""
        record, monitor = self.record, self.monitor
        if why == EMULATED:
            monitor.on_emulated_exit()
        elif why == WRITTEN:
            self.shadow.written(record.gpa)
        elif why == HIDDEN:
            va = record.va
            first_write = record.updated and monitor.space.holds(va)
            reason = "dirty" if first_write else "shadow_fill"
            self.hidden = record.access, va, record.gpa, record.pte, record.level, reason
            monitor.on_hidden_fault(*self.hidden)
            self.hidden = None

    def expected(self, name: str) -> tuple[Any, ...]:
        """Return what a handler is called with: for a hidden fault, what the walk has found."""
        if self.hidden is None or name == "on_hidden_fault":
            return self.hidden or (None,)
        access, _, gpa, *_ = self.hidden
        if not self.monitor.vcpu.memory.contains(gpa):
            return ("mmio",)
        return ("pt_write" if access == STORE and self.shadow.is_table(gpa) else None,)


def lend_memory(vcpu: Hart, hart: Hart) -> None:
    """Give machine code the way to guest memory, and the hardware's decoder."""
    memory = vcpu.memory
    physical = memory.physical
    vcpu.p2m = address(memory.p2m)
    vcpu.ram_pointer = physical.pointer - physical.base
    vcpu.code_map = hart.code_map - (physical.base >> 12) * 8
    vcpu.decode_buckets, vcpu.decode_rows = hart.decode_buckets, hart.decode_rows
    vcpu.decode_rvc = hart.decode_rvc
