"""The set of standard figures: what ``vlab figures`` makes, each from runs of its own kind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import unescape

from vlab.errors import OutputError, ParameterError, unknown

if TYPE_CHECKING:
    from vlab.figures import Drawing

TLB_SIZES, WAYS = (8, 16, 32, 64, 128, 256), 4
BATCHES = (1, 2, 4, 8, 16, 32, 64)
TIMELINES = ("fullvirt", "paravirt")


@cache
def _comparison() -> Any:
    from vlab.experiments.comparing import compare

    return compare()


def _timeline(mode: str) -> Drawing:
    from vlab.experiments.recording import record
    from vlab.figures import timeline

    return timeline(record("mixed", mode))


def _batches() -> Drawing:
    from pandas import DataFrame

    from vlab.experiments.running import run
    from vlab.figures import sweep

    rows = []
    for batch in BATCHES:
        counters = run("ptemod", "paravirt", pages=64, populate=1, set={"batch": batch}).counters
        rows.append({"batch": batch, "exits": counters.exits, "workload": "ptemod"})
    labels = ("page-table updates in one hypercall", "exits")
    return sweep(DataFrame(rows), "batch", "exits", by="workload", labels=labels)


def _tlb() -> Drawing:
    from pandas import DataFrame

    from vlab.experiments.running import run
    from vlab.figures import sweep

    rows = []
    for entries in TLB_SIZES:
        for mode in ("native", "fullvirt", "paravirt"):
            machine = {"tlb_entries": entries, "tlb_ways": WAYS}
            counters = run("mixed", mode, set=machine).counters
            per = 1000 * counters.walk_references / counters.retired
            rows.append({"entries": entries, "references": per, "mode": mode})
    labels = ("entries of the TLB", "PTEs read per 1000 instructions")
    return sweep(DataFrame(rows), "entries", "references", labels=labels)


def _techniques() -> Drawing:
    from vlab.experiments.catalogue import workloads
    from vlab.experiments.running import EMULATIONS, run
    from vlab.figures import techniques

    return techniques([run(w, "emulate", technique=t) for w in workloads() for t in EMULATIONS])


def makers() -> dict[str, Callable[[], Drawing]]:
    """Return what makes each standard figure, by name."""
    from vlab.figures import KINDS

    made: dict[str, Callable[[], Drawing]] = {
        kind: lambda kind=kind: _comparison().plot(kind)  # type: ignore[misc]
        for kind in KINDS
    }
    for mode in TIMELINES:
        made[f"timeline-{mode}"] = lambda mode=mode: _timeline(mode)  # type: ignore[misc]
    return made | {"batches": _batches, "tlb": _tlb, "techniques": _techniques}


def figures(
    names: Iterable[str] = (),
    directory: str | Path = ".",
    *,
    size: str = "slide",
    theme: str = "light",
    form: str = "svg",
) -> list[Path]:
    """Make standard figures and return the files.

    Parameters
    ----------
    names
        All unless told.
    directory
        Made if it does not exist.
    size, theme
        As in `vlab.figures.Drawing.save`.
    form
        ``svg``, ``pdf`` or ``png``.

    Raises
    ------
    VlabError
        For an unknown name, size, theme or format, or a directory that cannot be written.
    """
    from vlab import progress
    from vlab.figures import SIZES, THEMES, check_format
    from vlab.output import check_writable

    known = makers()
    wanted = list(names) or list(known)
    choices: list[tuple[str, str, Iterable[str]]] = [("figure", name, known) for name in wanted]
    choices += [("size of figure", size, SIZES), ("theme", theme, THEMES)]
    for what, name, table in choices:
        if name not in table:
            raise ParameterError(unknown(what, name, table))
    check_format(f"figure.{form}")
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from None
    files = [folder / f"{name}.{form}" for name in wanted]
    for file in files:
        check_writable(str(file))
    with progress.runs() as begin:
        for number, (name, file) in enumerate(zip(wanted, files, strict=True)):
            if begin is not None:
                begin(number, len(wanted), name)
            known[name]().save(file, size, theme)
    return files


def origin(path: str | Path) -> dict[str, Any]:
    """Return what a figure's file says that it was made from.

    Raises
    ------
    OutputError
        If it is not a figure of vlab's.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise OutputError(f"{path}: cannot be read ({error.strerror})") from None
    start = data.find(b'{"figure"')
    text = data[start:].decode("latin-1") if start >= 0 else ""
    text = re.sub(r"\\([()\\])", r"\1", text) if data.startswith(b"%PDF") else unescape(text)
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        raise OutputError(f"{path}: does not say that vlab made it") from None
    assert isinstance(found, dict)
    return found
