"""sret turns interrupts on whatever SPIE says.

check: return: from a system call
where: return_from_trap
"""


def return_from_trap(cpu):
    """Return the words that sret changes."""
    status = cpu["sstatus"] & ~(SIE | SPP) | SPIE
    status |= SIE
    return {
        "pc": cpu["sepc"],
        "priv": 1 if cpu["sstatus"] & SPP else 0,
        "sstatus": status,
    }
