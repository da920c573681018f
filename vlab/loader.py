"""Image loader: from a file to what has to be where in memory before the first instruction."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from vlab import elf
from vlab.board import RAM_BASE
from vlab.errors import ImageError

SUPERVISOR_ENTRY = 0x8020_0000
"""Where firmware by convention (OpenSBI, QEMU's ``virt``) leaves the room below to itself."""

ELF_MAGIC = b"\x7fELF"
ELF_LOADABLE = ("ET_EXEC", "ET_DYN")
LINUX_HEADER = struct.Struct("<8xQQQ24xI4x")
LINUX_MAGIC = 0x05435352  # "RSC\x05"
LINUX_TEXT_OFFSET = 0x20_0000
LINUX_BIG_ENDIAN = 1
RISCV = 243

Segment = tuple[int, bytes, int]
"""Physical address, contents, and bytes in memory (the rest is zero)."""


@dataclass(frozen=True)
class Image:
    """A guest image, ready to be copied into memory.

    Attributes
    ----------
    kind
        ``"elf"``, ``"linux"`` or ``"raw"``.
    entry
        Address of the first instruction.
    segments
        What belongs where.
    symbols
        Addresses by name; empty if the image was stripped.
    sha256
        Of the file, in hexadecimal.
    supervisor
        Whether it starts in S-mode with an SBI below it, and not in M-mode.
    """

    kind: str
    entry: int
    segments: list[Segment]
    symbols: dict[str, int]
    sha256: str
    supervisor: bool
    name: str = field(default="image", compare=False)

    def check_fits(self, base: int, size: int) -> None:
        """Raise `ImageError` unless everything that the image names is in RAM."""
        end = base + size
        ram = f"RAM is {base:#x} to {end:#x}"
        for address, _, length in self.segments:
            if address < base or address + length > end:
                raise ImageError(f"{self.name}: needs {address:#x} to {address + length:#x}; {ram}")
        if not base <= self.entry < end:
            raise ImageError(f"{self.name}: starts at {self.entry:#x}; {ram}")
        tohost = self.symbols.get("tohost")
        if tohost is not None and not base <= tohost <= end - 8:
            raise ImageError(f"{self.name}: has tohost at {tohost:#x}; {ram}")


def load_image(source: Path | str | bytes) -> Image:
    """Read a guest image: an ELF executable, a Linux ``Image``, or else raw instructions.

    Parameters
    ----------
    source
        A file, or the contents of one.

    Raises
    ------
    ImageError
        If it is missing, a directory, empty, damaged, or for another machine.
    """
    if isinstance(source, bytes):
        name, data = "image", source
    else:
        name, data = str(source), _read(Path(source))
    if not data:
        raise ImageError(f"{name}: is empty")
    if data.startswith(ELF_MAGIC):
        kind, entry, segments, symbols = "elf", *_load_elf(name, data)
        supervisor = entry >= SUPERVISOR_ENTRY
    else:
        kind, segments = _load_flat(name, data)
        entry, symbols, supervisor = segments[0][0], {}, kind == "linux"
    if entry & 1:
        raise ImageError(f"{name}: starts at {entry:#x}; instructions lie at even addresses")
    digest = hashlib.sha256(data).hexdigest()
    return Image(kind, entry, segments, symbols, digest, supervisor, name)


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ImageError(f"{path}: is a directory, not an image")
        if not path.exists():
            raise ImageError(f"{path}: no such file")
        if not path.is_file():
            raise ImageError(f"{path}: is not a regular file")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise ImageError(f"{path}: cannot be read ({reason})") from None


def _load_flat(name: str, data: bytes) -> tuple[str, list[Segment]]:
    """Place a file without sections.

    The header is that of Linux's ``Documentation/arch/riscv/boot-image-header.rst``.
    """
    if len(data) >= LINUX_HEADER.size:
        text_offset, image_size, flags, magic = LINUX_HEADER.unpack_from(data)
        if magic == LINUX_MAGIC:
            if flags & LINUX_BIG_ENDIAN:
                raise ImageError(f"{name}: is a big-endian kernel; this machine is little-endian")
            address = RAM_BASE + (text_offset or LINUX_TEXT_OFFSET)
            return "linux", [(address, data, max(image_size, len(data)))]
    return "raw", [(RAM_BASE, data, len(data))]


def _load_elf(name: str, data: bytes) -> tuple[int, list[Segment], dict[str, int]]:
    """Read an ELF file; one that is not as it should be is diagnosed by a library."""
    plain = elf.read(data, RISCV)
    return plain or _load_unusual_elf(name, data)


def _load_unusual_elf(name: str, data: bytes) -> tuple[int, list[Segment], dict[str, int]]:
    from elftools.elf.elffile import ELFFile

    try:
        file = ELFFile(BytesIO(data))
        _check_header(name, file)
        return file["e_entry"], _segments(name, file, data), _symbols(file)
    except ImageError:
        raise
    except Exception as error:  # the parser fails in many ways on a damaged file
        reason = str(error).splitlines()
        detail = f" ({reason[0]})" if reason else ""
        raise ImageError(f"{name}: is a damaged or truncated ELF file{detail}") from None


def _check_header(name: str, file) -> None:
    if file.elfclass != 64:
        raise ImageError(f"{name}: is a {file.elfclass}-bit ELF file; this machine is 64-bit")
    if not file.little_endian:
        raise ImageError(f"{name}: is a big-endian ELF file; this machine is little-endian")
    if file["e_machine"] != "EM_RISCV":
        machine = str(file["e_machine"]).removeprefix("EM_")
        raise ImageError(f"{name}: is an ELF file for {machine}; this machine is RISC-V")
    if file["e_type"] not in ELF_LOADABLE:
        kind = {"ET_REL": "a relocatable object", "ET_CORE": "a core dump"}.get(
            file["e_type"], f"an ELF file of type {file['e_type']}"
        )
        raise ImageError(f"{name}: is {kind}, not an executable; link it first")


def _segments(name: str, file, data: bytes) -> list[Segment]:
    segments = []
    for segment in file.iter_segments():
        if segment["p_type"] != "PT_LOAD" or not segment["p_memsz"]:
            continue
        offset, length = segment["p_offset"], segment["p_filesz"]
        if offset + length > len(data):
            raise ImageError(
                f"{name}: is truncated: {len(data)} bytes, a segment ends at {offset + length}"
            )
        if length > segment["p_memsz"]:
            raise ImageError(f"{name}: is damaged: a segment is longer in the file than in memory")
        contents = data[offset : offset + length]
        segments.append((segment["p_paddr"], contents, segment["p_memsz"]))
    if not segments:
        raise ImageError(f"{name}: has nothing to load (no PT_LOAD segment)")
    return segments


def _symbols(file) -> dict[str, int]:
    """Return the defined symbols; unpacked here because the library takes seconds for a kernel."""
    symbols: dict[str, int] = {}
    for section in file.iter_sections():
        if section["sh_type"] != "SHT_SYMTAB":
            continue
        symbols |= elf.symbols_of(section.data(), file.get_section(section["sh_link"]).data())
    return symbols
