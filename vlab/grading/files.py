"""Where the parts of a lab are in a course's directory."""

from __future__ import annotations

from pathlib import Path

from vlab.errors import MachineError, unknown
from vlab.grading.handed import LabFiles


def labs(course: str | Path) -> list[str]:
    """Return the labs of a course, in order."""
    folder = Path(course) / "checks"
    if not folder.is_dir():
        raise MachineError(
            f"{course}: is no course: it has no directory checks; say --course, or go where it is"
        )
    return sorted(path.stem for path in folder.glob("*.py"))


def find_lab(name: str, course: str | Path) -> LabFiles:
    """Return the files of a lab, by its name or number.

    Raises
    ------
    MachineError
        If there is no such lab or no such course.
    """
    known = labs(course)
    if name.isdigit():
        chosen = [slug for slug in known if slug.split("_")[0].lstrip("0") == name.lstrip("0")]
    else:
        chosen = [slug for slug in known if slug == name]
    if not chosen:
        raise MachineError(unknown("lab", name, known))
    slug = chosen[0]
    source = source_of(slug, course)
    checks = Path(course) / "checks" / f"{slug}.py"
    return LabFiles(slug, checks, source if source.is_file() else None)


def source_of(slug: str, course: str | Path) -> Path:
    """Return the source notebook of a lab."""
    return Path(course) / "source" / slug / f"{slug}.ipynb"
