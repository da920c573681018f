"""An off-by-one: a working set of exactly the TLB's size is said not to fit.

check: a first guess
where: first_misses
"""


def first_misses(pages, rounds, entries):
    """Return the misses, if a working set either fits or does not."""
    return 0 if pages < entries else pages * rounds
