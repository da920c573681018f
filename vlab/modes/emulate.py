"""``emulate``: a program imitates the machine, instruction by instruction.

The mechanism is the baseline's: somebody carries out every instruction, trap and page walk
of the unmodified guest. Only *who* differs: here it is a program, so each of them costs what
the program's own instructions cost (``vlab.costs.PRICES["emulate"]``), and nothing exits,
because there is nothing to exit from.

There are two techniques. An *interpreter* looks at each instruction whenever it is executed;
*dynamic binary translation* (``dbt``) turns blocks of them into instructions of the host when they
are first executed, and executes those. The guest cannot tell; what is counted says what it costs.
"""

from __future__ import annotations

from vlab.counters import Counters
from vlab.hart_counters import block_counters
from vlab.modes.native import Native


class Emulate(Native):
    """The guest runs on an emulator with a software MMU."""

    technique = "emulate"

    def counters(self) -> Counters:
        """Return everything counted so far: blocks, too, if the emulator translates."""
        return super().counters() + block_counters(self.hart)
