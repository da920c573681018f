"""Rings and the monitor's drivers: a ported guest's way to the real devices."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pv_guest import (
    BLOCK,
    CONSOLE,
    NOTIFY,
    PIN_ROOT,
    RO,
    RW,
    SETUP_RING,
    SWITCH,
    Driven,
)

from vlab.memory import PAGE
from vlab.vmm.shared_info import BLOCK as BLOCK_EVENT
from vlab.vmm.shared_info import CONSOLE as CONSOLE_EVENT

SECTORS = 64
DISK = b"".join(bytes([n]) * 512 for n in range(SECTORS))
VIRTIO, ATA = 0, 1
RING, BUFFER = 0, 1
"""Pages of the guest."""
M32 = (1 << 32) - 1


@pytest.fixture
def vm():
    return with_rings()


def with_rings():
    """Return a guest with a block ring in page 0 and a console ring in page 2."""
    vm = Driven(disk=DISK)
    assert vm.call(SETUP_RING, 2, vm.page(RING)) == 0
    assert vm.call(SETUP_RING, 1, vm.page(2)) == 0
    vm.produced = 0
    return vm


def ask(vm, sector, gpa, count, write=0, disk=VIRTIO):
    """Put a request into the ring, without ringing the bell; return where its slot is."""
    slot = vm.page(RING) + 64 + vm.produced % 32 * 64
    vm.memory.write(slot, struct.pack("<QQIIII", sector, gpa, count, write, disk, 99))
    vm.produced += 1
    vm.memory.store(vm.page(RING), 4, vm.produced)
    return slot


def answered(vm):
    return vm.memory.load(vm.page(RING) + 4, 4)


def finish(vm):
    """Sleep until everything is answered."""
    while answered(vm) != vm.produced & M32:
        vm.shared.pending = 0
        assert vm.call(BLOCK) == 0
        assert vm.shared.pending & BLOCK_EVENT


@pytest.mark.parametrize("disk", [VIRTIO, ATA])
@pytest.mark.parametrize(
    ("sector", "count", "offset"), [(0, 1, 0), (5, 8, 0), (63, 1, 3584), (7, 3, 6)]
)
def test_disks_are_read_and_written(vm, disk, sector, count, offset):
    """Data reaches the guest's frame, wherever it is, and goes back to the disk."""
    buffer, size = vm.page(BUFFER) + offset, 512 * count
    slot = ask(vm, sector, buffer, count, 0, disk)
    assert vm.call(NOTIFY, 2) == 0
    finish(vm)
    assert vm.memory.load(slot + 28, 4) == 0
    assert vm.memory.read(buffer, size) == DISK[512 * sector :][:size]
    vm.memory.write(buffer, bytes(range(256)) * (2 * count))
    slot = ask(vm, sector, buffer, count, 1, disk)
    assert vm.call(NOTIFY, 2) == 0
    finish(vm)
    assert vm.memory.load(slot + 28, 4) == 0
    assert vm.machine.board.disk.read(sector, count) == bytes(range(256)) * (2 * count)
    vm.audit()


def test_programmed_io_moves_every_word_and_dma_none(vm):
    """A sector of the ATA disk is 256 data accesses; virtio takes a doorbell and an interrupt."""
    buffer = vm.page(BUFFER)
    for disk, name, most, least in (
        (ATA, "ata", 256 * 4 + 20, 256 * 4),
        (VIRTIO, "virtio-blk", 3, 3),
    ):
        before = vm.machine.counters.copy()
        ask(vm, 0, buffer, 4, 0, disk)
        vm.call(NOTIFY, 2)
        finish(vm)
        counted = vm.machine.counters - before
        assert least <= counted.mmio_by_device[name] <= most
        assert counted.ring_requests == 1
        assert counted.exits_by_reason["hypercall"] == 2
        assert counted.device_wait_cycles > 0


@pytest.mark.parametrize(
    ("sector", "offset", "count", "disk"),
    [
        (0, 0, 0, VIRTIO),
        (0, 0, 9, VIRTIO),
        (0, 512, 8, ATA),
        (0, 3585, 1, ATA),
        (0, 1, 1, VIRTIO),
        (0, 0, M32, VIRTIO),
        (0, 0, 1, 2),
        (0, 0, 1, M32),
        (SECTORS, 0, 1, VIRTIO),
        (SECTORS, 0, 1, ATA),
        (SECTORS - 1, 0, 2, ATA),
        (1 << 28, 0, 1, ATA),
        ((1 << 64) - 1, 0, 1, VIRTIO),
        (0, 1 << 40, 1, VIRTIO),
        (0, -(1 << 31), 1, ATA),
    ],
)
@pytest.mark.parametrize("write", [0, 1])
def test_request_that_makes_no_sense_is_answered_with_an_error(
    vm, sector, offset, count, disk, write
):
    """No such sector, disk or buffer: the guest learns it, and the next request is served."""
    slot = ask(vm, sector, vm.page(BUFFER) + offset, count, write, disk)
    good = ask(vm, 1, vm.page(BUFFER), 1, 0, min(disk, 1))
    assert vm.call(NOTIFY, 2) == 0
    finish(vm)
    assert vm.memory.load(slot + 28, 4) not in (0, 99)
    assert vm.memory.load(good + 28, 4) == 0
    assert vm.machine.board.disk.data == DISK
    vm.audit()


def test_programmed_io_writes_no_word_too_many(vm):
    """The last interrupt of a write asks for no data."""
    ask(vm, 0, vm.page(BUFFER), 4, 1, ATA)
    before = vm.machine.counters.copy()
    vm.call(NOTIFY, 2)
    finish(vm)
    assert (vm.machine.counters - before).mmio_by_device["ata"] <= 256 * 4 + 20


def test_disk_works_on_while_the_processor_moves_words(vm):
    """Time passes with every access to a register: sector after sector, as it would."""
    start, timing = vm.machine.clock.now, vm.machine.board.ata.timing
    ask(vm, 0, vm.page(BUFFER), 8, 0, ATA)
    vm.call(NOTIFY, 2)
    finish(vm)
    access = vm.machine.rates["mmio_accesses"]
    moving = 8 * 256 * access
    assert vm.machine.clock.now - start >= timing.service(8) + moving


def test_disk_cannot_write_into_a_page_table(vm):
    """A table is no buffer to read into; a buffer under way does not become a table."""
    table = vm.page(3)
    vm.protect(table)
    assert vm.call(PIN_ROOT, table, 1) == 0
    for gpa in (table, vm.domain.kernel_root, vm.shared.identity):
        slot = ask(vm, 1, gpa, 1)
        vm.call(NOTIFY, 2)
        finish(vm)
        assert vm.memory.load(slot + 28, 4) != 0
        assert vm.memory.load(gpa + 8, 8) != int.from_bytes(b"\1" * 8, "little")
    ask(vm, 1, vm.page(BUFFER), 1)
    vm.call(NOTIFY, 2)
    vm.protect(vm.page(BUFFER))
    assert vm.call(PIN_ROOT, vm.page(BUFFER), 1) < 0
    vm.audit()
    finish(vm)
    assert vm.call(PIN_ROOT, vm.page(BUFFER), 1) < 0  # sector 1 is no page table
    vm.memory.write(vm.page(BUFFER), bytes(PAGE))
    assert vm.call(PIN_ROOT, vm.page(BUFFER), 1) == 0
    vm.audit()


def test_page_table_can_be_written_to_a_disk(vm):
    """Reading a frame harms nobody."""
    slot = ask(vm, 2, vm.shared.identity, 1, write=1)
    vm.call(NOTIFY, 2)
    finish(vm)
    assert vm.memory.load(slot + 28, 4) == 0
    assert vm.machine.board.disk.read(2, 1) == vm.memory.read(vm.shared.identity, 512)


def test_many_requests_are_served_in_order(vm):
    """Each disk has a queue; answers come in the order of the requests."""
    slots = [ask(vm, n, vm.page(BUFFER) + n % 4 * 512, 1, 0, n % 2) for n in range(32)]
    assert vm.call(NOTIFY, 2) == 0
    finish(vm)
    assert [vm.memory.load(slot + 28, 4) for slot in slots] == [0] * 32
    assert vm.memory.read(vm.page(BUFFER), 2048) == DISK[28 * 512 :][:2048]
    assert vm.machine.counters.ring_requests == 32


def test_too_many_requests_are_refused(vm):
    """The ring has 32 slots, whatever the index says."""
    for produced in (33, 1000, M32):
        vm.memory.store(vm.page(RING), 4, produced)
        assert vm.call(NOTIFY, 2) < 0
    assert vm.machine.counters.ring_requests == 0


def test_guest_without_a_disk_gets_errors():
    """A board without a disk has nothing behind the block ring."""
    vm = Driven()
    vm.call(SETUP_RING, 2, vm.page(RING))
    vm.produced = 0
    slot = ask(vm, 0, vm.page(BUFFER), 1)
    assert vm.call(NOTIFY, 2) == 0
    assert (answered(vm), vm.memory.load(slot + 28, 4)) == (1, 1)


def test_console_output_goes_to_the_uart(vm):
    """One doorbell for any number of bytes; the transmitter's FIFO takes 16 at a time."""
    text = bytes(range(32, 127))
    ring = vm.page(2)
    vm.memory.write(ring + 64, text)
    vm.memory.store(ring, 4, len(text))
    before = vm.machine.counters.copy()
    assert vm.call(NOTIFY, 1) == 0
    assert bytes(vm.guest.output) == text
    assert vm.memory.load(ring + 4, 4) == len(text)
    counted = vm.machine.counters - before
    assert counted.mmio_by_device == {"uart": len(text) + -(-len(text) // 16)}
    assert counted.exits == counted.ring_requests == 1


def test_console_input_is_an_event(vm):
    """What is typed interrupts the host, goes into the ring and sets the event."""
    vm.machine.board.uart.receive(b"ls\n")
    assert vm.machine.hart.lines
    vm.mode.on_interrupt()
    assert not vm.machine.hart.lines
    ring = vm.page(2)
    assert vm.memory.load(ring + 8, 4) == 3
    assert vm.memory.read(ring + 2112, 3) == b"ls\n"
    assert vm.shared.pending == CONSOLE_EVENT
    for _ in range(100):
        vm.machine.board.uart.receive(b"0123456789abcdef")
        vm.mode.on_interrupt()
    assert vm.memory.load(ring + 8, 4) == 1024
    assert vm.memory.read(ring + 4090, 6) == bytes(6)


def test_typing_waits_until_there_is_a_ring():
    """The receiver interrupts once the guest can be told."""
    vm = Driven()
    vm.machine.board.uart.receive(b"x")
    assert not vm.machine.hart.lines
    vm.call(SETUP_RING, 1, vm.page(0))
    assert vm.call(BLOCK) == 0
    assert vm.memory.load(vm.page(0) + 8, 4) == 1


def test_long_text_without_a_ring_is_printed(vm):
    """The early console needs no ring."""
    vm.memory.write(vm.page(5), b"panic: " * 10)
    assert vm.call(CONSOLE, vm.page(5), 70) == 70
    assert bytes(vm.guest.output) == b"panic: " * 10


# -- any requests ------------------------------------------------------------------------------

REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 70) | st.integers(0, (1 << 64) - 1),
        st.tuples(st.integers(-1, 6), st.integers(0, PAGE)) | st.integers(0, (1 << 64) - 1),
        st.integers(0, 9) | st.integers(0, M32),
        st.integers(0, 1),
        st.integers(0, 2),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(REQUESTS, st.integers(0, 6), st.booleans()), max_size=4))
def test_any_requests_leave_the_tables_alone(rounds):
    """Random requests, mixed with pages that become tables: all answered, tables intact."""
    vm = with_rings()
    for requests, page, wait in rounds:
        for sector, where, count, write, disk in requests:
            if isinstance(where, tuple):
                where = vm.page(where[0]) + where[1]
            ask(vm, sector, where, count, write, disk)
        assert vm.call(NOTIFY, 2) == 0
        vm.protect(vm.page(page), RO)
        vm.call(PIN_ROOT, vm.page(page), page % 2)
        vm.call(SWITCH, vm.domain.kernel_root, vm.page(page))
        vm.audit()
        if wait:
            finish(vm)
            vm.audit()
        vm.protect(vm.page(page), RW)
        if not wait:
            finish(vm)
    vm.audit()
