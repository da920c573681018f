"""``vlab figures``: the standard figures, and what a file says of its origin."""

from __future__ import annotations

from pathlib import Path

import pytest

import vlab
from vlab.cli import main
from vlab.errors import VlabError
from vlab.experiments import figure_set


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare one workload instead of all."""
    figure_set._comparison.cache_clear()
    small = vlab.compare(["syscall", "hello"])
    monkeypatch.setattr(figure_set, "_comparison", lambda: small)


def test_the_whole_set_is_made(quick: None, tmp_path: Path) -> None:
    """``--all`` makes every figure, each one a picture that says what it was made from."""
    assert main(["figures", "--all", str(tmp_path / "set"), "--size", "paper"]) == 0
    names = set(figure_set.makers())
    files = {path.stem: path for path in (tmp_path / "set").iterdir()}
    assert set(files) == names
    assert names > {"overview", "cycles", "timeline-fullvirt", "batches", "tlb", "prediction"}
    for path in files.values():
        assert path.read_text("utf-8").startswith("<?xml")
        assert figure_set.origin(path)["size"] == "paper"


@pytest.mark.parametrize("form", ["svg", "pdf", "png"])
def test_a_file_tells_how_to_make_it_again(quick: None, tmp_path: Path, form: str) -> None:
    """Versions, seed, parameters and the Python that makes it again are read back."""
    (path,) = figure_set.figures(["slowdown"], tmp_path, form=form)
    found = figure_set.origin(path)
    assert found["figure"] == "slowdown"
    assert found["versions"]["vlab"] == vlab.__version__
    again = eval(found["again"], {"vlab": vlab})
    assert (
        again.to_frame()["cycles"].tolist()[:2]
        == vlab.compare(["syscall"], modes=["native", "emulate"]).to_frame()["cycles"].tolist()
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["no-such"], "unknown figure 'no-such'"),
        (["slowdown", "--size", "huge"], "unknown size of figure 'huge'"),
        (["slowdown", "--theme", "pink"], "unknown theme 'pink'"),
        (["slowdown", "--format", "gif"], "an .svg, .pdf or .png file"),
        (["slowdown", "--dir", "/dev/null/x"], "cannot be made"),
        (["--origin", "/no/such/file.svg"], "cannot be read"),
        (["--origin", __file__], "does not say that vlab made it"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], reason: str, capsys: object) -> None:
    """What is wrong is said in one line, with exit status 2, and nothing is made."""
    assert main(["figures", *arguments]) == 2
    said = capsys.readouterr().err  # type: ignore[attr-defined]
    assert reason in said
    assert said.count("\n") == 1


def test_figures_come_from_runs_of_all_workloads(tmp_path: Path) -> None:
    """Without anything prepared the command runs what the figure shows."""
    assert main(["figures", "translation", "--dir", str(tmp_path)]) == 0
    runs = figure_set.origin(tmp_path / "translation.svg")["runs"]
    assert {run["workload"] for run in runs} == set(vlab.workloads())


def test_names_are_listed(capsys: object) -> None:
    """Without a name the command says which figures there are."""
    assert main(["figures"]) == 0
    assert capsys.readouterr().out.split() == list(figure_set.makers())  # type: ignore[attr-defined]
    with pytest.raises(VlabError):
        figure_set.figures(["nothing"])
