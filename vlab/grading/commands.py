"""``vlab grade`` and ``vlab lab``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlab import progress
from vlab.errors import MachineError, ParameterError
from vlab.grading import making
from vlab.grading.classroom import Classroom
from vlab.grading.files import find_lab
from vlab.grading.handed import collect
from vlab.grading.remote import freedom
from vlab.grading.text import plain
from vlab.grading.trying import report
from vlab.output import check_writable


def grade(
    submissions: Sequence[str],
    lab: str,
    out: str,
    jobs: int,
    course: str,
    unconfined: bool = False,
) -> None:
    """Grade a class and say how it went.

    Parameters
    ----------
    unconfined
        Grade even where system calls cannot be filtered.
    """
    if jobs < 1:
        raise ParameterError(f"--jobs {jobs}: at least 1")
    files = find_lab(lab, course)
    handed = collect(submissions, files.slug)
    check_writable(out)
    free = freedom()
    if free and not unconfined:
        raise MachineError(
            f"{free}, so submissions would run with your rights to files and network: grade on "
            "Linux or in a container, or add --unconfined if you trust them"
        )
    print(
        f"submissions are {f'NOT confined: {free}' if free else 'confined: they can only compute'}"
    )
    classroom = Classroom(files, Path(out))
    with progress.runs() as tell:
        grades = classroom.grade(handed, jobs, tell)
    classroom.write(grades)
    for one in grades:
        why = f"  {one['reason']}" if one["reason"] else ""
        print(f"{plain(one['student']):24} {one['score']:3}/{one['most']}{why}")
    print(f"{out}: {len(grades)} students; feedback and class.svg in {classroom.folder}")


def new(name: str, course: str, out: str | None) -> int:
    """Make the skeleton of a lab."""
    for path in making.skeleton(name, course):
        print(path)
    return 0


def test(name: str, course: str, out: str | None) -> int:
    """Show that the solution passes, the release does not, and every mutant is caught."""
    lines, good = report(find_lab(name, course), Path(course))
    print("\n".join(lines))
    return 0 if good else 1


def release(name: str, course: str, out: str | None) -> int:
    """Write what students get: the notebook without solutions, and the visible checks."""
    for path in making.release(find_lab(name, course), Path(out or "release")):
        print(path)
    return 0


def export(name: str, course: str, out: str | None) -> int:
    """Write the lab for Otter-Grader, as Gradescope takes it."""
    for path in making.export(find_lab(name, course), Path(out or "otter")):
        print(path)
    return 0
