"""How a page of decoded instructions lies in memory: its slots, then its counters.

A slot is the address of a handler and a word of operands. There is one per halfword, one that leads
to the next page, and one that counts stores to the page.
"""

SLOT_BYTES = 16
PAGE_SLOTS = 2050
WATCHED = 2048 * SLOT_BYTES + 8
"""Offset of the word that says whether runs may halt in the page."""

WRITES = (PAGE_SLOTS - 1) * SLOT_BYTES
"""Offset of the word that counts stores to the page."""

HAS_BLOCKS = WRITES + 8
"""Offset of the word that says whether translated blocks begin in it."""

COUNTERS = PAGE_SLOTS * SLOT_BYTES
"""Offset of one 16-bit counter a halfword, of taken branches to it."""

PAGE_BYTES = COUNTERS + 4096
