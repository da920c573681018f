"""The benchmarks of a checkout (``benchmarks/``), run by ``vlab bench``."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vlab.errors import ImageError, MachineError, ParameterError, unknown

if TYPE_CHECKING:
    from pandas import DataFrame

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
MOST_PAIRS = 100


def suite() -> ModuleType:
    """Return the suite of the checkout, or raise `MachineError` if this is none."""
    if not (BENCHMARKS / "suite.py").is_file():
        raise MachineError(
            "vlab bench needs a checkout of the source: an installed package has no benchmarks/"
        )
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("suite")
    finally:
        sys.path.remove(str(BENCHMARKS))


def bench(
    only: Sequence[str] = (),
    *,
    pairs: int = 3,
    scale: str | Fraction | int = 4,
    against: Sequence[str] = (),
    coremark: str | Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run benchmarks in alternating pairs and return all that was measured, ready for JSON.

    Parameters
    ----------
    only
        Programs and other benchmarks by name; all unless told.
    pairs
        How often each is run.
    scale
        How much work a program does; at 4 it takes some two seconds on QEMU.
    against
        Other simulators, each as ``NAME=COMMAND`` with ``{elf}`` for the program.
    coremark
        Somebody's CoreMark as an ELF file for the ``virt`` board.
    say
        Takes each line of the report.

    Raises
    ------
    VlabError
        If there are no benchmarks here, or one of these does not exist; nothing has run then.
    """
    found = suite()
    for name in only:
        if name not in found.NAMES:
            raise ParameterError(unknown("benchmark", name, found.NAMES))
    if (not only or set(only) & set(found.PROGRAMS)) and not importlib.util.find_spec("ziglang"):
        raise ParameterError("vlab bench builds its programs with the package ziglang: install it")
    if not 1 <= pairs <= MOST_PAIRS:
        raise ParameterError(f"pairs={pairs}: must be from 1 to {MOST_PAIRS}")
    try:
        size = Fraction(scale)
    except (ValueError, ZeroDivisionError):
        size = Fraction(0)
    if not 0 < size <= 1000:
        raise ParameterError(f"scale={scale!r}: must be a number above 0, such as 4 or 1/100")
    if coremark is not None and not Path(coremark).is_file():
        raise ImageError(f"{coremark}: no such file")
    if "coremark" in only and coremark is None:
        raise ParameterError("benchmark 'coremark': give its file with --coremark FILE.elf")
    for text in against:
        try:
            command = found.other(text).template[0]
        except ValueError as error:
            raise ParameterError(f"--against {error}") from None
        if shutil.which(command) is None:
            raise ParameterError(f"--against {text!r}: there is no command {command!r}")

    from vlab.experiments.result import versions

    measured = found.run(
        only,
        pairs=pairs,
        scale=size,
        against=against,
        coremark_elf=Path(coremark) if coremark is not None else None,
        say=say,
    )
    return {"versions": versions(), "pairs": pairs, "scale": str(size), **measured}


def speed_frame(measured: dict[str, Any]) -> DataFrame:
    """Return the race's ratios to the fastest engine: median and spread, a row a simulator."""
    import statistics

    from pandas import DataFrame

    rows = []
    for row in measured.get("speed", ()):
        each = row["ratios"].get("translator")
        if each:
            rows.append(
                {
                    "program": row["program"],
                    "simulator": row["simulator"],
                    "ratio": statistics.median(each),
                    "low": min(each),
                    "high": max(each),
                }
            )
    return DataFrame(rows)
