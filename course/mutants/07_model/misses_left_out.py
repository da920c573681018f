"""The misses are not charged.

check: cycles of native within 2 %
where: operations
"""


def operations(params, misses):
    """Return the operations of a run, and how often each is done."""
    slots = params["pages"] * 4096 // params["stride"]
    return [
        ("prepare_page", params["pages"]),
        ("prepare_slot", slots),
        ("start", 1),
        ("step", slots * params["rounds"]),
    ]
