"""The interpreter's fast paths, as LLVM IR text: one handler per row, threaded by tail calls.

A handler does its work and jumps to the next slot's handler. Whatever is rare goes to the
row's executor (`vlab/engines/semantics.py`), lowered from the same source that the reference
engine runs.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType

from vlab.engines.atomics import ACCESSES, TEMPLATES, atomics, exchange
from vlab.engines.code_cache import refetch, walk_other, walk_usual
from vlab.engines.csrs import access, by_immediate, writes_always
from vlab.engines.ir_text import (
    IMM,
    LENGTH,
    PC,
    RD,
    RS1,
    RS2,
    define,
    go_on,
    go_to_pc,
    next_slot,
    read,
    register,
    set_rd,
    tail,
    write,
)
from vlab.engines.lowering import Module
from vlab.engines.semantics import executor
from vlab.engines.walk_cache import EVICTED_CODE, refresh_walks
from vlab.isa.execute import EXIT
from vlab.isa.fields import LOAD
from vlab.isa.table import INSTRUCTIONS, ON_CHANGE, Instruction
from vlab.state import FAST_ENTRIES, FAST_WORDS

LOAD_UNIT, STORE_UNIT = 1, 1 << 32
ATOMIC_VA = "  %va = add i64 %rs1.v, 0\n"


def meaning(module: Module, row: Instruction, **values: str) -> str:
    """Return a call of the row's meaning on IR values."""
    names = row.meaning.__code__.co_varnames[: row.meaning.__code__.co_argcount]
    words = ", ".join(f"i64 {values[n]}" for n in names)
    return f"call i64 {module.name_of(row.meaning, 'alwaysinline')}({words})"


def fast_op(module: Module, row: Instruction) -> str:
    """Arithmetic: operands, meaning, result."""
    names = row.meaning.__code__.co_varnames[: row.meaning.__code__.co_argcount]
    body = RD
    values = {}
    for name in names:
        body += {"rs1": RS1 + register("rs1"), "rs2": RS2 + register("rs2"), "imm": IMM, "pc": PC}[
            name
        ]
        values[name] = f"%{name}.v" if name.startswith("rs") else f"%{name}"
    body += f"  %result = {meaning(module, row, **values)}\n" + set_rd("%result")
    return define(f"op.{row.index}", body + next_slot())


def branch_body(module: Module, row: Instruction, taken: str) -> str:
    """Return a conditional branch that goes to the lines ``taken`` if its condition holds."""
    return (
        RS1
        + register("rs1")
        + RS2
        + register("rs2")
        + IMM
        + f"  %holds = {meaning(module, row, rs1='%rs1.v', rs2='%rs2.v')}\n"
        + "  %taken = icmp ne i64 %holds, 0\n  br i1 %taken, label %yes, label %no\n"
        + "yes:\n"
        + taken
        + "no:\n"
        + next_slot(tag=".n", blocks=module.blocks)
    )


JUMP_IN_PAGE = """  %distance = shl i64 %imm, 3
  %target = getelementptr i8, ptr %slot, i64 %distance
"""
FAR_TARGET = PC + "  %target = add i64 %pc, %imm\n"


def fast_branch(module: Module, row: Instruction) -> str:
    """A conditional branch: out of the page, and within it."""
    far = FAR_TARGET + go_to_pc("%target", blocks=module.blocks)
    near = JUMP_IN_PAGE + go_on("%target", tag=".y", heat=module.heat, blocks=module.blocks)
    return define(f"op.{row.index}", branch_body(module, row, far)) + define(
        f"near.{row.index}", branch_body(module, row, near)
    )


LINK = (
    LENGTH
    + """  %bytes = lshr i64 %length, 3
  %link = add i64 %pc, %bytes
"""
    + set_rd("%link")
)


def fast_jal(module: Module, row: Instruction) -> str:
    """A jump: out of the page, and within it."""
    head = RD + IMM + PC + LINK
    far = head + "  %target = add i64 %pc, %imm\n" + go_to_pc("%target", blocks=module.blocks)
    near = head + JUMP_IN_PAGE + go_on("%target", heat=module.heat, blocks=module.blocks)
    return define(f"op.{row.index}", far) + define(f"near.{row.index}", near)


def fast_jalr(module: Module, row: Instruction) -> str:
    """An indirect jump; a target in the same page needs no lookup."""
    body = (
        RD
        + RS1
        + register("rs1")
        + IMM
        + PC
        + """  %sum = add i64 %rs1.v, %imm
  %address = and i64 %sum, -2
"""
        + LINK
        + """  %apart = sub i64 %address, %page_pc
  %same = icmp ult i64 %apart, 4096
  br i1 %same, label %near, label %far
near:
  %place = shl i64 %apart, 3
  %to = add i64 %page_slots, %place
  %target = inttoptr i64 %to to ptr
"""
        + go_on("%target", heat=module.heat, blocks=module.blocks)
        + "far:\n"
        + go_to_pc("%address", ".f", module.blocks)
    )
    return define(f"op.{row.index}", body)


def lookup(tag_word: int, width: int) -> str:
    """Return lines that find the ``%addend`` of ``%va``, or go to label ``slow``."""
    return (
        read("data_set")
        + f"""  %page = lshr i64 %va, 12
  %index = and i64 %page, {FAST_ENTRIES - 1}
  %scaled = mul i64 %index, {FAST_WORDS}
  %word = add i64 %data_set, %scaled
  %entry = getelementptr i64, ptr %hart, i64 %word
  %tag.p = getelementptr i64, ptr %entry, i64 {tag_word}
  %tag = load i64, ptr %tag.p
  %masked = and i64 %va, {-4096 + width - 1}
  %hit = icmp eq i64 %tag, %masked
  br i1 %hit, label %fast, label %slow, !prof !1
fast:
  %addend.p = getelementptr i64, ptr %entry, i64 3
  %addend = load i64, ptr %addend.p
"""
    )


def host_address(addend: str = "%addend") -> str:
    """Return lines that compute ``%host`` of ``%va``, also as a number ``%sum``."""
    return f"""  %sum = add i64 %va, {addend}
  %host = inttoptr i64 %sum to ptr
"""


def fast_access(module: Module, row: Instruction) -> str:
    """A load, store or atomic that hits the lookup."""
    reads = ACCESSES[row.kind] == LOAD
    body = (
        virtual_address(row)
        + lookup(0 if reads else 1, row.width)
        + access_with(module, row)
        + "slow:\n"
        + tail(f"@slow.{row.index}")
    )
    return define(f"op.{row.index}", body)


def virtual_address(row: Instruction) -> str:
    """Return lines that compute the address ``%va`` of an access."""
    if row.kind in ("load", "store"):
        return RS1 + register("rs1") + IMM + "  %va = add i64 %rs1.v, %imm\n"
    return RS1 + register("rs1") + ATOMIC_VA


def load(module: Module, row: Instruction) -> str:
    """Return lines that load from ``%host``, and go on."""
    bits = 8 * row.width
    value = "%raw" if bits == 64 else "%wide"
    widen = "" if bits == 64 else f"  %wide = zext i{bits} %raw to i64\n"
    return (
        RD
        + f"  %raw = load i{bits}, ptr %host, align 1\n{widen}"
        + f"  %result = {meaning(module, row, value=value)}\n"
        + set_rd("%result")
        + f"  %count = add i64 %data, {LOAD_UNIT}\n"
        + next_slot("%count")
    )


def store(module: Module, row: Instruction) -> str:
    """Return lines that store to ``%host``, and go on."""
    bits = 8 * row.width
    value = "%rs2.v" if bits == 64 else "%narrow"
    narrow = "" if bits == 64 else f"  %narrow = trunc i64 %rs2.v to i{bits}\n"
    return (
        RS2
        + register("rs2")
        + narrow
        + f"  store i{bits} {value}, ptr %host, align 1\n"
        + f"  %count = add i64 %data, {STORE_UNIT}\n"
        + next_slot("%count")
    )


def atomic(module: Module, row: Instruction) -> str:
    """Return lines that carry out an atomic at the address ``%sum``, and go on."""
    return (
        RS2
        + register("rs2")
        + RD
        + f"  %result = {exchange(module, row, '%sum', '%rs2.v')}\n"
        + set_rd("%result")
        + f"  %count = add i64 %data, {LOAD_UNIT if ACCESSES[row.kind] == LOAD else STORE_UNIT}\n"
        + next_slot("%count")
    )


ACCESS = {"load": load, "store": store, "lr": atomic, "sc": atomic, "amo": atomic}


def fast_fence(module: Module, row: Instruction) -> str:
    """A fence: a hart that sees its own stores, and is alone, has nothing to do."""
    return define(f"op.{row.index}", next_slot())


def fast(module: Module, row: Instruction) -> str | None:
    """Return the fast handler of a row, None if it has none."""
    if row.kind in TEMPLATES and row not in atomics():
        return None
    if row.kind in ("fence", "csr") and module.blocks:
        return None  # the emulated translator may end a block there
    maker = FAST.get(row.kind)
    return maker(module, row) if maker else None


def fast_csr(module: Module, row: Instruction) -> str:
    """An access to a CSR that changes nothing but the CSR."""
    source, place = ("%rs1", "") if by_immediate(row) else ("%rs1.v", register("rs1"))
    writes = "1" if writes_always(row) else "%rs1"
    body = (
        RS1
        + place
        + IMM
        + write("budget", "%budget")
        + f"  %done = {access(module, row, '%imm', writes, source)}\n"
        + "  %quick = icmp ne i64 %done, 0\n  br i1 %quick, label %fast, label %slow\nfast:\n"
        + RD
        + read("value")
        + set_rd("%value")
        + next_slot()
        + "slow:\n"
        + tail(f"@slow.{row.index}")
    )
    return define(f"op.{row.index}", body)


FAST = {
    "op": fast_op,
    "branch": fast_branch,
    "jal": fast_jal,
    "jalr": fast_jalr,
    **dict.fromkeys(ACCESS, fast_access),
    "fence": fast_fence,
    "csr": fast_csr,
}


def address_parts(row: Instruction) -> str:
    """Return lines that compute what a remembered walk is looked up by."""
    return (
        virtual_address(row)
        + f"""  %masked = and i64 %va, {-4096 + (row.width or 8) - 1}
  %stores = lshr i64 %data, 32
"""
    )


def access_with(module: Module, row: Instruction, addend: str = "%addend") -> str:
    """Return lines that carry an access out and go on; ``addend`` leads to the host's address."""
    return host_address(addend) + ACCESS[row.kind](module, row)


def slow(module: Module, row: Instruction) -> str:
    """Return what is carried out slowly; an access, unless a remembered walk leads to its place.

    What more there is to do is in handlers of their own: so this one has few registers to save.
    """
    if row.kind not in ACCESSES or not fast(module, row):
        return define(f"slow.{row.index}", slowly(module, row), "noinline cold")
    loads = ACCESSES[row.kind] == LOAD
    body = by_walk(module, row, access_with(module, row), f"refresh.{row.index}")
    refresh = f"  %done = call i64 {module.name_of(refresh_walks, 'noinline cold')}(ptr %hart)\n"
    parts = {
        "slow": body,
        "refresh": refresh + tail(f"@slow.{row.index}"),
        "unserved": unserved(module, row),
        "slowly": slowly(module, row),
    } | ({"evicted": evicted(module, row)} if loads else {})
    return "".join(
        define(f"{name}.{row.index}", lines, "noinline cold") for name, lines in parts.items()
    )


def by_walk(module: Module, row: Instruction, walked: str, refresh: str) -> str:
    """Return lines that go on with ``walked`` if a remembered walk gives the ``%addend``.

    ``refresh``: the handler that goes on if there may be none that is true.
    """
    access = ACCESSES[row.kind]
    arguments = f"ptr %hart, i64 %va, i64 %masked, i64 {access}, i64 %stores"
    return (
        read("walk_stale")
        + """  %stale = icmp ne i64 %walk_stale, 0
  br i1 %stale, label %refresh, label %walk, !prof !0
walk:
"""
        + address_parts(row)
        + f"""  %addend = call i64 {module.name_of(walk_usual, "alwaysinline")}({arguments})
  %served = icmp ugt i64 %addend, {EVICTED_CODE}
  br i1 %served, label %walked, label %else
else:
  %gone = icmp eq i64 %addend, {EVICTED_CODE}
  br i1 %gone, label %evicted, label %unserved
walked:
"""
        + walked
        + "refresh:\n"
        + tail(f"@{refresh}")
        + "unserved:\n"
        + tail(f"@unserved.{row.index}")
        + "evicted:\n"
        + tail(f"@{'evicted' if access == LOAD else 'slowly'}.{row.index}")
    )


def unserved(module: Module, row: Instruction) -> str:
    """Return lines that try again as is done where the TLB has another number of ways."""
    access = ACCESSES[row.kind]
    arguments = f"ptr %hart, i64 %va, i64 %masked, i64 {access}, i64 %stores"
    return (
        address_parts(row)
        + f"""  %addend = call i64 {module.name_of(walk_other, "noinline cold")}({arguments})
  switch i64 %addend, label %walked [ i64 0, label %slowly i64 {EVICTED_CODE}, label %evicted ]
walked:
"""
        + access_with(module, row)
        + "slowly:\n"
        + tail(f"@slowly.{row.index}")
        + "evicted:\n"
        + tail(f"@{'evicted' if access == LOAD else 'slowly'}.{row.index}")
    )


def evicted(module: Module, row: Instruction) -> str:
    """Return lines that go on after a load that has evicted the page being executed.

    They need an instruction behind it in the page, and one of the budget for it.
    """
    return (
        virtual_address(row)
        + LENGTH.replace("%length", "%long")
        + PC
        + f"""  %bytes = lshr i64 %long, 3
  %behind = add i64 %offset, %bytes
  %inside = icmp ult i64 %behind, 4096
  %more = icmp ugt i64 %budget, 1
  %may = and i1 %inside, %more
  br i1 %may, label %refetch, label %slowly
refetch:
  %stores = lshr i64 %data, 32
{read("walk_stamp")}  %stamp = add i64 %walk_stamp, %stores
  %addend = call i64 {module.name_of(refetch, "noinline cold")}(ptr %hart, i64 %va, i64 %stamp)
  %fetched = icmp ne i64 %addend, 0
  br i1 %fetched, label %walked, label %slowly
walked:
"""
        + access_with(module, row)
        + "slowly:\n"
        + tail(f"@slowly.{row.index}")
    )


def slowly(module: Module, row: Instruction) -> str:
    """Return the body of a slow handler."""
    body = (
        "  call void @synchronize(ptr %hart, ptr %slot, i64 %budget, i64 %data)\n"
        + RD
        + RS1
        + RS2
        + IMM
    )
    if row.kind in ACCESSES:
        body += register("rs1") + "  %va = add i64 %rs1.v, %imm\n"
    name = module.name_of(executors()[row.index])
    body += (
        f"  %status = call i64 {name}(ptr %hart, i64 %rd, i64 %rs1, i64 %rs2, i64 %imm)\n"
        f"{note_end(module, row)}"
        f"  %exits = icmp eq i64 %status, {EXIT}\n"
        "  br i1 %exits, label %leave, label %stay\nstay:\n"
    )
    if row.kind in ACCESSES:
        access, width = ACCESSES[row.kind], row.width or 8
        body += f"  call i64 @py.after_access(ptr %hart, i64 %va, i64 {access}, i64 {width})\n"
    return body + tail("@after", data="0") + "leave:\n  ret void\n"


def note_end(module: Module, row: Instruction) -> str:
    """Return lines that tell the emulated translator, if there is one, of a block's end."""
    if not module.blocks:
        return ""
    from vlab.engines.block_tables import BRANCH, kind_of

    call = "  %noted = call i64 @py.ended(ptr %hart, i64 %status)\n"
    return call if kind_of(row) >= BRANCH else ""


@cache
def executors() -> list[FunctionType]:
    """Return the function that executes each row."""
    return [executor(row) for row in INSTRUCTIONS]


ON_CHANGE.append(executors.cache_clear)
