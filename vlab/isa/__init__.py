"""The instruction set: one table, and everything that is made from it.

Importing the extensions' files fills the table.
"""

from vlab.isa import rv64a, rv64i, rv64m, system, table  # noqa: F401

table.STANDARD.update(table.BY_NAME)
