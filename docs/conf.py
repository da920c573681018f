"""How the documentation is built: ``sphinx-build -W -c docs . site`` from the repository's root.

Its sources are the pages here and the notebooks, which are executed for it, and the docstrings.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import vlab
from vlab.cli import parser

project, version, release = "vlab", vlab.__version__, vlab.__version__
root_doc = "docs/index"
include_patterns = ["docs/**/*.md", "docs/*.md", "notebooks/*.ipynb", "course/*.md"]
include_patterns += ["guests/README.md"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
default_role = "py:obj"

myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline", "colon_fence"]
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
"""A page shows the picture that a widget leaves: without a kernel it could do nothing."""

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = True
napoleon_google_docstring = False

html_theme = "furo"
html_title = "vlab"
html_static_path = ["_static"]
html_css_files = ["vlab.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False

ROOT = Path(__file__).parent.parent

API = {
    "Running": ("run", "compare", "boot", "shell", "workloads", "Workload"),
    "Results": ("Result", "Comparison", "reveal"),
    "Looking inside": ("session", "Session", "record", "Recording"),
    "Costs and counters": ("preset", "price", "Costs", "Cycles", "Counters", "COUNTERS"),
    "Making your own": (
        "instruction", "Device", "hypercall", "assemble", "FullVirt", "ParaVirt",
    ),
    "Errors": ("VlabError",),
}  # fmt: skip
"""Names of the public API by what they are for; what is in none comes last."""
DATA = ("COUNTERS",)


def api() -> str:
    """Return the page of the public API, as directives."""
    grouped = {name for names in API.values() for name in names}
    rest = [n for n in vlab.__all__ if n not in grouped and not n.startswith("__")]
    sections = []
    for title, names in {**API, **({"More": tuple(rest)} if rest else {})}.items():
        entries = "\n".join(directive(name) for name in names)
        sections.append(f"## {title}\n\n```{{eval-rst}}\n{entries}\n```\n")
    return "\n".join(sections)


def directive(name: str) -> str:
    """Return the directive that documents one name."""
    if name in DATA:
        return f".. autodata:: vlab.{name}\n   :no-value:\n"
    if isinstance(getattr(vlab, name), type):
        return f".. autoclass:: vlab.{name}\n   :members:\n   :inherited-members: tuple\n"
    return f".. autofunction:: vlab.{name}\n"


def commands() -> str:
    """Return the page of the command line, from its parser."""
    chosen = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    pages = []
    for name, sub in chosen.choices.items():
        arguments = [action for action in sub._actions if action.dest != "help"]
        rows = "\n".join(f"| {spelling(a)} | {a.help or ''} | {default(a)} |" for a in arguments)
        table = f"\n\n| argument | what | default |\n|---|---|---|\n{rows}" if rows else ""
        sentence = f"{sub.description[:1].upper()}{sub.description[1:]}."
        pages.append(f"## `vlab {name}`\n\n{sentence}{table}\n")
    return "\n".join(pages)


def spelling(action: argparse.Action) -> str:
    """Return how an argument is written."""
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else "")
    words = [action.option_strings[-1]] if action.option_strings else []
    return "`" + " ".join([*words, str(value).replace("|", "\\|")]).strip() + "`"


def default(action: argparse.Action) -> str:
    """Return what an argument is unless told."""
    return "" if action.default in (None, [], "", False) else f"`{action.default}`"


GENERATED = {"docs/reference/api": api, "docs/reference/cli": commands}
"""Pages with a mark ``% generated`` that is replaced when they are read."""


def fill_in(app: object, name: str, source: list[str]) -> None:
    """Put what is generated into a page, and leave out links to what is no page."""
    if name in GENERATED:
        source[0] = source[0].replace("% generated", GENERATED[name]())
    if name.startswith("course/"):
        source[0] = re.sub(r"\[([^]]+)\]\(([^)#]+)[^)]*\)", keep_if_page, source[0])


def keep_if_page(link: re.Match[str]) -> str:
    """Return a link of the course's pages, or its text: labs with solutions are not published."""
    target = (ROOT / "course" / link[2]).resolve()
    pages = target.parent in (ROOT / "course", ROOT / "docs", ROOT / "notebooks")
    return link[0] if pages and target.suffix in (".md", ".ipynb") else link[1]


def no_type(app: object, what: str, name: str, obj: object, options: object, lines: list) -> None:
    """Keep napoleon from taking "hits: translations held" for a type and a description."""
    if what in ("property", "attribute") and lines:
        lines[0] = lines[0].replace(": ", " – ", 1)


def setup(app: object) -> None:
    """Connect to Sphinx."""
    app.connect("source-read", fill_in)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", no_type, priority=1)  # type: ignore[attr-defined]
