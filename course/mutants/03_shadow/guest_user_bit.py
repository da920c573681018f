"""The shadow's entry carries U only where the guest's does: the kernel cannot use its own.

check: entry: permissions
where: shadow_entry
"""


def shadow_entry(pte, mode, frame, is_table):
    """Return the shadow's page-table entry."""
    entry = frame << 10 | V | pte & USER | A | D
    if permits(pte, "load", mode):
        entry |= R
    if permits(pte, "fetch", mode):
        entry |= X
    if permits(pte, "store", mode) and pte & D and not is_table:
        entry |= W
    return entry
