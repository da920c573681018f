"""From an instruction of the guest to its source line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from vlab import guest_lines, guests
from vlab.guest_lines import Call, LineTable, Place

ROOT = Path(__file__).parent.parent


def functions(image: str) -> list[tuple[int, str]]:
    """Return address and name of what an image's list of symbols has in its code."""
    rows = (guests.IMAGES / f"{image}.sym").read_text("utf-8").split("\n")
    return [(int(row.split()[0], 16), row.split()[1]) for row in rows if row]


@pytest.mark.parametrize("image", ["native", "pv"])
def test_a_function_begins_in_the_file_that_defines_it(image: str) -> None:
    """Where a symbol of the code begins, the source file is one with that symbol's definition."""
    texts = {path: path.read_text("utf-8") for path in guests.SOURCES.rglob("*.[chS]")}
    checked = 0
    for address, name in functions(image):
        place = guest_lines.place(image, address)
        if place is None:
            continue
        pattern = rf"^(?!extern)(\w[\w \*]* \*?)?{name}(\(|:)"
        files = {p for p, text in texts.items() if re.search(pattern, text, re.MULTILINE)}
        assert guests.SOURCES / place.file in files, (name, place)
        checked += 1
    assert checked > 150


def test_privileged_instructions_come_from_lines_that_say_so() -> None:
    """The line of an sret in the kernel's image is the line of the source with sret on it."""
    import vlab

    session = vlab.session("hello", "native")
    session.until(symbol="trap_entry")
    first = guest_lines.place("native", session.pc)
    assert first is not None
    assert first.file == "kernel/arch/native/entry.S"
    lines = session.disassemble(session.pc, 0, 400)
    returns = [line.address for line in lines if line.text == "sret"]
    assert returns
    for address in returns:
        place = guest_lines.place("native", address)
        assert place is not None
        assert "sret" in place.text()[0][1]


def test_programs_have_tables_of_their_own() -> None:
    """Programs are linked at one address and told apart by name."""
    start = 0x1_0000_0000
    ends = {name: guest_lines.tables()[name].starts[-1] for name in ("hello", "mixed")}
    assert all(end > start for end in ends.values())
    assert guest_lines.place("mixed", 0x8020_0000) is None
    assert guest_lines.place("no such program", start) is None


def test_tables_are_written_and_read_back() -> None:
    """Tables survive being written down, gaps without a line included."""
    table = LineTable()
    for address, place in ((0x100, Place("a.c", 3)), (0x104, None), (0x200, Place("b/c.h", 70))):
        table.add(address, place)
    table.calls = [Call(0x100, 8, Place("a.c", 9)), Call(0x100, 4, Place("c.c", 2))]
    found = guest_lines.read(guest_lines.write({"x": table}))["x"]
    assert (found.starts, found.places) == (table.starts, table.places)
    assert found.calls == table.calls
    assert found.callers(0x102) == [Place("c.c", 2), Place("a.c", 9)]
    assert found.callers(0x104) == [Place("a.c", 9)]
    assert found.callers(0x108) == []
    assert found.place(0x0FF) is None
    assert found.place(0x103) == Place("a.c", 3)
    assert found.place(0x180) is None


@pytest.mark.parametrize("image", ["native", "pv"])
def test_inlined_calls_lead_to_the_function_of_the_symbol(image: str) -> None:
    """Following inlined calls outwards ends in the file where the symbol's function is defined."""
    texts = {path: path.read_text("utf-8") for path in guests.SOURCES.rglob("*.[chS]")}
    starts = functions(image)
    table, checked = guest_lines.tables()[image], 0
    for call in table.calls:
        name = max((at, name) for at, name in starts if at <= call.start)[1]
        outermost = table.callers(call.start)[-1]
        pattern = rf"^(?!extern)(\w[\w \*]* \*?)?{name}(\(|:)"
        files = {p for p, text in texts.items() if re.search(pattern, text, re.MULTILINE)}
        checked += guests.SOURCES / outermost.file in files
    assert checked > 100
    assert checked >= 0.98 * len(table.calls)  # the compiler's ranges do not always nest


def test_an_inlined_store_to_a_page_table_is_called_from_its_function() -> None:
    """The store that `vm_map` makes through an inline function leads to a line of `vm_map`."""
    import vlab

    recording = vlab.record("hello", "fullvirt")
    stores = [r for r in recording if r.reason == "pt_write" and r.symbol.startswith("vm_map+")]
    assert stores
    for row in stores:
        place = guest_lines.place("native", row.pc)
        calls = guest_lines.callers("native", row.pc)
        assert place is not None
        assert "pt_set" in place.text()[0][1]
        assert "pt_set" in calls[0].text()[0][1]
        assert calls[-1].file == "kernel/vm.c"


def test_without_the_sources_there_is_a_place_but_no_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the sources are not, file and line are named, and no text is shown."""
    monkeypatch.setattr(guest_lines, "SOURCES", tmp_path)
    assert Place("kernel/main.c", 5).text(2) == []


def test_an_installed_vlab_has_the_sources(tmp_path: Path) -> None:
    """A wheel holds every source file of the guest, and finds the text of lines in it."""
    tree, site = tmp_path / "tree", tmp_path / "site"
    tree.mkdir()
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("vlab", "guests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools.build_meta import build_wheel; build_wheel('..')"
    subprocess.run([sys.executable, "-c", build], cwd=tree, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    for source in (ROOT / "guests").rglob("*.[chS]"):
        copy = site / "vlab" / "guest_sources" / source.relative_to(ROOT / "guests")
        assert copy.read_bytes() == source.read_bytes()
    ask = (
        "from vlab import guest_lines as g, guests; print(g.__file__); "
        "print(g.place('native', 0x80200000).text()[0][1]); print(guests.diff())"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=site, capture_output=True, text=True, check=True
    )
    file, line, difference = done.stdout.split("\n", 2)
    assert Path(file).is_relative_to(site)
    first = guest_lines.place("native", 0x80200000)
    assert first is not None
    assert line == first.text()[0][1]
    assert difference.strip() == str(guests.diff())
