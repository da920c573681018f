"""First come, first go, under another name.

check: policy: better than first come, first go
where: Policy
"""


class Policy(Fifo):
    """The clock is good enough."""
