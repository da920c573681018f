"""The emulated translator: what a dynamic binary translator of the modelled machine would do.

It runs on the modelled hardware in thought: its host code is RV64 (`vlab.engines.host_stencils`).
A block begins where control arrives and ends at a branch, jump or system instruction, or with
the page; an instruction that crosses a page is a block of its own. Written in the restricted
subset: the reference engine runs it as Python, the interpreter as machine code, and
`vlab.experiments.translation_cost` counts what it costs as a guest program.
"""

from __future__ import annotations

from vlab.engines.block_tables import (
    BRANCH,
    CALL,
    CALL_HOLE,
    CALL_STENCIL,
    CODE,
    CROSSING,
    ENTRY_STENCIL,
    EXECUTIONS,
    EXIT,
    EXIT_STENCIL,
    FAR_STENCIL,
    GUEST_BYTES,
    HOLES,
    I_HOLE,
    JAL,
    JUMP,
    KEY,
    LAST,
    LINK,
    LINK_STENCIL,
    LOAD,
    NO_ROW,
    OTHER,
    S_HOLE,
    SHIFT_HOLE,
    STORE,
    expanded,
    get,
    get32,
    put,
    put32,
    row_of,
)
from vlab.isa.decode import immediate
from vlab.isa.fields import MASK64
from vlab.isa.physical import load_ram
from vlab.isa.table import BY_NAME
from vlab.state import Hart

(RD, RS1, RS2, IMM, OFFSET, GOAL, BEHIND, LENGTH, EXIT_NUMBER, OPERANDS, RESUME, NEXT, OUT,
 HELPER, ASIDE) = range(len(HOLES))  # fmt: skip
AUIPC, LUI = BY_NAME["auipc"].index, BY_NAME["lui"].index
HELPER_ENTRY = 16


def raw_at(hart: Hart, pa: int) -> int:
    """Return the instruction at a physical address, its first half if it crosses the page."""
    low = load_ram(hart, pa, 2)
    if low & 3 != 3 or pa & 0xFFF == 4094:
        return low
    return low | load_ram(hart, pa + 2, 2) << 16


def kind_at(hart: Hart, pa: int) -> int:
    """Return the kind of the instruction at a physical address."""
    raw = raw_at(hart, pa)
    if raw & 3 == 3 and pa & 0xFFF == 4094:
        return CROSSING
    row = row_of(hart, expanded(hart, raw))
    if row == NO_ROW:
        return LAST
    return get(hart, hart.block_rows + 8 * row) & 0xFF


def length_at(hart: Hart, pa: int) -> int:
    """Return the bytes of the instruction at a physical address."""
    return 4 if load_ram(hart, pa, 2) & 3 == 3 else 2


def count_block(hart: Hart, pa: int) -> int:
    """Return how many instructions a block has."""
    count = 0
    kind = kind_at(hart, pa)
    while kind != CROSSING or count == 0:
        count = count + 1
        pa = pa + length_at(hart, pa)
        if kind >= BRANCH or pa & 0xFFF == 0:
            break
        kind = kind_at(hart, pa)
    return count


def patch_jump(hart: Hart, at: int, goal: int) -> None:
    """Let the ``auipc`` and ``jalr`` at a place of the code lead to another."""
    distance = goal - at
    put32(hart, at, get32(hart, at) & 0xFFF | (distance + 0x800) & 0xFFFFF000)
    put32(hart, at + 4, get32(hart, at + 4) & 0xFFFFF | (distance & 0xFFF) << 20)


def fill(hart: Hart, at: int, kind: int, value: int) -> None:
    """Put an operand into the word at a place of the code."""
    word = get32(hart, at)
    if kind == I_HOLE:
        word = word | (value & 0xFFF) << 20
    elif kind == S_HOLE:
        word = word | (value & 0xFE0) << 20 | (value & 31) << 7
    elif kind == SHIFT_HOLE:
        word = word | (value & 63) << 20
    else:
        word = word | (value + 0x800) & 0xFFFFF000
    put32(hart, at, word)


def copy(hart: Hart, stencil: int, place: int) -> int:
    """Copy a stencil, fill its holes from ``block_holes``, and return where it ends."""
    entry = hart.block_index + stencil * 32
    code = hart.block_stencils + get(hart, entry)
    size = get(hart, entry + 8)
    done = 0
    while done < size:
        put32(hart, place + done, get32(hart, code + done))
        done = done + 4
    hart.block_holes[NEXT] = place + size
    hole = hart.block_holes_at + get(hart, entry + 16) * 24
    end = hole + get(hart, entry + 24) * 24
    while hole < end:
        at = place + get(hart, hole)
        kind = get(hart, hole + 16)
        value = hart.block_holes[get(hart, hole + 8)]
        if kind == CALL_HOLE:
            patch_jump(hart, at, value)
        else:
            fill(hart, at, kind, value)
        hole = hole + 24
    return place + size


def operands(hart: Hart, pa: int) -> int:
    """Set the holes for the instruction at a physical address; return its stencil."""
    bits = expanded(hart, raw_at(hart, pa))
    row = row_of(hart, bits)
    offset = pa & 0xFFF
    hart.block_holes[OFFSET] = offset
    hart.block_holes[BEHIND] = offset + length_at(hart, pa)
    if row == NO_ROW or kind_at(hart, pa) == CROSSING:
        hart.block_holes[OPERANDS] = 0
        hart.block_holes[IMM] = 0
        return CALL_STENCIL
    word = get(hart, hart.block_rows + 8 * row)
    kind = word & 0xFF
    imm = immediate(bits, word >> 8)
    rd = bits >> 7 & 31
    rd = 32 if rd == 0 else rd
    rs1 = bits >> 15 & 31
    rs2 = bits >> 20 & 31
    hart.block_holes[OPERANDS] = row | rd << 8 | rs1 << 16 | rs2 << 24
    hart.block_holes[RD] = rd * 8
    hart.block_holes[RS1] = rs1 * 8
    hart.block_holes[RS2] = rs2 * 8
    hart.block_holes[IMM] = (imm + offset if row == AUIPC else imm) & MASK64
    hart.block_holes[GOAL] = (imm + offset) & MASK64
    if kind == CALL or kind == LAST:
        return CALL_STENCIL
    return row


def leave(hart: Hart, block: int, exit: int, place: int) -> int:
    """Emit an exit to ``GOAL``: one that can be linked if it stays in the page."""
    goal = hart.block_holes[GOAL]
    if goal >= 4096:
        return copy(hart, FAR_STENCIL, place)
    key = get(hart, block + KEY)
    page = key >> 14 << 12
    put(hart, block + exit, (page + goal) << 2 | key & 3)
    put(hart, block + exit + JUMP - EXIT, place)
    hart.block_holes[EXIT_NUMBER] = block + exit
    hart.block_holes[ASIDE] = place + 8
    place = copy(hart, LINK_STENCIL, place)
    return copy(hart, EXIT_STENCIL, place)


def emit(hart: Hart, block: int, pa: int, place: int) -> int:
    """Emit the instruction at a physical address, its exits included."""
    kind = kind_at(hart, pa)
    stencil = operands(hart, pa)
    hart.block_holes[ASIDE] = place  # until what lies aside is emitted
    if stencil == CALL_STENCIL:
        behind = place + get(hart, hart.block_index + stencil * 32 + 8)
        hart.block_holes[RESUME] = behind - hart.block_code
    end = copy(hart, stencil, place)
    if kind == JAL:
        return leave(hart, block, EXIT, end)
    if kind == BRANCH:
        goal = hart.block_holes[GOAL]
        hart.block_holes[GOAL] = hart.block_holes[BEHIND]
        end = leave(hart, block, EXIT, end)
        fill_aside(hart, stencil, place, end)
        hart.block_holes[GOAL] = goal
        return leave(hart, block, OTHER, end)
    if kind == LAST or kind == CROSSING:
        hart.block_holes[GOAL] = 4096
        return copy(hart, FAR_STENCIL, end)
    return end


def fill_aside(hart: Hart, stencil: int, place: int, goal: int) -> None:
    """Let the jump aside of a stencil that was copied lead somewhere."""
    entry = hart.block_index + stencil * 32
    hole = hart.block_holes_at + get(hart, entry + 16) * 24
    end = hole + get(hart, entry + 24) * 24
    while hole < end:
        if get(hart, hole + 8) == ASIDE:
            patch_jump(hart, place + get(hart, hole), goal)
        hole = hole + 24


def translate_block(hart: Hart, block: int, pa: int, count: int) -> None:
    """Translate so many instructions into the code cache, and fill the block's record."""
    begin = hart.block_used
    hart.block_holes[LENGTH] = (0 - count) & MASK64
    hart.block_holes[OFFSET] = pa & 0xFFF
    hart.block_holes[OUT] = hart.block_code
    hart.block_holes[HELPER] = hart.block_code + HELPER_ENTRY
    first = copy(hart, ENTRY_STENCIL, begin)
    place = first
    at = pa
    left = count
    kind = 0
    while left > 0:
        kind = kind_at(hart, at)
        place = emit(hart, block, at, place)
        at = at + length_at(hart, at)
        left = left - 1
    if kind < BRANCH:
        hart.block_holes[GOAL] = 4096
        place = copy(hart, FAR_STENCIL, place)
    put(hart, block + GUEST_BYTES, at - pa)
    at = pa
    left = count
    while left > 0:
        kind = kind_at(hart, at)
        stencil = operands(hart, at)
        end = first + get(hart, hart.block_index + stencil * 32 + 8)
        if kind == LOAD or kind == STORE:
            fill_aside(hart, stencil, first, place)
            hart.block_holes[RESUME] = end - hart.block_code
            place = copy(hart, CALL_STENCIL, place)
        first = end
        at = at + length_at(hart, at)
        left = left - 1
    put(hart, block + CODE, begin)
    put(hart, block + EXECUTIONS, 0)
    hart.blocks_translated = hart.blocks_translated + 1
    hart.instructions_translated = hart.instructions_translated + count
    hart.code_bytes = hart.code_bytes + place - begin
    hart.block_used = place


assert (LINK - EXIT, JUMP - EXIT) == (8, 16)  # each exit has a key, a link and a jump
