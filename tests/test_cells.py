"""Programs in cells: built, run in every mode, and their errors anchored to the line."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from jupyter_browser import OpenNotebook

import vlab
from vlab.cells import building, guest_cell
from vlab.cells.elf import executable
from vlab.cells.errors import CellError
from vlab.loader import load_image

MODES = ("native", "emulate", "fullvirt", "paravirt")
HELLO = """\
    la a0, text
    call print
    .data
text: .asciz "hello\\n"
"""
needs_compiler = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed"
)


@pytest.fixture
def shell() -> InteractiveShell:
    """An IPython with the magic."""
    made = InteractiveShell()
    made.run_line_magic("load_ext", "vlab")
    return made


def test_a_program_runs_in_every_mode() -> None:
    """The same five lines print the same in all modes, and only monitors see exits."""
    runs = guest_cell(HELLO, "all")
    assert [run.mode for run in runs.runs] == list(MODES)
    assert runs.outputs() == [(", ".join(MODES), "hello\n")]
    assert {run.exit_code for run in runs.runs} == {0}
    by_mode = {run.mode: run for run in runs.runs}
    assert by_mode["native"].counters.exits == 0
    assert by_mode["fullvirt"].counters.exits_by_reason["sbi"] == 1
    assert by_mode["paravirt"].counters.hypercalls_by_name["console"] == 1
    assert runs.traps == {}


@settings(max_examples=25, deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1))
def test_numbers_are_printed_as_python_prints_them(number: int, bits: int) -> None:
    """`print_number` and `print_hex` agree with Python for any number."""
    source = f"li a0, {number}\ncall print_number\nli a0, 32\ncall print_char\n"
    source += f"li a0, {bits}\ncall print_hex"
    assert guest_cell(source, "native").console == f"{number} {bits:#x}"


def test_only_a0_and_ra_change_in_the_library() -> None:
    """A beginner's registers survive every call of the library."""
    others = [f"t{n}" for n in range(7)] + [f"a{n}" for n in range(1, 8)] + ["s3", "gp"]
    setup = "\n".join(f"li {name}, {100 + n}" for n, name in enumerate(others))
    for name in ("print", "print_number", "print_hex", "print_char"):
        runs = guest_cell(f'{setup}\nla a0, x\ncall {name}\nhere: nop\n.data\nx: .asciz "!"', "all")
        for mode in MODES:
            session = runs.session(mode)
            session.until(symbol="here")
            for n, register in enumerate(others):
                assert session.registers[register] == 100 + n, (name, mode, register)


@pytest.mark.parametrize(
    ("source", "code"),
    [("li a0, 7\ncall exit", 7), ("nop", 0), ("li a0, 7\nret", 0), ("main: li a0, 7\nret", 7),
     ("f: ret\nmain: mv s0, ra\ncall f\nli a0, 3\njr s0", 3)],
)  # fmt: skip
def test_how_a_program_ends(source: str, code: int) -> None:
    """At the last line and with ret: 0; with exit, or ret from main: what a0 says."""
    assert {run.exit_code for run in guest_cell(source, "all").runs} == {code}


@pytest.mark.parametrize(
    ("source", "line", "caret", "message"),
    [
        ("nop\n  addii a0, a0, 1", 2, "addii", "unknown instruction 'addii': did you mean 'addi'?"),
        ("li a0, 1\nlw a0, 9999(a1)", 2, "9999", "immediate 9999 is out of range"),
        ("call nothing", 1, "nothing", "unknown symbol 'nothing'"),
        ("nop\nprint: ret", 2, "print", "'print' is the library's name"),
        ("x: nop\nx: nop", 2, "x", "label 'x' exists already, in line 1"),
        (".asciz hello", 1, ".asciz", "is no string"),
    ],
)
def test_errors_are_anchored(source: str, line: int, caret: str, message: str) -> None:
    """An error names the line of the cell and points at the word."""
    with pytest.raises(CellError) as caught:
        guest_cell(source, shift=1)
    error = caught.value
    text = source.splitlines()[line - 1]
    assert (error.line, error.column) == (line, text.index(caret) + 1)
    assert message in str(error)
    assert str(error).startswith(f"line {line + 1}: ")
    drawn = str(error).splitlines()
    assert drawn[1][drawn[2].index("^") :].startswith(caret)


def test_a_trap_names_its_line() -> None:
    """A program that traps says where and why, in every mode."""
    runs = guest_cell("nop\nnop\nld a0, 0(zero)", "all")
    assert {mode: text.split(":")[0] for mode, text in runs.traps.items()} == dict.fromkeys(
        MODES, "stopped by a trap in line 3"
    )
    runs = guest_cell("csrr a0, sstatus", "native,paravirt")
    assert list(runs.traps) == ["paravirt"]
    assert "must be a hypercall" in runs.traps["paravirt"]
    runs = guest_cell("nop\nagain: j again", "native", max_instructions=1000)
    assert runs.traps["native"].endswith("(an endless loop?) in line 2")


def test_what_cannot_run_says_why() -> None:
    """Modes, languages, options and empty cells are checked before anything runs."""
    for arguments, message in (
        ({"modes": "quick"}, "unknown mode 'quick'"),
        ({"modes": "simulate"}, "executes no guest"),
        ({"modes": ""}, "no mode"),
        ({"language": "pascal"}, "unknown language"),
        ({"set": {"tlb_entries": 3}}, "power of two"),
        ({"memory": "much"}, "must be a size"),
    ):
        with pytest.raises(vlab.VlabError, match=message):
            guest_cell("nop", **arguments)
    with pytest.raises(CellError, match="empty"):
        guest_cell("  \n")


@given(st.binary(max_size=200), st.dictionaries(st.text("abc", min_size=1), st.integers(0, 2**63)))
def test_an_executable_is_read_as_it_was_written(code: bytes, symbols: dict) -> None:
    """The loader finds code, entry and symbols of every executable that is written."""
    image = load_image(executable(code or b"\0", 0x80200000, 0x80200000, symbols))
    assert image.segments == [(0x80200000, code or b"\0", len(code or b"\0"))]
    assert image.symbols == symbols
    assert image.supervisor


@needs_compiler
def test_c() -> None:
    """A cell in C prints, reads CSRs, and its errors have line and column."""
    source = (
        'int main(void) {\n  print("six times seven is ");\n  print_number(6 * 7);\n  return 3;\n}'
    )
    runs = guest_cell(source, "native,paravirt", language="c")
    assert runs.outputs() == [("native, paravirt", "six times seven is 42")]
    assert {run.exit_code for run in runs.runs} == {3}
    with pytest.raises(CellError, match=r"line 3: use of undeclared identifier 'x'") as caught:
        guest_cell("int main(void) {\n  return x;\n}", language="c", shift=1)
    assert (caught.value.line, caught.value.column) == (2, 10)
    with pytest.raises(CellError, match="'main' is not defined"):
        guest_cell("int other(void) { return 1; }", language="c")
    runs = guest_cell("int main(void) {\n  csr_read(sstatus);\n}", "paravirt", language="c")
    assert "line 2" in runs.traps["paravirt"]


@needs_compiler
def test_c_in_a_folder_with_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell in C compiles wherever vlab is installed and temporary files are kept."""
    assert not any(str(building.HERE) in flag for flag in building.FLAGS)
    here, scratch = tmp_path / "courses, 2026", tmp_path / "my files, too"
    scratch.mkdir()
    shutil.copytree(building.HERE, here)
    monkeypatch.setattr(building, "HERE", here)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    source = "int main(void) { return 5; }"
    assert guest_cell(source, "native", language="c").runs[0].exit_code == 5


def test_the_magic(shell: InteractiveShell) -> None:
    """`%%guest` runs the cell with its options and keeps the outcome by name."""
    options = "--modes all --set tlb_entries=16 --set memory=32M --name kept"
    done = shell.run_cell(f"%%guest {options}\n{HELLO}")
    assert done.success
    runs = shell.user_ns["kept"]
    assert runs is done.result
    assert runs.runs[0].settings["set"]["tlb_entries"] == 16
    assert runs.runs[0].settings["set"]["memory"] == 32 << 20
    assert "hello" in runs._repr_html_()
    assert list(runs.to_frame()["mode"]) == list(MODES)


@pytest.mark.parametrize(
    ("first", "body", "message"),
    [
        ("", "nop\nbad", "line 3: unknown instruction 'bad'"),
        ("--mode native", "nop", "unrecognized arguments: --mode"),
        ("--set tlb", "nop", "write NAME=VALUE"),
        ("--limit many", "nop", "invalid int value"),
        ("'", "nop", "No closing quotation"),
    ],
)
def test_the_magics_errors(
    shell: InteractiveShell, capsys: pytest.CaptureFixture, first: str, body: str, message: str
) -> None:
    """What is wrong is shown without a traceback; lines count from the magic's own."""
    done = shell.run_cell(f"%%guest {first}\n{body}")
    assert isinstance(done.error_in_exec, vlab.VlabError)
    printed = capsys.readouterr().out
    assert message in printed
    assert "Traceback" not in printed


@pytest.mark.slow
def test_in_the_browser(notebook: OpenNotebook) -> None:
    """In JupyterLab the cell shows what was printed and a table; an error shows its caret."""
    notebook.open(
        "%load_ext vlab", f"%%guest --modes all\n{HELLO}", "%%guest --view fullvirt\nnop\nnop"
    )
    notebook.run()
    output = notebook.page.locator(".jp-Cell").nth(1).locator(".jp-OutputArea")
    assert "hello" in output.inner_text()
    assert all(mode in output.inner_text() for mode in MODES)
    view = notebook.widget("MachineView")
    with view.change():
        view.root.get_by_label("Address or symbol").fill("cell")
        view.root.get_by_role("button", name="Run to it").click()
    assert "at cell " in view.text(".mv-where")
    notebook.screenshot("guest-cell")
    notebook.check()


@pytest.mark.slow
def test_an_error_in_the_browser(notebook: OpenNotebook) -> None:
    """An error is one line, the line of the cell, and a caret under the word."""
    notebook.open("%load_ext vlab", "%%guest\n  li a0, 1\n  addii a0, a0, 1")
    with pytest.raises(AssertionError, match="unknown instruction"):
        notebook.run()
    shown = notebook.page.locator(".jp-Cell").nth(1).locator(".jp-OutputArea").inner_text()
    assert "line 3: unknown instruction 'addii': did you mean 'addi'?" in shown
    assert "Traceback" not in shown
    notebook.screenshot("guest-cell-error")
