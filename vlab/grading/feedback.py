"""What students and teachers read: a page for each student, a figure of the class."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from vlab.grading.text import plain

if TYPE_CHECKING:
    from vlab.figures import Drawing

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff; }}
h1 {{ font-size: 1.4rem; }} .score {{ font-size: 1.2rem; font-weight: bold; }}
section {{ border-left: 6px solid #0072B2; padding: 0.1rem 1rem; margin: 1rem 0; }}
section.failed {{ border-color: #D55E00; }}
h2 {{ font-size: 1rem; margin: 0.3rem 0; }} p {{ margin: 0.3rem 0; overflow-wrap: anywhere; }}
pre {{ background: #f4f4f4; padding: 0.6rem; overflow-x: auto; max-height: 20rem; }}
.note {{ background: #fff3d6; padding: 0.5rem 1rem; }}
</style></head><body><h1>{title}</h1>
<p class="score">Score: {score}/{most}</p>
{notes}{checks}{printed}
<p>Questions that are graded by hand are not in this score.</p>
</body></html>
"""


CELLS = (
    "<h2>Cells that raised an error when they were graded</h2>\n<p>Here only what the checks ask "
    "for matters, and only the standard library is there: no vlab, no numpy, no "
    "<code>lab</code>.</p>\n"
)


def page(slug: str, grade: dict[str, Any]) -> str:
    """Return a student's feedback as a page of HTML."""
    notes = [f"The submission could not be graded: {grade['reason']}"] if grade["reason"] else []
    checks = "".join(section(one) for one in grade["verdicts"])
    errors = "".join(f"<li>{escape(error)}</li>" for error in grade["errors"])
    cells = f"{CELLS}<ul>{errors}</ul>" if errors else ""
    printed = grade["printed"].strip()
    shown = f"<h2>What it printed (the end)</h2><pre>{escape(printed)}</pre>" if printed else ""
    return PAGE.format(
        title=escape(f"Lab {slug}: {plain(grade['student'])}"),
        score=grade["score"],
        most=grade["most"],
        notes="".join(f'<p class="note">{escape(note)}</p>' for note in notes),
        checks=checks + cells,
        printed=shown,
    )


def section(verdict: dict[str, Any]) -> str:
    """Return one check's part of the page."""
    state = "passed" if verdict["passed"] else "failed"
    hidden = ", on machines that you have not seen" if verdict["hidden"] else ""
    points = verdict["points"] if verdict["passed"] else 0
    head = f"{verdict['name']}{hidden}: {state}, {points} of {verdict['points']} points"
    text = f"<p>{escape(verdict['message'])}</p>" if verdict["message"] else ""
    return f'<section class="{state}"><h2>{escape(head)}</h2>{text}</section>\n'


def summary(slug: str, grades: Sequence[dict[str, Any]]) -> Drawing:
    """Return the figure of a class: how many passed each check."""
    from vlab.figures import bars

    names = [one["name"] for one in grades[0]["verdicts"]]
    share = {
        name: 100 * sum(g["verdicts"][n]["passed"] for g in grades) / len(grades)
        for n, name in enumerate(names)
    }
    scores = sorted(grade["score"] for grade in grades)
    hardest = min(share, key=lambda name: share[name])
    title = (
        f"Lab {slug}: half of {len(grades)} students have {scores[len(scores) // 2]} of "
        f"{grades[0]['most']} points or more; fewest pass “{hardest}”"
    )
    return bars(share, title, "students who pass the check (%)", number="{:.0f} %")
