"""``emulate``: a program imitates the machine, instruction by instruction.

The mechanism is the baseline's: somebody carries out every instruction, trap and page walk
of the unmodified guest. Only *who* differs: here it is a program, so each of them costs what
the program's own instructions cost (``vlab.costs.PRICES["emulate"]``), and nothing exits,
because there is nothing to exit from.
"""

from __future__ import annotations

from vlab.modes.native import Native


class Emulate(Native):
    """The guest runs on an emulator with a software MMU."""

    technique = "emulate"
