"""Page-walk explorer: every memory reference by which an address is translated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import vlab
from vlab.widgets.machine import MachineWidget
from vlab.widgets.walk_text import number_of, outcome_of

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
DEFAULTS = {"tlb_entries": 64, "tlb_ways": 4}
ACCESSES = ("load", "store", "fetch")
LISTED = 60
GOALS = {
    "mark": "the measured part begins",
    "page_fault": "the next page fault",
    "syscall": "the next system call",
    "thousand": "1,000 more instructions",
    "step": "one more instruction",
    "end": "the end",
}
"""To where the machine can be run on."""


class PageWalkExplorer(MachineWidget):
    """Type or click a virtual address and see every memory reference of its translation.

    Parameters
    ----------
    source
        A workload's name, or a session that stands where you want to look.
    mode
        ``native``, ``emulate``, ``fullvirt`` (the shadow tables are shown beside the
        guest's) or ``paravirt``.
    **options
        More of `vlab.session`'s, and the workload's parameters.

    Attributes
    ----------
    walk : Walk
        What is shown.
    runs : list of dict
        The TLB experiments so far: geometry and counts of the measured part.
    """

    title = "Page-walk explorer"
    script, style = "page_walk.js", "page_walk.css"
    latest = frozenset({"walk"})

    def __init__(self, source: Any = "memwalk", mode: str | None = None, **options: Any) -> None:
        self.walk: Any = None
        self.runs: list[dict[str, Any]] = []
        own_session = isinstance(source, vlab.Session)
        if mode is not None or not own_session:
            options["mode"] = mode or "fullvirt"
        super().__init__(source, options, lambda: self._begin(own_session))

    def follow(self) -> None:
        """Walk the same address where another widget has moved the session."""
        if self.walk is not None:
            self._look(self.walk.va, self.walk.access)

    def _begin(self, standing: bool) -> None:
        if not standing:
            with self.running() as session:
                session.until(mark=1)
        self._look(self.session.registers["sp"], "load")

    # -- requests ---------------------------------------------------------------------------

    def on_walk(self, address: str, access: str = "load") -> None:
        """Walk an address given as text: a number, a register or CSR, or a symbol."""
        self._look(self.session.address(address), access)

    def on_run(self, goal: str) -> None:
        """Run the machine on to one of `GOALS`, and walk the same address there."""
        if goal not in GOALS:
            raise vlab.VlabError(f"unknown goal {goal!r}: choose from {', '.join(GOALS)}")
        with self.running() as session:
            if goal == "mark":
                session.until(mark=1)
            elif goal == "thousand":
                session.run(1000)
            elif goal == "step":
                session.step()
            elif goal == "end":
                session.run()
            else:
                session.until_exit(goal)
        self._look(self.walk.va, self.walk.access)

    def on_measure(self, entries: int, ways: int) -> None:
        """Run the whole workload again on a machine with another TLB, and list the counts."""
        setup, label = self.session.setup, self.session.label
        options = setup.options | {"tlb_entries": int(entries), "tlb_ways": int(ways)}
        fresh = vlab.Session(
            replace(setup, options=options, console=None), label, self.session.loop.max_instructions
        )
        with self.running(fresh, total=self._length()):
            stop = fresh.run()
        if stop.reason == "interrupted":
            raise vlab.VlabError("stopped before the end: this run is not in the list")
        counters, cycles = fresh.result().counters, fresh.result().cycles
        self.runs.append(
            {
                "entries": int(entries),
                "ways": int(ways),
                "accesses": counters.tlb_accesses,
                "hits": counters.tlb_hits,
                "misses": counters.tlb_misses,
                "references": counters.walk_references,
                "cycles": cycles.total,
                "instructions": fresh.result().counters_total.retired,
            }
        )
        self.show(runs=list(self.runs))

    def on_forget(self) -> None:
        """Forget the TLB experiments."""
        self.runs = []
        self.show(runs=[])

    # -- what is shown ----------------------------------------------------------------------

    def _length(self) -> int | None:
        return self.runs[-1]["instructions"] if self.runs else None

    def _look(self, va: int, access: str) -> None:
        session = self.session
        self.walk = session.walk(va, access)
        counters = session.counters
        self.show(
            where=self.where(),
            goals=GOALS,
            sizes=SIZES,
            geometry=DEFAULTS | {k: v for k, v in session.setup.options.items() if k in DEFAULTS},
            va=f"{va:#x}",
            access=access,
            accesses=ACCESSES,
            split=split(va),
            in_tlb=self.walk.in_tlb,
            number=number_of(self.walk),
            outcome=outcome_of(session, self.walk),
            walks=[table(walk) for walk in (self.walk.guest, self.walk.shadow) if walk],
            regions=self._regions(),
            tlb=[entry(e) for e in session.tlb()],
            counters={
                "accesses": counters.tlb_accesses,
                "hits": counters.tlb_hits,
                "misses": counters.tlb_misses,
                "references": counters.walk_references,
            },
            runs=list(self.runs),
        )

    def _regions(self) -> dict[str, Any]:
        session = self.session
        found, shadow = session.regions(), session.regions("shadow")
        listed = []
        for region in found[:LISTED]:
            inside = sum(
                max(0, min(region.end, s.end) - max(region.start, s.start)) for s in shadow
            )
            listed.append(
                {
                    "start": f"{region.start:#x}",
                    "last": f"{region.end - 1:#x}",
                    "pages": region.pages,
                    "size": ("4 KiB", "2 MiB", "1 GiB")[region.level],
                    "flags": region.flags,
                    "symbol": session.symbol(region.start),
                    "shadowed": inside // 4096,
                }
            )
        return {
            "rows": listed,
            "left_out": len(found) - len(listed),
            "shadow": session.setup.mode == "fullvirt",
        }

    def describe(self) -> list[str]:
        """Return the walk as text."""
        if self.walk is None:
            return ["(the machine had not come to its first stop)"]
        place = self.where()
        return [
            f"{place['workload']} · {place['mode']} · at {place['symbol'] or place['pc']} · "
            f"{place['privilege']} · {place['instructions']:,} instructions",
            *str(self.walk).splitlines(),
            outcome_of(self.session, self.walk),
            number_of(self.walk),
        ]


def split(va: int) -> list[dict[str, Any]]:
    """Return the fields of a virtual address (privileged specification, section 4.4.1)."""
    fields = [("sign", va >> 39, 25)]
    fields += [(f"VPN[{n}]", va >> (12 + 9 * n) & 511, 9) for n in (2, 1, 0)]
    fields.append(("offset", va & 0xFFF, 12))
    return [{"name": name, "value": value, "bits": bits} for name, value, bits in fields]


def table(walk: Any) -> dict[str, Any]:
    """Return one walk as plain data."""
    return {
        "tables": walk.tables,
        "root": None if walk.root is None else f"{walk.root:#x}",
        "rows": [
            {
                "level": r.level,
                "index": r.index,
                "guest": None if r.guest_physical is None else f"{r.guest_physical:#x}",
                "host": None if r.host_physical is None else f"{r.host_physical:#x}",
                "bytes": r.raw.hex(" "),
                "entry": f"{r.pte:#018x}",
                "flags": r.flags,
                "meaning": r.meaning,
            }
            for r in walk.references
        ],
        "fault": None if walk.fault is None else walk.fault.name.lower(),
        "end": walk.end,
    }


def entry(e: Any) -> dict[str, Any]:
    """Return an entry of the TLB as plain data."""
    return {
        "set": e.set,
        "way": e.way,
        "va": f"{e.va:#x}",
        "size": ("4 KiB", "2 MiB", "1 GiB")[e.level],
        "asid": e.asid,
        "host": f"{e.host_physical:#x}",
        "flags": e.flags,
    }
