"""One round is predicted instead of all.

check: misses within 25 %
where: misses
"""


def misses(order, stride, rounds, entries, ways, code, data):
    """Return the TLB misses of the measured region."""
    tlb = Tlb(entries, ways)

    def touch(slot):
        return (not tlb.access(code)) + (not tlb.access(data + slot * stride // 4096))

    for slot in range(len(order)):
        touch(slot)
    for slot in range(len(order) - 1, 0, -1):
        touch(slot)
        touch(slot - 1)
    return sum(touch(slot) for slot in order)
