"""Disk image: what is on the disk, apart from the devices that give access to it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vlab.errors import DiskError

SECTOR = 512


@dataclass(frozen=True)
class DiskTiming:
    """Service time of a request: ``access + sectors * per_sector`` cycles of a 1 GHz clock.

    The default is a fast flash disk behind an older link. Access: 20 µs, the upper end of the
    12–20 µs that Samsung states for the SZ985. Transfer: 2 µs a sector, 256 MB/s, between
    SATA at 1.5 Gb/s (150 MB/s) and at 3 Gb/s (300 MB/s).

    Parameters
    ----------
    access
        Cycles before the first sector.
    per_sector
        Cycles to move one sector of 512 bytes.
    """

    access: int = 20_000
    per_sector: int = 2_000

    def service(self, sectors: int) -> int:
        """Return the cycles that a request takes."""
        return self.access + sectors * self.per_sector


class DiskImage:
    """Sectors of 512 bytes in memory; `save` writes them back.

    Parameters
    ----------
    data
        Contents, a positive multiple of 512 bytes; copied.
    read_only
        Refuse writes.
    path
        The file that `save` writes.
    """

    def __init__(
        self, data: bytes | bytearray, read_only: bool = False, path: Path | None = None
    ) -> None:
        name = "disk image" if path is None else path
        if not data:
            raise DiskError(f"{name}: is empty; a disk has at least one sector of {SECTOR} bytes")
        if len(data) % SECTOR:
            raise DiskError(f"{name}: {len(data)} bytes is not a multiple of {SECTOR}")
        self.data = bytearray(data)
        self.read_only, self.path = read_only, path
        self.dirty = False

    @classmethod
    def open(cls, path: str | Path, read_only: bool = False) -> DiskImage:
        """Read an image file.

        Parameters
        ----------
        read_only
            Accept a file that cannot be written, and refuse the guest's writes.

        Raises
        ------
        DiskError
            If the file is missing, a directory, empty, not a multiple of 512 bytes,
            unreadable, or read-only although it was not asked for as such.
        """
        path = Path(path)
        try:
            if path.is_dir():
                raise DiskError(f"{path}: is a directory, not a disk image")
            if not path.exists():
                raise DiskError(f"{path}: no such file")
            if not path.is_file():
                raise DiskError(f"{path}: is not a regular file")
            if not read_only and not _writable(path):
                raise DiskError(f"{path}: is read-only; make it writable or attach it read-only")
            data = path.read_bytes()
        except (OSError, ValueError) as error:
            raise DiskError(f"{path}: cannot be read ({_reason(error)})") from None
        return cls(data, read_only, path)

    @property
    def sectors(self) -> int:
        """Capacity in sectors."""
        return len(self.data) // SECTOR

    def holds(self, sector: int, count: int) -> bool:
        """Return whether a range of sectors is on the disk."""
        return sector >= 0 and count >= 0 and sector + count <= self.sectors

    def _range(self, sector: int, count: int) -> slice:
        if not self.holds(sector, count):
            raise DiskError(f"sector {sector}+{count}: the disk has {self.sectors}")
        return slice(sector * SECTOR, (sector + count) * SECTOR)

    def read(self, sector: int, count: int) -> bytes:
        """Return the contents of ``count`` sectors."""
        return bytes(self.data[self._range(sector, count)])

    def write(self, sector: int, data: bytes) -> None:
        """Write whole sectors."""
        if self.read_only:
            raise DiskError(f"sector {sector}: the disk is read-only")
        if len(data) % SECTOR:
            raise DiskError(f"sector {sector}: {len(data)} bytes are not whole sectors")
        self.data[self._range(sector, len(data) // SECTOR)] = data
        self.dirty = self.dirty or bool(data)

    def save(self) -> None:
        """Write changes back to the file: all of them, or on failure none."""
        if not self.dirty or self.path is None:
            return
        try:
            target = self.path.resolve()  # a link stays a link
            _replace(target, self.data)
        except (OSError, ValueError, RuntimeError) as error:
            raise DiskError(f"{self.path}: cannot be written ({_reason(error)})") from None
        self.dirty = False


def _replace(target: Path, data: bytearray) -> None:
    """Give a file new contents in one step, keeping its permissions."""
    mode = target.stat().st_mode & 0o7777 if target.exists() else 0o644
    import tempfile

    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _writable(path: Path) -> bool:
    # The mode is looked at, too, because the superuser may write any file.
    return os.access(path, os.W_OK) and bool(path.stat().st_mode & 0o222)


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
