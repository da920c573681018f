"""The TLB is taken for empty when the region begins: its first round is charged in full.

check: misses within 25 %
where: misses
"""


def misses(order, stride, rounds, entries, ways, code, data):
    """Return the TLB misses of the measured region."""
    tlb = Tlb(entries, ways)

    def touch(slot):
        return (not tlb.access(code)) + (not tlb.access(data + slot * stride // 4096))

    return sum(touch(slot) for _ in range(rounds) for slot in order)
