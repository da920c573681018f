"""Which program of the guest's disk an instruction belongs to."""

from __future__ import annotations

import io

import pytest
from elftools.elf.elffile import ELFFile
from test_guests import read_image

import vlab
from vlab import guest_lines, guest_programs, guests
from vlab.widgets.exit_details import program_of, source


def test_programs_are_read_as_they_are_on_the_disk() -> None:
    """Name, addresses and contents are those of an independent reader of disk and executables."""
    files = read_image((guests.IMAGES / "fs.img").read_bytes())
    found = {path.removeprefix("/bin/"): data for path, data in files.items() if "/bin/" in path}
    assert set(guest_programs.programs()) == set(found)
    for name, data in found.items():
        parts = [p for p in ELFFile(io.BytesIO(data)).iter_segments() if p["p_type"] == "PT_LOAD"]
        expected = [(part["p_vaddr"], part.data()) for part in parts]
        assert guest_programs.programs()[name] == expected


def test_only_programs_with_the_instruction_are_named() -> None:
    """An instruction belongs to the programs that have it at its address, and to no others."""
    (start, code), *_ = guest_programs.programs()["hello"]
    first = int.from_bytes(code[:4], "little")
    assert guest_programs.having(["init", "hello"], start, first) == ["init", "hello"]
    assert guest_programs.having(["init", "hello"], start, first ^ 1 << 20) == []
    assert guest_programs.having(["hello"], start - 4, first) == []
    assert guest_programs.having(["none"], start, first) == []


def in_memory(session: vlab.Session, pc: int) -> set[str]:
    """The programs whose code is in memory, up to the end of the page."""
    found = set()
    for name, ((start, code), *_) in guest_programs.programs().items():
        rest = code[pc - start : (pc | 0xFFF) + 1 - start]
        if rest and session.memory(pc, len(rest), "guest-virtual") == rest:
            found.add(name)
    return found


@pytest.mark.parametrize("mode", ["fullvirt", "native"])
def test_exits_before_and_after_the_region_have_their_line(mode: str) -> None:
    """The line shown for an exit outside the measured region is that of the program in memory."""
    session = vlab.session("hello", mode)
    seen: set[str] = set()
    recorded = vlab.record("hello", mode)
    for row in recorded:
        session.until_exit()
        program = program_of(recorded, row) if row.privilege == "U" else None
        if program and row.index not in recorded.measured and session.privilege == "U":
            there = in_memory(session, row.pc)
            places = {guest_lines.place(name, row.pc) for name in there}
            assert guest_lines.place(program, row.pc) in places
            seen |= there
    users = [r for r in recorded if r.privilege == "U" and r.index not in recorded.measured]
    assert [source(recorded, row) is None for row in users].count(True) <= len(users) // 10
    assert mode == "native" or {"init", "hello"} <= seen
