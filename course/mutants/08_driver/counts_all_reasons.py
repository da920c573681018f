"""Exits of all reasons are counted, not those on devices alone.

check: diagnose: other storms
where: diagnose
"""


def diagnose(rows):
    """Return the instruction that makes most exits on a device."""
    counts = {}
    for row in rows:
        if True:
            place = row["pc"], row["address"]
            counts[place] = counts.get(place, 0) + 1
    pc, address = max(counts, key=counts.get)
    return {"pc": pc, "address": address, "count": counts[pc, address]}
