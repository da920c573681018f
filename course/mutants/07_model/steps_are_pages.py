"""A step is counted for each page instead of each slot.

check: operations: instructions within 1 %
where: operations
"""


def operations(params, misses):
    """Return the operations of a run, and how often each is done."""
    slots = params["pages"] * 4096 // params["stride"]
    return [
        ("prepare_page", params["pages"]),
        ("prepare_slot", slots),
        ("start", 1),
        ("step", params["pages"] * params["rounds"]),
        ("miss", misses),
    ]
