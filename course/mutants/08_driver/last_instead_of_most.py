"""The instruction of the last exit is named, not that of most.

check: diagnose: other storms
where: diagnose
"""


def diagnose(rows):
    """Return the instruction that makes most exits on a device."""
    counts = {}
    for row in rows:
        if row["reason"] == "mmio":
            place = row["pc"], row["address"]
            counts[place] = counts.get(place, 0) + 1
    pc, address = list(counts)[-1]
    return {"pc": pc, "address": address, "count": counts[pc, address]}
