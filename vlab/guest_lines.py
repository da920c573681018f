"""Which line of the guest's C and assembly sources an instruction comes from.

The committed images are stripped. `vlab.guests.build` compiles each once more with debugging
information, which changes none of its code, and keeps the line tables (DWARF 4, section 6.2), and
where functions were inlined (section 3.3.8), as text in ``vlab/images/guest.lines``. The text of
the lines is read from ``guests/``, a copy of which is installed with the package.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

INSTALLED = Path(__file__).parent / "guest_sources"
SOURCES = INSTALLED if INSTALLED.is_dir() else Path(__file__).parent.parent / "guests"
LINES = Path(__file__).parent / "images" / "guest.lines"


class Place(NamedTuple):
    """A line of a source file; the file is relative to ``guests/``."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def text(self, around: int = 0) -> list[tuple[int, str]]:
        """Return the line, and so many before and after it; nothing without the sources."""
        path = SOURCES / self.file
        if not path.is_file():
            return []
        lines = path.read_text("utf-8").splitlines()
        first = max(1, self.line - around)
        return [
            (number, lines[number - 1])
            for number in range(first, min(len(lines), self.line + around) + 1)
        ]


class Call(NamedTuple):
    """Code from `start` on, `size` bytes of it, that was inlined: the call was at `place`."""

    start: int
    size: int
    place: Place


class LineTable:
    """The lines of one image, by address, and the calls that were inlined."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.places: list[Place | None] = []
        self.calls: list[Call] = []

    def add(self, address: int, place: Place | None) -> None:
        """Append that from this address on, the code is of this line, or of none."""
        if not self.places or self.places[-1] != place:
            self.starts.append(address)
            self.places.append(place)

    def place(self, address: int) -> Place | None:
        """Return the line that the instruction at an address comes from."""
        found = bisect_right(self.starts, address) - 1
        return self.places[found] if found >= 0 else None

    def callers(self, address: int) -> list[Place]:
        """Return where the inlined functions around an instruction are called, innermost first."""
        around = [call for call in self.calls if 0 <= address - call.start < call.size]
        return [call.place for call in sorted(around, key=lambda call: call.size)]


def place(image: str, address: int) -> Place | None:
    """Return where an instruction comes from.

    Parameters
    ----------
    image
        ``native`` or ``pv`` for the kernels, a program's name for programs, as in ``bin/mixed``.
    """
    table = tables().get(image)
    return None if table is None else table.place(address)


def callers(image: str, address: int) -> list[Place]:
    """Return where the inlined functions around an instruction are called, innermost first."""
    table = tables().get(image)
    return [] if table is None else table.callers(address)


@cache
def tables() -> dict[str, LineTable]:
    """Return the line table of each image."""
    return read(LINES.read_text("utf-8")) if LINES.is_file() else {}


def read(text: str) -> dict[str, LineTable]:
    """Return what `write` wrote down."""
    result: dict[str, LineTable] = {}
    files: list[str] = []
    address = 0
    for row in text.splitlines():
        words = row.split()
        if words[0] == "file":
            files.append(words[1])
        elif words[0] == "image":
            result[words[1]] = table = LineTable()
            address = 0
        elif words[0] == "inlined":
            start, size = (int(word, 16) for word in words[1:3])
            table.calls.append(Call(start, size, Place(files[int(words[3])], int(words[4]))))
        else:
            address += int(words[0], 16)
            at = Place(files[int(words[1])], int(words[2])) if len(words) == 3 else None
            table.add(address, at)
    return result


def write(tables: Mapping[str, LineTable]) -> str:
    """Return tables as text: ``file``, ``image``, ``step file line`` and ``inlined`` rows."""
    files = sorted(
        {at.file for table in tables.values() for at in table.places if at}
        | {call.place.file for table in tables.values() for call in table.calls}
    )
    number = {name: n for n, name in enumerate(files)}
    rows = [f"file {name}" for name in files]
    for name, table in tables.items():
        rows.append(f"image {name}")
        before = 0
        for start, at in zip(table.starts, table.places, strict=True):
            rows.append(f"{start - before:x}" + (f" {number[at.file]} {at.line}" if at else ""))
            before = start
        rows += [
            f"inlined {call.start:x} {call.size:x} {number[call.place.file]} {call.place.line}"
            for call in table.calls
        ]
    return "".join(f"{row}\n" for row in rows)


def extract(elf: Any) -> LineTable:
    """Return the line table of an image with debugging information (an ``ELFFile``)."""
    dwarf = elf.get_dwarf_info()
    rows = sorted(_rows(dwarf), key=lambda row: (row[0], row[1] is not None))
    table = LineTable()
    for n, (address, at) in enumerate(rows):
        if n + 1 == len(rows) or rows[n + 1][0] != address:
            table.add(address, at)
    table.calls = sorted({call for call in _calls(dwarf) if call.start})
    return table


def _rows(dwarf: Any) -> Iterator[tuple[int, Place | None]]:
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        names = _names(program)
        for entry in program.get_entries():
            state = entry.state
            if state is None or not (state.line or state.end_sequence):
                continue  # line 0: of no line in particular, so of the one before
            name = names[state.file - 1]
            known = not state.end_sequence and (SOURCES / name).is_file()
            yield state.address, Place(name, state.line) if known else None


def _calls(dwarf: Any) -> Iterator[Call]:
    ranges = dwarf.range_lists()
    for unit in dwarf.iter_CUs():
        names = _names(dwarf.line_program_for_CU(unit))
        base = _number(unit.get_top_DIE(), "DW_AT_low_pc")
        for entry in unit.iter_DIEs():
            line = _number(entry, "DW_AT_call_line")
            if entry.tag != "DW_TAG_inlined_subroutine" or not line:
                continue
            at = Place(names[_number(entry, "DW_AT_call_file") - 1], line)
            if "DW_AT_ranges" in entry.attributes:
                for part in ranges.get_range_list_at_offset(_number(entry, "DW_AT_ranges"), unit):
                    start = part.begin_offset + (0 if part.is_absolute else base)
                    yield Call(start, part.end_offset - part.begin_offset, at)
            else:
                start = _number(entry, "DW_AT_low_pc")
                yield Call(start, _number(entry, "DW_AT_high_pc"), at)


def _number(entry: Any, name: str) -> int:
    return int(entry.attributes[name].value) if name in entry.attributes else 0


def _names(program: Any) -> list[str]:
    """Return a unit's files, relative to ``guests/``, where the compiler ran."""
    folders = ["", *(d.decode() for d in program.header.include_directory)]
    return [
        (Path(folders[file.dir_index]) / file.name.decode()).as_posix()
        for file in program.header.file_entry
    ]
