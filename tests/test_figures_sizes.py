"""Figures at every offered size: no text on another or cut off, readable, and made again."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from matplotlib.text import Text

import vlab
from vlab import figures
from vlab.errors import OutputError, ParameterError
from vlab.experiments.running import TECHNIQUES
from vlab.figures.style import CATEGORY_STYLE, REASON_STYLE, SIZES
from vlab.figures.techniques import break_even, technique_frame

SMALL = {
    "hello": {}, "compute": {"n": 50}, "syscall": {"n": 100}, "ctxswitch": {"n": 10},
    "pagefault": {"pages": 30}, "ptemod": {"rounds": 2}, "memwalk": {"rounds": 5},
    "forktree": {"depth": 1}, "diskpio": {"n": 4}, "diskvirtio": {"n": 8}, "console": {"n": 5},
    "timer": {"n": 5}, "mixed": {"n": 4},
}  # fmt: skip
RUNS = [*((mode, None) for mode in TECHNIQUES), *(("simulate", of) for of in TECHNIQUES)]


@pytest.fixture(scope="module")
def comparison() -> vlab.Comparison:
    """Real runs of every workload, made small, and their predictions."""
    return vlab.Comparison(
        [vlab.run(name, mode, of=of, **p) for name, p in SMALL.items() for mode, of in RUNS]
    )


@pytest.fixture(scope="module")
def recording() -> vlab.Recording:
    return vlab.record("mixed", "fullvirt", n=2)


def swept(size: str, theme: str) -> figures.Drawing:
    """A sweep whose lines end close to each other."""
    rows = [
        {"batch": n, "mode": mode, "exits": 1000 / n + offset}
        for n in (1, 2, 4, 8, 16, 32)
        for offset, mode in enumerate(("native", "fullvirt", "paravirt"))
    ]
    labels = ("page-table updates in a hypercall", "exits")
    return figures.sweep(
        pd.DataFrame(rows), "batch", "exits", labels=labels, size=size, theme=theme
    )


def mapped(size: str, theme: str) -> figures.Drawing:
    table = pd.DataFrame(
        {16: [81600, 2242.0], 64: [78000, 2242.0], 1024: [0, 2242.0]}, ["memwalk", "forktree"]
    ).rename_axis(columns="TLB entries")
    return figures.sweep_map(table, "page-table entries read", size=size, theme=theme)


def visible_texts(figure: figures.Drawing) -> list[Text]:
    """Return every text that is drawn, hidden axes' and empty ones left out."""
    hidden = {
        text
        for ax in figure.axes
        if not ax.get_visible() or not ax.axison
        for part in ([ax] if not ax.get_visible() else [ax.xaxis, ax.yaxis])
        for text in part.findobj(Text)
    }
    hidden |= {
        tick_text
        for ax in figure.axes
        for axis in (ax.xaxis, ax.yaxis)
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        for tick_text in (tick.label1, tick.label2)
        if not _shown(axis, tick, tick_text)
    }
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in hidden
    ]


def _shown(axis, tick, text: Text) -> bool:
    low, high = sorted(axis.get_view_interval())
    inside = low - 1e-9 * abs(low) <= tick.get_loc() <= high + 1e-9 * abs(high)
    return inside and text.get_visible()


def complaints(figure: figures.Drawing) -> list[str]:
    """Return what is wrong with the texts: on each other, or beyond the edge."""
    with rc_context(figure.look.rc()):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
    texts = [(text, Text.get_window_extent(text, renderer)) for text in visible_texts(figure)]
    wrong = []
    for (a, box), (b, other) in itertools.combinations(texts, 2):
        across = min(box.x1, other.x1) - max(box.x0, other.x0)
        high = min(box.y1, other.y1) - max(box.y0, other.y0)
        if across > 1 and high > 0.15 * min(box.height, other.height):
            wrong.append(f"{a.get_text()!r} is on {b.get_text()!r}")
    page = figure.bbox
    for text, box in texts:
        if min(box.x0, box.y0) < -1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1:
            wrong.append(f"{text.get_text()!r} leaves the page")
    return wrong


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", figures.KINDS)
def test_no_text_is_on_another(comparison, kind: str, size: str) -> None:
    """No two texts overlap in the renderer and none leaves the page; nothing is in small print."""
    figure = comparison.plot(kind, size)
    assert complaints(figure) == []
    least = min(text.get_fontsize() for text in visible_texts(figure))
    assert least >= SIZES[size].font


@pytest.mark.parametrize("size", SIZES)
def test_no_text_is_on_another_in_timelines_and_sweeps(recording, size: str) -> None:
    """Nor in the figures of recordings and of tables of one's own."""
    assert complaints(figures.timeline(recording, size=size)) == []
    assert complaints(figures.timeline(recording, 40, 12, size=size)) == []
    assert complaints(swept(size, "light")) == []
    assert complaints(mapped(size, "light")) == []


@pytest.fixture(scope="module")
def emulations() -> list[vlab.Result]:
    """Workloads emulated by both techniques."""
    return [
        vlab.run(name, "emulate", technique=technique, **SMALL[name])
        for name in SMALL
        for technique in ("interpreter", "dbt")
    ]


@pytest.mark.parametrize("size", SIZES)
def test_no_text_is_on_another_in_techniques(emulations, size: str) -> None:
    """Nor in the figure of an emulator's two techniques."""
    assert complaints(figures.techniques(emulations, size=size)) == []


@pytest.mark.parametrize("size", SIZES)
def test_no_text_is_on_another_in_races(size: str) -> None:
    """Nor in the figure of the benchmarks, whose title has the geometric means."""
    simulators, programs = ("interpreter", "qemu", "spike", "unicorn"), [*SMALL, "chase-32768"]
    rows = [
        {"program": p, "simulator": s, "ratio": r, "low": 0.8 * r, "high": 1.2 * r}
        for i, p in enumerate(programs)
        for s, r in zip(simulators, (2.0, 0.1 + i / 8, 3.0 + i, 1.9), strict=True)
    ]
    figure = figures.speeds(pd.DataFrame(rows), size=size)
    assert complaints(figure) == []
    assert "interpreter 2×" in words(figure)


def test_techniques_state_where_translation_pays_back(emulations) -> None:
    """The executions in the title are those at which both techniques cost the same."""
    frame = technique_frame(emulations)
    even, interpreted, ready, one = break_even(frame)
    assert interpreted == pytest.approx(ready + one / even)
    assert one == pytest.approx(vlab.preset("teaching")["dbt_translation"])
    figure = figures.techniques(emulations)
    assert f"after some {even:.0f} executions" in words(figure)
    pairs = frame.pivot_table("cycles", "workload", "technique")
    wins = (pairs["dbt"] < pairs["interpreter"]).sum()
    assert f"in {wins} of {len(SMALL)} workloads" in words(figure)
    with pytest.raises(ParameterError, match="by interpreter and by dbt"):
        figures.techniques(emulations[:3])


def test_techniques_can_be_drawn_again(emulations) -> None:
    """The origin makes the same runs, technique included."""
    again = eval(figures.techniques(emulations[:2]).origin["again"], {"vlab": vlab})
    assert [run.emulation for run in again.runs] == ["interpreter", "dbt"]
    assert [run.cycles.total for run in again.runs] == [r.cycles.total for r in emulations[:2]]


def test_overlaps_are_found(comparison) -> None:
    """The check above sees a text that is put on another, and one beyond the edge."""
    figure = comparison.plot("slowdown")
    figure.text(0.5, 0.5, "here")
    figure.text(0.5, 0.5, "here too")
    figure.text(0.99, 0.2, "beyond the edge")
    assert len(complaints(figure)) == 2


@pytest.mark.parametrize("kind", figures.KINDS)
def test_a_slide_is_16_to_9(comparison, kind: str, tmp_path: Path) -> None:
    """A slide is 16:9 to the pixel, 1920 wide at least, its text 18 points on 13.3 inches."""
    pixels = imread(comparison.save(tmp_path / "slide.png", kind, "slide", "dark"))[..., :3]
    height, width, _ = pixels.shape
    assert abs(width / height - 16 / 9) < 0.002
    assert width >= 1920
    assert SIZES["slide"].font >= 18
    assert np.mean(np.abs(pixels - pixels[0, 0]).max(axis=2) > 0.1) > 0.02  # is not empty


@pytest.mark.parametrize("kind", figures.KINDS)
def test_the_dark_theme_is_dark(comparison, kind: str) -> None:
    """Nothing of the light theme is left: dark paper, and every text outside bars light."""
    figure = comparison.plot(kind, "screen", "dark")
    assert grey(figure.get_facecolor()) < 0.15
    titles = [figure._suptitle, *(ax._left_title for ax in figure.axes)]
    labels = [text for ax in figure.axes for text in (*ax.get_xticklabels(), ax.xaxis.label)]
    assert all(grey(text.get_color()) > 0.8 for text in (*titles, *labels) if text)
    assert all(grey(ax.get_facecolor()) < 0.15 for ax in figure.axes)


def grey(colour) -> float:
    """Return the lightness of a colour, 0 to 1 (CIE L*)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (116 * y ** (1 / 3) - 16) / 100 if y > 0.008856 else 9.033 * y


@pytest.mark.parametrize("styles", [CATEGORY_STYLE, REASON_STYLE])
def test_bars_are_told_apart_in_grey(styles) -> None:
    """Printed in grey, two kinds of bar differ in hatch, or clearly in lightness."""
    for (_, a, hatch), (_, b, other) in itertools.combinations(styles.values(), 2):
        assert hatch != other or abs(grey(a) - grey(b)) > 0.1, (a, b, hatch)


def test_titles_state_the_finding(comparison) -> None:
    """The numbers in the titles are those of the frame."""
    frame = comparison.to_frame()
    off = frame["cycles_error"].dropna().astype(float).abs().max()
    assert f"{100 * off:.2g} %" in words(comparison.plot("prediction"))
    runs = frame[frame["of"].isna()]
    exits = runs.groupby("mode")["exits"].sum()
    assert f"{exits['fullvirt']:,} times" in words(comparison.plot("exits"))
    assert f"{exits['fullvirt']:,} exits" in words(comparison.plot("counts"))
    walks = runs.groupby("mode")["walk_references"].sum()
    assert f"{walks['fullvirt'] / walks['native']:.1f} times" in words(comparison.plot("heatmap"))


def words(figure: figures.Drawing) -> str:
    return " ".join(figure.get_suptitle().split())


def test_the_timeline_shows_the_recording(recording) -> None:
    """Title and alternative text have the recording's numbers; a part of it can be shown."""
    figure = figures.timeline(recording)
    n = sum(recording.by_reason_measured.values())
    assert words(figure).startswith(f"{n:,} exits in ")
    assert f"CSR access: {recording.by_reason_measured['csr']:,} exits" in figure.alt
    assert words(figures.timeline(recording.to_frame(), 10, 5)).startswith("5 exits in ")
    with pytest.raises(ParameterError, match="no exits"):
        figures.timeline(recording, 1 << 40)


def test_the_sweep_says_what_changes_most() -> None:
    """The title compares the first and the last value of the line that changes most."""
    figure = swept("screen", "light")
    assert words(figure) == (
        "native: from 1,000 to 31.2 exits with 1 to 32 page-table updates in a hypercall"
    )
    assert "paravirt: 1 1,002" in figure.alt
    assert "memwalk, 16 TLB entries (81,600" in words(mapped("screen", "light"))
    with pytest.raises(ParameterError, match="did you mean 'exits'"):
        figures.sweep(pd.DataFrame({"a": [1], "exits": [2]}), "a", "exit")


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png"])
def test_the_file_says_how_it_was_made(comparison, tmp_path: Path, suffix: str) -> None:
    """Version, seed, parameters and look are in the metadata of every format."""
    path = comparison.save(tmp_path / f"a.{suffix}", "slowdown", "paper", "dark")
    origin = read_origin(path)
    assert origin["versions"]["vlab"] == vlab.__version__
    assert (origin["figure"], origin["size"], origin["theme"]) == ("slowdown", "paper", "dark")
    assert origin["seed"] == [0]
    assert origin["runs"][8]["params"] == {"n": 50}
    assert origin["runs"][0]["settings"]["clock"] == "cycles"


def read_origin(path: Path) -> dict:
    """Return the metadata as other programs read them."""
    if path.suffix == ".png":
        from PIL import Image

        return json.loads(Image.open(path).text["Source"])
    if path.suffix == ".svg":
        from xml.etree import ElementTree

        (source,) = ElementTree.parse(path).iter("{http://purl.org/dc/elements/1.1/}source")
        return json.loads(source.text)
    keywords = re.search(rb"/Keywords \((.*?)(?<!\\)\)", path.read_bytes(), re.DOTALL)
    text = re.sub(rb"\\(.)", rb"\1", keywords[1])
    utf16 = text.startswith(b"\xfe\xff")
    return json.loads(text.decode("utf-16") if utf16 else text.decode("latin-1"))


def test_the_figure_can_be_made_again(tmp_path: Path) -> None:
    """The expression in the metadata makes the same runs, and they the same picture."""
    options = {"n": 30, "seed": 7, "set": {"tlb_entries": 16}, "clock": "retired"}
    first = vlab.compare("syscall", ["native", "fullvirt"], **options)
    origin = read_origin(first.save(tmp_path / "a.svg", "cycles", "paper"))
    again = eval(origin["again"], {"vlab": vlab})
    again.save(tmp_path / "b.svg", origin["figure"], origin["size"])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_recordings_figure_can_be_made_again(tmp_path: Path) -> None:
    """So can that of a recording."""
    figure = figures.timeline(vlab.record("hello", "paravirt"))
    origin = read_origin(figure.save(tmp_path / "a.svg"))
    again = figures.timeline(eval(origin["again"], {"vlab": vlab}))
    again.save(tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_unknown_sizes_and_themes_are_refused(comparison, tmp_path: Path) -> None:
    """The nearest one is suggested, and nothing is written."""
    figure = comparison.plot("slowdown")
    with pytest.raises(ParameterError, match="did you mean 'slide'"):
        figure.save(tmp_path / "a.svg", "slides")
    with pytest.raises(ParameterError, match="theme"):
        figure.save(tmp_path / "a.svg", theme="black")
    with pytest.raises(OutputError):
        figure.save(tmp_path / "a.gif", "slide")
    assert not list(tmp_path.iterdir())


def test_a_slide_of_many_workloads_shows_the_telling_ones(comparison) -> None:
    """The cycles of more workloads than are legible: some, with the extremes, and it says so."""
    figure = comparison.plot("cycles", "slide")
    shown = [ax.get_title(loc="left") for ax in figure.axes if ax.get_visible()]
    assert len(shown) == 4
    assert "4 of 13 workloads" in words(figure)
    frame = comparison.to_frame()
    direct = frame[frame["of"].isna() & (frame["mode"] != "emulate")].groupby("workload")["cycles"]
    assert (direct.max() / direct.min()).idxmax() in shown
