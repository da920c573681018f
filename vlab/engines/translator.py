"""The translator: copies stencils and patches their holes. Lowered only, never run as Python.

A block begins where a taken branch led often enough and goes on until a jump, an instruction
without a stencil, or the page's end; a conditional branch that is not taken stays in it. It is
entered by its first slot's handler and counts all its instructions in advance, so it runs only
if the budget exceeds them; whatever leaves it early gives back what it did not execute.
"""

from __future__ import annotations

from vlab.engines.code_cache import (
    B_FORMAT,
    DECODE,
    DISPATCH,
    FIRST_ROW,
    HEAT,
    J_FORMAT,
    NO_ROW,
    decode_slot,
    expand,
    find_row,
    flush_code,
    register_or_sink,
)
from vlab.engines.code_page import HAS_BLOCKS, SLOT_BYTES
from vlab.engines.csrs import NO_PLACE, csr_place
from vlab.engines.halting import is_halt
from vlab.engines.machine_only import handler_address, peek16, peek64, poke64, sync_code
from vlab.engines.relocations import patch
from vlab.engines.stencil_table import (
    BRANCH,
    CSR,
    ENTRY,
    FIRST_CSR,
    JAL,
    JALR,
    LEAVE,
    LOAD,
    NEXT_HOLE,
    NO_STENCIL,
    NONE,
    PLAIN,
    STORE,
)
from vlab.isa.decode import immediate
from vlab.isa.fields import MASK64
from vlab.isa.table import BY_NAME
from vlab.state import Hart

LONGEST = 64
"""Instructions of a block at most."""

ROOM = 32 << 10
"""Bytes that a block takes at most."""

(RD, RS1, RS2, IMM, OFFSET, LINK, DELTA, TARGET, REST, LOADS, STORES, LENGTH, HANDLER) = range(13)
SLTI = BY_NAME["slti"].index
RA = 1


def bits_at(hart: Hart, offset: int) -> int:
    """Return the raw instruction at an offset of the page being executed."""
    raw = peek16(hart.page_bits + offset)
    if raw & 3 == 3 and offset < 4094:
        raw = raw | peek16(hart.page_bits + offset + 2) << 16
    return raw


def kind_of(hart: Hart, offset: int) -> int:
    """Return the kind of the instruction at an offset, NONE if it has no stencil."""
    if offset >= 4096 or is_halt(hart, hart.page_slots, offset):
        return NONE
    raw = bits_at(hart, offset)
    if raw & 3 == 3 and offset == 4094:
        return NONE
    bits = expand(hart, raw)
    candidate = find_row(hart, bits)
    if candidate == NO_ROW:
        return NONE
    row = peek64(candidate + 16)
    if row == SLTI and bits >> 7 & 31 == 0 and bits >> 15 & 31 == 0:
        return NONE  # the marker
    kind = peek64(hart.row_kinds + 8 * row)
    if kind == CSR and peek64(hart.stencil_index + 32 * csr_stencil(bits) + 8) == 0:
        return NONE
    return kind


def csr_stencil(bits: int) -> int:
    """Return the stencil of an access to a CSR: of size 0 if it has none."""
    place = csr_place(bits >> 20)
    if place == NO_PLACE:
        return NO_STENCIL
    what = bits >> 12 & 7
    if what & 3 != 1 and bits >> 15 & 31 == 0:
        what = 0  # csrrs and csrrc of nothing only read
    return FIRST_CSR + 8 * place + what


def measure(hart: Hart, offset: int) -> None:
    """Find how long the block is: ``holes`` LENGTH, LOADS and STORES."""
    count = 0
    loads = 0
    stores = 0
    kind = kind_of(hart, offset)
    while kind != NONE and count < LONGEST:
        count = count + 1
        loads = loads + (1 if kind == LOAD else 0)
        stores = stores + (1 if kind == STORE else 0)
        if kind >= JAL:
            break
        offset = offset + (4 if bits_at(hart, offset) & 3 == 3 else 2)
        kind = kind_of(hart, offset)
    hart.holes[LENGTH] = count
    hart.holes[LOADS] = loads
    hart.holes[STORES] = stores


def copy(hart: Hart, stencil: int, place: int) -> int:
    """Copy a stencil, fill its holes from ``hart.holes``, and return where it ends."""
    entry = hart.stencil_index + stencil * 32
    code = hart.stencil_code + peek64(entry)
    size = peek64(entry + 8)
    done = 0
    while done < size:
        poke64(place + done, peek64(code + done))
        done = done + 8
    hole = hart.stencil_holes + peek64(entry + 16) * 32
    end = hole + peek64(entry + 24) * 32
    while hole < end:
        at = place + peek64(hole)
        which = peek64(hole + 8)
        value = peek64(hole + 24)
        if which == NEXT_HOLE:
            value = value + place + size - at
        else:
            value = value + hart.holes[which]
        patch(at, peek64(hole + 16), value)
        hole = hole + 32
    return place + size


def is_block(hart: Hart, handler: int) -> bool:
    """Return whether a slot's handler is a translated block."""
    return (handler - hart.jit_pool) & MASK64 < hart.jit_limit


def warm(hart: Hart, offset: int) -> None:
    """Have the block at an offset translated when it is first reached."""
    slot = hart.page_slots + (offset >> 1) * SLOT_BYTES
    if kind_of(hart, offset) != NONE and not is_block(hart, peek64(slot)):
        poke64(slot, handler_address(hart, HEAT))


def decode_operands(hart: Hart, offset: int) -> None:
    """Fill the slot at an offset, from which slow handlers and the interpreter take operands."""
    slot = hart.page_slots + (offset >> 1) * SLOT_BYTES
    handler = peek64(slot)
    decode_slot(hart, slot, offset)
    if is_block(hart, handler) or handler == handler_address(hart, HEAT):
        poke64(slot, handler)


def emit(hart: Hart, offset: int, head: int, place: int) -> int:
    """Emit the instruction at an offset and return where its code ends."""
    decode_operands(hart, offset)
    raw = bits_at(hart, offset)
    bits = expand(hart, raw)
    candidate = find_row(hart, bits)
    row = peek64(candidate + 16)
    form = peek64(candidate + 24)
    imm = immediate(bits, form)
    kind = peek64(hart.row_kinds + 8 * row)
    near = 0
    if form == B_FORMAT or form == J_FORMAT:
        near = 1 if (offset + imm) & MASK64 < 4096 else 0
    hart.holes[RD] = register_or_sink(bits >> 7 & 31) * 8
    hart.holes[RS1] = (bits >> 15 & 31) * 8
    hart.holes[RS2] = (bits >> 20 & 31) * 8
    hart.holes[IMM] = imm
    hart.holes[OFFSET] = offset
    hart.holes[LINK] = offset + (4 if raw & 3 == 3 else 2)
    hart.holes[DELTA] = (offset - head) * 8
    handler = handler_index(row, 1)
    if kind == BRANCH or kind == JAL or kind == JALR:
        handler = DISPATCH
        if kind != BRANCH and bits >> 7 & 31 == RA:
            warm(hart, hart.holes[LINK])  # the function returns there
        if near != 0:
            hart.holes[TARGET] = (offset + imm - head) * 8
            warm(hart, (offset + imm) & MASK64)
    hart.holes[HANDLER] = handler * 8
    stencil = 2 * row + near
    if kind == CSR:
        stencil = csr_stencil(bits)
        hart.holes[IMM] = bits >> 15 & 31  # what immediate forms write
    return copy(hart, stencil, place)


def handler_index(row: int, variant: int) -> int:
    """Return the position of a row's handler in the table: 1 is the slow one of loads, stores."""
    return FIRST_ROW + 2 * row + variant


def translate(hart: Hart, slot: int) -> None:
    """Translate the block whose first slot this is, in the page being executed."""
    head = (slot - hart.page_slots) >> 3
    measure(hart, head)
    count = hart.holes[LENGTH]
    if count == 0:
        poke64(slot, handler_address(hart, DECODE))
        return
    if hart.jit_used + ROOM > hart.jit_limit:
        flush_code(hart)
        return
    begin = hart.jit_pool + hart.jit_used
    bits = expand(hart, bits_at(hart, head))
    candidate = find_row(hart, bits)
    form = peek64(candidate + 24)
    variant = 0
    if form == B_FORMAT or form == J_FORMAT:
        variant = 1 if (head + immediate(bits, form)) & MASK64 < 4096 else 0
    hart.holes[HANDLER] = handler_index(peek64(candidate + 16), variant) * 8
    place = copy(hart, ENTRY, begin)
    left = count
    offset = head
    kind = PLAIN
    while left > 0:
        kind = kind_of(hart, offset)
        if kind == BRANCH:
            left = left - 1  # a branch that is taken has retired
            hart.holes[REST] = left
            place = emit(hart, offset, head, place)
        else:
            hart.holes[REST] = left
            place = emit(hart, offset, head, place)
            left = left - 1
            if kind == LOAD:
                hart.holes[LOADS] = hart.holes[LOADS] - 1
            if kind == STORE:
                hart.holes[STORES] = hart.holes[STORES] - 1
        offset = offset + (4 if bits_at(hart, offset) & 3 == 3 else 2)
    if kind < JAL:
        hart.holes[DELTA] = (offset - head) * 8
        warm(hart, offset)
        place = copy(hart, LEAVE, place)
    sync_code(begin, place)
    poke64(slot, begin)
    poke64(hart.page_slots + HAS_BLOCKS, 1)
    hart.jit_used = (place + 15 & (MASK64 ^ 15)) - hart.jit_pool
