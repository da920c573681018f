"""Stencils: each row's machine code with holes (Xu & Kjolstad 2021, "Copy-and-Patch").

A stencil is a function of LLVM IR made from the same meaning as the interpreter's handler.
Its operands are the addresses of symbols that do not exist: the relocations that LLVM emits
for them are the holes. It ends in a jump to the next stencil, which lies behind it. The
signature is a handler's, so that the interpreter enters a translated block, and a block
leaves for the interpreter, by the address in a slot.
"""

from __future__ import annotations

from collections.abc import Iterator

from vlab.engines.atomics import ACCESSES, exchange
from vlab.engines.csrs import COUNTERS, PLACES, access, by_immediate, known_beforehand
from vlab.engines.handlers import LOAD_UNIT, STORE_UNIT, host_address, lookup, meaning
from vlab.engines.ir_text import SIGNATURE, field, read
from vlab.engines.lowering import Module
from vlab.isa.fields import LOAD
from vlab.isa.table import BY_NAME, Instruction, standard_rows

HOLES = (
    "rd", "rs1", "rs2", "imm", "offset", "link", "delta", "target", "rest", "loads", "stores",
    "length", "handler", "next",
)  # fmt: skip
"""What is patched: byte offsets of registers in the record, the immediate, the offset in the
page of the instruction and of the one behind it, slot distances from the block's head (of the
instruction, of a branch's target), instructions and accesses from here to the block's end, the
block's length, the byte offset of a handler in the table, and the next stencil."""

ENTRY, LEAVE = "entry", "leave"
NEAR = "near"


def hole(name: str) -> str:
    """Return the IR constant that becomes a hole."""
    return f"ptrtoint (ptr @hole.{name} to i64)"


def declarations() -> str:
    """Return the symbols: each may be any signed 32-bit number."""
    range_ = "!0 = !{i64 -2147483648, i64 2147483648}\n"
    data = "".join(
        f"@hole.{name} = external dso_local global i8, !absolute_symbol !0\n"
        for name in HOLES
        if name != "next"
    )
    weights = '!1 = !{!"branch_weights", i32 100000, i32 1}\n'
    return f"{data}declare dso_local void @hole.next{SIGNATURE}\n{range_}{weights}"


def register(name: str) -> str:
    """Return lines that load a register whose place in the record is a hole."""
    return f"""  %{name}.x = getelementptr i8, ptr %hart, i64 {hole(name)}
  %{name}.v = load i64, ptr %{name}.x
"""


def set_rd(value: str) -> str:
    """Return lines that write the destination register."""
    return f"""  %rd.x = getelementptr i8, ptr %hart, i64 {hole("rd")}
  store i64 {value}, ptr %rd.x
"""


def jump(target: str, slot: str = "%slot", budget: str = "%budget", data: str = "%data") -> str:
    """Return lines that jump to code with a handler's signature."""
    return f"""  musttail call void {target}(ptr %hart, ptr {slot}, i64 {budget}, i64 {data})
  ret void
"""


def into_slot(distance: str, budget: str = "%budget", data: str = "%data") -> str:
    """Return lines that go on at a slot so many bytes from the block's head."""
    return f"""  %to = getelementptr i8, ptr %slot, i64 {hole(distance)}
  %h = load ptr, ptr %to
{jump("%h", "%to", budget, data)}"""


def by_table() -> str:
    """Return lines that load a handler from the table at a hole."""
    return f"""{read("handlers")}  %entry.i = add i64 %handlers, {hole("handler")}
  %entry.p = inttoptr i64 %entry.i to ptr
  %h = load ptr, ptr %entry.p
"""


GIVE_BACK = f"""  %b = add i64 %budget, {hole("rest")}
  %d1 = sub i64 %data, {hole("loads")}
  %ds = shl i64 {hole("stores")}, 32
  %d = sub i64 %d1, %ds
"""
"""Lines that undo what the block's entry counted in advance from here to its end."""


def define(name: str, body: str) -> str:
    """Return a stencil, in a section of its own."""
    return f'define void @st.{name}{SIGNATURE} section ".st.{name}" {{\n{body}}}\n'


def entry() -> str:
    """Count the whole block in advance; too little budget is left to the interpreter."""
    body = f"""  %enough = icmp ugt i64 %budget, {hole("length")}
  br i1 %enough, label %go, label %bail, !prof !1
go:
  %b = sub i64 %budget, {hole("length")}
  %d1 = add i64 %data, {hole("loads")}
  %ds = shl i64 {hole("stores")}, 32
  %d = add i64 %d1, %ds
{jump("@hole.next", budget="%b", data="%d")}bail:
{by_table()}{jump("%h")}"""
    return define(ENTRY, body)


def leave() -> str:
    """End the block: what follows is the interpreter's, or another block's."""
    return define(LEAVE, into_slot("delta"))


def operation(module: Module, row: Instruction) -> str:
    """Arithmetic."""
    names = row.meaning.__code__.co_varnames[: row.meaning.__code__.co_argcount]
    body, values = "", {}
    for name in names:
        if name == "pc":
            body += read("page_pc") + f"  %pc = add i64 %page_pc, {hole('offset')}\n"
            values[name] = "%pc"
        elif name == "imm":
            values[name] = hole("imm")
        else:
            body += register(name)
            values[name] = f"%{name}.v"
    body += f"  %result = {meaning(module, row, **values)}\n" + set_rd("%result")
    return define(str(row.index), body + jump("@hole.next"))


def far(target: str) -> str:
    """Return lines that go on at a virtual address, by dispatch."""
    return field("pc") + f"  store i64 {target}, ptr %pc.p\n" + by_table()


def branch(module: Module, row: Instruction) -> str:
    """A conditional branch, out of the page and within it; not taken, the block goes on."""
    head = (
        register("rs1")
        + register("rs2")
        + f"  %holds = {meaning(module, row, rs1='%rs1.v', rs2='%rs2.v')}\n"
        + "  %taken = icmp ne i64 %holds, 0\n  br i1 %taken, label %yes, label %no\nyes:\n"
        + GIVE_BACK
    )
    tail = "no:\n" + jump("@hole.next")
    away = (
        read("page_pc")
        + f"  %here = add i64 %page_pc, {hole('offset')}\n  %goal = add i64 %here, {hole('imm')}\n"
        + far("%goal")
        + jump("%h", budget="%b", data="%d")
    )
    near = into_slot("target", "%b", "%d")
    return define(str(row.index), head + away + tail) + define(
        f"{NEAR}.{row.index}", head + near + tail
    )


LINK = read("page_pc") + f"  %back = add i64 %page_pc, {hole('link')}\n" + set_rd("%back")


def jal(module: Module, row: Instruction) -> str:
    """A jump, out of the page and within it: ends the block."""
    away = (
        LINK
        + f"  %here = add i64 %page_pc, {hole('offset')}\n  %goal = add i64 %here, {hole('imm')}\n"
        + far("%goal")
        + jump("%h")
    )
    return define(str(row.index), away) + define(f"{NEAR}.{row.index}", LINK + into_slot("target"))


def jalr(module: Module, row: Instruction) -> str:
    """An indirect jump: ends the block; a target in the page needs no lookup if it is translated.

    (Dispatch counts how often the others are reached.)
    """
    body = (
        register("rs1")
        + f"  %sum = add i64 %rs1.v, {hole('imm')}\n  %goal = and i64 %sum, -2\n"
        + LINK
        + read("page_slots")
        + f"""  %apart = sub i64 %goal, %page_pc
  %same = icmp ult i64 %apart, 4096
  br i1 %same, label %near, label %away
near:
  %place = shl i64 %apart, 3
  %at = add i64 %page_slots, %place
  %to = inttoptr i64 %at to ptr
  %n = load ptr, ptr %to
{read("jit_pool")}{read("jit_limit")}  %n.i = ptrtoint ptr %n to i64
  %n.from = sub i64 %n.i, %jit_pool
  %n.block = icmp ult i64 %n.from, %jit_limit
  br i1 %n.block, label %inside, label %away, !prof !1
inside:
{jump("%n", "%to")}away:
{far("%goal")}{jump("%h")}"""
    )
    return define(str(row.index), body)


SLOW = f"""slow:
{GIVE_BACK}  %own = getelementptr i8, ptr %slot, i64 {hole("delta")}
{by_table()}{jump("%h", "%own", "%b", "%d")}"""


def load(module: Module, row: Instruction) -> str:
    """A load; what misses the lookup goes to the row's slow handler."""
    bits = 8 * row.width
    wide = "%raw" if bits == 64 else "%wide"
    widen = "" if bits == 64 else f"  %wide = zext i{bits} %raw to i64\n"
    body = (
        register("rs1")
        + f"  %va = add i64 %rs1.v, {hole('imm')}\n"
        + lookup(0, row.width)
        + host_address()
        + f"  %raw = load i{bits}, ptr %host, align 1\n{widen}"
        + f"  %result = {meaning(module, row, value=wide)}\n"
        + set_rd("%result")
        + jump("@hole.next")
        + SLOW
    )
    return define(str(row.index), body)


def store(module: Module, row: Instruction) -> str:
    """A store; what misses the lookup goes to the row's slow handler."""
    bits = 8 * row.width
    value = "%rs2.v" if bits == 64 else "%narrow"
    narrow = "" if bits == 64 else f"  %narrow = trunc i64 %rs2.v to i{bits}\n"
    body = (
        register("rs1")
        + f"  %va = add i64 %rs1.v, {hole('imm')}\n"
        + lookup(1, row.width)
        + host_address()
        + register("rs2")
        + narrow
        + f"  store i{bits} {value}, ptr %host, align 1\n"
        + jump("@hole.next")
        + SLOW
    )
    return define(str(row.index), body)


def atomic(module: Module, row: Instruction) -> str:
    """An atomic; what misses the lookup goes to the row's slow handler."""
    body = (
        register("rs1")
        + "  %va = add i64 %rs1.v, 0\n"
        + lookup(0 if ACCESSES[row.kind] == LOAD else 1, row.width)
        + host_address()
        + register("rs2")
        + f"  %result = {exchange(module, row, '%sum', '%rs2.v')}\n"
        + set_rd("%result")
        + jump("@hole.next")
        + SLOW
    )
    return define(str(row.index), body)


def fence(module: Module, row: Instruction) -> str:
    """A fence: nothing to do."""
    return define(str(row.index), jump("@hole.next"))


READ = 0
"""In place of a row's funct3: an access that reads only."""


def csr_access(module: Module, row: Instruction, place: int, what: int) -> str:
    """An access to one of `PLACES`; what does more than it can tell goes to the slow handler."""
    csr, body, source = PLACES[place], "", "0"
    if what != READ:
        source = hole("imm") if by_immediate(row) else "%rs1.v"
        body += "" if by_immediate(row) else register("rs1")
    if csr in COUNTERS:
        now = f"  %now = add i64 %budget, {hole('rest')}\n"
        body += now + field("budget") + "  store i64 %now, ptr %budget.p\n"
    body += (
        f"  %done = {access(module, row, str(int(csr)), str(int(what != READ)), source)}\n"
        + "  %quick = icmp ne i64 %done, 0\n  br i1 %quick, label %fast, label %slow, !prof !1\n"
        + "fast:\n"
        + read("value")
        + set_rd("%value")
        + jump("@hole.next")
        + SLOW
    )
    return define(f"csr.{place}.{what}", body)


def csr_accesses(module: Module) -> Iterator[str]:
    """Return the stencils of accesses to CSRs: one that reads, and one a row that writes."""
    known_beforehand(module)
    rows = [row for row in standard_rows() if row.kind == "csr"]
    for place, csr in enumerate(PLACES):
        yield csr_access(module, BY_NAME["csrrs"], place, READ)
        for row in rows if csr not in COUNTERS else ():
            yield csr_access(module, row, place, row.match >> 12 & 7)


KINDS = {
    "op": operation, "branch": branch, "jal": jal, "jalr": jalr, "load": load, "store": store,
    "lr": atomic, "sc": atomic, "amo": atomic, "fence": fence,
}  # fmt: skip

assert (LOAD_UNIT, STORE_UNIT) == (1, 1 << 32)  # how `loads` and `stores` are counted


def generate(module: Module) -> str:
    """Return all stencils as LLVM IR text."""
    module.chunks.append(declarations() + entry() + leave())
    module.chunks += csr_accesses(module)
    for row in standard_rows():
        if row.kind in KINDS:
            module.chunks.append(KINDS[row.kind](module, row))
    return module.text()
