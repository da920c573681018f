"""Tables of the emulated translator, in one block of memory that both kinds of engines read.

From its begin: heads of the hash chains, heads of each RAM page's chain of blocks, the blocks'
records, rows and stencils, and the code cache. Addresses in it are byte offsets, 0 is none.
"""

from __future__ import annotations

import json
import struct
from array import array
from functools import cache
from pathlib import Path
from typing import Any

from vlab.engines.code_cache import expand, find_row
from vlab.engines.lowering import Emit, FunctionLowering, Value
from vlab.engines.machine_only import peek64
from vlab.isa.decode import decode
from vlab.isa.fields import MASK64
from vlab.isa.rvc import expansion_table
from vlab.isa.table import FORMATS, INSTRUCTIONS, Instruction, standard_rows
from vlab.state import LAYOUT, Hart
from vlab.words import address, zeros

HOLES = ("rd", "rs1", "rs2", "imm", "offset", "goal", "behind", "length", "exit", "operands",
         "resume", "next", "out", "helper", "aside")  # fmt: skip
"""What is patched: places of registers in the record, the immediate, offsets in the page of the
instruction, of a jump's target and of the instruction behind; the block's length, negated; the
number of an exit; row and registers for the helper, and where in the code it comes back to. Then
what is jumped to: the next stencil, the dispatcher, the helper that carries out a row, and what
lies aside (an access's slow way, a branch's target)."""

I_HOLE, S_HOLE, U_HOLE, SHIFT_HOLE, CALL_HOLE = range(5)
"""Where a hole is: the immediate of an I, S or U instruction, a shift's, or that of an
``auipc`` and ``jalr`` together."""

SPECIAL = ("entry", "exit", "far", "call", "link", "helper")
"""Stencils that belong to no row: a block's begin, an exit that the dispatcher is asked about, one
out of the page, a row carried out by the helper, a jump to a linked block; and the helper."""

RECORD = Path(__file__).parent.parent / "data" / "host_stencils.json"
HASH = 8192
"""Hash chains."""

BLOCK_WORDS = 12
(KEY, HASH_NEXT, PAGE_NEXT, EXIT, LINK, JUMP, OTHER, OTHER_LINK, OTHER_JUMP, CODE, GUEST_BYTES,
 EXECUTIONS) = range(0, 8 * BLOCK_WORDS, 8)  # fmt: skip
"""A block's record: physical address and privilege, chains, the keys that its two exits lead to,
the blocks that these are linked to and where their jumps are; its code, what it covers, and how
often it was entered."""

BLOCKS = 65536
"""Blocks at most."""

CODE_BYTES = 16 << 20
"""Bytes of the code cache; when it is full all of it is dropped."""

INSTRUCTION_ROOM = 192
"""Bytes that one instruction takes at most: an access, its slow way, two exits."""

PLAIN, LOAD, STORE, CALL, BRANCH, JAL, JALR, LAST, CROSSING = range(9)
"""Kinds of instructions, as the emulated translator sees them; from BRANCH on they end a block."""

KINDS = {"op": PLAIN, "load": LOAD, "store": STORE, "branch": BRANCH, "jal": JAL, "jalr": JALR,
         "lr": CALL, "sc": CALL, "amo": CALL, "csr": LAST, "system": LAST}  # fmt: skip

FIRST_SPECIAL = len(standard_rows())
NO_ROW = MASK64
ENTRY_STENCIL, EXIT_STENCIL, FAR_STENCIL, CALL_STENCIL, LINK_STENCIL, _ = range(
    FIRST_SPECIAL, FIRST_SPECIAL + len(SPECIAL)
)
WORD, HALF = struct.Struct("<Q"), struct.Struct("<I")


def get(hart: Hart, at: int) -> int:
    """Return a word of the tables."""
    return WORD.unpack_from(hart.tables, at)[0]


def put(hart: Hart, at: int, value: int) -> None:
    """Write a word of the tables."""
    WORD.pack_into(hart.tables, at, value & MASK64)


def get32(hart: Hart, at: int) -> int:
    """Return 32 bits of the tables."""
    return HALF.unpack_from(hart.tables, at)[0]


def put32(hart: Hart, at: int, value: int) -> None:
    """Write 32 bits of the tables."""
    HALF.pack_into(hart.tables, at, value & 0xFFFFFFFF)


def expanded(hart: Hart, raw: int) -> int:
    """Return the 32-bit form of an instruction, 0 for an illegal compressed one."""
    return raw if raw & 3 == 3 else int(expansion_table()[raw])


def row_of(hart: Hart, bits: int) -> int:
    """Return the number of an instruction's row, or `NO_ROW`."""
    decoded = decode(bits)
    return NO_ROW if decoded is None else decoded.row.index


def _place(f: FunctionLowering, at: Value) -> str:
    field = f.emit(f"getelementptr i64, ptr %hart, i64 {LAYOUT['block_tables'][0]}")
    first = f.emit(f"load i64, ptr {field}")
    return f.emit(f"inttoptr i64 {f.emit(f'add i64 {first}, {f.word(at)}')} to ptr")


def _get(f: FunctionLowering, a: list[Value]) -> Value:
    return Value(f.emit(f"load i64, ptr {_place(f, a[0])}"))


def _put(f: FunctionLowering, a: list[Value]) -> Value:
    f.do(f"store i64 {f.word(a[1])}, ptr {_place(f, a[0])}")
    return Value("0")


def _get32(f: FunctionLowering, a: list[Value]) -> Value:
    loaded = f.emit(f"load i32, ptr {_place(f, a[0])}")
    return Value(f.emit(f"zext i32 {loaded} to i64"))


def _put32(f: FunctionLowering, a: list[Value]) -> Value:
    low = f.emit(f"trunc i64 {f.word(a[1])} to i32")
    f.do(f"store i32 {low}, ptr {_place(f, a[0])}")
    return Value("0")


def _expanded(f: FunctionLowering, a: list[Value]) -> Value:
    name = f.module.name_of(expand)
    return Value(f.emit(f"call i64 {name}(ptr %hart, i64 {f.word(a[0])})"))


def _row_of(f: FunctionLowering, a: list[Value]) -> Value:
    name = f.module.name_of(machine_row)
    return Value(f.emit(f"call i64 {name}(ptr %hart, i64 {f.word(a[0])})"))


def machine_row(hart: Hart, bits: int) -> int:
    """Return the number of an instruction's row: lowered only."""
    candidate = find_row(hart, bits)
    if candidate == NO_ROW:
        return NO_ROW
    return peek64(candidate + 16)


TABLE_INTRINSICS: dict[object, Emit] = {
    get: _get,
    put: _put,
    get32: _get32,
    put32: _put32,
    expanded: _expanded,
    row_of: _row_of,
}


@cache
def recorded() -> dict[str, dict[str, Any]]:
    """Return the stencils as they were recorded: they must be the same on every machine."""
    stencils: dict[str, dict[str, Any]] = json.loads(RECORD.read_text("utf-8"))["stencils"]
    return stencils


def kind_of(row: Instruction) -> int:
    """Return the kind of a row; one of a student's own has no stencil, and calls the helper."""
    if row.kind == "fence":
        return LAST if row.name == "fence.i" else CALL
    kind = KINDS[row.kind]
    if row.index < FIRST_SPECIAL and row.name in recorded():
        return kind
    return LAST if kind >= BRANCH else CALL


def stencil_arrays() -> tuple[array[int], array[int], bytes]:
    """Return index (offset and size of code, first hole, holes), holes, and code."""
    index, holes, code = [], [], bytearray()
    for name in [*(row.name for row in standard_rows()), *SPECIAL]:
        stencil = recorded().get(name, {"code": "", "holes": []})
        body = bytes.fromhex(stencil["code"])
        index += [len(code), len(body), len(holes) // 3, len(stencil["holes"])]
        for at, which, kind in stencil["holes"]:
            holes += [at, HOLES.index(which), kind]
        code += body
    code += bytes(-len(code) % 8)
    return array("Q", index), array("Q", holes), bytes(code)


def attach_tables(hart: Hart, code_bytes: int = CODE_BYTES) -> None:
    """Give a hart, whose memory is known, empty tables."""
    index, holes, code = stencil_arrays()
    rows = array("Q", [kind_of(r) | FORMATS.index(r.format) << 8 for r in INSTRUCTIONS])
    at = 8 * HASH
    hart.block_pages = at
    at += (hart.ram_size >> 12) * 8
    hart.block_list = at
    at += BLOCKS * BLOCK_WORDS * 8
    pieces = []
    for field, data in (
        ("block_rows", rows.tobytes()),
        ("block_index", index.tobytes()),
        ("block_holes_at", holes.tobytes()),
        ("block_stencils", code),
    ):
        setattr(hart, field, at)
        pieces.append((at, data))
        at += len(data)
    at += -at % 64
    hart.block_code, hart.block_limit = at, at + code_bytes
    hart.block_used = at + FIRST_CODE
    words = zeros((at + code_bytes) // 8)
    hart.tables = words.cast("B")
    for place, data in pieces:
        hart.tables[place : place + len(data)] = data
    hart.block_tables = address(words)
    hart.block_page = hart.block_start = MASK64
    hart.block_due = 1


FIRST_CODE = 64
"""Bytes at the begin of the code cache: entries of the dispatcher and of the helper."""
