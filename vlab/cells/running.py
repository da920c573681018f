"""Run a cell's program in several modes, and say what it printed and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from vlab.cells.building import KINDS, Program, build
from vlab.costs import Costs, preset
from vlab.errors import ModeError
from vlab.experiments import Comparison, Result
from vlab.experiments.running import TECHNIQUES, check_machine, check_mode, parse_size
from vlab.experiments.session import Session
from vlab.experiments.session_looking import cause_name
from vlab.isa.fields import Cause
from vlab.modes.setup import Setup

MEMORY = "16M"
LIMIT = 50_000_000
HEADINGS = (
    "mode", "instructions", "traps", "exits", "exits by reason", "cycles", "x native", "exit code",
)  # fmt: skip
NUMBERS = (1, 2, 3, 5, 6, 7)
"""Columns of the table that are numbers."""
ENDS = {
    "limit": "stopped at the limit of instructions (an endless loop?)",
    "interrupted": "interrupted",
}
PORT = ": in paravirt the guest runs in U-mode, and what is privileged must be a hypercall"
CAUSES = {
    "illegal": "illegal instruction",
    "breakpoint": "breakpoint",
    "ecall_u": "environment call from U-mode",
    "ecall_s": "environment call from S-mode",
}


class CellRuns(Comparison):
    """What a cell's program did in each mode: results side by side.

    Attributes
    ----------
    source, language
        The program.
    traps
        By mode, the trap in which it ended, in words with the line.
    """

    def __init__(
        self,
        source: str,
        language: str,
        programs: dict[str, Program],
        opened: dict[str, Session],
    ) -> None:
        self.source, self.language = source, language
        self.programs, self.sessions = programs, opened
        self.traps: dict[str, str] = {}
        super().__init__([])

    def session(self, mode: str) -> Session:
        """Return a fresh machine with the program, before its first instruction."""
        if mode not in self.sessions:
            raise ModeError(f"mode {mode!r}: this program ran in {', '.join(self.sessions)}")
        old = self.sessions[mode]
        source = {"text": self.source, "lines": self.programs[mode].lines}
        return Session(old.setup, old.label | {"source": source}, LIMIT)

    @property
    def console(self) -> str:
        """What the program printed, if it is the same in every mode; else in the first."""
        return self.runs[0].console if self.runs else ""

    def outputs(self) -> list[tuple[str, str]]:
        """Return what was printed, with the modes that printed it."""
        by_text: dict[str, list[str]] = {}
        for run in self.runs:
            by_text.setdefault(run.console, []).append(run.mode)
        return [(", ".join(modes), text) for text, modes in by_text.items()]

    def __str__(self) -> str:
        several = len(self.outputs()) > 1
        parts = [f"[{modes}]\n{text}" if several else text for modes, text in self.outputs()]
        parts += [f"{mode}: {trap}" for mode, trap in self.traps.items()]
        return "\n".join([*(part.rstrip("\n") for part in parts if part), self.to_text()])

    __repr__ = __str__

    def to_text(self) -> str:
        """Return the table for a terminal."""
        rows = [HEADINGS, *map(self._cells, self.runs)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(HEADINGS))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if n in NUMBERS else cell.ljust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def _cells(self, run: Result) -> tuple[str, ...]:
        native, counters = self.find("cell", "native"), run.counters
        reasons = counters.exits_by_reason.most_common()
        ratio = run.cycles.total / native.cycles.total if native and native.cycles.total else None
        return (
            run.mode,
            f"{counters.retired:,}",
            f"{counters.traps + counters.interrupts:,}",
            f"{counters.exits:,}",
            ", ".join(f"{name} {n:,}" for name, n in reasons),
            f"{run.cycles.total:,}",
            f"{ratio:.2f}" if ratio is not None else "",
            str(run.exit_code) if run.outcome == "finished" else run.outcome,
        )

    def _repr_html_(self) -> str:
        several = len(self.outputs()) > 1
        text = "".join(
            (f"<b>{escape(modes)}</b>" if several else "") + f"<pre>{escape(printed)}</pre>"
            for modes, printed in self.outputs()
            if printed
        )
        traps = "".join(
            f"<p>⚠ <b>{escape(mode)}</b>: {escape(trap)}</p>" for mode, trap in self.traps.items()
        )
        head = "".join(f"<th scope='col'>{name}</th>" for name in HEADINGS)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td style='text-align:{'right' if n in NUMBERS else 'left'}'>{escape(cell)}</td>"
                for n, cell in enumerate(self._cells(run))
            )
            + "</tr>"
            for run in self.runs
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return text + traps + table


def guest_cell(
    source: str,
    modes: str | Sequence[str] = ("native", "fullvirt"),
    *,
    language: str = "asm",
    set: Mapping[str, Any] | None = None,
    costs: str | Costs = "teaching",
    memory: int | str = MEMORY,
    max_instructions: int = LIMIT,
    progress: Callable[[str, int], None] | None = None,
    shift: int = 0,
) -> CellRuns:
    """Build a program of a few lines and run it as a guest of its own, in several modes.

    The program starts in S-mode without translation, with a stack, and ends when it reaches its
    last line, returns, or calls ``exit``. It may call ``print`` (a0: address of a text),
    ``print_number``, ``print_hex``, ``print_char`` (a0: the value) and ``exit`` (a0: the code).
    In ``paravirt`` the same calls are hypercalls, and it runs deprivileged in U-mode.

    Parameters
    ----------
    source
        Assembly language as GNU's, or C with a ``main``.
    modes
        Names, or one text with commas; ``all`` means every executing mode.
    language
        ``asm`` or ``c`` (which needs the package ``ziglang``).
    set, costs, memory, max_instructions
        As in `vlab.run`.
    progress
        Called some twenty times a second with the mode and the instructions retired.
    shift
        Lines above the source in a cell, for messages.

    Raises
    ------
    CellError
        With the line and a caret, if it cannot be built.
    """
    opened: dict[str, Session] = {}
    programs: dict[str, Program] = {}
    table, options = preset(costs), dict(set or {})
    size = parse_size(options.pop("memory", memory), "memory")
    check_machine("translator", "cycles", 0, max_instructions)
    settings = {
        "engine": "translator",
        "clock": "cycles",
        "costs": table.name,
        "set": {"memory": size, **options},
    }
    built: dict[str, Program] = {}
    for mode in _modes(modes):
        kind = KINDS[mode]
        if kind not in built:
            built[kind] = build(source, language, mode, shift)
        programs[mode] = built[kind]
        setup = Setup(
            mode=mode, image=programs[mode].image, disk=None, bootargs="",
            memory=size, engine="translator", clock="cycles",
            costs=table, options=options,
        )  # fmt: skip
        label = {"workload": "cell", "params": {}, "settings": settings}
        opened[mode] = Session(setup, label, max_instructions)
    runs = CellRuns(source, language, programs, opened)
    results = []
    for mode, session in opened.items():
        if progress is not None:
            session.progress = lambda n, mode=mode: progress(mode, n)
        stop = session.run()
        results.append(session.result())
        trap = trap_of(session, programs[mode], shift)
        if trap:
            runs.traps[mode] = trap
        elif stop.reason in ("limit", "crashed", "interrupted"):
            line = programs[mode].line(session.pc)
            where = f" in line {line + shift}" if line else ""
            runs.traps[mode] = f"{ENDS.get(stop.reason, stop.detail)}{where}"
        if stop.reason == "interrupted":
            break
    runs.runs = results
    return runs


def _modes(modes: str | Sequence[str]) -> list[str]:
    names = modes.split(",") if isinstance(modes, str) else list(modes)
    names = [name.strip() for name in names if name.strip()]
    if names == ["all"]:
        return list(TECHNIQUES)
    for name in names:
        check_mode(name)
        if name == "simulate":
            raise ModeError("mode 'simulate' executes no guest: it cannot run a program")
    if not names:
        raise ModeError(f"no mode: choose from {', '.join(TECHNIQUES)}")
    return list(dict.fromkeys(names))


def trap_of(session: Session, program: Program, shift: int = 0) -> str | None:
    """Return the trap in which a program ended, in words with the line; None if in none."""
    if not session.symbol().startswith("cell_trap") or session.symbol().startswith("cell_trap_end"):
        return None
    csrs = session.csrs
    names = ("trap_cause", "trap_epc", "trap_tval")
    if session.setup.mode != "paravirt":
        names = ("scause", "sepc", "stval")
    cause, pc, value = (csrs[name] for name in names)
    try:
        name = cause_name(cause)
        what = CAUSES.get(name, name.replace("_", " ") + ("" if cause >> 63 else " fault"))
    except ValueError:
        what = f"cause {cause}"
    line = program.line(pc)
    where = f"line {line + shift}" if line else session.symbol(pc) or f"{pc:#x}"
    text = f"stopped by a trap in {where}: {what}, cause {cause & 63}"
    if cause == Cause.ILLEGAL:
        return f"{text}{PORT}" if session.setup.mode == "paravirt" else text
    return f"{text}, address {value:#x}"
