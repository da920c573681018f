"""The instruction set: one table, and everything that is made from it."""
