"""Page tables of the guest are mapped writable.

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
    if permits(pte, "store", mode) and pte & D:
        entry |= W
    return entry
