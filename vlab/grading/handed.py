"""A lab's files, and what was handed in for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vlab import __version__
from vlab.errors import MachineError, ParameterError

SUFFIXES = (".ipynb", ".py")


@dataclass(frozen=True)
class LabFiles:
    """Where a lab's parts are.

    Attributes
    ----------
    source
        The source notebook, None if there is none.
    """

    slug: str
    checks: Path
    source: Path | None

    def digest(self) -> str:
        """Return what grades depend on besides the submission."""
        digest = hashlib.sha256(__version__.encode())
        code = Path(__file__).parent
        ours = [*sorted(code.rglob("*.py")), *sorted((code.parent / "labs").glob("*.py"))]
        for path in (self.checks, *([self.source] if self.source else []), *ours):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


@dataclass(frozen=True)
class Handed:
    """One submission: whose it is, and its file.

    Attributes
    ----------
    own
        Components at the end of the path that the student could have chosen.
    """

    student: str
    path: Path
    own: int = 1


def collect(paths: Iterable[str | Path], slug: str) -> list[Handed]:
    """Return the submissions below some paths, by student.

    A path is a file ``STUDENT.ipynb`` or ``STUDENT.py``, or a directory of such files or in
    nbgrader's layout, ``STUDENT/LAB/LAB.ipynb``.

    Raises
    ------
    MachineError
        If a path is not there, or nothing was handed in.
    ParameterError
        If two files are of the same student.
    """
    found: dict[str, Handed] = {}
    for given in map(Path, paths):
        if not given.exists():
            raise MachineError(f"{given}: no such file or directory")
        for one in _below(given, slug):
            other = found.setdefault(one.student, one)
            if other.path != one.path:
                raise ParameterError(f"two submissions of {one.student}: {other.path}, {one.path}")
    if not found:
        raise MachineError(f"no submission of lab {slug} in {', '.join(map(str, paths))}")
    return [found[name] for name in sorted(found)]


def _below(path: Path, slug: str) -> Iterable[Handed]:
    if not path.is_dir():
        if path.suffix in SUFFIXES:
            yield Handed(path.stem, path)
        return
    for entry in sorted(path.iterdir()):
        if entry.suffix in SUFFIXES and not entry.is_dir():
            yield Handed(entry.stem, entry)
        elif (entry / slug).is_dir() or (entry / slug).is_symlink():
            files = [entry / slug / f"{slug}{suffix}" for suffix in SUFFIXES]
            there = [file for file in files if file.is_symlink() or file.exists()]
            yield Handed(entry.name, (there or files)[0], own=3)
