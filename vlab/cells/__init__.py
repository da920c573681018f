"""Programs of a few lines, written in a notebook's cell, that run as a guest of their own."""

from vlab.cells.running import CellRuns, guest_cell

__all__ = ["CellRuns", "guest_cell"]
