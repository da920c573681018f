"""Hypercalls: each does what the ABI says, and none lets the guest out of its memory."""

from __future__ import annotations

import struct

import pytest
from pv_guest import (
    BLOCK,
    CONSOLE,
    IRET,
    LOOP,
    MMU_UPDATE,
    MULTICALL,
    NOTIFY,
    PIN_ROOT,
    RO,
    RW,
    SET_ENTRY,
    SET_TIMER,
    SETUP_RING,
    SHUTDOWN,
    SWITCH,
    TLB_FLUSH,
    UNPIN_ROOT,
    Driven,
    calls,
    guest,
    hypercall,
    words,
)

from vlab.memory import PAGE
from vlab.vmm.direct import EBUSY, EFAULT, EINVAL, ENOSYS, EPERM, Use
from vlab.vmm.shared_info import SHARED_INFO

NOWHERE = (0, 1, 1 << 38, 1 << 63, 0xFFFF_FFFF_FFFF_EFF8)


@pytest.fixture
def vm():
    return Driven()


def results(vm, at, count):
    data = vm.memory.read(at, 48 * count)
    return [struct.unpack_from("<40xq", data, 48 * n)[0] for n in range(count)]


@pytest.mark.parametrize("number", [15, 16, 255, (1 << 64) - 1])
def test_unknown_number_is_refused(vm, number):
    """A number that is not in the table is no hypercall."""
    assert vm.call(number) == -ENOSYS
    assert vm.machine.counters.hypercalls == 0


def test_update_returns_how_many_it_did(vm):
    """All entries of an update are done, counted and charged."""
    leaf = vm.user_space()
    before = vm.machine.counters.mmu_updates
    assert vm.updates(*((leaf + 8 * n, vm.entry(vm.page(4), RW)) for n in range(5))) == 5
    assert vm.machine.counters.mmu_updates - before == 5
    assert vm.machine.counters.hypercalls_by_name["mmu_update"] > 0
    vm.audit()


def test_update_stops_at_the_first_refusal(vm):
    """What comes before the refused entry stands, what comes after does not."""
    leaf = vm.user_space()
    good = vm.entry(vm.page(4), RW)
    rows = [(leaf, good), (leaf + 8, vm.entry(vm.page(0), RW)), (leaf + 16, good)]
    assert vm.updates(*rows) == -EBUSY
    assert [vm.memory.load(leaf + 8 * n, 8) for n in range(3)] == [good, 0, 0]
    assert "USER_ROOT" in vm.mode.last_refusal


@pytest.mark.parametrize("va", NOWHERE)
@pytest.mark.parametrize("number", [MMU_UPDATE, MULTICALL, CONSOLE])
def test_pointer_to_nowhere_is_refused(vm, number, va):
    """An argument array must be readable for the guest's own kernel."""
    assert vm.call(number, va, 1) == -EFAULT


@pytest.mark.parametrize("number", [MMU_UPDATE, MULTICALL, CONSOLE])
def test_a_hypercall_ends_soon(vm, number):
    """A count may not make the monitor work for ever."""
    for count in (4097, 1 << 32, (1 << 64) - 1):
        assert vm.call(number, vm.page(0), count) == -EINVAL
    assert vm.call(number, vm.page(0), 0) == 0


def test_arrays_may_cross_pages(vm):
    """The frames of consecutive pages are not consecutive; the array's bytes are."""
    place = vm.page(3) - 5
    vm.memory.write(place, b"0123456789")
    assert vm.call(CONSOLE, place, 10) == 10
    assert bytes(vm.guest.output) == b"0123456789"


def test_multicall_makes_each_call_and_reports_each_result(vm):
    """One exit, several hypercalls, each with its own result."""
    for n in range(2):
        vm.protect(vm.page(n))
    rows = [(PIN_ROOT, vm.page(0), 1), (PIN_ROOT, vm.page(0), 1), (99,), (TLB_FLUSH, 0)]
    rows += [(PIN_ROOT, vm.page(1), 1), (SWITCH, vm.domain.kernel_root, vm.page(1))]
    vm.memory.write(vm.page(5), calls(*rows))
    before = vm.machine.counters.copy()
    assert vm.call(MULTICALL, vm.page(5), len(rows)) == 0
    assert results(vm, vm.page(5), len(rows)) == [0, -EBUSY, -ENOSYS, 0, 0, 0]
    counted = vm.machine.counters - before
    assert counted.exits == 1
    names = {"multicall": 1, "pin_root": 3, "tlb_flush": 1, "switch": 1}
    assert dict(counted.hypercalls_by_name) == names


@pytest.mark.parametrize("number", [MULTICALL, IRET, BLOCK])
def test_calls_that_go_elsewhere_cannot_be_batched(vm, number):
    """A multicall does not nest, return from an upcall, or sleep."""
    vm.memory.write(vm.page(5), calls((number, vm.page(5), 1)))
    assert vm.call(MULTICALL, vm.page(5), 1) == 0
    assert results(vm, vm.page(5), 1) == [-EINVAL]


def test_multicall_cannot_report_into_a_page_that_became_a_table(vm):
    """Results are written with the permissions of that moment, not of the beginning."""
    array = vm.page(5)
    update = struct.pack("<2Q", vm.identity(array), vm.entry(array, RO))
    vm.memory.write(vm.page(6), update)
    vm.memory.write(array, calls((MMU_UPDATE, vm.page(6), 1), (PIN_ROOT, array, 1)))
    assert vm.call(MULTICALL, array, 2) == -EFAULT
    vm.audit()


def test_root_is_pinned_once(vm):
    """A second pin, an unpin too many and a wrong kind are refused."""
    vm.protect(vm.page(0))
    assert vm.call(PIN_ROOT, vm.page(0), 2) == -EINVAL
    assert vm.call(UNPIN_ROOT, vm.page(0), 1) == -EINVAL
    assert vm.call(PIN_ROOT, vm.page(0), 1) == 0
    assert vm.call(PIN_ROOT, vm.page(0), 1) == -EBUSY
    assert vm.call(PIN_ROOT, vm.page(0), 0) == -EBUSY
    assert vm.call(UNPIN_ROOT, vm.page(0), 0) == -EINVAL
    assert vm.call(UNPIN_ROOT, vm.page(0), 1) == 0


@pytest.mark.parametrize("gpa", [*NOWHERE, 0x7FFF_F000, 0x8000_0004])
def test_what_is_no_page_of_the_guest_is_no_root(vm, gpa):
    """Roots are named by the guest-physical address of a page of RAM."""
    for kind in (0, 1):
        assert vm.call(PIN_ROOT, gpa, kind) == -EINVAL
    if gpa:
        assert vm.call(SWITCH, gpa, 0) == -EINVAL
        assert vm.call(SWITCH, vm.domain.kernel_root, gpa) == -EINVAL


def test_switch_takes_roots_of_the_right_kind_only(vm):
    """The kernel's root may not be a user root, nor the user's the kernel's."""
    vm.user_space()
    kernel = vm.domain.kernel_root
    counts = list(vm.paging.count)
    assert vm.call(SWITCH, vm.page(0), 0) == -EBUSY
    assert vm.call(SWITCH, kernel, kernel) == -EBUSY
    assert vm.paging.count == counts
    assert vm.call(SWITCH, kernel, vm.page(0)) == 0
    vm.audit()


def test_root_in_use_stays_a_table_after_it_was_unpinned(vm):
    """The hardware's root cannot be written, whatever the guest unpins."""
    vm.user_space()
    kernel, root = vm.domain.kernel_root, vm.page(0)
    assert vm.call(SWITCH, kernel, root) == 0
    assert vm.call(UNPIN_ROOT, root, 1) == 0
    assert vm.protect(root, RW) == -EBUSY
    assert vm.call(UNPIN_ROOT, kernel, 0) == 0
    assert vm.protect(kernel, RW) == -EBUSY
    assert vm.call(SWITCH, kernel, 0) == 0
    assert vm.protect(root, RW) == 1
    vm.audit()


def test_second_kernel_root_gets_the_monitor_s_entry(vm):
    """A kernel root that the guest makes itself maps the shared page, too."""
    vm.protect(vm.page(0))
    root = vm.memory.load(vm.domain.kernel_root + 8 * 2, 8)
    assert vm.call(PIN_ROOT, vm.page(0), 0) == 0
    assert vm.updates((vm.page(0) + 8 * 2, root)) == 1
    assert vm.call(SWITCH, vm.page(0), 0) == 0
    assert vm.call(CONSOLE, SHARED_INFO, 7) == 7
    assert bytes(vm.guest.output) == b"vlabpv1"
    assert vm.updates((vm.page(0) + 8 * 511, 0)) == -EPERM
    vm.audit()


def test_timer_sets_its_event(vm):
    """After the time that was asked for, the timer bit is pending and `block` returns."""
    assert vm.call(SET_TIMER, 1000) == 0
    assert vm.shared.pending == 0
    assert vm.call(BLOCK) == 0
    assert (vm.shared.pending, vm.shared.masked) == (1, 0)
    assert vm.machine.clock.time >= 1000
    assert vm.machine.counters.idle_cycles > 0


def test_waiting_for_nothing_is_a_crash():
    """A guest that sleeps with no timer set and nothing under way ends its run."""
    ended = guest(hypercall(BLOCK)).run(1000)
    assert (ended.outcome, "cannot come" in ended.crash) == ("crashed", True)


@pytest.mark.parametrize("code", [0, 7, 0xFFFF])
def test_shutdown_ends_the_run_with_its_code(code):
    """The exit code is the guest's."""
    ended = guest(hypercall(SHUTDOWN, code) + words(LOOP)).run(1000)
    assert (ended.outcome, ended.exit_code) == ("finished", code)


def test_a_guest_that_only_makes_hypercalls_ends_at_its_limit():
    """Hypercalls retire, so that even a return to itself uses up instructions."""
    ended = guest(hypercall(99) + words(LOOP)).run(50)
    assert (ended.outcome, ended.counters_total.retired) == ("limit", 50)
    vm = Driven()
    vm.shared.trap_epc = vm.machine.hart.pc = vm.page(0)
    vm.memory.write(vm.page(0), words(0x73))
    vm.shared.trap_a7 = vm.machine.hart.x[17] = IRET
    vm.shared.masked = vm.shared.trap_masked = 1
    vm.machine.hart.budget = vm.machine.hart.limit = 0
    assert vm.guest.run(100).outcome == "limit"


def test_entry_is_where_upcalls_go(vm):
    """`set_entry` registers it, at an even address."""
    assert vm.call(SET_ENTRY, vm.page(0) | 1) == 0
    assert vm.mode.vcpu.entry == vm.page(0)


def test_ring_page_cannot_become_a_table(vm):
    """The monitor writes to it, so it stays writable; a table cannot become a ring."""
    assert vm.call(SETUP_RING, 1, vm.page(0)) == 0
    vm.protect(vm.page(0))
    assert vm.call(PIN_ROOT, vm.page(0), 1) == -EBUSY
    vm.protect(vm.page(1))
    assert vm.call(PIN_ROOT, vm.page(1), 1) == 0
    assert vm.call(SETUP_RING, 2, vm.page(1)) == -EBUSY
    assert vm.call(SETUP_RING, 1, vm.page(2)) == -EINVAL
    assert vm.call(SETUP_RING, 3, vm.page(2)) == -EINVAL
    assert vm.call(NOTIFY, 2) == -EINVAL
    vm.audit()


def test_frames_of_a_finished_address_space_are_free_again(vm):
    """Nothing remains counted of an address space that was built, used and thrown away."""
    counts = list(vm.paging.count)
    leaf = vm.user_space()
    vm.updates((leaf, vm.entry(vm.page(4), RW)))
    vm.call(SWITCH, vm.domain.kernel_root, vm.page(0))
    vm.call(SWITCH, vm.domain.kernel_root, 0)
    vm.call(UNPIN_ROOT, vm.page(0), 1)
    for n in range(3):
        assert vm.protect(vm.page(n), RW) == 1
    assert vm.paging.count == counts
    assert Use.NONE not in vm.paging.use


def test_memory_of_the_guest_is_all_that_a_page_is():
    """The guest's pages, and no byte of the monitor's, are what its tables can name."""
    vm = Driven()
    own = {vm.memory.host_address(vm.memory.base + n * PAGE) // PAGE for n in range(64)}
    assert len(own) == 64
    for n, use in enumerate(vm.paging.use):
        assert (use != Use.FOREIGN) == (n + vm.paging.first in own)
