"""sepc is the next instruction instead of the one that trapped.

check: trap: a system call
where: take_trap
"""

SIE, SPIE, SPP = 1 << 1, 1 << 5, 1 << 8
INTERRUPT = 1 << 63


def take_trap(cpu, cause, tval):
    """Return the words that a trap changes."""
    status = cpu["sstatus"] & ~(SIE | SPIE | SPP)
    if cpu["sstatus"] & SIE:
        status |= SPIE
    if cpu["priv"] == 1:
        status |= SPP
    pc = cpu["stvec"] & ~3
    if cpu["stvec"] & 1 and cause & INTERRUPT:
        pc += 4 * (cause & ~INTERRUPT)
    return {
        "pc": pc,
        "priv": 1,
        "sstatus": status,
        "sepc": cpu["pc"] + 4,
        "scause": cause,
        "stval": tval,
    }
