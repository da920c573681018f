"""Direct paging: what a guest may write into its page tables, and what it may not."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paging_audit import audit

from vlab.isa.fields import PTE_A, PTE_D, PTE_G, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X
from vlab.memory import PAGE, GuestMemory, PhysicalMemory
from vlab.vmm.direct import BELOW, DirectPaging, Refused, Use
from vlab.vmm.domain import build_domain
from vlab.vmm.frames import FramePool, guest_p2m

BASE = 0x8000_0000
PAGES, RESERVED = 24, 16
IMAGE = SimpleNamespace(segments=[(BASE, b"\x13\0\0\0", 2 * PAGE)], entry=BASE, symbols={})
RO = PTE_V | PTE_R | PTE_U | PTE_A
RW = RO | PTE_W | PTE_D


@pytest.fixture
def domain():
    return small_domain()


def small_domain(pages=PAGES):
    physical = PhysicalMemory(BASE, (pages + RESERVED) * PAGE)
    p2m = guest_p2m(BASE, physical.size, RESERVED, pages * PAGE)
    memory = GuestMemory(physical, p2m, BASE)
    domain = build_domain(memory, FramePool(BASE, RESERVED), IMAGE, "run=init")
    domain.paging.flushes = 0

    def flush():
        domain.paging.flushes += 1
        domain.paging.flushed()

    domain.paging.flush_hardware = flush
    return domain


def page(domain, n):
    """Guest-physical address of the n-th free page."""
    return domain.shared.first_free + n * PAGE


def pointer(domain, gpa, flags=PTE_V):
    return domain.memory.host_address(gpa) >> 2 | flags


def identity(domain, gpa):
    """Where the entry is that maps a page in the guest's kernel."""
    return domain.shared.identity + (gpa - BASE) // PAGE * 8


def protect(domain, gpa, writable=False):
    """Change the kernel's own mapping of a page."""
    flags = RW if writable else RO
    domain.paging.update(identity(domain, gpa), pointer(domain, gpa, flags))


def use(domain, gpa):
    paging = domain.paging
    return paging.use[paging.frame(gpa) - paging.first]


def make_user_root(domain):
    """Pages 0, 1, 2 become a root, a level-1 and a level-0 table."""
    for n in range(3):
        protect(domain, page(domain, n))
    domain.paging.pin(page(domain, 0), 1)
    domain.paging.update(page(domain, 0) + 8 * 4, pointer(domain, page(domain, 1)))
    domain.paging.update(page(domain, 1), pointer(domain, page(domain, 2)))
    return page(domain, 2)


def test_guest_starts_with_its_ram_identity_mapped_and_its_tables_read_only(domain):
    """The initial tables are as the ABI says, and pass the audit."""
    audit(domain)
    root = domain.memory.load(domain.shared.kernel_root + 8 * (BASE >> 30), 8)
    assert root & 0x3FF == PTE_V
    for n in range(PAGES):
        gpa = BASE + n * PAGE
        pte = domain.memory.load(identity(domain, gpa), 8)
        assert (pte >> 10) * PAGE == domain.memory.host_address(gpa)
        table = domain.shared.identity <= gpa < domain.shared.first_free
        assert bool(pte & PTE_W) is not table


def test_address_space_can_be_built_and_freed(domain):
    """Tables are typed when they are linked in, and are nothing once the root is unpinned."""
    leaf = make_user_root(domain)
    domain.paging.update(leaf, pointer(domain, page(domain, 3), RW))
    assert [use(domain, page(domain, n)) for n in range(4)] == [
        Use.USER_ROOT,
        Use.TABLE_1,
        Use.TABLE_0,
        Use.WRITABLE,
    ]
    audit(domain)
    domain.paging.unpin(page(domain, 0), 1)
    assert {use(domain, page(domain, n)) for n in range(3)} == {Use.NONE}
    for n in range(3):
        protect(domain, page(domain, n), writable=True)
    audit(domain)


def test_writable_page_cannot_become_a_table(domain):
    """A frame with a writable mapping is refused as a table."""
    with pytest.raises(Refused, match="WRITABLE"):
        domain.paging.pin(page(domain, 0), 1)
    assert domain.paging.pins.keys() == {domain.paging.frame(domain.kernel_root)}


def test_table_cannot_be_mapped_writable(domain):
    """A frame that is a table is refused as a writable page, wherever it is to be mapped."""
    leaf = make_user_root(domain)
    for target in (page(domain, 0), page(domain, 1), leaf, domain.kernel_root):
        with pytest.raises(Refused, match="WRITABLE"):
            domain.paging.update(leaf, pointer(domain, target, RW))
        domain.paging.update(leaf, pointer(domain, target, RO))
    audit(domain)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (RW & ~PTE_U, "U"),
        (RW | PTE_G, "G"),
        (RW | 1 << 60, "reserved"),
        (RW & ~PTE_R, "W without R"),
        (PTE_V, "last level"),
    ],
)
def test_malformed_leaf_is_refused(domain, flags, why):
    """An entry that the architecture reserves, or that the kernel in U-mode could not use."""
    leaf = make_user_root(domain)
    with pytest.raises(Refused, match=why):
        domain.paging.update(leaf, pointer(domain, page(domain, 3), flags))
    assert domain.memory.load(leaf, 8) == 0


@pytest.mark.parametrize("flags", [RW, RO, PTE_V | PTE_X | PTE_U])
def test_superpage_is_refused(domain, flags):
    """A leaf above the last level would map frames that nobody validated."""
    make_user_root(domain)
    with pytest.raises(Refused, match="4 KiB"):
        domain.paging.update(page(domain, 1) + 8, pointer(domain, page(domain, 3), flags))


def test_foreign_frame_is_refused(domain):
    """Only the guest's frames can be mapped: not the monitor's, nor what is no memory."""
    leaf = make_user_root(domain)
    monitor = [BASE // PAGE, domain.shared.address // PAGE, domain.paging.monitor_entry >> 10]
    for frame in [*monitor, 0x10000, BASE // PAGE + PAGES + RESERVED, (1 << 44) - 1]:
        for flags in (RW, RO):
            with pytest.raises(Refused, match="not the guest's"):
                domain.paging.update(leaf, frame << 10 | flags)
        with pytest.raises(Refused, match="not the guest's"):
            domain.paging.update(page(domain, 1) + 8, frame << 10 | PTE_V)


def test_root_entry_of_the_monitor_is_out_of_reach(domain):
    """Entry 511 of a kernel root is the monitor's, of a user root nothing, whatever was there."""
    gpa = page(domain, 0)
    for kind, expected in ((0, domain.paging.monitor_entry), (1, 0)):
        protect(domain, gpa, writable=True)
        domain.memory.store(gpa + 511 * 8, 8, pointer(domain, page(domain, 5)))
        protect(domain, gpa)
        domain.paging.pin(gpa, kind)
        assert domain.memory.load(gpa + 511 * 8, 8) == expected
        with pytest.raises(Refused, match="511"):
            domain.paging.update(gpa + 511 * 8, 0)
        domain.paging.unpin(gpa, kind)
        assert domain.memory.load(gpa + 511 * 8, 8) == 0


def test_table_that_maps_itself_writable_is_refused_and_nothing_is_left_of_the_attempt(domain):
    """A table counts as one while it is validated, and a failed validation is undone."""
    for n in range(2):
        protect(domain, page(domain, n))
    before = (list(domain.paging.use), list(domain.paging.count))
    bad = [(0, pointer(domain, page(domain, 2), RW)), (8, pointer(domain, page(domain, 1), RW))]
    for offset, pte in bad:
        domain.memory.store(page(domain, 1) + offset, 8, pte)
    domain.memory.store(page(domain, 0), 8, pointer(domain, page(domain, 1)))
    use_as = BELOW[2]
    with pytest.raises(Refused):
        domain.paging.acquire(domain.paging.frame(page(domain, 0)), use_as)
    assert (domain.paging.use, domain.paging.count) == before


def test_hardware_is_flushed_before_a_page_with_a_stale_writable_translation_becomes_a_table(
    domain,
):
    """Dropping a writable mapping flushes nothing; a table made of it since the last flush does."""
    protect(domain, page(domain, 0))
    assert domain.paging.flushes == 0
    domain.paging.pin(page(domain, 0), 1)
    assert domain.paging.flushes == 1
    protect(domain, page(domain, 1))
    domain.paging.flush_hardware()
    domain.paging.pin(page(domain, 1), 1)
    assert domain.paging.flushes == 2


def test_table_stays_one_while_something_refers_to_it(domain):
    """Two pointers to a table: dropping one changes nothing, dropping both does."""
    leaf = make_user_root(domain)
    domain.paging.update(page(domain, 1) + 8, pointer(domain, leaf))
    domain.paging.update(page(domain, 1), 0)
    assert use(domain, leaf) == Use.TABLE_0
    domain.paging.update(page(domain, 1) + 8, 0)
    assert use(domain, leaf) == Use.NONE


@pytest.mark.parametrize("gpa", [0, 1, BASE - 8, BASE + PAGES * PAGE, BASE + 4, (1 << 64) - 8])
def test_update_of_what_is_no_table_entry_is_refused(domain, gpa):
    """An update must name an aligned word of a frame that is a table."""
    with pytest.raises(Refused):
        domain.paging.update(gpa, 0)


# -- any sequence of hypercalls ---------------------------------------------------------------

FEW = st.integers(0, 4)
SLOTS = st.sampled_from([0, 1, 511])
FLAGS = st.sampled_from([0, PTE_V, PTE_V, RO, RO, RW, RW, RW & ~PTE_R, RW | PTE_G, PTE_V | PTE_A])
TARGETS = st.one_of(FEW, FEW, st.integers(-RESERVED, -1))
UPDATES = st.tuples(st.just("update"), FEW, SLOTS, TARGETS, FLAGS)
OPERATIONS = st.one_of(
    *[UPDATES] * 4,
    st.tuples(st.just("write"), FEW, SLOTS, TARGETS, FLAGS),
    st.tuples(st.just("protect"), FEW, st.booleans()),
    st.tuples(st.just("root"), FEW, st.integers(0, 2)),
    st.tuples(st.just("unpin"), FEW, st.integers(0, 2)),
    st.tuples(st.just("nonsense"), st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1)),
    st.just(("flush",)),
)


def entry_for(domain, target, flags):
    """An entry for a free page of the guest; below 0 or above, for one of the monitor's."""
    if 0 <= target < 8:
        return pointer(domain, page(domain, target), flags)
    return (BASE // PAGE + target % RESERVED) << 10 | flags


def carry_out(domain, stale, operation):
    """Do what a guest could: hypercalls, and stores through any translation it ever had."""
    paging, memory = domain.paging, domain.memory
    kind, *a = operation
    if kind == "nonsense":
        paging.update(*a)
    elif kind == "flush":
        paging.flush_hardware()
    elif kind == "protect":
        protect(domain, page(domain, a[0]), a[1])
    elif kind == "root":
        protect(domain, page(domain, a[0]))
        paging.pin(page(domain, a[0]), a[1])
    elif kind == "unpin":
        paging.unpin(page(domain, a[0]), a[1])
    elif kind == "update":
        paging.update(page(domain, a[0]) + 8 * a[1], entry_for(domain, *a[2:]))
    elif memory.host_address(page(domain, a[0])) // PAGE in stale:
        memory.store(page(domain, a[0]) + 8 * a[1], 8, entry_for(domain, *a[2:]))


@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.lists(OPERATIONS, min_size=5, max_size=40))
def test_whatever_a_guest_asks_no_table_becomes_writable_and_no_frame_foreign(built, operations):
    """After any sequence of hypercalls and stores the tables themselves pass the audit.

    The guest's TLB is the worst that hardware could have: it never forgets a writable
    translation until it is flushed.
    """
    domain = small_domain()
    if built:
        make_user_root(domain)
    stale: set[int] = set()

    def flush():
        stale.clear()
        domain.paging.flushed()

    domain.paging.flush_hardware = flush
    for operation in operations:
        stale |= audit(domain)
        with suppress(Refused):
            carry_out(domain, stale, operation)
        audit(domain, stale)


def test_p2m_and_m2p_are_inverse(domain):
    """The guest reads both tables through its kernel root, and they agree."""
    m2p_entries = np.arange(len(domain.memory.p2m)) + BASE // PAGE
    from vlab.vmm.guest_access import GuestAccess

    view, root = GuestAccess(domain.memory.physical), domain.paging.frame(domain.kernel_root)
    for gpfn in m2p_entries.tolist():
        place = domain.shared.p2m + 8 * (gpfn - BASE // PAGE)
        mfn = int.from_bytes(view.read(root, place, 8), "little")
        assert mfn * PAGE == domain.memory.host_address(gpfn * PAGE)
        place = domain.shared.m2p + 8 * (mfn - domain.shared.m2p_base)
        assert int.from_bytes(view.read(root, place, 8), "little") == gpfn


def test_monitor_pages_are_read_only_but_for_the_shared_page(domain):
    """The guest's kernel may write the shared page, and cannot write p2m and m2p."""
    from vlab.vmm.guest_access import GuestAccess
    from vlab.vmm.shared_info import M2P, P2M, SHARED_INFO

    view, root = GuestAccess(domain.memory.physical), domain.paging.frame(domain.kernel_root)
    view.write(root, SHARED_INFO + 2048, bytes(8))
    for va in (P2M, M2P, domain.kernel_root, 0, 1 << 40, SHARED_INFO + PAGE - 4):
        with pytest.raises(Refused, match="not writable"):
            view.write(root, va, bytes(8))


def test_bare_direct_paging_owns_exactly_the_guest_s_frames():
    """A frame is the guest's if and only if p2m names it."""
    physical = PhysicalMemory(BASE, 8 * PAGE)
    memory = GuestMemory(physical, guest_p2m(BASE, 8 * PAGE, 4, 4 * PAGE), BASE)
    paging = DirectPaging(memory, 0)
    assert paging.use == [Use.FOREIGN] * 4 + [Use.NONE] * 4
