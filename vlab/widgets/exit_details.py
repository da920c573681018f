"""Everything that is known of one exit, in words and numbers that a view can show."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlab import guest_lines, guest_programs
from vlab.counters import EXIT_REASONS
from vlab.errors import MachineError
from vlab.experiments.catalogue import IMAGES, workloads
from vlab.experiments.session_looking import cause_name
from vlab.experiments.session_views import PRIVILEGES

if TYPE_CHECKING:
    from vlab.experiments.recording import Exit, Recording
    from vlab.experiments.recording_taps import Access

AROUND = 4
"""Source lines shown on each side."""
ADDRESSES = {"pc", "stvec", "sepc", "mtvec", "mepc", "ra", "trap_epc"}
SHELL = "sh"
"""Label of a session without a workload."""
CAUSES = {"scause", "mcause", "trap_cause"}

HARDWARE_SAYS = {
    "illegal": "a privileged instruction, and the hardware runs the guest in U-mode",
    "ecall_u": "an environment call, made in U-mode",
    "fetch_page": "the page tables in use do not permit this fetch",
    "load_page": "the page tables in use do not permit this load",
    "store_page": "the page tables in use do not permit this store",
    "mmio_read": "a load from a device register",
    "mmio_write": "a store to a device register",
    "wfi": "the hart waits for an interrupt",
    "budget": "a deadline was reached: a timer or a device wants attention",
    "timer": "the timer was set",
    "time": "the clock was read",
}


def details(recording: Recording, place: int) -> dict[str, Any]:
    """Return what is known of the exit at a place among those kept."""
    if not 0 <= place < len(recording):
        raise MachineError(
            f"exit {place}: must be a place among the {len(recording)} that were kept"
        )
    row = recording[place]
    return {
        "place": place,
        "index": row.index,
        "cycle": row.cycle,
        "instructions": row.instructions,
        "reason": row.reason,
        "why": "; ".join(EXIT_REASONS.get(name, name) for name in row.reason.split("+")),
        "cause": row.cause,
        "hardware": HARDWARE_SAYS.get(row.cause, row.cause.replace("_", " ")),
        "pc": f"{row.pc:#x}",
        "symbol": row.symbol,
        "privilege": row.privilege,
        "tval": f"{row.tval:#x}",
        "code": code(recording, row),
        "source": source(recording, row),
        "handlers": [{"name": name} for name in row.handlers],
        "accesses": [access_row(access) for access in row.accesses],
        "accesses_left_out": row.accesses_left_out,
        "changes": [
            {
                "word": name,
                "before": f"{before:016x}",
                "after": f"{after:016x}",
                "means": [means(recording, name, before), means(recording, name, after)],
            }
            for name, (before, after) in row.changes.items()
        ],
        "cycles": dict(row.cycles),
        "total": row.total_cycles,
        "measured": row.index in recording.measured,
    }


def sentence(recording: Recording, place: int) -> str:
    """Return an exit in one sentence, for who cannot see the picture."""
    row = recording[place]
    where = row.symbol or f"{row.pc:#x}"
    what = f"{row.instruction} at {where}" if row.instruction else where
    return (
        f"Exit {row.index:,} of {recording.total:,}, {row.reason}: {what}, "
        f"{row.total_cycles:,} cycles, {len(row.changes)} words of the CPU changed"
    )


def code(recording: Recording, row: Exit, before: int = 4, after: int = 4) -> list[dict[str, Any]]:
    """Return the instructions around an exit's, as they are in memory now, if it is still there."""
    session = recording.session
    lines = []
    if row.privilege != "U" and session.symbols.start(row.pc) is not None:
        lines = session.disassemble(row.pc, before, after)
    if not any(line.address == row.pc and line.bits == row.bits for line in lines):
        rows = [(row.pc, row.instruction or "(not readable)", row.symbol)]
    else:
        rows = [(line.address, line.text, line.symbol) for line in lines]
    return [
        {"address": f"{at:x}", "text": text, "symbol": symbol, "current": at == row.pc}
        for at, text, symbol in rows
    ]


def source(recording: Recording, row: Exit) -> dict[str, Any] | None:
    """Return the source line of an exit's instruction and those around it, if it is known.

    The line is that in the function that the symbol names; `inlined` leads from there to the
    instruction's own, through functions that were inlined. Programs are all linked at one address:
    within the measured region it is the workload's that runs, outside it the one, of those that
    may run, that has this instruction there.
    """
    image = image_of(recording, row)
    found = guest_lines.place(image, row.pc) if image else None
    if image is None or found is None:
        return None
    *inlined, outermost = [found, *guest_lines.callers(image, row.pc)]
    lines = [{"line": number, "text": text} for number, text in outermost.text(AROUND)]
    return {
        "file": outermost.file,
        "line": outermost.line,
        "lines": lines,
        "inlined": [
            {"place": str(at), "text": "".join(text.strip() for _, text in at.text())}
            for at in reversed(inlined)
        ],
    }


def image_of(recording: Recording, row: Exit) -> str | None:
    """Return the name of the image that an exit's instruction belongs to."""
    session = recording.session
    path = session.setup.image
    if not isinstance(path, Path) or path.parent != IMAGES:
        return None
    if row.privilege == "U":
        return program_of(recording, row)
    return path.stem if session.symbols.start(row.pc) is not None else None


def program_of(recording: Recording, row: Exit) -> str | None:
    """Return a program that has that instruction; None if others have it on another line."""
    name = recording.session.label["workload"]
    if name in workloads():
        program = workloads()[name].program
        if row.index in recording.measured:
            return program
        may_run = ["init", program]
    else:
        may_run = sorted(guest_programs.programs()) if name == SHELL else []
    found = guest_programs.having(may_run, row.pc, row.bits) if row.bits else []
    lines = {guest_lines.place(program, row.pc) for program in found}
    return found[0] if len(lines) == 1 else None


def access_row(access: Access) -> dict[str, Any]:
    """Return one access of the monitor, its numbers as text."""
    digits = 2 * access.size
    number = None if access.value is None else f"{access.value:0{digits}x}"
    before = None if access.before is None else f"{access.before:0{digits}x}"
    return {
        "kind": access.kind,
        "what": access.what,
        "address": f"{access.address:#x}",
        "size": access.size,
        "value": number,
        "before": before,
    }


def means(recording: Recording, word: str, value: int) -> str:
    """Return what a word of the CPU says, where that is more than a number."""
    if word in ADDRESSES:
        return recording.session.symbols.name(value)
    if word in CAUSES:
        try:
            return cause_name(value).replace("_", " ")
        except ValueError:
            return ""
    if word == "priv":
        return f"{PRIVILEGES.get(value, '?')}-mode"
    return ""


def handler_source(recording: Recording, name: str) -> dict[str, Any]:
    """Return the Python source of a monitor's method that ran, and where it is."""
    known = {handler for row in recording for handler in row.handlers}
    if name not in known:
        raise MachineError(f"handler {name!r}: did not run in this recording")
    method = inspect.unwrap(getattr(type(recording.session.mode), name))
    try:
        text, line = inspect.getsourcelines(method)
        file = Path(inspect.getsourcefile(method) or "").name
    except (OSError, TypeError):
        return {"name": name, "file": "", "line": 0, "text": "(its source is not to be had)"}
    owner = method.__qualname__
    return {
        "name": name,
        "owner": owner,
        "file": file,
        "line": line,
        "text": textwrap.dedent("".join(text)).rstrip(),
    }
