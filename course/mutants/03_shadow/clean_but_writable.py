"""A clean page is mapped writable: the guest never sees it dirty.

check: entry: clean pages and page tables
where: shadow_entry
"""


def shadow_entry(pte, mode, frame, is_table):
    """Return the shadow's page-table entry."""
    entry = frame << 10 | V | USER | A | D
    if permits(pte, "load", mode):
        entry |= R
    if permits(pte, "fetch", mode):
        entry |= X
    if permits(pte, "store", mode) and not is_table:
        entry |= W
    return entry
