"""The exits of ``paravirt`` that machine code serves (`vlab.vmm.compiled_exits`)."""

from __future__ import annotations

from typing import Any, ClassVar

from vlab.counters import Counters
from vlab.isa.fields import SATP_SV39
from vlab.memory import PAGE
from vlab.state import Hart
from vlab.vmm.compiled_exits import BOTH, CompiledExits
from vlab.vmm.exit_record import LAYOUT, PARAVIRT_HANDLERS
from vlab.words import moved

A0, A4, A7 = 10, 14, 17
ATTRIBUTED, ENTRY, KERNEL, USER, UPCALLS, RESUMED = (
    LAYOUT[name][0]
    for name in (
        "attributed", "upcall_entry", "kernel_satp", "user_satp", "upcalls", "resumed",
    )
)  # fmt: skip


class ParaVirtExits(CompiledExits):
    """Serves exits of a ported guest with direct paging."""

    service = "vlab.vmm.paravirt_service"
    handlers = PARAVIRT_HANDLERS
    takes: ClassVar = {"on_trap": BOTH, "on_syscall": slice(0, 0), "on_exception": BOTH}
    plumbing = ("handle", "enter", "attribute", "exited", "upcall")
    observed = "on_syscall"

    def __init__(self, monitor: Any, stock: type) -> None:
        super().__init__(monitor, stock)
        record, shared, hart = self.record, monitor.shared, self.machine.hart
        offset = shared.address - shared.physical.base
        record.shared = shared.physical.pointer + offset
        record.shared_code = hart.code_map + offset // PAGE * 8
        rates = self.machine.rates
        record.hypercall_price = rates.of("hypercalls_by_name", "iret") + rates["hypercalls"]
        self.version = -1
        monitor.vcpu.attributed_word = moved(
            monitor.vcpu.attributed_word, self.words[ATTRIBUTED : ATTRIBUTED + 1]
        )

    def record_of_guest(self) -> Hart:
        """Return the guest as its kernel sees it."""
        record: Hart = self.monitor.vcpu.record
        return record

    def lend(self) -> bool:
        """Say where upcalls go, and the roots in use.

        Without tags in the hardware's TLB, which a switch then flushes, nothing is served.
        """
        spaces, words = self.monitor.spaces, self.words
        words[ENTRY] = self.monitor.vcpu.entry or 0
        if spaces.version != self.version:
            self.version = spaces.version
            words[KERNEL] = self._satp(spaces.kernel_root)
            words[USER] = 0 if spaces.user_root is None else self._satp(spaces.user_root)
        return bool(spaces.asids > 1)

    def _satp(self, root: int) -> int:
        spaces = self.monitor.spaces
        tag = spaces.given.get(spaces.paging.spaces[root])
        return 0 if tag is None else SATP_SV39 | tag << 44 | root

    def expected(self, name: str) -> tuple[Any, ...]:
        """Return what a handler is called with: for a hypercall, what the registers say."""
        x = self.machine.hart.x
        return x[A7], list(x[A0:A4])

    def count_more(self, counters: Counters) -> None:
        """Add upcalls and the returns from them."""
        words = self.words
        counters.upcalls += words[UPCALLS]
        if words[RESUMED]:
            counters.hypercalls_by_name["iret"] += words[RESUMED]
        words[UPCALLS] = words[RESUMED] = 0
