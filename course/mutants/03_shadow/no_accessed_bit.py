"""The accessed bit is set for stores only.

check: walk: accessed and dirty
where: walk_tables
"""

V, R, W, X, USER, G, A, D = (1 << n for n in range(8))


def permits(pte, access, mode):
    """Return whether a leaf permits an access (rules 5 and 6)."""
    if mode["user"] and not pte & USER:
        return False
    if not mode["user"] and pte & USER and (access == "fetch" or not mode["sum"]):
        return False
    if access == "fetch":
        return pte & X != 0
    if access == "store":
        return pte & W != 0
    return pte & R != 0 or (mode["mxr"] and pte & X != 0)


def walk_tables(path, va, access, mode):
    """Return level, pte and gpa of an access, None if it is a page fault."""
    if va >> 38 not in (0, (1 << 26) - 1):
        return None
    level = 2
    for pte in path:
        if not pte & V or (pte & W and not pte & R) or pte >> 54:
            return None
        if pte & (R | X):
            break
        if pte & (A | D | USER) or level == 0:
            return None
        level -= 1
    else:
        return None
    size = 4096 << 9 * level
    address = (pte >> 10) << 12
    if address % size or not permits(pte, access, mode):
        return None
    if access == "store":
        pte |= A | D
    return {"level": level, "pte": pte, "gpa": address + va % size}
