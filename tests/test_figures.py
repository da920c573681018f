"""Figures: every kind draws, says its finding in words, and is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

import vlab
from vlab.errors import OutputError, ParameterError
from vlab.experiments import Comparison
from vlab.figures import KINDS
from vlab.figures.style import CATEGORY_STYLE, MODE_COLOURS, MODE_MARKERS, MODES

MAGIC = {".svg": b"<?xml", ".pdf": b"%PDF", ".png": b"\x89PNG"}


@pytest.fixture
def comparison(fake_machine) -> Comparison:
    return vlab.compare(["compute", "ptemod"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_and_says_what_it_shows(comparison: Comparison, kind: str) -> None:
    """Each figure has labelled axes with units and an alternative text with its numbers."""
    figure = comparison.plot(kind)
    figure.canvas.draw()
    titles = " ".join(ax.get_title(loc="left") for ax in figure.axes) + (figure.get_suptitle())
    assert titles.strip()
    assert "ptemod" in figure.alt
    assert "native 1.00" in figure.alt
    if kind != "cycles":
        assert all(ax.get_xlabel() for ax in figure.axes if ax.axison)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("modes", [["native"], ["fullvirt"], ["native", "emulate"]])
def test_every_kind_draws_with_modes_missing(fake_machine, kind: str, modes: list[str]) -> None:
    """A comparison of few modes is drawn too."""
    vlab.compare(["compute", "hello"], modes).plot(kind).canvas.draw()


@pytest.mark.parametrize("suffix", MAGIC)
def test_save_writes_the_format_of_the_name(comparison, tmp_path: Path, suffix: str) -> None:
    """The suffix decides the format, the alternative text is inside, nothing else is left over."""
    path = comparison.save(tmp_path / f"figure{suffix}")
    content = path.read_bytes()
    assert content.startswith(MAGIC[suffix])
    assert list(tmp_path.glob("figure*")) == [path]
    assert not list(tmp_path.glob(".figure*"))
    if suffix == ".svg":
        assert "Fullvirt exits" in content.decode()


def test_the_same_results_give_the_same_file(comparison, tmp_path: Path) -> None:
    """Files hold no date and no random identifiers."""
    first = comparison.save(tmp_path / "a.svg").read_bytes()
    assert comparison.save(tmp_path / "a.svg").read_bytes() == first


def test_a_figure_that_cannot_be_written_leaves_no_trace(comparison, tmp_path: Path) -> None:
    """Unknown formats, missing directories and directories are refused."""
    for path in ("figure.gif", "figure", "nowhere/figure.svg", "."):
        with pytest.raises(OutputError):
            comparison.save(tmp_path / path)
    assert not list(tmp_path.glob("fig*"))


def test_a_write_that_fails_leaves_the_old_file(
    comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A figure is complete under its name or not there at all."""
    path = tmp_path / "figure.svg"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        comparison.save(path)
    assert path.read_bytes() == b"old"
    assert not list(tmp_path.glob(".figure*"))


def test_an_unknown_kind_is_refused(comparison) -> None:
    """The nearest kind is suggested."""
    with pytest.raises(ParameterError, match="did you mean 'cycles'"):
        comparison.plot("cycle")


def test_the_finding_is_computed(comparison) -> None:
    """The title's numbers are those of the frame."""
    frame = comparison.to_frame()
    full = frame[frame["mode"] == "fullvirt"].set_index("workload")["slowdown"]
    title = comparison.plot().axes[0].get_title(loc="left")
    assert f"{full['compute']:.3g}×" in title
    assert f"{full['ptemod']:.3g}×" in title


def test_nothing_is_told_by_colour_alone() -> None:
    """Modes differ in shape, neighbouring categories in colour or hatch, and none repeats."""
    assert len({MODE_MARKERS[mode] for mode in MODES}) == len(MODES)
    assert len({MODE_COLOURS[mode] for mode in MODES}) == len(MODES)
    looks = [(colour, hatch) for _, colour, hatch in CATEGORY_STYLE.values()]
    assert len(set(looks)) == len(looks)


def test_a_notebook_shows_the_picture_with_its_text(comparison) -> None:
    """The notebook gets a picture whose alternative text is the finding."""
    data, metadata = comparison.plot("translation")._repr_mimebundle_()
    assert data["image/png"].startswith(MAGIC[".png"])
    assert metadata["image/png"]["alt"] == data["text/plain"]
