"""Figures: functions of data frames and plain numbers; they know results, no machine."""

from vlab.figures.charts import bars, curves
from vlab.figures.drawing import Drawing, check_format, render
from vlab.figures.kinds import KINDS, draw

__all__ = ["KINDS", "Drawing", "bars", "check_format", "curves", "draw", "render"]
