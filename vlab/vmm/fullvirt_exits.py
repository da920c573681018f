"""The exits of ``fullvirt`` that machine code serves (`vlab.vmm.compiled_exits`)."""

from __future__ import annotations

from struct import Struct
from typing import Any, ClassVar

from vlab.counters import Counters
from vlab.isa.fields import STORE
from vlab.state import Hart
from vlab.vmm.compiled_exits import BOTH, CompiledExits
from vlab.vmm.exit_record import (
    DEVICE,
    EMULATED,
    FULLVIRT_HANDLERS,
    HIDDEN,
    JOURNAL_ROWS,
    LAYOUT,
    NONE,
    SPACES,
    TABLE,
    WRITTEN,
)
from vlab.vmm.regimes import number_of
from vlab.vmm.shadow import ShadowPaging
from vlab.vmm.shadow_paths import MOST_FRAMES
from vlab.words import address, moved, zeros

SPACE, ATTRIBUTED, SWITCHES, FILLS, FILLED = (
    LAYOUT[n][0] for n in ("space", "attributed", "switches", "fills", "filled")
)
GPA = LAYOUT["gpa"][0]
ROW = Struct("=4Q")
FAULT, FAULT_AT = Struct("=6Q"), 8 * LAYOUT["access"][0]
ACCESSES = {DEVICE: ("mmio",), TABLE: ("pt_write",)}
"""What `on_emulated_access` is called with."""


class FullVirtExits(CompiledExits):
    """Serves exits of a guest on a virtual CPU with shadow page tables."""

    service = "vlab.vmm.fullvirt_service"
    guest_memory = True
    handlers = FULLVIRT_HANDLERS
    takes: ClassVar = {
        "on_trap": BOTH,
        "on_interrupt": slice(0, 1),
        "on_ecall": slice(0, 0),
        "on_illegal_instruction": slice(1, 2),
        "on_exception": BOTH,
        "on_page_fault": BOTH,
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
        self.fault = self.words.cast("B")
        self.hidden: tuple[Any, ...] | None = None
        self.emulated: tuple[str] | None = None
        self.known: list[Any] = []
        self.places: dict[Any, int] = {None: NONE}
        self.version = -1
        self.place = self.words[SPACE] = NONE
        monitor.attributed_word = moved(
            monitor.attributed_word, self.words[ATTRIBUTED : ATTRIBUTED + 1]
        )

    def _lend_shadow(self) -> None:
        """Let machine code fill the shadow, if nobody else has a say in that."""
        record, shadow = self.record, self.shadow
        record.tables = address(shadow.table_map)
        self.journal = zeros(JOURNAL_ROWS * 4).cast("B")
        record.journal = address(self.journal)
        self.fills = self._fills_alone()
        if self.fills:
            record.paths = address(shadow.paths)
            shadow.look = self.take

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

    def lend(self) -> bool:
        """Say which shadow is in use, if it is none or among those that machine code knows."""
        space = self.monitor.space
        if self.version != self.shadow.version:
            self.take()
            self._learn_spaces()
        place = self.places.get(space)
        if place is None:
            return False
        self.words[SPACE] = self.place = place
        return True

    def look(self) -> None:
        """Learn which shadow is in use now."""
        place = self.words[SPACE]
        if place != self.place:
            self.place, self.monitor.loaded = place, self.known[place]

    def take(self) -> None:
        """Note the shadow entries that machine code has filled."""
        words, count = self.words, self.words[FILLED]
        if not count:
            return
        known, mapped = self.known, self.shadow.mapped
        for index, page, entry, frame in ROW.iter_unpack(self.journal[: ROW.size * count]):
            space = known[index]
            space.filled[page] = entry
            if frame:
                mapped.setdefault(frame, set()).add((space, page))
        words[FILLED] = 0
        self.shadow.fills += count

    def count_more(self, counters: Counters) -> None:
        """Add the changes of shadow, and the entries filled."""
        words = self.words
        counters.shadow_switches += words[SWITCHES]
        counters.shadow_fills += words[FILLS]
        words[SWITCHES] = words[FILLS] = 0

    def go_on(self, why: int) -> None:
        """Go on with what was served halfway: an emulated access, or a hidden page fault."""
        monitor = self.monitor
        if why == EMULATED:
            monitor.on_emulated_exit()
        elif why == WRITTEN:
            self.shadow.written(self.words[GPA])
        elif why == HIDDEN:
            access, va, gpa, pte, level, updated = FAULT.unpack_from(self.fault, FAULT_AT)
            first_write = updated and monitor.space.holds(va)
            reason = "dirty" if first_write else "shadow_fill"
            self.hidden = access, va, gpa, pte, level, reason
            try:
                monitor.on_hidden_fault(*self.hidden)
            finally:
                self.hidden = None
        else:
            self.emulated = ACCESSES[why]
            try:
                monitor.on_emulated_access(*self.emulated)
            finally:
                self.emulated = None

    def expected(self, name: str) -> tuple[Any, ...]:
        """Return what a handler is called with: for a hidden fault, what the walk has found."""
        if name == "on_emulated_access" and self.emulated is not None:
            return self.emulated
        if self.hidden is None or name == "on_hidden_fault":
            return self.hidden or (None,)
        access, _, gpa, *_ = self.hidden
        if not self.monitor.vcpu.memory.contains(gpa):
            return ACCESSES[DEVICE]
        return ACCESSES[TABLE] if access == STORE and self.shadow.is_table(gpa) else (None,)


def lend_memory(vcpu: Hart, hart: Hart) -> None:
    """Give machine code the way to guest memory, and the hardware's decoder."""
    memory = vcpu.memory
    physical = memory.physical
    vcpu.p2m = address(memory.p2m)
    vcpu.ram_pointer = physical.pointer - physical.base
    vcpu.code_map = hart.code_map - (physical.base >> 12) * 8
    vcpu.decode_buckets, vcpu.decode_rows = hart.decode_buckets, hart.decode_rows
    vcpu.decode_rvc = hart.decode_rvc
