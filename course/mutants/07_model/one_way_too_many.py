"""An off-by-one in the ways.

check: a TLB: sets, ways, and who goes first
where: Tlb.access
"""


class Tlb:
    """A set-associative TLB with FIFO replacement."""

    def __init__(self, entries, ways):
        self.sets = [[] for _ in range(entries // ways)]
        self.ways = ways

    def access(self, page):
        """Look a page up and return whether it hit."""
        held = self.sets[page % len(self.sets)]
        if page in held:
            return True
        if len(held) == self.ways + 1:
            held.pop(0)
        held.append(page)
        return False
