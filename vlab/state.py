"""The hart record: one aligned block of 64-bit words.

Machine code reads and writes it through one pointer, Python through attributes of the
same names. A virtual CPU kept by a monitor is a record of the same type, so every
function that works on a hart works on a virtual CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlab.words import MASK64, address, name_words, zeros

TLB_MAX_ENTRIES = 1024
"""Largest architectural TLB that can be configured."""

FAST_ENTRIES = 256
"""Entries of one set of the engine's own lookup cache, a subset of the architectural TLB."""

FAST_WORDS = 4
"""Words of one such entry: read tag, write tag, execute tag, host address minus virtual."""

FAST_SETS = 7
"""Sets for data accesses of U, S and M, one (index 3) that is never filled, and for fetches."""

FIELDS: tuple[tuple[str, int, str], ...] = (
    ("x", 33, "integer registers; x[32] swallows writes to x0"),
    ("pc", 1, "program counter"),
    ("priv", 1, "privilege: 0 U, 1 S, 3 M"),
    ("reservation", 1, "physical address reserved by LR, all ones if none"),
    # CSRs (privileged specification, chapter 2)
    ("mstatus", 1, "CSR"),
    ("misa", 1, "CSR"),
    ("medeleg", 1, "CSR"),
    ("mideleg", 1, "CSR"),
    ("mie", 1, "CSR"),
    ("mip", 1, "the software-writable bits of the CSR"),
    ("lines", 1, "interrupt wires by bit of mip, driven from outside the hart"),
    ("mtvec", 1, "CSR"),
    ("mscratch", 1, "CSR"),
    ("mepc", 1, "CSR"),
    ("mcause", 1, "CSR"),
    ("mtval", 1, "CSR"),
    ("mcounteren", 1, "CSR"),
    ("mcountinhibit", 1, "CSR"),
    ("menvcfg", 1, "CSR"),
    ("mhartid", 1, "CSR"),
    ("stvec", 1, "CSR"),
    ("sscratch", 1, "CSR"),
    ("sepc", 1, "CSR"),
    ("scause", 1, "CSR"),
    ("stval", 1, "CSR"),
    ("satp", 1, "CSR"),
    ("scounteren", 1, "CSR"),
    ("senvcfg", 1, "CSR"),
    ("stimecmp", 1, "CSR (Sstc)"),
    ("pmpcfg", 2, "pmpcfg0 and pmpcfg2: one byte an entry"),
    ("pmpaddr", 16, "CSRs"),
    ("pmp_count", 1, "number of PMP entries up to the last one in use"),
    ("pmp_open", 1, "1 if PMP lets every access through, or does not exist"),
    ("cycle_offset", 1, "added to retired instructions to give mcycle"),
    ("instret_offset", 1, "added to retired instructions to give minstret"),
    ("time", 1, "mtime, as last brought up to date by the machine"),
    ("time_fresh", 1, "1 if `time` is up to date for the next read"),
    # what the engine reports and is told
    ("intercept", 1, "bit per exception cause that exits instead of vectoring; bit 63 interrupts"),
    ("budget", 1, "instructions that may still retire in this run"),
    ("limit", 1, "retired instructions at which the budget is used up"),
    ("exit_reason", 1, "vlab.exits.ExitReason"),
    ("exit_cause", 1, "TRAP: cause as in scause"),
    ("exit_tval", 1, "TRAP: as in stval"),
    ("exit_addr", 1, "MMIO: physical address"),
    ("exit_size", 1, "MMIO: bytes"),
    ("exit_value", 1, "MMIO_WRITE: value; MARK: operand"),
    ("exit_reg", 1, "MMIO_READ: destination register"),
    ("exit_signed", 1, "MMIO_READ: 1 if the value is to be sign-extended"),
    # scratch of the instruction under way
    ("bits", 1, "raw instruction"),
    ("length", 1, "its length in bytes"),
    ("fault", 1, "exception cause of the last translation or CSR access, 0 if none"),
    ("fault_address", 1, "virtual address that faulted"),
    ("last_address", 1, "physical address of the last translation that succeeded"),
    ("value", 1, "result of the last memory access or CSR read"),
    ("walk_level", 1, "level of the leaf that the last walk found"),
    ("walk_address", 1, "physical address of that leaf entry"),
    # memory as machine code sees it
    ("ram_base", 1, "physical address of RAM"),
    ("ram_size", 1, "bytes"),
    ("ram_pointer", 1, "host address of RAM; of a virtual CPU, of host-physical address 0"),
    ("p2m", 1, "of a virtual CPU: host address of the p2m table"),
    # counters (meaning in vlab/counters.py)
    ("loads", 1, "counter"),
    ("stores", 1, "counter"),
    ("settled", 1, "retired instructions already attributed to a privilege"),
    ("settled_data", 1, "data accesses already attributed to translation"),
    ("retired_by_priv", 4, "counter"),
    ("translated", 1, "fetches and data accesses made under translation"),
    ("tlb_misses", 1, "counter"),
    ("walks", 1, "counter"),
    ("walk_references", 1, "counter"),
    ("ad_updates", 1, "counter"),
    ("tlb_flushes", 1, "counter"),
    ("traps_taken", 16, "counter: exceptions vectored, by cause"),
    ("interrupts_taken", 16, "counter: interrupts vectored, by cause"),
    ("vectored", 1, "counter: exceptions and interrupts vectored"),
    ("returns", 1, "counter: mret and sret"),
    ("csr_accesses", 1, "counter"),
    ("user_ecalls", 1, "counter: environment calls from U-mode"),
    # the architectural TLB
    ("tlb_sets", 1, "number of sets, a power of two"),
    ("tlb_ways", 1, "entries of a set"),
    ("tlb_asid_mask", 1, "implemented ASID bits of satp, 0 if there are none"),
    ("tlb_levels", 3, "number of valid entries by page level"),
    ("tlb_tag", TLB_MAX_ENTRIES, "virtual page base | level << 1 | valid"),
    ("tlb_asid", TLB_MAX_ENTRIES, "address space of the entry"),
    ("tlb_pte", TLB_MAX_ENTRIES, "leaf entry"),
    ("tlb_next", TLB_MAX_ENTRIES, "way to be replaced next, by set (FIFO)"),
    ("tlb_seen", TLB_MAX_ENTRIES, "by entry: 1 if the engine's lookup may hold the page"),
    # the engine's lookup cache: an inclusive subset of the architectural TLB
    ("data_set", 1, "index of the first word of the set that data accesses use"),
    ("fetch_set", 1, "index of the first word of the set that fetches use"),
    ("fast_used", 1, "bit per set: 1 if any entry of it may be valid"),
    ("fast", FAST_SETS * FAST_ENTRIES * FAST_WORDS, "see FAST_WORDS"),
    # the interpreter's cache of decoded instructions
    ("code_map", 1, "host address: per RAM page, host address of its decoded slots or 0"),
    ("code_pool", 1, "host address of the pool of decoded pages"),
    ("walk_lines", 1, "host address of the walks that the engine remembers"),
    ("walk_mode", 1, "what permissions depend on now, as bits of their keys"),
    ("usual_mode", 1, "the same if the TLB has the usual number of ways, else bits of no key"),
    ("loop_tag", 1, "the TLB's tag of the page that holds the loop"),
    ("walk_stamp", 1, "what a line bears that was compared with memory, stores since then apart"),
    ("walk_stale", 1, "1 if since then memory or permissions may have changed in other ways, too"),
    ("walks_again", 1, "walks that it made by them and has not counted yet"),
    ("walks_short", 1, "walks that it made by them"),
    ("code_used", 1, "decoded pages in use"),
    ("code_limit", 1, "decoded pages that the pool holds"),
    ("page_pc", 1, "virtual address of the page being executed"),
    ("page_slots", 1, "host address of its first decoded slot"),
    ("page_bits", 1, "host address of its first byte"),
    ("decode_buckets", 1, "host address of the decoder's bucket table"),
    ("decode_rows", 1, "host address of the decoder's candidate table"),
    ("decode_rvc", 1, "host address of the expansion table of compressed instructions"),
    ("handlers", 1, "host address of the table of handlers by row"),
    ("jit_pool", 1, "host address of the translator's code"),
    ("jit_used", 1, "bytes in use"),
    ("jit_limit", 1, "bytes in all, 0 without a translator"),
    ("stencil_code", 1, "host address of the stencils' code"),
    ("stencil_index", 1, "host address of the stencils' index"),
    ("stencil_holes", 1, "host address of the table of holes"),
    ("row_kinds", 1, "host address of the translator's kinds of rows"),
    ("holes", 16, "what the translator patches into the next stencil"),
    ("halt_list", 1, "host address of the addresses at which a run may halt"),
    ("halt_count", 1, "how many there are"),
    ("halting", 1, "1 while runs halt there"),
    ("scratch_slot", 4, "a decoded instruction outside the cache (one that crosses a page)"),
    # the emulated translator (vlab/engines/block_tables.py); places are offsets in its tables
    ("block_tables", 1, "host address of its tables"),
    ("block_pages", 1, "place of the chains of blocks by RAM page"),
    ("block_list", 1, "place of the blocks' records"),
    ("block_count", 1, "blocks in use"),
    ("block_rows", 1, "place of the rows' kinds and formats"),
    ("block_index", 1, "place of the stencils' index"),
    ("block_holes_at", 1, "place of the table of holes"),
    ("block_stencils", 1, "place of the stencils' code"),
    ("block_code", 1, "place of the code cache"),
    ("block_used", 1, "place behind the code in it"),
    ("block_limit", 1, "place behind the code cache"),
    ("block_holes", 17, "what is put into the next stencil"),
    ("block_due", 1, "1 if a block begins at the next instruction"),
    (
        "block_last",
        1,
        "place of the block entered last, 0 if it was left otherwise than at its end",
    ),
    ("block_start", 1, "physical address of the block entered last"),
    ("block_page", 1, "virtual address of the page executed last"),
    ("block_vectored", 1, "traps vectored before the block entered last"),
    ("block_entries", 1, "counter"),
    ("block_dispatches", 1, "counter"),
    ("blocks_translated", 1, "counter"),
    ("instructions_translated", 1, "counter"),
    ("code_bytes", 1, "counter"),
    ("blocks_dropped", 1, "counter"),
    ("code_flushes", 1, "counter"),
    # chains of pointers (vlab/engines/following.py, loop_code.py)
    ("near", 16, "addends that loads found last"),
)


LINE_WORDS = 8
"""Words of a line of the host's data cache; large arrays begin with one, so that no entry lies in
two."""

STAGGER = 9 * LINE_WORDS
"""Words between large arrays. Processors compare the lower 12 bits of addresses first, and take a
load for one of what was just stored 4 KiB away (Intel, "Optimization Reference Manual",
memory disambiguation); what is stored and loaded at one index of several arrays must not be."""


def _layout() -> tuple[dict[str, tuple[int, int]], int]:
    offsets, word = {}, 0
    for name, count, _ in FIELDS:
        if count >= TLB_MAX_ENTRIES:
            word += -word % LINE_WORDS + STAGGER
        offsets[name] = (word, count)
        word += count
    return offsets, word


LAYOUT, WORDS = _layout()
"""``LAYOUT[name] = (first word, number of words)``, and the size of a record in words."""


class Hart:
    """One hart's record.

    Parameters
    ----------
    memory
        What its physical addresses refer to (`PhysicalMemory`, or `GuestMemory` for a
        virtual CPU).
    share_registers
        Another hart whose integer registers this record shares: a monitor's virtual CPU
        while it is loaded on the physical hart.

    Attributes
    ----------
    words : memoryview of uint64, shape (WORDS,)
    """

    memory: Any

    if TYPE_CHECKING:  # the fields are made from the list above

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def __init__(self, memory: Any = None, share_registers: Hart | None = None) -> None:
        self.words = zeros(WORDS)
        self.pointer = address(self.words)
        for name, (word, count) in LAYOUT.items():
            if count > 1:
                setattr(self, name, self.words[word : word + count])
        if share_registers is not None:
            self.x = share_registers.x
        self.memory = memory
        self.reservation = MASK64
        self.pmp_open = 1  # until a reset implements PMP

    def snapshot(self) -> bytes:
        """Return the whole record as bytes (host pointers included)."""
        return self.words.tobytes()


name_words(Hart, LAYOUT)
