"""Who came last goes first.

check: fifo: first come, first go
where: Fifo.victim
"""


class Fifo:
    """First come, first go."""

    def __init__(self):
        self.queue = []

    def arrived(self, page):
        """A page was brought in."""
        self.queue.append(page)

    def touched(self, page):
        """The guest has used a page that was not mapped."""

    def victim(self, pages):
        """Return which page must go."""
        for page in reversed(self.queue):
            if page in pages:
                self.queue.remove(page)
                return {"page": page, "unmap": []}
