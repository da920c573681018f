"""The timer goes before the external interrupt.

check: interrupt: which one, and when
where: interrupt_to_take
"""


def interrupt_to_take(cpu):
    """Return the cause of the interrupt to be taken now, 0 if there is none."""
    if cpu["priv"] == 1 and not cpu["sstatus"] & SIE:
        return 0
    ready = cpu["sip"] & cpu["sie"]
    for number in (5, 1, 9):
        if ready >> number & 1:
            return INTERRUPT | number
    return 0
