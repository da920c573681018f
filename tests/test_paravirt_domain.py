"""The domain builder, the guest's address spaces on the hardware, and the built guest in both."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paging_audit import audit
from pv_guest import (
    PIN_ROOT,
    RO,
    RW,
    SWITCH,
    TLB_FLUSH,
    UNPIN_ROOT,
    Driven,
)

import vlab
from vlab.clock import TIMEBASE
from vlab.errors import ImageError, MachineError
from vlab.isa.fields import LOAD, STORE
from vlab.isa.mmu import translate
from vlab.memory import PAGE, GuestMemory, PhysicalMemory
from vlab.vmm.domain import build_domain
from vlab.vmm.frames import FramePool, guest_p2m, monitor_frames
from vlab.vmm.guest_access import GuestAccess
from vlab.vmm.shared_info import SHARED_INFO

BASE = 0x8000_0000


def domain_of(pages, base=BASE, image_pages=2, bootargs=""):
    reserved = monitor_frames(pages * PAGE)
    physical = PhysicalMemory(BASE, (pages + reserved) * PAGE)
    memory = GuestMemory(physical, guest_p2m(BASE, physical.size, reserved, pages * PAGE), base)
    segments = [(base, b"\x13\0\0\0", image_pages * PAGE - 1), (base + PAGE, b"data", 4)]
    image = SimpleNamespace(segments=segments, entry=base, symbols={})
    return build_domain(memory, FramePool(BASE, reserved), image, bootargs)


@pytest.mark.parametrize(
    ("pages", "base"),
    [(8, BASE), (511, BASE), (512, BASE), (1025, BASE), (600, 0xBFE0_0000)],
)
def test_ram_is_mapped_at_its_own_addresses(pages, base):
    """Every page, whatever the size, also across 2 MiB and 1 GiB; tables read-only."""
    domain = domain_of(pages, base)
    shared = domain.shared
    view, root = GuestAccess(domain.memory.physical), domain.paging.frame(domain.kernel_root)
    for n in range(pages):
        gpa = base + n * PAGE
        assert view._pieces(root, gpa, 1, LOAD) == [(domain.memory.host_address(gpa), 1)]
        pte = domain.memory.load(shared.identity + 8 * n, 8)
        assert pte >> 10 == domain.memory.host_address(gpa) // PAGE
        table = shared.identity <= gpa < shared.first_free
        assert bool(pte & 4) is not table
    audit(domain)


def test_shared_page_tells_what_the_guest_needs():
    """Its words are those of the ABI, through the guest's own tables."""
    domain = domain_of(64, bootargs="batch=4 run=hello")
    view, root = GuestAccess(domain.memory.physical), domain.paging.frame(domain.kernel_root)
    page = view.read(root, SHARED_INFO, PAGE)
    word = [int.from_bytes(page[8 * n : 8 * n + 8], "little") for n in range(512)]
    assert word[:3] == [0x31767062616C76, BASE, 64 * PAGE]
    assert word[3] == domain.kernel_root
    assert word[4] == domain.kernel_root + PAGE
    assert word[5] == BASE + 2 * PAGE
    assert word[6:10] == [
        0xFFFF_FFFF_FE00_0000,
        0xFFFF_FFFF_FC00_0000,
        domain.memory.physical.base // PAGE,
        TIMEBASE,
    ]
    assert page[256:].split(b"\0")[0] == b"batch=4 run=hello"
    assert word[256:264] == [0, 1, 0, 0, 0, 0, 0, 0]


def test_image_is_where_it_was_linked():
    """Segments are at guest-physical addresses, in frames that are elsewhere."""
    domain = domain_of(64)
    assert domain.memory.read(BASE, 4) == b"\x13\0\0\0"
    assert domain.memory.read(BASE + PAGE, 4) == b"data"
    assert domain.memory.physical.read(BASE, 4) != b"\x13\0\0\0"


def test_command_line_that_does_not_fit_is_refused():
    """1023 bytes and a NUL fit."""
    domain_of(64, bootargs="x" * 1023)
    with pytest.raises(MachineError, match="1024 bytes: at most 1023"):
        domain_of(64, bootargs="x" * 1024)


def test_image_without_room_for_its_tables_is_refused():
    """Memory holds the image and the tables that map it, or there is one clear line."""
    domain_of(8, image_pages=5)
    with pytest.raises(ImageError, match="give the guest more"):
        domain_of(8, image_pages=6)


def test_ram_must_begin_where_a_leaf_table_does():
    """The entry of page `i` is word `i` of the leaf tables."""
    with pytest.raises(MachineError, match="multiple of 2 MiB"):
        domain_of(64, base=BASE + PAGE)


def test_too_little_memory_for_the_built_guest_is_one_line():
    """The built image in a megabyte."""
    with pytest.raises(vlab.VlabError) as error:
        vlab.run("hello", mode="paravirt", memory=1 << 20)
    assert "\n" not in str(error.value)


# -- address spaces on the hardware -------------------------------------------------------------

VA = 4096 * 7


class Spaces(Driven):
    """Three user address spaces, each with a page of its own at `VA`."""

    def __init__(self, asid_bits):
        super().__init__(options={"asid_bits": asid_bits})
        for n in range(3):
            self.build(n)

    def build(self, n):
        for k in range(3):
            assert self.protect(self.page(4 * n + k)) == 1
        root, level1, level0, data = (self.page(4 * n + k) for k in range(4))
        assert self.call(PIN_ROOT, root, 1) == 0
        rows = [(root, self.entry(level1, 1)), (level1, self.entry(level0, 1))]
        assert self.updates(*rows, (level0 + 8 * 7, self.entry(data, RW))) == 3

    def demolish(self, n):
        root, level1, level0 = (self.page(4 * n + k) for k in range(3))
        assert self.call(UNPIN_ROOT, root, 1) == 0
        for gpa in (root, level1, level0):
            assert self.protect(gpa, RW) == 1
            self.memory.write(gpa, bytes(PAGE))

    def recycle(self, n, data):
        """Make a new space of an emptied root, which was read-only all the time."""
        root, level1, level0 = (self.page(4 * n + k) for k in range(3))
        other = self.page(12) if data[n] != self.page(12) else self.page(4 * n + 3)
        assert self.call(SWITCH, self.domain.kernel_root, 0) == 0
        assert self.updates((level0 + 8 * 7, self.entry(other, RW)), (root, 0)) == 2
        assert self.call(UNPIN_ROOT, root, 1) == 0
        assert self.call(PIN_ROOT, root, 1) == 0
        assert self.updates((root, self.entry(level1, 1))) == 1
        data[n] = other

    def enter(self, n):
        """Go to user mode in a space, and return where the hardware finds `VA`."""
        assert self.call(SWITCH, self.domain.kernel_root, self.page(4 * n)) == 0
        self.mode.spaces.load(user=True)
        found = translate(self.machine.hart, VA, LOAD, 8)
        self.mode.spaces.load(user=False)
        return found


ACTIONS = st.tuples(
    st.sampled_from(["enter", "enter", "swap", "rebuild", "recycle"]), st.integers(0, 2)
)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([0, 1, 2, 16]), st.lists(ACTIONS, max_size=25))
def test_hardware_never_uses_another_space_s_translations(asid_bits, actions):
    """With any number of tags, recycled or none: each space sees its own page, old ones never."""
    vm = Spaces(asid_bits)
    data = {n: vm.page(4 * n + 3) for n in range(3)}
    for action, n in actions:
        if action == "enter":
            assert vm.enter(n) == vm.memory.host_address(data[n])
        elif action == "swap":
            data[n] = vm.page(12) if data[n] != vm.page(12) else vm.page(4 * n + 3)
            vm.updates((vm.page(4 * n + 2) + 8 * 7, vm.entry(data[n], RW)))
            assert vm.call(TLB_FLUSH, VA) == 0
        elif action == "recycle":
            vm.recycle(n, data)
        else:
            assert vm.call(SWITCH, vm.domain.kernel_root, 0) == 0
            vm.demolish(n)
            vm.build(n)
            data[n] = vm.page(4 * n + 3)
        vm.audit()


def test_root_that_is_recycled_is_a_new_space():
    """A root that was emptied, unpinned and pinned again has no translations of its former life."""
    vm = Spaces(16)
    data = {0: vm.page(3)}
    before = vm.enter(0)
    vm.recycle(0, data)
    assert vm.enter(0) == vm.memory.host_address(data[0]) != before


def test_stale_translation_of_a_new_page_table_is_gone():
    """A page written through the TLB a moment ago cannot be written once it is a table."""
    vm = Driven()
    hart = vm.machine.hart
    assert translate(hart, vm.page(0), STORE, 8)
    vm.protect(vm.page(0))
    assert translate(hart, vm.page(0), STORE, 8), "the hardware has not been told"
    assert vm.call(PIN_ROOT, vm.page(0), 1) == 0
    assert not translate(hart, vm.page(0), STORE, 8)
    assert hart.fault


def test_flush_of_everything_and_of_a_page():
    """`tlb_flush` drops one page's translations, or all."""
    vm = Driven()
    hart = vm.machine.hart
    for gpa in (vm.page(0), vm.page(1)):
        translate(hart, gpa, STORE, 8)
        vm.protect(gpa, RO)
    vm.call(TLB_FLUSH, vm.page(0))
    assert not translate(hart, vm.page(0), STORE, 8)
    assert translate(hart, vm.page(1), STORE, 8)
    vm.call(TLB_FLUSH, -1)
    assert not translate(hart, vm.page(1), STORE, 8)
    flushes = hart.tlb_flushes
    assert vm.call(PIN_ROOT, vm.page(1), 1) == 0
    assert hart.tlb_flushes == flushes, "nothing stale was left"


# -- the built guest -----------------------------------------------------------------------------


def test_built_guest_runs_on_the_reference_engine_with_the_same_counts():
    """Python and machine code agree on a whole boot."""
    results = [vlab.run("hello", mode="paravirt", engine=e) for e in ("python", "interpreter")]
    assert results[0].counters_total == results[1].counters_total
    assert results[0].console == results[1].console


@pytest.mark.parametrize("asid_bits", [0, 1, 2])
def test_built_guest_needs_no_tags(asid_bits):
    """With few ASIDs, or none, the guest does the same; the TLB is flushed more often."""
    many = vlab.run("forktree", mode="paravirt", depth=2)
    few = vlab.run("forktree", mode="paravirt", depth=2, set={"asid_bits": asid_bits})
    assert few.console == many.console
    assert few.counters.tlb_flushes > many.counters.tlb_flushes


def test_tables_of_the_built_guest_pass_the_audit_after_a_run():
    """A kernel, processes that came and went: what is left in memory is in order."""
    from vlab.costs import preset
    from vlab.modes import run_guest

    ended = run_guest(
        "paravirt", of=None, image=None, disk=None, bootargs="run=mixed", memory=32 << 20,
        engine="interpreter", clock="cycles", costs=preset(), options={}, max_instructions=10**7,
    )  # fmt: skip
    assert ended.outcome == "finished"
    mode = ended.machine.mode
    audit(mode.domain, held=dict.fromkeys(mode.backends.pages.values(), 1))
