"""SIE is obeyed in U-mode, where interrupts of S are always on.

check: interrupt: which one, and when
where: interrupt_to_take
"""


def interrupt_to_take(cpu):
    """Return the cause of the interrupt to be taken now, 0 if there is none."""
    if not cpu["sstatus"] & SIE:
        return 0
    ready = cpu["sip"] & cpu["sie"]
    for number in (9, 1, 5):
        if ready >> number & 1:
            return INTERRUPT | number
    return 0
