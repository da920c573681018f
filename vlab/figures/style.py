"""One look for all figures: colours that colour-blind people tell apart, and shapes as well.

Colours are those of Okabe and Ito (2008), "Color Universal Design".
"""

from __future__ import annotations

MODES = ("native", "emulate", "fullvirt", "paravirt")

MODE_COLOURS = {
    "native": "#000000",
    "emulate": "#E69F00",
    "fullvirt": "#0072B2",
    "paravirt": "#009E73",
}
MODE_MARKERS = {"native": "D", "emulate": "s", "fullvirt": "o", "paravirt": "^"}

CATEGORY_STYLE = {
    "guest_user": ("guest user", "#56B4E9", ""),
    "guest_kernel": ("guest kernel", "#0072B2", ""),
    "translation": ("translation", "#F0E442", "..."),
    "trap": ("trap entry and exit", "#D55E00", ""),
    "emulation": ("emulation", "#E69F00", "///"),
    "monitor": ("monitor", "#CC79A7", "xxx"),
    "device_wait": ("device wait", "#009E73", "\\\\\\"),
    "idle": ("idle", "#DDDDDD", ""),
}
"""Category: (label, colour, hatch)."""

REASON_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#F0E442",
    "#999999",
)
REASON_HATCHES = ("", "///", "...", "\\\\\\", "xxx", "", "ooo", "")

RC = {
    "font.size": 15,
    "axes.titlesize": 16,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 15,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E0E0E0",
    "figure.titlesize": 22,
    "figure.titleweight": "bold",
    "legend.fontsize": 14,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "vlab",
    "savefig.dpi": 200,
}
