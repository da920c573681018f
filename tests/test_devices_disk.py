"""Disk images, the real-time clock, and what every disk device has in common."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlab.clock import Clock
from vlab.devices import rtc
from vlab.devices.ata import AtaDisk
from vlab.devices.disk import SECTOR, DiskImage, DiskTiming
from vlab.devices.rtc import EPOCH, Rtc
from vlab.devices.virtio_blk import VirtioBlk
from vlab.errors import DiskError
from vlab.memory import PhysicalMemory

RAM = 0x8000_0000


def image_file(folder: Path, sectors: int = 2) -> Path:
    path = folder / "disk.img"
    path.write_bytes(bytes(range(256)) * 2 * sectors)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """A sector holds what was last written to it, and its neighbours are untouched."""
    disk = DiskImage.open(image_file(tmp_path, 3))
    disk.write(1, b"x" * SECTOR)
    assert disk.sectors == 3
    assert disk.read(0, 3) == bytes(range(256)) * 2 + b"x" * SECTOR + bytes(range(256)) * 2


def test_only_save_changes_the_file(tmp_path: Path) -> None:
    """The file changes when the disk is saved, keeps its permissions, and leaves no other file."""
    path = image_file(tmp_path)
    path.chmod(0o640)
    disk = DiskImage.open(path)
    before = path.read_bytes()
    disk.write(0, b"y" * SECTOR)
    assert disk.dirty
    assert path.read_bytes() == before
    disk.save()
    assert not disk.dirty
    assert path.read_bytes() == b"y" * SECTOR + before[SECTOR:]
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == [path.name]


def test_a_failed_save_leaves_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If writing back fails, the old contents remain and the disk stays dirty."""
    path = image_file(tmp_path)
    disk, before = DiskImage.open(path), path.read_bytes()
    disk.write(0, bytes(SECTOR))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="No space left on device"):
        disk.save()
    assert disk.dirty
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_a_link_to_an_image_stays_a_link(tmp_path: Path) -> None:
    """Saving through a symbolic link changes the file that it names."""
    path, link = image_file(tmp_path), tmp_path / "link"
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("this user may make no symbolic links")
    disk = DiskImage.open(link)
    disk.write(0, bytes(SECTOR))
    disk.save()
    assert link.is_symlink()
    assert path.read_bytes()[:SECTOR] == bytes(SECTOR)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (None, "no such file"),
        ("directory", "is a directory"),
        (b"", "is empty"),
        (bytes(513), "513 bytes is not a multiple of 512"),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, contents: Any, message: str) -> None:
    """Each way in which a file is no disk image has its own line, which names the file."""
    path = tmp_path / "disk.img"
    if contents == "directory":
        path.mkdir()
    elif contents is not None:
        path.write_bytes(contents)
    with pytest.raises(DiskError, match=message) as caught:
        DiskImage.open(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_read_only_file_must_be_asked_for(tmp_path: Path) -> None:
    """A file without write permission is attached only as a read-only disk."""
    path = image_file(tmp_path)
    path.chmod(0o444)
    with pytest.raises(DiskError, match="read-only"):
        DiskImage.open(path)
    disk = DiskImage.open(path, read_only=True)
    with pytest.raises(DiskError, match="read-only"):
        disk.write(0, bytes(SECTOR))


@pytest.mark.parametrize(("sector", "count"), [(-1, 1), (2, 1), (1, 2), (1 << 64, 1)])
def test_sectors_beyond_the_disk_are_refused(sector: int, count: int) -> None:
    """No access reaches outside the image."""
    disk = DiskImage(bytes(2 * SECTOR))
    with pytest.raises(DiskError):
        disk.read(sector, count)
    with pytest.raises(DiskError):
        disk.write(sector, bytes(count * SECTOR))
    assert disk.sectors == 2


# ---- Real-time clock ------------------------------------------------------------


class Wire:
    level = False

    def __call__(self, level: bool) -> None:
        self.level = level


def test_the_date_moves_with_the_clock() -> None:
    """The date is the epoch plus a nanosecond a cycle, and its halves belong together."""
    clock = Clock()
    device = Rtc(clock, Wire())
    clock.now = (1 << 32) - EPOCH % (1 << 32) - 1  # one nanosecond before the low half wraps
    low = device.read(rtc.TIME_LOW, 4)
    clock.now += 1
    assert device.read(rtc.TIME_HIGH, 4) << 32 | low == EPOCH + clock.now - 1
    assert device.read(rtc.TIME_LOW, 4) == 0


def test_the_alarm_interrupts_until_it_is_cleared() -> None:
    """An alarm raises the wire at its time if it is enabled, until the guest clears it."""
    clock, wire = Clock(), Wire()
    device = Rtc(clock, wire)
    alarm = EPOCH + 1000
    device.write(rtc.IRQ_ENABLED, 1, 4)
    device.write(rtc.ALARM_HIGH, alarm >> 32, 4)
    device.write(rtc.ALARM_LOW, alarm, 4)
    assert device.deadline == 1000
    assert device.read(rtc.ALARM_STATUS, 4) == 1
    assert not wire.level
    clock.now = 1000
    device.on_deadline(1000)
    assert wire.level
    assert device.read(rtc.ALARM_STATUS, 4) == 0
    device.write(rtc.CLEAR_INTERRUPT, 1, 4)
    assert not wire.level


def test_an_alarm_that_is_not_enabled_waits() -> None:
    """Without the enable bit an alarm is remembered, and seen when it is enabled."""
    wire = Wire()
    device = Rtc(Clock(), wire)
    device.write(rtc.ALARM_LOW, 1, 4)  # long past: goes off at once
    assert not wire.level
    device.write(rtc.IRQ_ENABLED, 1, 4)
    assert wire.level


# ---- Every device ---------------------------------------------------------------


def make(kind: str, wire: Callable[[bool], None]) -> tuple[Any, DiskImage]:
    clock, disk = Clock(), DiskImage(bytes(range(256)) * 16)
    if kind == "rtc":
        return Rtc(clock, wire), disk
    timing = DiskTiming(20, 2)
    if kind == "ata":
        return AtaDisk(disk, clock, wire, timing), disk
    device = VirtioBlk(disk, PhysicalMemory(RAM, 4096), clock, wire, timing)
    return device, disk


INTERESTING = st.sampled_from([*range(0, 0x118, 4), 1, 2, 3, 5, 6, 7, 0x206, 0xFFF])
VALUES = st.sampled_from(
    [0, 1, 2, 4, 7, 8, 15, 0x20, 0x30, 0x40, 0xE0, 0xE7, 0xEC, 0xEF, 0x8000_0000, 0xFFFF_FFFF]
) | st.integers(0, (1 << 64) - 1)
ACCESSES = st.lists(
    st.tuples(
        st.sampled_from("rrwwwt"),
        INTERESTING | st.integers(0, 0xFFF),
        VALUES,
        st.sampled_from([1, 2, 4, 4, 8]),
    ),
    max_size=60,
)


def access(device: Any, action: str, offset: int, value: int, size: int) -> int | None:
    """One access, or the passing of time; return what was read."""
    if action == "r":
        return device.read(offset, size)
    if action == "w":
        device.write(offset, value & (1 << 8 * size) - 1, size)
    else:
        device.clock.now += value & 0xFF
        if device.deadline is not None and device.deadline <= device.clock.now:
            device.on_deadline(device.clock.now)
    return None


@pytest.mark.parametrize("kind", ["rtc", "ata", "virtio"])
@given(accesses=ACCESSES)
def test_nonsense_is_inert(kind: str, accesses: list[tuple[str, int, int, int]]) -> None:
    """No sequence of accesses raises, and no register has more bits than the access."""
    device, _ = make(kind, Wire())
    for step in accesses:
        value = access(device, *step)
        assert value is None or 0 <= value < 1 << 64


@pytest.mark.parametrize("kind", ["rtc", "ata", "virtio"])
@given(before=ACCESSES, after=ACCESSES)
def test_a_restored_device_goes_on_as_the_saved_one(kind: str, before: list, after: list) -> None:
    """State, restored into a new device, gives the same reads, wires and deadlines ever after."""
    wire, other_wire = Wire(), Wire()
    device, disk = make(kind, wire)
    for step in before:
        access(device, *step)
    other, other_disk = make(kind, other_wire)
    other_disk.data[:] = disk.data
    other.clock.now = device.clock.now
    saved = copy.deepcopy(device.state())
    other.restore(saved)
    if kind == "virtio":
        other.memory.write(RAM, device.memory.read(RAM, 4096))
    assert other.state() == device.state()
    for step in after:
        assert access(other, *step) == access(device, *step)
        assert (other_wire.level, other.deadline) == (wire.level, device.deadline)
    assert other_disk.data == disk.data
