"""The fetches of the loop's own page are forgotten.

check: misses within 3 %
where: misses
"""


def misses(order, stride, rounds, entries, ways, code, data):
    """Return the TLB misses of the measured region."""
    tlb = Tlb(entries, ways)

    def touch(slot):
        return not tlb.access(data + slot * stride // 4096)

    for slot in range(len(order)):
        touch(slot)
    for slot in range(len(order) - 1, 0, -1):
        touch(slot)
        touch(slot - 1)
    return sum(touch(slot) for _ in range(rounds) for slot in order)
