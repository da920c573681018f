"""SPP is not cleared by sret.

check: return: from a system call
where: return_from_trap
"""


def return_from_trap(cpu):
    """Return the words that sret changes."""
    status = cpu["sstatus"] & ~SIE | SPIE
    if cpu["sstatus"] & SPIE:
        status |= SIE
    return {
        "pc": cpu["sepc"],
        "priv": 1 if cpu["sstatus"] & SPP else 0,
        "sstatus": status,
    }
