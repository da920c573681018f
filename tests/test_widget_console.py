"""The console: a terminal's screen, and a guest that answers what is typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_browser import OpenNotebook

import vlab
from vlab.widgets import Console
from vlab.widgets.screen import KEPT, Screen


def after(console: Console, do: str, **fields) -> str:
    """Ask as the page does; return what the page then shows."""
    console.ask(do, **fields)
    assert console.wait(30)
    assert console.status["error"] == ""
    return console.view["text"]


@pytest.mark.parametrize(
    ("printed", "lines", "column"),
    [
        (b"one\ntwo", ["one", "two"], 3),
        (b"abx\b \bc", ["abc"], 3),
        (b"50 %\r100 %", ["100 %"], 5),
        (b"a\tb", ["a       b"], 9),
        (b"\x1b[31mred\x1b[0m", ["red"], 3),
        ("é–日".encode(), ["é–日"], 3),
        (b"\x07\x00x", ["x"], 1),
        (b"a\xffb", ["a\ufffdb"], 3),
    ],
)
def test_the_screen_shows_what_a_terminal_would(printed: bytes, lines: list, column: int) -> None:
    """Control characters act, control sequences vanish, and nonsense does no harm."""
    screen = Screen()
    screen.write(printed)
    assert (screen.lines, screen.column) == (lines, column)


@given(st.lists(st.sampled_from(["a", "é", "日", "\n", "\b", "\r", "\t", "\x1b[1;31m"])), st.data())
def test_a_screen_does_not_care_where_the_output_is_cut(parts: list[str], data) -> None:
    """Characters and control sequences may arrive in pieces."""
    printed = "".join(parts).encode()
    whole, pieces = Screen(), Screen()
    whole.write(printed)
    cuts = data.draw(st.lists(st.integers(0, len(printed)), max_size=6).map(sorted))
    for start, end in zip([0, *cuts], [*cuts, len(printed)], strict=True):
        pieces.write(printed[start:end])
    assert (pieces.lines, pieces.column) == (whole.lines, whole.column)


def test_a_screen_forgets_the_oldest_lines() -> None:
    """A guest that prints for ever fills no memory."""
    screen = Screen()
    screen.write(b"x\n" * (KEPT * 3))
    assert len(screen.lines) == KEPT


@pytest.mark.parametrize("mode", ["native", "fullvirt", "paravirt"])
def test_what_is_typed_is_answered(mode: str) -> None:
    """The shell reads a line typed letter by letter and prints the answer, in every mode."""
    console = Console(mode=mode)
    assert console.wait(30)
    assert console.view["text"].endswith("$ ")
    for letter in "echo hi":
        console.ask("type", text=letter)
    text = after(console, "type", text="\n")
    assert text.endswith("$ echo hi\nhi\n$ ")
    assert console.view["counts"]["VM exits"] == console.session.counters.exits
    console.close()


def test_typing_interrupts_a_program_that_runs() -> None:
    """Control-C reaches a guest that is busy, and the shell is back."""
    console = Console(mode="native")
    console.wait(30)
    console.ask("type", text="syscall n=10000000\n")
    assert not console.wait(0.3)
    console.ask("type", text="\x03")
    assert console.wait(5)
    assert console.view["text"].endswith("$ ")
    console.close()


def test_stop_and_going_on() -> None:
    """Stop halts a busy guest within a second; typing lets it go on where it was."""
    console = Console(mode="native")
    console.wait(30)
    console.ask("type", text="syscall n=10000000\n")
    console.wait(0.2)
    console.ask("stop")
    assert console.wait(1)
    at = console.session.instructions
    console.ask("type", text="\x03echo on\n")
    assert console.wait(5)
    assert console.session.instructions > at
    assert console.view["text"].endswith("on\n$ ")
    console.close()


def test_starting_again_in_another_mode() -> None:
    """The mode can be changed, which starts the machine again."""
    console = Console(mode="native")
    console.wait(30)
    assert console.view["counts"]["VM exits"] == 0
    assert after(console, "restart", mode="fullvirt").endswith("$ ")
    assert console.view["counts"]["VM exits"] > 0
    console.ask("restart", mode="fast")
    assert console.wait(5)
    assert "unknown mode" in console.status["error"]
    console.close()


def test_a_workload_runs_to_its_end() -> None:
    """A console of a workload shows what `vlab.run` returns, and that the guest has ended."""
    console = Console("hello", mode="fullvirt")
    assert console.wait(30)
    assert console.view["text"].rstrip("\n") == vlab.run("hello").console.rstrip("\n")
    assert console.view["ended"] == "finished exit 0"
    console.close()


@pytest.mark.slow
def test_in_the_browser(notebook: OpenNotebook) -> None:
    """Keys typed into the page reach the shell, and its answers the page."""
    notebook.open("import vlab", "vlab.widgets.Console(mode='fullvirt')").run()
    page = notebook.widget("Console")
    page.check_reachable()
    assert page.text(".co-screen").endswith("$  ")
    page.root.locator(".co-terminal").click()
    with page.change():
        notebook.page.keyboard.type("echo ab dd", delay=20)
    with page.change():
        notebook.page.keyboard.press("Backspace")
    before = int(page.text("[data-count='VM exits']").replace(",", ""))
    with page.change():
        notebook.page.keyboard.press("Enter")
    assert "\nab d\n$" in page.text(".co-screen")
    assert int(page.text("[data-count='VM exits']").replace(",", "")) > before
    with page.change():
        notebook.page.keyboard.type("ls\n")
    notebook.screenshot("console", page)
    assert "README" in page.text(".co-screen")
    with page.change():
        notebook.page.keyboard.type("syscall n=100000000\n")
        notebook.page.wait_for_timeout(1000)
        assert page.root.get_attribute("data-busy") == "true"
        for _ in range(30):  # whoever has the terminal when it arrives: the shell, or its child
            notebook.page.keyboard.press("Control+c")
            notebook.page.wait_for_timeout(1000)
            if page.root.get_attribute("data-busy") == "false":
                break
    assert "checksum" not in page.text(".co-screen")
    assert "^C" in page.text(".co-screen"), page.text(".co-screen")
    notebook.page.keyboard.press("Tab")
    assert notebook.page.evaluate("document.activeElement.className") != "co-terminal"
    with page.change():
        page.root.get_by_label("Mode").select_option("paravirt")
    assert int(page.text("[data-count='hypercalls']").replace(",", "")) > 0
    notebook.check()
