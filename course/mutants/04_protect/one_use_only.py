"""A table that two address spaces share is dropped from one of them only.

check: a write drops what depended on it
where: PageTables.written
"""


class PageTables:
    """The guest frames that are page tables, and the shadow entries that could write to them."""

    def __init__(self):
        self.uses = {}  # frame: set of (space, level, base)
        self.writers = {}  # frame: set of (space, va)
        self.writes = {}  # frame: writes since the last walk

    def table(self, space, frame, level, base):
        """A walk has read the table in a frame; return the entries to be dropped."""
        drops = []
        if frame not in self.uses:
            self.uses[frame] = set()
            drops = list(self.writers.get(frame, ()))
        self.uses[frame] = {(space, level, base)}
        self.writes[frame] = 0
        return drops

    def is_table(self, frame):
        """Return whether a frame is guarded."""
        return frame in self.uses

    def mapped(self, space, va, frame):
        """A writable shadow entry for a frame was made."""
        self.writers.setdefault(frame, set()).add((space, va))

    def unmapped(self, space, va, frame):
        """A writable shadow entry for a frame is gone."""
        self.writers[frame].remove((space, va))

    def written(self, frame, index):
        """The guest has written an entry of a table; return what is to be dropped."""
        self.writes[frame] += 1
        release = self.writes[frame] == 3
        drop = []
        for space, level, base in self.uses[frame]:
            size = 4096 << 9 * level
            if release:
                drop.append((space, base, 512 * size))
            else:
                drop.append((space, base + index * size, size))
        if release:
            del self.uses[frame]
        return {"drop": drop, "release": release}
