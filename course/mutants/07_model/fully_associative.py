"""Sets are ignored.

check: a TLB: sets, ways, and who goes first
where: Tlb.access
"""


class Tlb:
    """A set-associative TLB with FIFO replacement."""

    def __init__(self, entries, ways):
        self.sets = [[]]
        self.ways = entries

    def access(self, page):
        """Look a page up and return whether it hit."""
        held = self.sets[page % len(self.sets)]
        if page in held:
            return True
        if len(held) == self.ways:
            held.pop(0)
        held.append(page)
        return False
