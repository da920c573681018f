"""The rings on their own: the guest writes into them what it likes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vlab.memory import PAGE, PhysicalMemory
from vlab.vmm.direct import Refused
from vlab.vmm.rings import BlockRing, ConsoleRing

M32 = (1 << 32) - 1
INDEX = st.integers(0, M32) | st.integers(0, 40) | st.integers(M32 - 40, M32)


def page_of_memory():
    memory = PhysicalMemory(0x8000_0000, 3 * PAGE)
    memory.write(memory.base, b"\xaa" * memory.size)
    return memory


@settings(max_examples=200, deadline=None)
@given(INDEX, st.lists(st.binary(max_size=2048), max_size=5))
def test_console_ring_carries_all_output_at_any_index(start, texts):
    """Indices run freely and wrap; every byte comes out once, in order."""
    memory = page_of_memory()
    ring = ConsoleRing(memory, memory.base + PAGE)
    produced = start
    for offset in (0, 4):
        memory.store(ring.address + offset, 4, start)
    for text in texts:
        for byte in text:
            memory.store(ring.address + 64 + produced % 2048, 1, byte)
            produced = (produced + 1) & M32
        memory.store(ring.address, 4, produced)
        assert ring.take() == text
        assert ring.take() == b""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(INDEX, INDEX, INDEX, INDEX, st.binary(max_size=40)), max_size=6))
def test_console_ring_stays_in_its_page(rows):
    """Whatever the indices say, neighbours are untouched and at most a ring is taken."""
    memory = page_of_memory()
    ring = ConsoleRing(memory, memory.base + PAGE)
    for *indices, data in rows:
        for n, index in enumerate(indices):
            memory.store(ring.address + 4 * n, 4, index)
        try:
            assert len(ring.take()) <= 2048
        except Refused:
            assert (indices[0] - indices[1]) & M32 > 2048
        ring.put(data)
    assert set(memory.read(memory.base, PAGE)) == {0xAA}
    assert set(memory.read(memory.base + 2 * PAGE, PAGE)) == {0xAA}
    assert set(memory.read(memory.base + PAGE + 2112 + 1024, 960)) == {0xAA}


@settings(max_examples=200, deadline=None)
@given(INDEX, st.lists(st.tuples(INDEX | st.integers(0, 5), st.randoms()), max_size=20))
def test_block_ring_answers_in_order_and_stays_in_its_page(start, steps):
    """Requests are taken once each; answers become visible in the order of the requests."""
    memory = page_of_memory()
    address = memory.base + PAGE
    memory.store(address, 4, start)
    memory.store(address + 4, 4, start)
    ring = BlockRing(memory, address)
    waiting, visible, taken = [], start, 0
    for more, chance in steps:
        produced = ring.taken + more & M32
        memory.store(address, 4, produced)
        try:
            requests = ring.take()
        except Refused:
            assert more + len(waiting) > 0
            requests = []
        taken += len(requests)
        waiting += [index for index, _ in requests]
        assert (ring.taken - ring.answered) & M32 <= 32
        while waiting and chance.random() < 0.5:
            ring.answer(waiting.pop(chance.randrange(len(waiting))), 0)
        expected = waiting[:] and min(waiting, key=lambda i: (i - start) & M32)
        visible = expected if waiting else start + taken & M32
        assert memory.load(address + 4, 4) == visible
    assert set(memory.read(memory.base, PAGE)) == {0xAA}
    assert set(memory.read(memory.base + 2 * PAGE, PAGE)) == {0xAA}
