"""Figures: functions of data frames; they know results, no machine."""

from vlab.figures.drawing import Drawing, check_format, render
from vlab.figures.kinds import KINDS, draw

__all__ = ["KINDS", "Drawing", "check_format", "draw", "render"]
