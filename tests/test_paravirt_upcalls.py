"""Upcalls: how a ported kernel learns of system calls, faults and events."""

from __future__ import annotations

import pytest
from pv_guest import (
    DELIVER,
    ECALL,
    ENTRY,
    EPC,
    ILLEGAL,
    IRET,
    LOOP,
    MARK_1,
    MARK_2,
    NOTHING,
    RO,
    SET_ENTRY,
    SET_TIMER,
    SHUTDOWN,
    SWITCH,
    USER,
    Driven,
    guest,
    hypercall,
    li,
    sd,
    with_entry,
    words,
)

from vlab.board import RAM_BASE
from vlab.isa.fields import PTE_X, Cause, S, U
from vlab.memory import PAGE
from vlab.modes.paravirt import ParaVirt
from vlab.vmm.shared_info import BLOCK as BLOCK_EVENT
from vlab.vmm.shared_info import CONSOLE as CONSOLE_EVENT
from vlab.vmm.shared_info import TIMER

USER_VA = 0x1_0000_0000
INTERRUPT = 1 << 63


def user_guest(program: bytes, handler: bytes = words(LOOP)) -> Driven:
    """Return a guest about to run a program in user mode at `USER_VA`."""
    vm = Driven(code=with_entry(b"", handler))
    leaf = vm.user_space()
    vm.memory.write(vm.page(3), program)
    root = vm.page(0) + 8 * (USER_VA >> 30)
    rows = [(root, vm.memory.load(vm.page(0), 8)), (leaf, vm.entry(vm.page(3), RO | PTE_X))]
    assert vm.updates(*rows) == 2
    vm.call(SET_ENTRY, ENTRY)
    vm.call(SWITCH, vm.domain.kernel_root, vm.page(0))
    vm.shared.trap_epc, vm.shared.trap_user, vm.shared.trap_masked = USER_VA, 1, 0
    vm.call(IRET)
    return vm


def trap_words(shared):
    return (
        shared.trap_cause, shared.trap_epc, shared.trap_tval, shared.trap_user,
        shared.trap_masked, shared.masked,
    )  # fmt: skip


def fill_registers(hart):
    for n in range(1, 32):
        hart.x[n] = 0x0101_0101_0101_0101 * n


def test_system_call_reaches_the_kernel_and_changes_no_register():
    """An `ecall` of a user program: the trap words say all, the registers are untouched."""
    vm = user_guest(words(NOTHING, ECALL))
    hart = vm.machine.hart
    fill_registers(hart)
    before = bytes(hart.x[:32])
    vm.machine.run(vm.mode, vm.machine.guest_instructions + 10)
    assert trap_words(vm.shared) == (Cause.ECALL_U, USER_VA + 4, 0, 1, 0, 1)
    assert bytes(hart.x[:32]) == before
    assert (hart.pc, vm.mode.vcpu.record.priv) == (ENTRY, S)
    counters = vm.mode.counters()
    assert (counters.syscalls, counters.upcalls, counters.returns) == (1, 1, 1)
    assert counters.exits_by_reason["syscall"] == 1


def test_return_restores_what_the_page_says():
    """`iret` loads pc, privilege, mask and a7, and nothing else."""
    vm = user_guest(words(NOTHING, ECALL))
    vm.machine.run(vm.mode, vm.machine.guest_instructions + 10)
    hart = vm.machine.hart
    fill_registers(hart)
    expected = list(hart.x)
    expected[17] = vm.shared.trap_a7 = 1234
    vm.shared.trap_epc, expected[10] = USER_VA + 9, 0
    vm.call(IRET)
    assert list(hart.x) == expected
    assert (hart.pc, vm.mode.vcpu.record.priv, vm.shared.masked) == (USER_VA + 8, U, 0)
    vm.shared.trap_epc, vm.shared.trap_user, vm.shared.trap_masked = ENTRY, 0, 1
    vm.call(IRET)
    assert (hart.pc, vm.mode.vcpu.record.priv, vm.shared.masked) == (ENTRY, S, 1)


@pytest.mark.parametrize(
    ("program", "cause", "tval", "reason"),
    [
        (words(ILLEGAL), Cause.ILLEGAL, ILLEGAL, "exception"),
        (words(0x0010_0073), Cause.BREAKPOINT, USER_VA, "exception"),
        (words(0x1000_0073 | 2 << 20), Cause.ILLEGAL, 0x1020_0073, "exception"),  # sret
        (words(0xFF80_3003), Cause.LOAD_PAGE, (1 << 64) - 8, "page_fault"),  # ld x0, -8(x0)
        (sd(0, -2048), Cause.STORE_PAGE, (1 << 64) - 2048, "page_fault"),
    ],
)
def test_exceptions_of_a_user_program_are_its_kernel_s(program, cause, tval, reason):
    """Faults arrive with cause, pc and address; user programs do not reach the shared page."""
    vm = user_guest(program)
    vm.machine.run(vm.mode, vm.machine.guest_instructions + 5)
    assert trap_words(vm.shared) == (cause, USER_VA, tval, 1, 0, 1)
    counters = vm.mode.counters()
    assert counters.exits_by_reason[reason] == 1
    assert counters.traps == 1
    assert counters.page_faults == (reason == "page_fault")


def test_trap_without_an_entry_is_a_crash():
    """A kernel that faults before it registered an entry cannot go on."""
    ended = guest(words(ILLEGAL)).run(100)
    assert ended.outcome == "crashed"
    assert "no trap entry" in ended.crash
    assert "\n" not in ended.crash


@pytest.mark.parametrize("entry", [ENTRY, RAM_BASE - PAGE, 1 << 63])
def test_entry_that_traps_is_a_crash(entry):
    """Nothing of the handler ran: the next trap would find the same."""
    code = hypercall(SET_ENTRY, entry) + words(ILLEGAL)
    ended = guest(code.ljust(ENTRY - RAM_BASE, b"\0") + words(ILLEGAL)).run(100)
    assert ended.outcome == "crashed"
    assert "trap entry itself traps" in ended.crash


def test_handler_that_keeps_trapping_ends_at_the_limit():
    """Each round retires something, so the run ends."""
    ended = guest(with_entry(words(ILLEGAL), words(NOTHING, ILLEGAL))).run(500)
    assert ended.outcome == "limit"
    assert ended.counters_total.traps_by_cause["illegal"] > 100


def test_return_to_user_mode_without_a_user_root_is_a_crash():
    """There would be no tables to run on."""
    ended = guest(li(5, 1) + sd(5, USER) + hypercall(IRET)).run(100)
    assert (ended.outcome, "no user root" in ended.crash) == ("crashed", True)


def test_events_wait_until_they_are_unmasked():
    """A pending timer does not interrupt a kernel that masks, and does one that unmasks."""
    vm = Driven(code=words(LOOP))
    vm.call(SET_ENTRY, ENTRY)
    vm.call(SET_TIMER, 1)
    vm.machine.run(vm.mode, vm.machine.guest_instructions + 1000)
    assert (vm.shared.pending, vm.machine.hart.pc) == (TIMER, RAM_BASE)
    vm.shared.masked = 0
    vm.memory.write(ENTRY, words(LOOP))
    vm.call(DELIVER)
    vm.machine.run(vm.mode, vm.machine.guest_instructions + 10)
    assert trap_words(vm.shared)[0] == INTERRUPT | 5
    assert trap_words(vm.shared)[3:] == (0, 0, 1)
    assert vm.machine.hart.pc == ENTRY
    assert dict(vm.mode.counters().interrupts_by_source) == {"timer": 1}


@pytest.mark.parametrize(
    ("pending", "code"),
    [(TIMER, 5), (CONSOLE_EVENT, 9), (BLOCK_EVENT, 9), (TIMER | BLOCK_EVENT, 9)],
)
def test_cause_of_an_event_tells_timer_from_devices(pending, code):
    """Devices come before the timer, as external interrupts do on a hart."""
    vm = Driven()
    vm.call(SET_ENTRY, ENTRY)
    vm.shared.pending, vm.shared.masked = pending | 1 << 40, 0
    vm.mode.enter()
    assert vm.shared.trap_cause == INTERRUPT | code
    assert vm.shared.pending == pending | 1 << 40
    vm.shared.pending, vm.shared.masked = 1 << 40, 0
    vm.mode.enter()
    assert vm.mode.counters().interrupts == 1


def test_event_at_the_trap_entry_is_no_crash():
    """A kernel that jumps to its own entry with events unmasked is odd, and can go on."""
    vm = Driven()
    vm.call(SET_ENTRY, ENTRY)
    vm.machine.hart.pc, vm.shared.pending, vm.shared.masked = ENTRY, TIMER, 0
    vm.mode.enter()
    assert (vm.shared.trap_epc, vm.shared.masked) == (ENTRY, 1)


def test_timer_interrupts_a_user_program():
    """A program that loops is left when the time has come: one exit, one upcall."""
    vm = user_guest(words(LOOP))
    vm.call(SET_TIMER, vm.machine.clock.time + 5)
    vm.mode.vcpu.record.priv = U
    vm.mode.spaces.load(user=True)
    vm.machine.hart.pc = USER_VA
    vm.machine.run(vm.mode, vm.machine.guest_instructions + 2000)
    assert trap_words(vm.shared) == (INTERRUPT | 5, USER_VA, 0, 1, 0, 1)
    assert vm.mode.counters().exits_by_reason["interrupt"] == 1


def test_instructions_are_attributed_to_kernel_and_user():
    """What a program retires is the user's, hypercalls and handlers are the kernel's."""
    vm = user_guest(words(NOTHING, NOTHING, NOTHING, ECALL), words(NOTHING, LOOP))
    before = vm.mode.counters()
    vm.machine.run(vm.mode, vm.machine.guest_instructions + 13)
    counted = vm.mode.counters() - before
    assert (counted.retired_user, counted.retired_kernel) == (3, 10)


def test_marks_and_time_cost_no_exit():
    """The measured region, and reading the time, are nobody's business."""
    read_time = 0xC010_2573  # rdtime a0
    code = words(MARK_1, NOTHING, read_time, MARK_2) + hypercall(SHUTDOWN, 0)
    ended = guest(code).run(100)
    assert ended.counters.retired == 3
    assert ended.counters.exits == 0
    assert ended.counters_total.exits_by_reason == {"hypercall": 1}


def test_other_counters_are_out_of_reach():
    """Only `time` may be read: `cycle` would not tell the guest's own cycles."""
    code = words(0xC000_2573) + hypercall(SHUTDOWN, 4)
    ended = guest(with_entry(code, hypercall(SHUTDOWN, 3))).run(100)
    assert (ended.exit_code, ended.counters_total.traps_by_cause) == (3, {"illegal": 1})


def test_system_calls_can_be_observed():
    """Whoever wants to compare histories sees the registers at every system call."""
    vm = user_guest(words(NOTHING, ECALL))
    seen = []
    vm.machine.on_syscall = lambda hart: seen.append((hart.pc, hart.x[17]))
    vm.machine.run(vm.mode, vm.machine.guest_instructions + 5)
    assert [pc for pc, _ in seen] == [USER_VA + 4]


def test_reservation_does_not_survive_an_upcall():
    """A store-conditional after a trap must fail."""
    vm = user_guest(words(ECALL))
    vm.machine.hart.reservation = RAM_BASE
    vm.machine.run(vm.mode, vm.machine.guest_instructions + 3)
    assert vm.machine.hart.reservation == (1 << 64) - 1


def test_handlers_can_be_overridden():
    """A monitor of one's own sees every hypercall before it is made."""
    seen = []

    class Nosy(ParaVirt):
        def on_hypercall(self, number, arguments):
            seen.append(number)
            super().on_hypercall(number, arguments)

    guest(hypercall(DELIVER) + hypercall(SHUTDOWN, 0), monitor=Nosy).run(100)
    assert seen == [DELIVER, SHUTDOWN]


def test_engines_agree():
    """The reference engine and the interpreter count the same for a ported guest."""
    handler = li(5, RAM_BASE + 0x200) + sd(5, EPC) + hypercall(IRET)
    code = with_entry(words(NOTHING, ILLEGAL), handler).ljust(4096, b"\0")
    ended = [guest(code, engine=engine).run(3000) for engine in ("python", "interpreter")]
    assert ended[0].counters_total == ended[1].counters_total
    assert ended[0].outcome == ended[1].outcome == "limit"
