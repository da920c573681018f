"""The emulated translator's cache of blocks: found by address, linked, dropped, flushed.

A block is known by the physical address of its first instruction and the privilege. Exits to
the same page are linked when they are first taken; all else asks the dispatcher. A store to
instructions drops the blocks that have them.
"""

from __future__ import annotations

from vlab.engines.block_tables import (
    BLOCK_WORDS,
    BLOCKS,
    BRANCH,
    CODE,
    EXECUTIONS,
    EXIT,
    FIRST_CODE,
    GUEST_BYTES,
    HASH,
    HASH_NEXT,
    INSTRUCTION_ROOM,
    JUMP,
    KEY,
    LINK,
    NO_ROW,
    OTHER,
    PAGE_NEXT,
    expanded,
    get,
    put,
    row_of,
)
from vlab.engines.block_translator import count_block, patch_jump, translate_block
from vlab.exits import ExitReason
from vlab.isa.execute import EXIT as LEFT
from vlab.isa.fields import MASK64
from vlab.isa.physical import load_ram
from vlab.state import Hart

PAGE = MASK64 ^ 0xFFF


def bucket(key: int) -> int:
    """Return the place of a key's hash chain."""
    return ((key >> 3 ^ key >> 15 ^ (key & 3) << 9) & (HASH - 1)) * 8


def page_head(hart: Hart, pa: int) -> int:
    """Return the place of a RAM page's chain."""
    return hart.block_pages + ((pa - hart.ram_base) >> 12) * 8


def find_block(hart: Hart, key: int) -> int:
    """Return the block with a key, 0 if it is not translated."""
    block = get(hart, bucket(key))
    while block != 0 and get(hart, block + KEY) != key:
        block = get(hart, block + HASH_NEXT)
    return block


def flush_blocks(hart: Hart) -> None:
    """Drop all blocks."""
    at = 0
    while at < hart.block_list:
        put(hart, at, 0)
        at = at + 8
    hart.block_count = 0
    hart.block_used = hart.block_code + FIRST_CODE
    hart.block_last = 0
    hart.code_flushes = hart.code_flushes + 1


def new_block(hart: Hart, pa: int, key: int) -> int:
    """Translate the block that begins at a physical address, and return it."""
    count = count_block(hart, pa)
    room = (count + 1) * INSTRUCTION_ROOM
    if hart.block_count == BLOCKS or hart.block_used + room > hart.block_limit:
        flush_blocks(hart)
    block = hart.block_list + hart.block_count * (8 * BLOCK_WORDS)
    hart.block_count = hart.block_count + 1
    put(hart, block + KEY, key)
    put(hart, block + EXIT, 0)
    put(hart, block + EXIT + LINK - EXIT, 0)
    put(hart, block + OTHER, 0)
    put(hart, block + OTHER + LINK - EXIT, 0)
    translate_block(hart, block, pa, count)
    head = bucket(key)
    put(hart, block + HASH_NEXT, get(hart, head))
    put(hart, head, block)
    head = page_head(hart, pa)
    put(hart, block + PAGE_NEXT, get(hart, head))
    put(hart, head, block)
    return block


def exit_taken(hart: Hart, key: int) -> int:
    """Return the last block's exit that leads to a key, 0 if none does."""
    last = hart.block_last
    if last == 0:
        return 0
    if get(hart, last + EXIT) == key:
        return last + EXIT
    if get(hart, last + OTHER) == key:
        return last + OTHER
    return 0


def dispatch_block(hart: Hart, pa: int, key: int) -> int:
    """Return the block with a key, translated if need be, and link the exit taken to it."""
    block = find_block(hart, key)
    if block == 0:
        block = new_block(hart, pa, key)
    exit = exit_taken(hart, key)
    if exit != 0:
        put(hart, exit + LINK - EXIT, block)
        patch_jump(hart, get(hart, exit + JUMP - EXIT), get(hart, block + CODE))
    return block


def enter_block(hart: Hart, pa: int) -> None:
    """Enter the block that begins at a physical address."""
    if hart.vectored != hart.block_vectored:
        hart.block_vectored = hart.vectored
        hart.block_last = 0  # a trap takes no exit
    key = pa << 2 | hart.priv
    exit = exit_taken(hart, key)
    block = 0
    if exit != 0:
        block = get(hart, exit + LINK - EXIT)
    if block == 0 or get(hart, block + KEY) != key:
        hart.block_dispatches = hart.block_dispatches + 1
        block = dispatch_block(hart, pa, key)
    put(hart, block + EXECUTIONS, get(hart, block + EXECUTIONS) + 1)
    hart.block_entries = hart.block_entries + 1
    hart.block_last = block
    hart.block_start = pa
    hart.block_due = 0


def forget_blocks(hart: Hart, address: int, width: int) -> None:
    """Drop the blocks that a store to one page overwrote; the one being executed is left."""
    before = page_head(hart, address)
    block = get(hart, before)
    while block != 0:
        start = get(hart, block + KEY) >> 2
        following = get(hart, block + PAGE_NEXT)
        if start < address + width and address < start + get(hart, block + GUEST_BYTES):
            put(hart, before, following)
            unhash(hart, block)
            put(hart, block + KEY, 0)
            hart.blocks_dropped = hart.blocks_dropped + 1
            hart.block_last = 0
            hart.block_due = 1
        else:
            before = block + PAGE_NEXT
        block = following


def unhash(hart: Hart, block: int) -> None:
    """Take a block out of its hash chain."""
    before = bucket(get(hart, block + KEY))
    while get(hart, before) != block:
        before = get(hart, before) + HASH_NEXT
    put(hart, before, get(hart, block + HASH_NEXT))


def begins(hart: Hart) -> bool:
    """Return whether a block begins at ``pc``, as far as that does not need the instruction."""
    if hart.block_due != 0 or hart.vectored != hart.block_vectored:
        return True
    return hart.pc & PAGE != hart.block_page


def arrive(hart: Hart, pa: int) -> None:
    """Go on at ``pc``, which is at a physical address: in the block, or in another."""
    if begins(hart) or (hart.block_start != pa and crosses(hart, pa)):
        enter_block(hart, pa)
    hart.block_page = hart.pc & PAGE


def crosses(hart: Hart, pa: int) -> bool:
    """Return whether the instruction at a physical address crosses its page."""
    return pa & 0xFFF == 4094 and load_ram(hart, pa, 2) & 3 == 3


def ended(hart: Hart, status: int) -> None:
    """Note that an instruction which ends a block was executed, unless it must be once more."""
    if status != LEFT or hart.exit_reason != ExitReason.TIME:
        hart.block_due = 1


def ends_block(hart: Hart, raw: int) -> bool:
    """Return whether an instruction ends a block."""
    row = row_of(hart, expanded(hart, raw))
    return row != NO_ROW and get(hart, hart.block_rows + 8 * row) & 0xFF >= BRANCH
