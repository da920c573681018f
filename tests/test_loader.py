"""The image loader: what it accepts, where it puts it, and how it refuses the rest."""

from __future__ import annotations

import hashlib
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vlab.elf
from vlab import loader
from vlab.errors import ImageError
from vlab.loader import Image, load_image

RAM, RAM_SIZE = 0x8000_0000, 128 << 20
NATIVE = Path(__file__).parent.parent / "vlab" / "images" / "native.elf"

RISCV, EXEC, LOAD = 243, 2, 1
SYMTAB, STRTAB = 2, 3


def elf(
    entry: int = RAM,
    segments: tuple[tuple[int, bytes, int], ...] = ((RAM, b"\x13\0\0\0" * 4, 32),),
    symbols: dict[str, int] | None = None,
    machine: int = RISCV,
    kind: int = EXEC,
    load: int = LOAD,
    undefined: str | None = None,
) -> bytes:
    """Return a 64-bit little-endian ELF file, written here field by field."""
    at = 64 + 56 * len(segments)
    headers, contents = b"", b""
    for address, data, size in segments:
        headers += struct.pack(
            "<IIQQQQQQ", load, 7, at + len(contents), address + (1 << 40), address,
            len(data), size, 8,
        )  # fmt: skip
        contents += data
    strings, table = b"\0", bytes(24)
    for name, value in (symbols or {}).items():
        table += struct.pack("<IBBHQQ", len(strings), 0x10, 0, 1, value, 8)
        strings += name.encode() + b"\0"
    if undefined is not None:
        table += struct.pack("<IBBHQQ", len(strings), 0x20, 0, 0, 0, 0)
        strings += undefined.encode() + b"\0"
    where = at + len(contents)
    sections = bytes(64)
    sections += struct.pack(
        "<IIQQQQIIQQ", 0, SYMTAB, 0, 0, where, len(table), 2, 1, 8, 24
    )  # fmt: skip
    sections += struct.pack(
        "<IIQQQQIIQQ", 0, STRTAB, 0, 0, where + len(table), len(strings), 0, 0, 1, 0
    )  # fmt: skip
    header = b"\x7fELF\2\1\1" + bytes(9)
    header += struct.pack(
        "<HHIQQQIHHHHHH", kind, machine, 1, entry, 64, where + len(table) + len(strings), 0,
        64, 56, len(segments), 64, 3, 2,
    )  # fmt: skip
    return header + headers + contents + table + strings + sections


def refusal(source: Path | str | bytes) -> str:
    """Return the message with which a source is refused: always one line."""
    with pytest.raises(ImageError) as caught:
        load_image(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_segments_lie_at_their_physical_addresses() -> None:
    """Each loadable segment gives its physical address, contents and size in memory."""
    segments = ((RAM, b"code", 4), (RAM + 0x2000, b"data!", 0x1000))
    image = load_image(elf(segments=segments, symbols={"tohost": RAM + 0x2000, "main": RAM}))
    assert image.kind == "elf"
    assert image.entry == RAM
    assert image.segments == list(segments)
    assert image.symbols == {"tohost": RAM + 0x2000, "main": RAM}


def test_an_undefined_symbol_has_no_address() -> None:
    """A weak reference to tohost is not a tohost at address 0."""
    assert "tohost" not in load_image(elf(undefined="tohost")).symbols


@pytest.mark.parametrize(("entry", "supervisor"), [(RAM, False), (RAM + 0x20_0000, True)])
def test_the_entry_tells_the_privilege(entry: int, supervisor: bool) -> None:
    """An image at the start of RAM starts in M-mode, one above the firmware in S-mode."""
    assert load_image(elf(entry=entry)).supervisor is supervisor


def test_our_own_guest() -> None:
    """The guest's native image is a supervisor, fits, and is known by the hash of its file."""
    image = load_image(NATIVE)
    image.check_fits(RAM, RAM_SIZE)
    assert image.entry == RAM + 0x20_0000
    assert image.supervisor
    assert image.sha256 == hashlib.sha256(NATIVE.read_bytes()).hexdigest()
    assert image == load_image(str(NATIVE)) == load_image(NATIVE.read_bytes())


def test_raw_contents_start_at_ram_in_machine_mode() -> None:
    """A file without a header is instructions for the first address of RAM."""
    data = b"\x13\0\0\0" * 3
    image = load_image(data)
    assert (image.kind, image.entry, image.supervisor) == ("raw", RAM, False)
    assert image.segments == [(RAM, data, 12)]
    assert image.symbols == {}


def linux(text_offset: int = 0x40_0000, size: int = 0x9000, flags: int = 0) -> bytes:
    """Return a file with the header of a Linux ``Image`` for RISC-V."""
    header = struct.pack(
        "<IIQQQIIQ8s4sI", 0x5A4D, 0, text_offset, size, flags, 2, 0, 0,
        b"RISCV\0\0\0", b"RSC\x05", 64,
    )  # fmt: skip
    return header + b"kernel" * 10


@pytest.mark.parametrize(("text_offset", "entry"), [(0x40_0000, 0x8040_0000), (0, 0x8020_0000)])
def test_a_linux_image_lies_at_its_text_offset(text_offset: int, entry: int) -> None:
    """A kernel lies where its header says, with room for its BSS, and is a supervisor."""
    data = linux(text_offset)
    image = load_image(data)
    assert (image.kind, image.entry, image.supervisor) == ("linux", entry, True)
    assert image.segments == [(entry, data, 0x9000)]


@pytest.mark.parametrize(
    "image",
    [
        elf(segments=((RAM - 8, bytes(4), 4),)),
        elf(segments=((RAM + RAM_SIZE - 8, bytes(4), 12),)),
        elf(segments=((RAM, bytes(4), 1 << 63),)),
        elf(entry=0x1000),
        elf(symbols={"tohost": 0x1000}),
        linux(text_offset=1 << 63),
    ],
)
def test_what_is_outside_ram_does_not_fit(image: bytes) -> None:
    """Segments, entry and tohost must be in RAM; the message says where RAM is."""
    with pytest.raises(ImageError, match="RAM is 0x80000000 to 0x88000000"):
        load_image(image).check_fits(RAM, RAM_SIZE)


def test_a_segment_may_fill_ram_exactly() -> None:
    """The last byte of RAM can be used."""
    load_image(elf(segments=((RAM, b"x", RAM_SIZE),))).check_fits(RAM, RAM_SIZE)


def patched(at: int, value: bytes) -> bytes:
    data = bytearray(elf())
    data[at : at + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "is empty"),
        (b"\x7fELF", "damaged or truncated"),
        (elf()[:40], "damaged or truncated"),
        (elf()[:70], "damaged or truncated"),
        (patched(4, b"\1"), "damaged|32-bit"),
        (patched(5, b"\2"), "damaged|big-endian"),
        (elf(machine=62), "for X86_64; this machine is RISC-V"),
        (elf(machine=183), "for AARCH64; this machine is RISC-V"),
        (elf(kind=1), "a relocatable object, not an executable"),
        (elf(kind=4), "a core dump, not an executable"),
        (elf(load=4), "nothing to load"),
        (elf(segments=()), "nothing to load"),
        (elf(segments=((RAM, b"longer", 2),)), "longer in the file than in memory"),
        (elf(entry=RAM + 1), "even addresses"),
        (linux(flags=1), "big-endian kernel"),
    ],
)
def test_what_cannot_run_here_is_refused(source: bytes, message: str) -> None:
    """Each reason has its own line: what is wrong and what would be right."""
    with pytest.raises(ImageError, match=message):
        load_image(source)
    refusal(source)


def test_a_32_bit_program_is_refused() -> None:
    """A 32-bit RISC-V executable is named as such."""
    header = b"\x7fELF\1\1\1" + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", EXEC, RISCV, 1, RAM, 52, 0, 0, 52, 32, 0, 40, 0, 0)
    assert "32-bit" in refusal(header)


def test_a_big_endian_program_is_refused() -> None:
    """A big-endian executable is named as such."""
    header = b"\x7fELF\2\2\1" + bytes(9)
    header += struct.pack(">HHIQQQIHHHHHH", EXEC, RISCV, 1, RAM, 64, 0, 0, 64, 56, 0, 64, 0, 0)
    assert "big-endian" in refusal(header)


def test_a_truncated_guest_says_so() -> None:
    """Cut short before the end of its segments, our own guest is refused as truncated."""
    assert "is truncated: 20000 bytes" in refusal(NATIVE.read_bytes()[:20000])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """The message names the file and says what is wrong with it."""
    missing, empty = tmp_path / "missing.elf", tmp_path / "empty.elf"
    empty.write_bytes(b"")
    assert refusal(missing) == f"{missing}: no such file"
    assert refusal(str(tmp_path)) == f"{tmp_path}: is a directory, not an image"
    assert refusal(empty) == f"{empty}: is empty"
    assert "no such file" in refusal("x" * 5000) or "cannot be read" in refusal("x" * 5000)


def survives(data: bytes) -> None:
    """Load anything: an image with sound fields, or an `ImageError` of one line."""
    try:
        image = load_image(data)
        image.check_fits(RAM, RAM_SIZE)
    except ImageError as error:
        message = str(error)
    else:
        assert isinstance(image, Image)
        for address, contents, size in image.segments:
            assert RAM <= address <= address + size <= RAM + RAM_SIZE
            assert len(contents) <= size
        return
    assert "\n" not in message


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x7fELF", b"\x7fELF\2\1\1", elf()[:64]]))
def test_random_bytes_never_raise_anything_else(data: bytes, prefix: bytes) -> None:
    """Whatever the bytes are, the answer is an image or an `ImageError`."""
    survives(prefix + data)


WHOLE = elf(segments=((RAM, b"code", 4), (RAM + 64, b"d", 9)), symbols={"tohost": RAM, "f": RAM})
EXTREMES = st.sampled_from([b"\0", b"\1", b"\xff", b"\x7f", b"\0" * 8, b"\xff" * 8, b"\xff\xff"])


@given(
    st.lists(
        st.tuples(st.integers(0, len(WHOLE) - 1), EXTREMES | st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, len(WHOLE)) | st.just(len(WHOLE)),
)
def test_damaged_elf_files_never_raise_anything_else(
    patches: list[tuple[int, bytes]], end: int
) -> None:
    """An ELF file with patched bytes or a missing end is loaded or refused, nothing worse."""
    data = bytearray(WHOLE)
    for at, value in patches:
        data[at : at + len(value)] = value
    survives(bytes(data[:end]))


@pytest.mark.parametrize("value", [b"\0", b"\1", b"\x80", b"\xff"])
def test_every_byte_of_the_headers_may_be_wrong(value: bytes) -> None:
    """No single wrong byte makes the loader fail otherwise, or hang."""
    for at in range(4, len(WHOLE)):
        survives(WHOLE[:at] + value + WHOLE[at + 1 :])


def test_the_plain_reader_agrees_with_the_library() -> None:
    """Of any file, damaged ones too, the reader of plain files says what the library says."""
    files = [NATIVE.read_bytes(), elf(symbols={"tohost": RAM + 64, "main": RAM})]
    rng, read = random.Random(7), 0
    for round_ in range(300):
        changed = bytearray(files[round_ % 2])
        for _ in range(rng.randrange(3) if round_ else 0):
            changed[rng.randrange(64 + 56)] = rng.randrange(256)
        if rng.random() < 0.2:
            del changed[rng.randrange(len(changed)) :]
        plain = vlab.elf.read(bytes(changed), loader.RISCV)
        if plain is not None:
            read += 1
            assert plain == loader._load_unusual_elf("image", bytes(changed))
    assert read > 50
