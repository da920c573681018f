"""``%%guest``: a cell of assembly language or C, run as a guest of its own.

``%load_ext vlab`` makes it known to a notebook.
"""

from __future__ import annotations

import argparse
import shlex
from typing import Any, NoReturn

import vlab
from vlab.widgets.live_line import LiveLine

EPILOG = """\
The cell is a program in assembly language (or in C with --c, if a compiler is installed:
pip install 'vlab[guests]'). It starts in S-mode without address translation, has a stack, and
ends at its last line, with ret, or with a call of exit. It may call:

  print         a0: address of a text (.asciz)      exit      a0: exit code
  print_number  a0: a number, shown in decimal      print_hex, print_char
"""


class _Parser(argparse.ArgumentParser):
    """A parser that raises an error of one line instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise vlab.VlabError(f"%%guest: {message} (%%guest --help lists the options)")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise _Done


class _Done(Exception):
    """The help was printed, and there is nothing to run."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the magic's first line."""
    made = _Parser(
        prog="%%guest", description="Run the cell as a guest.", epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    made.add_argument("--modes", default="native,fullvirt", help="names with commas, or all")
    made.add_argument("--c", action="store_true", help="the cell is C with int main(void)")
    made.add_argument("--costs", default="teaching", help="preset of the cost table")
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                      help="machine option, for example tlb_entries=16")  # fmt: skip
    made.add_argument("--limit", type=int, default=None, help="most instructions to run")
    made.add_argument("--name", help="variable that keeps what came out")
    made.add_argument("--view", metavar="MODE", help="step through it in a machine view instead")
    return made


def run_cell(line: str, cell: str, names: dict[str, Any]) -> Any:
    """Run a cell's program and return what came out, or a machine view of it."""
    try:
        options = parser().parse_args(shlex.split(line))
    except _Done:
        return None
    except ValueError as error:
        raise vlab.VlabError(f"%%guest {line}: {error}") from None
    arguments: dict[str, Any] = {
        "language": "c" if options.c else "asm",
        "costs": options.costs,
        "set": dict(_setting(text) for text in options.set),
        "shift": 1,
    }
    if options.limit is not None:
        arguments["max_instructions"] = options.limit
    modes = options.view or options.modes
    with LiveLine() as live:
        if options.c:
            live.show("compiling", at_once=True)
        runs = vlab.guest_cell(
            cell, modes, progress=lambda mode, n: live.show(f"{mode}: {n:,} instructions"),
            **arguments,
        )  # fmt: skip
    if options.name:
        names[options.name] = runs
    return vlab.widgets.MachineView(runs.session(options.view)) if options.view else runs


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise vlab.VlabError(f"--set {text}: write NAME=VALUE, for example tlb_entries=16")
    return name, int(value) if value.isdigit() else value


def load_ipython_extension(shell: Any) -> None:
    """Make ``%%guest`` known to a notebook."""

    def guest(line: str, cell: str | None = None) -> Any:
        """Run the cell as a guest: %%guest --help."""
        try:
            if cell is None:
                return run_cell("--help", "", {})
            return run_cell(line, cell, shell.user_ns)
        except vlab.VlabError as error:
            if not hasattr(error, "_render_traceback_"):
                text = f"{type(error).__name__}: {error}"
                error._render_traceback_ = lambda: [text]  # type: ignore[attr-defined]
            raise

    shell.register_magic_function(guest, "line_cell", "guest")
