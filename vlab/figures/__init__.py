"""Figures: functions of data frames; they know results, no machine.

A comparison draws itself (``comparison.plot("cycles")``); `timeline` draws a recording, `sweep` and
`sweep_map` a table of one's own. Each has ``save(path, size="slide", theme="dark")``.
"""

from vlab.figures.charts import bars, curves
from vlab.figures.drawing import Drawing, check_format, render
from vlab.figures.kinds import KINDS, draw
from vlab.figures.maps import sweep_map
from vlab.figures.races import speeds
from vlab.figures.style import SIZES, THEMES
from vlab.figures.sweeps import sweep
from vlab.figures.techniques import techniques
from vlab.figures.timelines import timeline

__all__ = [
    "KINDS",
    "SIZES",
    "THEMES",
    "Drawing",
    "bars",
    "check_format",
    "curves",
    "draw",
    "render",
    "speeds",
    "sweep",
    "sweep_map",
    "techniques",
    "timeline",
]
