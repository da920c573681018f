"""Notebooks run from top to bottom, and hold no output that the code does not make anew."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Jupyter kernel that is this Python, whatever else is installed for the user."""
    spec = tmp_path / "kernels" / "here"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    text = f'{{"argv": {argv!r}, "display_name": "here", "language": "python"}}'
    (spec / "kernel.json").write_text(text.replace("'", '"'))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return "here"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path: Path, kernel: str) -> None:
    """Every cell runs without an error, and every picture has an alternative text."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name=kernel).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [o for o in outputs if o.get("name") == "stderr"]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert pictures
    assert all(o["metadata"]["image/png"]["alt"] for o in pictures)
    live = [o for o in outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {})]
    assert all(o in pictures for o in live), "a widget leaves no picture where it cannot run"


def test_a_page_without_a_kernel_has_the_pictures_of_widgets(kernel: str) -> None:
    """HTML made by nbconvert, as documented, shows what each widget leaves: a figure, or text."""
    cells = [
        "import vlab.widgets",
        "vlab.widgets.ModeRace('hello')",
        "vlab.widgets.MachineView('hello')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name=kernel, store_widget_state=False).execute()
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert page.count('src="data:image/png;base64,') == 1
    assert page.count("A picture of a live widget") == 1
    assert 'application/vnd.jupyter.widget-view+json"' not in page


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_is_committed_without_outputs(path: Path) -> None:
    """No stored output, no execution count."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def headings(notebook: nbformat.NotebookNode) -> str:
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n".join(re.findall(r"^#+ .*$", "\n".join(prose), re.MULTILINE))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_is_a_lesson(path: Path) -> None:
    """A question, a prediction made before anything is run, and what was learned, in this order."""
    notebook = nbformat.read(path, as_version=4)
    found = headings(notebook)
    order = [found.find(words) for words in ("question", "our prediction", "was learned")]
    assert -1 < order[0] < order[1] < order[2], found
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tags = [cell.metadata.get("tags", ()) for cell in code]
    place = next(n for n, tag in enumerate(tags) if "prediction" in tag)
    run = re.compile(r"vlab\.(run|compare|record)\(|\.(run|until\w*)\(")
    assert not any(run.search(cell.source) for cell in code[:place])
    assert "prediction" in " ".join(cell.source for cell in code[place + 1 :])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_lecturer_has_notes(path: Path) -> None:
    """One cell is for the lecturer, and is hidden from slides and pages."""
    notes = [
        c for c in nbformat.read(path, as_version=4).cells if "notes" in c.metadata.get("tags", ())
    ]
    assert len(notes) == 1
    assert notes[0].metadata["slideshow"]["slide_type"] == "notes"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_section_is_a_slide(path: Path) -> None:
    """Headings begin cells, and these begin slides (`jupyter nbconvert --to slides`)."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown" and "notes" not in cell.metadata.get("tags", ()):
            begins = bool(re.match(r"##? ", cell.source))
            assert begins == (cell.metadata.get("slideshow", {}).get("slide_type") == "slide")
            assert begins or not re.search(r"^#", cell.source, re.MULTILINE)
