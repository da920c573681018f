"""A page that has just arrived gets no second chance.

check: clock: a second chance
where: Clock.victim
"""


class Clock:
    """First come, first go, with a second chance for what is in use."""

    def __init__(self):
        self.queue = []
        self.used = set()

    def arrived(self, page):
        """A page was brought in."""
        self.queue.append(page)

    def touched(self, page):
        """The guest has used a page that was not mapped."""
        self.used.add(page)

    def victim(self, pages):
        """Return which page must go, and which are to be unmapped."""
        unmap = []
        while True:
            page = self.queue.pop(0)
            if page in pages and page not in self.used:
                return {"page": page, "unmap": [other for other in unmap if other != page]}
            self.queue.append(page)
            if page in pages:
                self.used.discard(page)
                unmap.append(page)
