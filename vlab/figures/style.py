"""One look for all figures: colours that colour-blind people tell apart, and shapes as well.

Colours are those of Okabe and Ito (2008), "Color Universal Design". What they tell apart is
told apart by a shape, a hatch or a grey as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib import rcParams
from matplotlib.colors import to_hex, to_rgb

from vlab.errors import ParameterError, unknown

if TYPE_CHECKING:
    from vlab.figures.drawing import Drawing

MODES = ("native", "emulate", "fullvirt", "paravirt")

MODE_COLOURS = {
    "native": "#000000",
    "emulate": "#E69F00",
    "fullvirt": "#0072B2",
    "paravirt": "#009E73",
}
MODE_MARKERS = {"native": "D", "emulate": "s", "fullvirt": "o", "paravirt": "^"}
MODE_HATCHES = {"native": "", "emulate": "///", "fullvirt": "", "paravirt": "..."}

CATEGORY_STYLE = {
    "guest_user": ("guest user", "#56B4E9", ""),
    "guest_kernel": ("guest kernel", "#0072B2", ""),
    "translation": ("translation", "#F0E442", "..."),
    "trap": ("trap entry and exit", "#D55E00", "|||"),
    "emulation": ("emulation", "#E69F00", "///"),
    "monitor": ("monitor", "#CC79A7", "xxx"),
    "device_wait": ("device wait", "#009E73", "\\\\\\"),
    "idle": ("idle", "#DDDDDD", ""),
}
"""Category: (label, colour, hatch)."""

REASON_STYLE = {
    "csr": ("CSR access", "#0072B2", ""),
    "mmio": ("device access", "#D55E00", "///"),
    "hypercall": ("hypercall", "#009E73", "..."),
    "syscall": ("system call", "#CC79A7", "\\\\\\"),
    "xret": ("trap return", "#E69F00", "xxx"),
    "shadow_fill": ("shadow fill", "#56B4E9", ""),
    "page_fault": ("page fault", "#F0E442", "ooo"),
    "fence": ("sfence.vma", "#BBBBBB", "---"),
    "pt_write": ("page-table write", "#0072B2", "|||"),
    "dirty": ("first write", "#56B4E9", "..."),
    "interrupt": ("interrupt", "#D55E00", "---"),
    "wfi": ("wait (wfi)", "#0072B2", "\\\\\\"),
    "sbi": ("firmware call", "#CC79A7", "ooo"),
    "exception": ("exception", "#F0E442", "|||"),
    "other": ("other", "#DDDDDD", ""),
}
"""Reason of an exit: (label, colour, hatch); the same in every figure."""


@dataclass(frozen=True)
class Size:
    """A size at which figures are offered; None: as large as the content needs.

    Attributes
    ----------
    width, height
        Inches.
    font
        Points of the text; titles are larger. Nothing is smaller.
    dpi
        Of a PNG.
    """

    name: str
    width: float | None
    height: float | None
    font: float
    dpi: int


SIZES = {
    size.name: size
    for size in (
        Size("screen", None, None, 15, 200),
        Size("slide", 40 / 3, 7.5, 18, 200),
        Size("paper", 7.2, None, 8, 300),
        Size("poster", 24, None, 30, 150),
    )
}
"""By name: a notebook or web page; 16:9, legible from the back row; two columns; A1 across."""

THEMES = {
    "light": {"paper": "#FFFFFF", "ink": "#000000", "grid": "#E0E0E0", "edge": "#333333"},
    "dark": {"paper": "#16191D", "ink": "#F2F2F2", "grid": "#3A3F45", "edge": "#16191D"},
}


@dataclass(frozen=True)
class Look:
    """Size and theme of a figure. Lengths are in ems: multiples of the text's size."""

    size: Size
    theme: str

    @property
    def em(self) -> float:
        """Inches of an em."""
        return self.size.font / 72

    @property
    def fixed(self) -> bool:
        """Whether the height is given."""
        return self.size.height is not None

    def figure(self, across: float, high: float) -> Drawing:
        """Return an empty figure, so many ems across and high unless the size is given."""
        from vlab.figures.drawing import Drawing

        width = self.size.width or across * self.em
        height = self.size.height or high * self.em
        return Drawing(figsize=(width, height), layout="constrained")

    def rc(self) -> dict[str, Any]:
        """Return matplotlib's parameters."""
        font, theme = self.size.font, THEMES[self.theme]
        ink, paper, em = theme["ink"], theme["paper"], font / 15
        return {
            "font.size": font,
            "axes.titlesize": 16 * em,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.titlepad": 6 * em,
            "axes.labelsize": font,
            "axes.labelpad": 4 * em,
            "axes.linewidth": 0.8 * em,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.facecolor": paper,
            "axes.edgecolor": ink,
            "axes.labelcolor": ink,
            "text.color": ink,
            "text.parse_math": False,
            "xtick.color": ink,
            "ytick.color": ink,
            "xtick.labelsize": font,
            "ytick.labelsize": font,
            "xtick.major.width": 0.8 * em,
            "ytick.major.width": 0.8 * em,
            "grid.color": theme["grid"],
            "grid.linewidth": 0.8 * em,
            "figure.facecolor": paper,
            "figure.titlesize": 19 * em,
            "figure.titleweight": "bold",
            "figure.constrained_layout.w_pad": 0.3 * self.em,
            "figure.constrained_layout.h_pad": 0.3 * self.em,
            "legend.fontsize": font,
            "legend.frameon": False,
            "hatch.linewidth": 0.6 * em,
            "lines.linewidth": 1.4 * em,
            "patch.edgecolor": theme["edge"],
            "patch.linewidth": 0.6 * em,
            "svg.hashsalt": "vlab",
            "savefig.facecolor": "auto",
        }


def look(size: str = "screen", theme: str = "light") -> Look:
    """Return the look of that size and theme, or raise `ParameterError`."""
    if size not in SIZES:
        raise ParameterError(unknown("size of figure", size, SIZES))
    if theme not in THEMES:
        raise ParameterError(unknown("theme", theme, THEMES))
    return Look(SIZES[size], theme)


def points(ems: float) -> float:
    """Return a length in points, as matplotlib has lines and markers."""
    return ems * float(rcParams["font.size"])


def ink() -> str:
    """Return the colour of text."""
    return str(rcParams["text.color"])


def strong(colour: str) -> str:
    """Return a colour that is seen as a thin line: a bright one is darker on a bright page."""
    red, green, blue = to_rgb(colour)
    bright = 0.3 * red + 0.6 * green + 0.1 * blue
    if bright < 0.6 or sum(to_rgb(rcParams["figure.facecolor"])) < 1.5:
        return colour
    return to_hex((0.65 * red, 0.65 * green, 0.65 * blue))


def mode_colour(mode: str) -> str:
    """Return a mode's colour; the baseline has that of text."""
    return ink() if mode == "native" else MODE_COLOURS[mode]
