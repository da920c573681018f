"""Machine view: registers, CSRs, memory, devices and code of a machine that stands still."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import vlab
from vlab import guest_lines
from vlab.errors import unknown
from vlab.experiments.catalogue import IMAGES
from vlab.widgets.csr_fields import ADDRESSES, WORDS, fields
from vlab.widgets.machine import MachineWidget

SPACES = ("guest-virtual", "guest-physical", "host-physical")
BYTES, ROW = 128, 16
BEFORE, AFTER = 6, 12
MASK = (1 << 64) - 1
MOST_STEPS = 1_000_000
COUNTED = (
    "traps", "interrupts", "syscalls", "page_faults", "exits", "hypercalls", "mmio_accesses",
    "tlb_misses", "walk_references",
)  # fmt: skip


class MachineView(MachineWidget):
    """Step a machine forwards and backwards and see everything that changes.

    Parameters
    ----------
    source
        A session, or a workload's name.
    mode
        ``native``, ``emulate``, ``fullvirt`` (what is shown is the virtual CPU) or ``paravirt``.
    **options
        More of `vlab.session`'s, and the workload's parameters.
    """

    title = "Machine view"
    script, style = "machine_view.js", "machine_view.css"

    def __init__(self, source: Any = "hello", mode: str | None = None, **options: Any) -> None:
        if mode is not None or not isinstance(source, vlab.Session):
            options["mode"] = mode or "native"
        self._memory_at: int | None = None
        self._space = SPACES[0]
        self._before: dict[str, Any] = {}
        self._compared: dict[str, Any] = {}
        super().__init__(source, options, self._look)

    def follow(self) -> None:
        """Show what has changed since another widget moved the session."""
        self._look()

    # -- requests ---------------------------------------------------------------------------

    def on_step(self, n: int = 1) -> None:
        """Step forwards: instructions, whoever carries them out, and traps."""
        n = int(n)
        if not 0 < n <= MOST_STEPS:
            raise vlab.VlabError(f"{n} steps: must be from 1 to {MOST_STEPS:,}")
        self._move(lambda session: session.step(n))

    def on_back(self, n: int = 1) -> None:
        """Step backwards."""
        self._move(lambda session: session.back(int(n)))

    def on_start(self) -> None:
        """Go back to before the first instruction."""
        self._move(lambda session: session.goto(0))

    def on_run(self) -> None:
        """Run to a breakpoint, or to the end."""
        self._move(lambda session: session.run())

    def on_exit(self) -> None:
        """Run until the next VM exit was handled; without a monitor, to the next trap."""
        self._move(lambda session: session.until_exit())

    def on_mark(self) -> None:
        """Run to where the measured part of the workload begins."""
        self._move(lambda session: session.until(mark=1))

    def on_until(self, place: str) -> None:
        """Run to an address or a symbol of the kernel."""
        address = self.session.address(place)
        self._move(lambda session: session.until(pc=address))

    def on_breakpoint(self, place: str) -> None:
        """Set a breakpoint at an address or a symbol, or clear the one that is there."""
        self.session.breakpoints ^= {self.session.address(place)}
        self._look(moved=False)

    def on_memory(self, place: str, space: str = SPACES[0]) -> None:
        """Show the memory from an address on; nothing typed: where the stack pointer points."""
        if space not in SPACES:
            raise vlab.VlabError(unknown("address space", space, SPACES))
        self._memory_at = self.session.address(place) if place.strip() else None
        self._space = space
        self._look(moved=False)

    # -- what is shown ----------------------------------------------------------------------

    def _move(self, go: Any) -> None:
        with self.running() as session:
            go(session)
        self._look()

    def _look(self, moved: bool = True) -> None:
        session = self.session
        now = {
            "registers": {"pc": session.pc, **session.registers},
            "csrs": session.csrs,
            "counters": {name: getattr(session.counters, name) for name in COUNTED},
            "memory": self._memory(),
            "devices": self._devices(),
        }
        before = self._before if moved else self._compared
        self.show(
            where=self.where(),
            registers=self._registers(now["registers"], before.get("registers", {})),
            csrs=self._csrs(now["csrs"], before.get("csrs", {})),
            counters=[
                [name.replace("_", " "), n, n - before.get("counters", {}).get(name, n)]
                for name, n in now["counters"].items()
            ],
            code=self._code(),
            source=self._source(),
            memory=self._rows(now["memory"], before.get("memory")),
            spaces=SPACES,
            devices=[
                row | {"changed": bool(before) and before["devices"][n] != row}
                for n, row in enumerate(now["devices"])
            ],
            breakpoints=[
                {"address": f"{at:#x}", "symbol": session.symbol(at)}
                for at in sorted(session.breakpoints)
            ],
            virtual=session.setup.mode in ("fullvirt", "paravirt"),
            console=session.console[-2000:],
        )
        if moved:
            self._compared = self._before
        self._before = now

    def _registers(self, now: dict[str, int], before: dict[str, int]) -> list[list[Any]]:
        return [
            [name, f"{value:016x}", self.session.symbol(value), before.get(name, value) != value]
            for name, value in now.items()
        ]

    def _csrs(self, now: dict[str, int], before: dict[str, int]) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "words": WORDS[name],
                "value": f"{value:016x}",
                "symbol": self.session.symbol(value) if name in ADDRESSES else "",
                "fields": [[f.name, f.value, f.meaning] for f in fields(name, value)],
                "changed": before.get(name, value) != value,
            }
            for name, value in now.items()
            if name in WORDS
        ]

    def _code(self) -> list[dict[str, Any]]:
        session = self.session
        return [
            {
                "address": f"{line.address:#x}",
                "bits": f"{line.bits:08x}" if line.bits & 3 == 3 else f"{line.bits:04x}",
                "text": line.text,
                "symbol": line.symbol,
                "current": line.current,
                "stop": line.address in session.breakpoints,
            }
            for line in session.disassemble(before=BEFORE, after=AFTER)
        ]

    def _source(self) -> dict[str, Any] | None:
        """Return the line of a cell, or of the guest kernel; programs share one address."""
        session = self.session
        cell = session.label.get("source")
        if cell is not None:
            return cell_source(cell, session.pc)
        image = session.setup.image
        if session.privilege == "U" or not isinstance(image, Path) or image.parent != IMAGES:
            return None
        found = guest_lines.place(image.stem, session.pc) if session.symbol() else None
        if found is None:
            return None
        return {"file": found.file, "line": found.line, "lines": found.text(2)}

    def _memory(self) -> tuple[int, bytes]:
        """Return where the memory shown begins, and as many rows of it as can be read."""
        session = self.session
        at = session.registers["sp"] if self._memory_at is None else self._memory_at
        at &= ~(ROW - 1)
        data = b""
        while len(data) < BYTES:
            try:
                data += session.memory(at + len(data) & MASK, ROW, self._space)
            except vlab.VlabError:
                break
        return at, data

    def _rows(self, now: tuple[int, bytes], before: tuple[int, bytes] | None) -> dict[str, Any]:
        at, data = now
        old = before[1] if before is not None and before[0] == at else data
        rows = []
        for n in range(0, len(data), ROW):
            part, was = data[n : n + ROW], old[n : n + ROW] or data[n : n + ROW]
            rows.append(
                {
                    "address": f"{at + n:#x}",
                    "bytes": [f"{byte:02x}" for byte in part],
                    "changed": [a != b for a, b in zip(part, was, strict=True)],
                    "text": "".join(chr(b) if 32 <= b < 127 else "·" for b in part),
                }
            )
        missing = f"{at + len(data):#x}" if len(data) < BYTES else ""
        return {"at": f"{at:#x}", "space": self._space, "rows": rows, "missing": missing}

    def _devices(self) -> list[dict[str, Any]]:
        bus = self.session.machine.board.bus
        return [
            {
                "name": mapping.name,
                "base": f"{mapping.base:#x}",
                "state": {name: short(value) for name, value in mapping.device.state().items()},
            }
            for mapping in bus.mappings
        ]

    def describe(self) -> list[str]:
        """Return where the machine is, its registers and the code as text."""
        if not self._before:
            return ["(the machine had not come to its first stop)"]
        place, registers = self.where(), list(self._before["registers"].items())
        lines = [
            f"{place['workload']} · {place['mode']} · at {place['symbol'] or place['pc']} · "
            f"{place['privilege']} · {place['instructions']:,} instructions"
        ]
        for n in range(0, len(registers), 4):
            lines.append("  ".join(f"{k:>4} {v:016x}" for k, v in registers[n : n + 4]))
        for row in self._code():
            mark = ">" if row["current"] else " "
            lines.append(f"{mark} {row['address']}  {row['bits']:8}  {row['text']}")
        return lines


def cell_source(cell: dict[str, Any], pc: int) -> dict[str, Any] | None:
    """Return the line of a cell's program that an address belongs to, and those around it."""
    line = cell["lines"].get(pc)
    if not line:
        return None
    text = cell["text"].splitlines()
    around = range(max(1, line - 2), min(len(text), line + 2) + 1)
    return {"file": "cell", "line": line, "lines": [(n, text[n - 1]) for n in around]}


def short(value: Any) -> str:
    """Return a device's word as text that fits into a cell."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:#x}" if value > 9 else str(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = str(value)
    return text if len(text) < 60 else text[:57] + "…"
