"""The interpreter's cache of decoded instructions: lowered only, never run as Python.

Each page of RAM that is executed owns one slot per halfword: the address of the handler,
then one word ``rd | rs1 << 8 | rs2 << 16 | bytes to the next slot << 24 | imm << 32``. A slot
that was never executed holds the decoding handler. A store to such a page drops it. A row has
two handlers: the second serves branches that stay in their page, and the marker HINT.
"""

from __future__ import annotations

from vlab.engines.code_page import COUNTERS, HAS_BLOCKS, PAGE_BYTES, SLOT_BYTES, WATCHED, WRITES
from vlab.engines.halting import halts_here, is_halt, watches
from vlab.engines.machine_only import execute_row, handler_address, peek16, peek32, peek64, poke64
from vlab.engines.walk_cache import (
    ADDEND,
    ANY_WAYS,
    EVICTED_CODE,
    HANDLER,
    PAGE_MASK,
    USUAL_WAYS,
    fetch_again,
    remember_walk,
    set_walk_mode,
    walk_again,
    walk_line,
)
from vlab.exits import ExitReason
from vlab.isa.decode import FORMATS, immediate
from vlab.isa.execute import CONTINUE, fetch, illegal, leave, raise_trap
from vlab.isa.fields import FETCH, LOAD, MASK64, STORE, Cause, M
from vlab.isa.mmu import (
    EMPTY_SET,
    FAST_FIRST,
    NONE,
    SET_WORDS,
    fast_flush,
    tlb_find,
    translate,
    use_set,
)
from vlab.isa.physical import in_ram
from vlab.isa.pmp import pmp_page_uniform
from vlab.isa.table import BY_NAME
from vlab.state import FAST_ENTRIES, FAST_WORDS, LAYOUT, Hart

(
    DECODE, ILLEGAL, CROSS, NEXT_PAGE, DISPATCH, HEAT, HALT, LOAD_AGAIN, STORE_AGAIN, READ_AGAIN,
    FOLLOW,
) = range(11)  # fmt: skip
"""Handlers that belong to no row, by their index in the handler table."""

FIRST_ROW = FOLLOW + 1
STEP = 3
"""Result of `enter_page`: the page cannot be cached, execute one instruction without."""

SCRATCH = LAYOUT["scratch_slot"][0]
NO_ROW = MASK64
WRITES_UNTIL_DATA = 256
SLTI, LD = BY_NAME["slti"].index, BY_NAME["ld"].index
B_FORMAT, J_FORMAT = FORMATS.index("B"), FORMATS.index("J")


def drop_code(hart: Hart, address: int, width: int) -> None:
    """Forget the decoded instructions that a store of ``width`` bytes overwrote.

    A page that is stored to often is forgotten whole: it has become data.
    """
    entry = hart.code_map + ((address - hart.ram_base) >> 12) * 8
    base = peek64(entry)
    writes = base + WRITES
    poke64(writes, peek64(writes) + 1)
    if peek64(writes) > WRITES_UNTIL_DATA:
        poke64(entry, 0)
        return
    if peek64(base + HAS_BLOCKS) != 0:
        fresh_slots(hart, base)
        return
    end = (address & 0xFFF) + width
    first = address & 0xFFE
    first = first - 2 if first > 0 else 0
    decoder = handler_address(hart, DECODE)
    while first < end and first < 4096:
        poke64(base + (first >> 1) * SLOT_BYTES, decoder)
        first = first + 2


def fill_fast(hart: Hart, va: int, pa: int, access: int) -> None:
    """Let the next access of this kind to the page take the fast path, if it may."""
    page = pa & (MASK64 ^ 0xFFF)
    first = hart.fetch_set if access == FETCH else hart.data_set
    if first == FAST_FIRST + EMPTY_SET * SET_WORDS or not in_ram(hart, page, 4096):
        return
    if not pmp_page_uniform(hart, page):
        return
    if access == STORE and peek64(hart.code_map + ((page - hart.ram_base) >> 12) * 8) != 0:
        return
    vpage = va & (MASK64 ^ 0xFFF)
    if hart.priv != M and hart.satp >> 60 != 0:
        entry = tlb_find(hart, va)
        if entry == NONE:
            return
        hart.tlb_seen[entry] = 1
    i = first - FAST_FIRST + (va >> 12 & (FAST_ENTRIES - 1)) * FAST_WORDS
    addend = (hart.ram_pointer + (page - hart.ram_base) - vpage) & MASK64
    owned = hart.fast[i] == vpage or hart.fast[i + 1] == vpage or hart.fast[i + 2] == vpage
    if not owned or hart.fast[i + 3] != addend:
        hart.fast[i] = MASK64
        hart.fast[i + 1] = MASK64
        hart.fast[i + 2] = MASK64
        hart.fast[i + 3] = addend
    use_set(hart, first)
    if access == FETCH:
        hart.fast[i + 2] = vpage
    elif access == STORE:
        hart.fast[i + 1] = vpage
    else:
        hart.fast[i] = vpage


def after_access(hart: Hart, va: int, access: int, width: int) -> None:
    """Fill the fast lookup after a load or store that went the slow way and succeeded."""
    if hart.fault == 0 and (va & 0xFFF) + width <= 4096:
        remember_walk(hart, va, access)
        fill_fast(hart, va, hart.last_address, access)


def walk_usual(hart: Hart, va: int, page: int, access: int, stores: int) -> int:
    """Do as `walk_again` for a handler that has counted so many stores since `refresh_walks`."""
    stamp = hart.walk_stamp + stores
    return walk_again(hart, va, page, 0, access, USUAL_WAYS, HANDLER, stamp)


def walk_other(hart: Hart, va: int, page: int, access: int, stores: int) -> int:
    """Do as `walk_again` for a handler where the TLB has another number of ways."""
    if hart.tlb_ways == USUAL_WAYS:
        return 0
    stamp = hart.walk_stamp + stores
    return walk_again(hart, va, page, 0, access, hart.tlb_ways, ANY_WAYS, stamp)


def refetch(hart: Hart, va: int, stamp: int) -> int:
    """Go on after a load that has evicted the page being executed, if it goes on in that page.

    The next instruction fetches from the page again. (After a store it might not find it; where
    runs halt there may be none.) Returns what leads from the load's address to the host's, or 0:
    nothing was done.
    """
    page = hart.page_pc
    same = page + peek64(walk_line(hart, page, FETCH) + ADDEND) & MASK64 == hart.page_bits
    if hart.halting != 0 or not same or fetch_again(hart, page, stamp) == 0:
        return 0
    return peek64(walk_line(hart, va, LOAD) + ADDEND)


def refill(hart: Hart, va: int, page: int, lookup: int, access: int, walked: int) -> int:
    """Go on for a hot loop where `walk_again` could not serve, or has evicted the loop's page.

    Returns what leads from the address to the host's. On 0 the instruction is to go the slow
    way, where whatever was done here is found done: a translation that is in the TLB, or nothing
    (a walk that faults is not counted here). The loop counts a walk made again, which it was in
    the second case only.
    """
    if walked != EVICTED_CODE:
        hart.walks_again = hart.walks_again - 1
    if hart.tlb_ways != USUAL_WAYS:
        walked = walk_again(hart, va, page, 0, access, hart.tlb_ways, ANY_WAYS, 0)
        if walked > EVICTED_CODE:
            return walked
    if walked == EVICTED_CODE:
        return 0 if access == STORE else refetch(hart, va, 0)  # the loop may have stored
    if page & 7 != 0 or hart.data_set == FAST_FIRST + EMPTY_SET * SET_WORDS:
        return 0
    walks = hart.walks
    references = hart.walk_references
    misses = hart.tlb_misses
    updates = hart.ad_updates
    pa = translate(hart, va, access, 1)
    if hart.fault != 0:
        if hart.tlb_misses == misses:
            hart.walks = walks
            hart.walk_references = references
        return 0
    if hart.ad_updates != updates:
        return 0  # may have written to the code being executed, or to a table of another page
    if hart.tlb_misses != misses:
        remember_walk(hart, va, access)
    set_walk_mode(hart)
    fill_fast(hart, va, pa, access)
    code = hart.fetch_set - FAST_FIRST + (hart.page_pc >> 12 & (FAST_ENTRIES - 1)) * FAST_WORDS
    if hart.fast[code + 2] != hart.page_pc:
        return 0  # evicted: the next fetch misses
    tag = peek64(lookup + 8) if access == STORE else peek64(lookup)
    return peek64(lookup + 24) if tag == va & PAGE_MASK else 0


def flush_code(hart: Hart) -> None:
    """Empty the whole cache."""
    page = 0
    while page < hart.ram_size >> 12:
        poke64(hart.code_map + page * 8, 0)
        page = page + 1
    hart.code_used = 0
    hart.jit_used = 0


def fresh_slots(hart: Hart, base: int) -> None:
    """Make every slot of a page undecoded, and its counters zero."""
    decoder = handler_address(hart, DECODE)
    slot = base
    end = base + 2048 * SLOT_BYTES
    while slot < end:
        poke64(slot, decoder)
        slot = slot + SLOT_BYTES
    poke64(end, handler_address(hart, NEXT_PAGE))
    poke64(base + HAS_BLOCKS, 0)
    counter = base + COUNTERS
    end = counter + 4096
    while counter < end:
        poke64(counter, 0)
        counter = counter + 8


def allocate_page(hart: Hart, page: int) -> None:
    """Give the RAM page with this index a page of undecoded slots."""
    if hart.code_used == hart.code_limit:
        flush_code(hart)
    base = hart.code_pool + hart.code_used * PAGE_BYTES
    hart.code_used = hart.code_used + 1
    fresh_slots(hart, base)
    poke64(base + WRITES, 0)
    poke64(base + WATCHED, 0)
    poke64(hart.code_map + page * 8, base)
    fast_flush(hart)


def watch(hart: Hart, pc: int, base: int) -> None:
    """Watch a page that is executed where there are addresses to halt at."""
    if hart.halt_count != 0 and watches(hart, pc) and peek64(base + WATCHED) == 0:
        poke64(base + WATCHED, 1)
        fresh_slots(hart, base)


def enter_page(hart: Hart) -> int:
    """Translate ``pc`` for execution and make its page ready.

    `CONTINUE`: dispatch again (also after a trap was taken); `EXIT`; or `STEP`.
    """
    pc = hart.pc
    if halts_here(hart):
        return leave(hart, ExitReason.BUDGET)  # before the fetch is counted
    set_walk_mode(hart)
    host = fetch_again(hart, pc & PAGE_MASK, 0)
    if host != 0:
        slots = peek64(hart.code_map + ((host - hart.ram_pointer) >> 12) * 8)
        if slots != 0:
            watch(hart, pc, slots)
            return CONTINUE
    pa = translate(hart, pc, FETCH, 2)
    if hart.fault != 0:
        return raise_trap(hart, hart.fault, hart.fault_address)
    if not in_ram(hart, pa, 2):
        return raise_trap(hart, Cause.FETCH_ACCESS, pc)
    if not pmp_page_uniform(hart, pa & (MASK64 ^ 0xFFF)):
        return STEP
    page = (pa - hart.ram_base) >> 12
    if peek64(hart.code_map + page * 8) == 0:
        allocate_page(hart, page)
    watch(hart, pc, peek64(hart.code_map + page * 8))
    remember_walk(hart, pc, FETCH)
    fill_fast(hart, pc, pa, FETCH)
    return CONTINUE


def find_row(hart: Hart, bits: int) -> int:
    """Return the address of the decoder's candidate that matches, or `NO_ROW`."""
    bucket = hart.decode_buckets + ((bits >> 2 & 31) << 3 | (bits >> 12 & 7)) * 16
    candidate = hart.decode_rows + peek64(bucket) * 32
    end = candidate + peek64(bucket + 8) * 32
    while candidate < end:
        if bits & peek64(candidate) == peek64(candidate + 8):
            return candidate
        candidate = candidate + 32
    return NO_ROW


def expand(hart: Hart, bits: int) -> int:
    """Return the 32-bit form of an instruction, 0 for an illegal compressed one."""
    if bits & 3 == 3:
        return bits
    return peek32(hart.decode_rvc + (bits & 0xFFFF) * 4)


def register_or_sink(rd: int) -> int:
    """Return the register to write: the sink for x0."""
    return 32 if rd == 0 else rd


def decode_slot(hart: Hart, slot: int, offset: int) -> None:
    """Decode the instruction at ``offset`` of the page being executed into its slot."""
    if is_halt(hart, hart.page_slots, offset):
        poke64(slot, handler_address(hart, HALT))
        return
    raw = peek16(hart.page_bits + offset)
    length = 2
    if raw & 3 == 3:
        length = 4
        if offset == 4094:
            poke64(slot, handler_address(hart, CROSS))
            poke64(slot + 8, length * 8 << 24)
            return
        raw = raw | peek16(hart.page_bits + offset + 2) << 16
    bits = expand(hart, raw)
    row = find_row(hart, bits)
    if row == NO_ROW:
        poke64(slot, handler_address(hart, ILLEGAL))
        poke64(slot + 8, length * 8 << 24)
        return
    rd = register_or_sink(bits >> 7 & 31)
    rs1 = bits >> 15 & 31
    rs2 = bits >> 20 & 31
    form = peek64(row + 24)
    imm = immediate(bits, form)
    variant = 1 if peek64(row + 16) == SLTI and rd == 32 and rs1 == 0 else 0
    if form == B_FORMAT or form == J_FORMAT:
        variant = 1 if (offset + imm) & MASK64 < 4096 else 0
    handler = FIRST_ROW + 2 * peek64(row + 16) + variant
    if peek64(row + 16) == LD and rd == rs1:
        handler = FOLLOW
    poke64(slot, peek64(hart.handlers + 8 * handler))
    poke64(slot + 8, rd | rs1 << 8 | rs2 << 16 | length * 8 << 24 | (imm & 0xFFFFFFFF) << 32)


def step(hart: Hart) -> int:
    """Execute one instruction without the cache."""
    raw = fetch(hart)
    if hart.fault != 0:
        return raise_trap(hart, hart.fault, hart.fault_address)
    hart.bits = raw
    bits = expand(hart, raw)
    row = find_row(hart, bits)
    if row == NO_ROW:
        return illegal(hart)
    imm = immediate(bits, peek64(row + 24))
    rd = register_or_sink(bits >> 7 & 31)
    return execute_row(hart, peek64(row + 16), rd, bits >> 15 & 31, bits >> 20 & 31, imm)
