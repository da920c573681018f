"""What SIE was is not remembered in SPIE.

check: trap: what is remembered
where: take_trap
"""

SIE, SPIE, SPP = 1 << 1, 1 << 5, 1 << 8
INTERRUPT = 1 << 63


def take_trap(cpu, cause, tval):
    """Return the words that a trap changes."""
    status = cpu["sstatus"] & ~(SIE | SPIE | SPP)
    if cpu["priv"] == 1:
        status |= SPP
    pc = cpu["stvec"] & ~3
    if cpu["stvec"] & 1 and cause & INTERRUPT:
        pc += 4 * (cause & ~INTERRUPT)
    return {
        "pc": pc,
        "priv": 1,
        "sstatus": status,
        "sepc": cpu["pc"],
        "scause": cause,
        "stval": tval,
    }
