"""Where a submission runs: a process of its own, in which nothing but computing is possible.

`child.py` is started by its path, isolated from everything installed; it and what it needs
(`wire.py`, `confinement.py`) use the standard library alone.
"""
