"""Host-physical memory, and guest-physical memory mapped onto it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.errors import MachineError
from vlab.memory import PAGE, GuestMemory, MemoryRangeError, PhysicalMemory

BASE = 0x8000_0000
FRAMES = [5, 2, 7, 3]
"""Where guest-physical pages 0 to 3 are, as numbers of pages from BASE."""


def physical() -> PhysicalMemory:
    return PhysicalMemory(BASE, 8 * PAGE)


def guest() -> GuestMemory:
    p2m = np.array([BASE // PAGE + frame for frame in FRAMES], dtype=np.uint64)
    return GuestMemory(physical(), p2m, BASE)


@pytest.mark.parametrize("size", [0, -PAGE, 100, PAGE + 1])
def test_sizes_are_whole_pages(size: int) -> None:
    """Memory of no size, or of a part of a page, is refused in one line that says so."""
    with pytest.raises(MachineError, match=f"memory={size}: must be a positive multiple"):
        PhysicalMemory(BASE, size)


def test_more_than_the_host_has_is_refused() -> None:
    """A size that the host cannot map is an error and not a crash."""
    with pytest.raises(MachineError, match="the host cannot provide it"):
        PhysicalMemory(BASE, 1 << 62)


ACCESSES = st.lists(
    st.tuples(st.integers(0, 4 * PAGE - 8), st.sampled_from([1, 2, 4, 8]), st.integers(0, 1 << 70)),
    max_size=30,
)


@pytest.mark.parametrize("make", [physical, guest])
@given(accesses=ACCESSES)
def test_loads_and_stores_are_little_endian_bytes(make, accesses: list) -> None:  # type: ignore[no-untyped-def]
    """Whatever their width and alignment, loads and stores agree with an array of bytes."""
    memory, model = make(), bytearray(4 * PAGE)
    for offset, width, value in accesses:
        value &= (1 << 8 * width) - 1
        memory.store(BASE + offset, width, value)
        model[offset : offset + width] = value.to_bytes(width, "little")
        assert memory.load(BASE + offset, width) == value
        around = max(0, offset - 8)
        expected = model[around : around + 24]
        assert memory.read(BASE + around, len(expected)) == expected
    assert memory.read(BASE, 4 * PAGE) == model


@pytest.mark.parametrize("make", [physical, guest])
@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_a_store_keeps_the_low_bytes(make, width: int) -> None:  # type: ignore[no-untyped-def]
    """A number too large for the width is cut."""
    memory = make()
    memory.store(BASE + 8, width, (1 << 80) - 1)
    assert memory.read(BASE + 8, 9) == (b"\xff" * width).ljust(9, b"\0")


@pytest.mark.parametrize("make", [physical, guest])
def test_nothing_outside_is_reached(make) -> None:  # type: ignore[no-untyped-def]
    """An access that is not wholly inside raises, and has changed nothing."""
    memory = make()
    end = BASE + memory.size
    for address in (BASE - 1, end - 1, end, 0, 1 << 64, -8):
        for width in (2, 4, 8):
            with pytest.raises(MemoryRangeError):
                memory.load(address, width)
            with pytest.raises(MemoryRangeError):
                memory.store(address, width, MASK := (1 << 8 * width) - 1)
            with pytest.raises(MemoryRangeError):
                memory.write(address, MASK.to_bytes(width, "little"))
            with pytest.raises(MemoryRangeError):
                memory.read(address, width)
    assert memory.read(BASE, memory.size) == bytes(memory.size)
    assert memory.contains(BASE)
    assert memory.contains(end - 1)
    assert not memory.contains(end)
    assert not memory.contains(BASE - 1)


def test_the_p2m_says_where_guest_pages_are() -> None:
    """Each guest-physical page is in its frame, and no other frame is touched."""
    memory = guest()
    memory.write(BASE + PAGE - 2, b"abcd")
    assert memory.physical.read(BASE + 6 * PAGE - 2, 2) == b"ab"
    assert memory.physical.read(BASE + 2 * PAGE, 2) == b"cd"
    assert memory.host_address(BASE + 2 * PAGE + 5) == BASE + 7 * PAGE + 5
    rest = memory.physical.read(BASE, 8 * PAGE).replace(b"\0", b"")
    assert rest == b"cdab"


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 1), (PAGE - 1, 2), (PAGE - 4, 8), (100, 2 * PAGE)]
)
@pytest.mark.parametrize("make", [physical, guest])
def test_decoded_code_is_forgotten_where_memory_changes(make, offset: int, size: int) -> None:  # type: ignore[no-untyped-def]
    """A write, and a store, marks every page that it touches, and no other."""
    memory = make()
    host = getattr(memory, "physical", memory)
    frames = FRAMES if host is not memory else [0, 1, 2, 3]
    touched = {frames[page] for page in range(offset // PAGE, (offset + size - 1) // PAGE + 1)}
    expected = [0 if page in touched else 1 for page in range(8)]
    host.code_map = np.ones(8, dtype=np.uint64)
    memory.write(BASE + offset, bytes(size))
    assert host.code_map.tolist() == expected
    if size <= 8:
        host.code_map = np.ones(8, dtype=np.uint64)
        memory.store(BASE + offset, size, 0)
        assert host.code_map.tolist() == expected


def test_compiled_code_sees_the_same_bytes() -> None:
    """`pointer` is the host address of the first byte."""
    import ctypes

    memory = physical()
    memory.store(BASE + 16, 8, 0x1122334455667788)
    assert ctypes.c_uint64.from_address(memory.pointer + 16).value == 0x1122334455667788
