"""Cost tables: cycles per event, each with its source.

``COSTS`` says what each cost means, ``PRESETS`` what it is on which machine. A source that
begins with "second hand" was not checked in the original; "derived" shows the arithmetic;
"assumed" is a round number without a source.
"""

from __future__ import annotations

import json
from pathlib import Path

COSTS: dict[str, tuple[str, str]] = {
    # the hardware
    "cycle": ("cycle", "A cycle on the clock."),
    "instruction": ("instruction", "An instruction that the hardware executes."),
    "walk_reference": ("reference", "A page-table entry read by the hardware's walker."),
    "tlb_flush": ("flush", "An invalidation of the hardware's TLB."),
    "trap_entry": ("trap", "From the trapping instruction to the first of the handler."),
    "trap_return": ("return", "From the return instruction to where it returns to."),
    "sbi_call": ("call", "A call of the firmware, there and back."),
    "mmio_access": ("access", "An uncached load or store at a device register."),
    # the emulator
    "emulated_instruction": ("instruction", "What emulating it costs beyond executing it."),
    "dbt_instruction": ("instruction", "What translated code costs beyond the instruction."),
    "dbt_entry": ("entry", "Entering a translated block that the last one is linked to."),
    "dbt_dispatch": ("entry", "Leaving for the dispatcher, which finds the next block."),
    "dbt_translation": ("instruction", "Translating one guest instruction."),
    "dbt_drop": ("block", "Dropping a block whose instructions were overwritten."),
    "dbt_flush": ("flush", "Emptying the code cache."),
    "emulated_miss": ("miss", "A miss in the emulator's software TLB."),
    "emulated_walk_reference": ("reference", "An entry read by software, beyond the hardware's."),
    "emulated_trap": ("trap", "A trap carried out by software, beyond the hardware's."),
    "emulated_device_access": ("access", "Finding and running the device model."),
    # the monitor, full virtualization
    "exit": ("exit", "From the guest to the monitor and back, registers saved and loaded."),
    "exit.csr": ("exit", "Decode and emulate a CSR instruction."),
    "exit.xret": ("exit", "Emulate a return from a trap."),
    "exit.wfi": ("exit", "Put the virtual CPU to sleep and wake it."),
    "exit.fence": ("exit", "Emulate sfence.vma."),
    "exit.syscall": ("exit", "Reflect a system call to the guest kernel."),
    "exit.sbi": ("exit", "Serve a firmware call."),
    "exit.page_fault": ("exit", "Walk the guest's tables and reflect the fault."),
    "exit.shadow_fill": ("exit", "Walk the guest's tables and fill the shadow entry."),
    "exit.dirty": ("exit", "Set the guest's dirty bit and allow the write."),
    "exit.pt_write": ("exit", "Emulate the store and drop the shadow entries it affects."),
    "exit.mmio": ("exit", "Decode the access and run the device model."),
    "exit.exception": ("exit", "Reflect any other exception."),
    "exit.interrupt": ("exit", "Take an interrupt of the host."),
    "exit.other": ("exit", "Any other reason."),
    "inject": ("interrupt", "Make the virtual CPU take an interrupt."),
    "shadow_switch": ("switch", "Change to another shadow root."),
    "shadow_flush": ("flush", "Throw a shadow address space away."),
    # the monitor, paravirtualization
    "pv_exit": ("exit", "From a ported guest to the monitor and back."),
    "hypercall.multicall": ("call", "The frame around a batch."),
    "hypercall.mmu_update": ("call", "The frame around page-table updates."),
    "hypercall.switch": ("call", "Change to another address space."),
    "hypercall.other": ("call", "Any other hypercall's work."),
    "mmu_update": ("entry", "Validate and write one page-table entry."),
    "upcall": ("upcall", "Deliver a trap or an event to a ported kernel."),
    "ring_request": ("request", "Take a request from a shared ring and answer it."),
}

_ROUND = "assumed: a round number for mental arithmetic"
_TEACHING = {
    "cycle": 1,
    "instruction": 1,
    "walk_reference": 10,
    "tlb_flush": 20,
    "trap_entry": 50,
    "trap_return": 50,
    "sbi_call": 200,
    "mmio_access": 100,
    "emulated_instruction": 20,
    "dbt_instruction": 10,
    "dbt_entry": 5,
    "dbt_dispatch": 50,
    "dbt_translation": 1000,
    "dbt_drop": 100,
    "dbt_flush": 100_000,
    "emulated_miss": 50,
    "emulated_walk_reference": 10,
    "emulated_trap": 100,
    "emulated_device_access": 200,
    "exit": 1000,
    "exit.csr": 200,
    "exit.xret": 300,
    "exit.wfi": 300,
    "exit.fence": 500,
    "exit.syscall": 300,
    "exit.sbi": 500,
    "exit.page_fault": 500,
    "exit.shadow_fill": 800,
    "exit.dirty": 500,
    "exit.pt_write": 1000,
    "exit.mmio": 1000,
    "exit.exception": 300,
    "exit.interrupt": 300,
    "exit.other": 500,
    "inject": 300,
    "shadow_switch": 200,
    "shadow_flush": 500,
    "pv_exit": 300,
    "hypercall.multicall": 50,
    "hypercall.mmu_update": 50,
    "hypercall.switch": 200,
    "hypercall.other": 100,
    "mmu_update": 50,
    "upcall": 200,
    "ring_request": 500,
}

_AA = "second hand: Adams & Agesen 2006"
_MEROM = "published: VM-exit round trip on Merom (2006), 1686 cycles"
_XEN = "derived from Barham et al. 2003 (Xen - native, 2.4 GHz)"
_SAME = "assumed: as the teaching preset"
_XEON_2006 = {
    "walk_reference": (14, "second hand: latency of the level-2 cache of Intel's Core, 14 cycles"),
    "trap_entry": (445, f"{_AA}: native divide by zero 889 cycles there and back, halved"),
    "trap_return": (444, f"{_AA}: native divide by zero 889 cycles there and back, halved"),
    "sbi_call": (889, f"{_AA}: as a native trap, 889 cycles"),
    "mmio_access": (3209, f"{_AA}: native `in`"),
    "emulated_device_access": (204, f"{_AA}: `in` under the software VMM, a 15th of native 3209"),
    "exit": (1686, _MEROM),
    "exit.csr": (314, "derived: as exit.syscall, the shortest handler"),
    "exit.xret": (314, "derived: as exit.syscall, the shortest handler"),
    "exit.syscall": (314, f"derived: {_AA}, system call +2000 through the monitor - 1686"),
    "exit.exception": (314, "derived: as exit.syscall"),
    "exit.page_fault": (8463, f"derived: {_AA}, page fault 11242 - 1093 native - 1686"),
    "exit.shadow_fill": (8149, "derived: exit.page_fault 8463 - 314 for the reflection"),
    "exit.dirty": (8149, "derived: as exit.shadow_fill"),
    "exit.pt_write": (11046, f"derived: {_AA}, page-table modification 12733 - 1 - 1686"),
    "exit.mmio": (10931, f"derived: {_AA}, `in` 15826 - 3209 native - 1686"),
    "hypercall.switch": (2580, f"{_XEN}: context switch (1.97 - 0.77) µs, less pv_exit 300"),
    "upcall": (1048, f"{_XEN}: a third of page fault (2.73 - 1.42) µs"),
}

PRESETS: dict[str, dict[str, tuple[int, str]]] = {
    "teaching": {name: (cycles, _ROUND) for name, cycles in _TEACHING.items()},
    "xeon-2006": {name: (cycles, _SAME) for name, cycles in _TEACHING.items()} | _XEON_2006,
}
"""``PRESETS[preset][cost] = (cycles, source)``."""


def _apply_calibration() -> None:
    """Let recorded calibrations (cycles and how they were measured) replace assumptions."""
    recorded = Path(__file__).parent / "data" / "calibration.json"
    if recorded.is_file():
        for name, entry in json.loads(recorded.read_text("utf-8")).get("costs", {}).items():
            for figures in PRESETS.values():
                figures[name] = (entry["cycles"], f"calibrated: {entry['source']}")


_apply_calibration()
