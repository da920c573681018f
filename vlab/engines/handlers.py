"""The interpreter's fast paths, as LLVM IR text: one handler per row, threaded by tail calls.

A handler has the hart, its decoded slot, the budget left and the data accesses made (loads in
the low, stores in the high 32 bits) in machine registers, does its work, and jumps to the next
slot's handler. Whatever is rare goes to the row's executor (`vlab/engines/semantics.py`),
lowered from the same source that the reference engine runs.
"""

from __future__ import annotations

from vlab.engines.code_cache import SLOT_BYTES, STEP
from vlab.engines.lowering import Module
from vlab.engines.semantics import executor
from vlab.exits import ExitReason
from vlab.isa.execute import EXIT
from vlab.isa.fields import LOAD, STORE
from vlab.isa.table import INSTRUCTIONS, Instruction
from vlab.state import FAST_ENTRIES, FAST_WORDS, LAYOUT

SIGNATURE = "(ptr %hart, ptr %slot, i64 %budget, i64 %data)"
LOAD_UNIT, STORE_UNIT = 1, 1 << 32


def field(name: str) -> str:
    """Return lines that point ``%<name>.p`` at a field of the hart."""
    return f"  %{name}.p = getelementptr i64, ptr %hart, i64 {LAYOUT[name][0]}\n"


def read(name: str) -> str:
    """Return lines that load a field of the hart into ``%<name>``."""
    return field(name) + f"  %{name} = load i64, ptr %{name}.p\n"


def write(name: str, value: str) -> str:
    """Return lines that store a value in a field of the hart."""
    return field(name) + f"  store i64 {value}, ptr %{name}.p\n"


def operand(name: str, byte: int) -> str:
    """Return lines that load a byte of the slot into ``%<name>``."""
    return f"""  %{name}.s = getelementptr i8, ptr %slot, i64 {byte}
  %{name}.b = load i8, ptr %{name}.s
  %{name} = zext i8 %{name}.b to i64
"""


RD, RS1, RS2 = operand("rd", 8), operand("rs1", 9), operand("rs2", 10)
LENGTH = operand("length", 11)
IMM = """  %imm.s = getelementptr i8, ptr %slot, i64 12
  %imm.w = load i32, ptr %imm.s
  %imm = sext i32 %imm.w to i64
"""
PC = (
    read("page_pc")
    + read("page_slots")
    + """  %slot.i = ptrtoint ptr %slot to i64
  %from = sub i64 %slot.i, %page_slots
  %offset = lshr i64 %from, 3
  %pc = add i64 %page_pc, %offset
"""
)


def register(name: str) -> str:
    """Return lines that load register number ``%<name>`` into ``%<name>.v``."""
    return f"""  %{name}.x = getelementptr i64, ptr %hart, i64 %{name}
  %{name}.v = load i64, ptr %{name}.x
"""


def set_rd(value: str) -> str:
    """Return lines that write a register."""
    return f"""  %rd.x = getelementptr i64, ptr %hart, i64 %rd
  store i64 {value}, ptr %rd.x
"""


def tail(target: str, slot: str = "%slot", budget: str = "%budget", data: str = "%data") -> str:
    """Return the lines of a jump to another handler."""
    return f"""  musttail call void {target}(ptr %hart, ptr {slot}, i64 {budget}, i64 {data})
  ret void
"""


def go_on(slot: str, data: str = "%data", tag: str = "") -> str:
    """Return lines that retire the instruction and jump to the handler of a slot."""
    return f"""  %left{tag} = sub i64 %budget, 1
  %over{tag} = icmp eq i64 %left{tag}, 0
  br i1 %over{tag}, label %stop{tag}, label %go{tag}, !prof !0
go{tag}:
  %h{tag} = load ptr, ptr {slot}
{tail(f"%h{tag}", slot, f"%left{tag}", data)}stop{tag}:
{tail("@stop", slot, "0", data)}"""


def next_slot(data: str = "%data", tag: str = "") -> str:
    """Return lines that retire the instruction and go on with the one behind it."""
    return (
        LENGTH.replace("%length", f"%length{tag}")
        + f"  %next{tag} = getelementptr i8, ptr %slot, i64 %length{tag}\n"
        + go_on(f"%next{tag}", data, tag)
    )


def go_to_pc(target: str, tag: str = "") -> str:
    """Return lines that retire the instruction and go on at a virtual address."""
    return (
        field("pc").replace("%pc.p", f"%pc.p{tag}")
        + f"""  store i64 {target}, ptr %pc.p{tag}
  %left{tag} = sub i64 %budget, 1
{tail("@dispatch", budget=f"%left{tag}")}"""
    )


def define(name: str, body: str, attributes: str = "") -> str:
    """Return the definition of a handler."""
    return f"define internal void @{name}{SIGNATURE} {attributes} {{\n{body}}}\n"


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
        + next_slot(tag=".n")
    )


JUMP_IN_PAGE = """  %distance = shl i64 %imm, 3
  %target = getelementptr i8, ptr %slot, i64 %distance
"""
FAR_TARGET = PC + "  %target = add i64 %pc, %imm\n"


def fast_branch(module: Module, row: Instruction) -> str:
    """A conditional branch: out of the page, and within it."""
    far = FAR_TARGET + go_to_pc("%target")
    near = JUMP_IN_PAGE + go_on("%target", tag=".y")
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
    far = head + "  %target = add i64 %pc, %imm\n" + go_to_pc("%target")
    near = head + JUMP_IN_PAGE + go_on("%target")
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
        + go_on("%target")
        + "far:\n"
        + go_to_pc("%address", ".f")
    )
    return define(f"op.{row.index}", body)


def lookup(tag_word: int, width: int) -> str:
    """Return lines that find ``%host`` for ``%va``, or go to label ``slow``."""
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
  %sum = add i64 %va, %addend
  %host = inttoptr i64 %sum to ptr
"""
    )


def fast_load(module: Module, row: Instruction) -> str:
    """A load that hits the lookup."""
    bits = 8 * row.width
    value = "%raw" if bits == 64 else "%wide"
    widen = "" if bits == 64 else f"  %wide = zext i{bits} %raw to i64\n"
    body = (
        RS1
        + register("rs1")
        + IMM
        + "  %va = add i64 %rs1.v, %imm\n"
        + lookup(0, row.width)
        + RD
        + f"  %raw = load i{bits}, ptr %host, align 1\n{widen}"
        + f"  %result = {meaning(module, row, value=value)}\n"
        + set_rd("%result")
        + f"  %count = add i64 %data, {LOAD_UNIT}\n"
        + next_slot("%count")
        + "slow:\n"
        + tail(f"@slow.{row.index}")
    )
    return define(f"op.{row.index}", body)


def fast_store(module: Module, row: Instruction) -> str:
    """A store that hits the lookup."""
    bits = 8 * row.width
    value = "%rs2.v" if bits == 64 else "%narrow"
    narrow = "" if bits == 64 else f"  %narrow = trunc i64 %rs2.v to i{bits}\n"
    body = (
        RS1
        + register("rs1")
        + IMM
        + "  %va = add i64 %rs1.v, %imm\n"
        + lookup(1, row.width)
        + RS2
        + register("rs2")
        + narrow
        + f"  store i{bits} {value}, ptr %host, align 1\n"
        + f"  %count = add i64 %data, {STORE_UNIT}\n"
        + next_slot("%count")
        + "slow:\n"
        + tail(f"@slow.{row.index}")
    )
    return define(f"op.{row.index}", body)


FAST = {
    "op": fast_op,
    "branch": fast_branch,
    "jal": fast_jal,
    "jalr": fast_jalr,
    "load": fast_load,
    "store": fast_store,
}


def slow(module: Module, row: Instruction) -> str:
    """Return the slow handler of a row: its executor, then dispatch from ``pc``."""
    body = (
        "  call void @synchronize(ptr %hart, ptr %slot, i64 %budget, i64 %data)\n"
        + RD
        + RS1
        + RS2
        + IMM
    )
    if row.kind in ("load", "store"):
        body += register("rs1") + "  %va = add i64 %rs1.v, %imm\n"
    name = module.name_of(EXECUTORS[row.index])
    body += (
        f"  %status = call i64 {name}(ptr %hart, i64 %rd, i64 %rs1, i64 %rs2, i64 %imm)\n"
        f"  %exits = icmp eq i64 %status, {EXIT}\n"
        "  br i1 %exits, label %leave, label %stay\nstay:\n"
    )
    if row.kind in ("load", "store"):
        access = LOAD if row.kind == "load" else STORE
        body += (
            f"  call i64 @py.after_access(ptr %hart, i64 %va, i64 {access}, i64 {row.width})\n"
        )
    body += tail("@after", data="0") + "leave:\n  ret void\n"
    return define(f"slow.{row.index}", body, "noinline cold")


EXECUTORS = [executor(row) for row in INSTRUCTIONS]

COMMON = (
    define(
        "synchronize",
        PC
        + write("pc", "%pc").replace("%pc.p", "%pc.q")
        + write("budget", "%budget")
        + LENGTH
        + "  call void @count(ptr %hart, i64 %data)\n  %bytes = lshr i64 %length, 3\n"
        + field("length").replace("%length.p", "%length.q")
        + "  store i64 %bytes, ptr %length.q\n"
        + read("page_bits")
        + """  %at = add i64 %page_bits, %offset
  %raw.p = inttoptr i64 %at to ptr
  %short = load i16, ptr %raw.p, align 1
  %low = zext i16 %short to i64
  %is4 = icmp eq i64 %bytes, 4
  br i1 %is4, label %four, label %two
four:
  %rest.p = getelementptr i8, ptr %raw.p, i64 2
  %rest = load i16, ptr %rest.p, align 1
  %high = zext i16 %rest to i64
  %shifted = shl i64 %high, 16
  %both = or i64 %low, %shifted
  br label %two
two:
  %raw = phi i64 [ %low, %0 ], [ %both, %four ]
"""
        + write("bits", "%raw")
        + "  ret void\n",
        "noinline",
    )
    + define(
        "stop",
        PC
        + write("pc", "%pc").replace("%pc.p", "%pc.q")
        + write("budget", "%budget")
        + "  call void @count(ptr %hart, i64 %data)\n"
        + write("exit_reason", str(int(ExitReason.BUDGET)))
        + "  ret void\n",
        "noinline cold",
    )
    + define(
        "after",
        read("mip")
        + read("lines")
        + read("mie")
        + read("budget").replace("%budget", "%left")
        + """  %pending = or i64 %mip, %lines
  %ready = and i64 %pending, %mie
  %none = icmp eq i64 %ready, 0
  br i1 %none, label %on, label %check
check:
  %spent = icmp eq i64 %left, 0
  br i1 %spent, label %on, label %interrupt
interrupt:
  %status = call i64 @py.check_interrupt(ptr %hart)
  %exits = icmp eq i64 %status, 1
  br i1 %exits, label %leave, label %reload
reload:
  %less = load i64, ptr %left.p
  br label %on
on:
  %b = phi i64 [ %left, %0 ], [ %left, %check ], [ %less, %reload ]
"""
        + tail("@dispatch", budget="%b", data="0")
        + "leave:\n  ret void\n",
        "noinline",
    )
    + define(
        "dispatch",
        "  %over = icmp eq i64 %budget, 0\n  br i1 %over, label %stop, label %go, !prof !0\ngo:\n"
        + read("pc")
        + read("fetch_set")
        + f"""  %page = lshr i64 %pc, 12
  %index = and i64 %page, {FAST_ENTRIES - 1}
  %scaled = mul i64 %index, {FAST_WORDS}
  %word = add i64 %fetch_set, %scaled
  %entry = getelementptr i64, ptr %hart, i64 %word
  %tag.p = getelementptr i64, ptr %entry, i64 2
  %tag = load i64, ptr %tag.p
  %base = and i64 %pc, -4096
  %hit = icmp eq i64 %tag, %base
  br i1 %hit, label %fast, label %slow, !prof !1
fast:
  %addend.p = getelementptr i64, ptr %entry, i64 3
  %addend = load i64, ptr %addend.p
  %host = add i64 %base, %addend
"""
        + read("ram_pointer")
        + read("code_map")
        + """  %from = sub i64 %host, %ram_pointer
  %number = lshr i64 %from, 12
  %eight = shl i64 %number, 3
  %map = add i64 %code_map, %eight
  %map.p = inttoptr i64 %map to ptr
  %slots = load i64, ptr %map.p
  %known = icmp ne i64 %slots, 0
  br i1 %known, label %enter, label %slow, !prof !1
enter:
"""
        + write("page_pc", "%base")
        + write("page_slots", "%slots")
        + write("page_bits", "%host")
        + """  %low = and i64 %pc, 4095
  %place = shl i64 %low, 3
  %to = add i64 %slots, %place
  %target = inttoptr i64 %to to ptr
  %h = load ptr, ptr %target
"""
        + tail("%h", "%target")
        + "slow:\n"
        + tail("@enter")
        + "stop:\n"
        + field("exit_reason")
        + field("budget")
        + f"""  store i64 0, ptr %budget.p
  store i64 {int(ExitReason.BUDGET)}, ptr %exit_reason.p
  call void @count(ptr %hart, i64 %data)
  ret void
""",
    )
    + define(
        "enter",
        write("budget", "%budget")
        + f"""  call void @count(ptr %hart, i64 %data)
  %status = call i64 @py.enter_page(ptr %hart)
  switch i64 %status, label %on [ i64 {EXIT}, label %leave i64 {STEP}, label %single ]
on:
  %left = load i64, ptr %budget.p
"""
        + tail("@dispatch", budget="%left", data="0")
        + """single:
  %done = call i64 @py.step(ptr %hart)
  %exits = icmp eq i64 %done, 1
  br i1 %exits, label %leave, label %stay
stay:
"""
        + tail("@after", data="0")
        + "leave:\n  ret void\n",
        "noinline",
    )
    + """define internal void @count(ptr %hart, i64 %data) {
"""
    + read("loads")
    + """  %l = and i64 %data, 4294967295
  %loads.n = add i64 %loads, %l
  store i64 %loads.n, ptr %loads.p
"""
    + read("stores")
    + """  %s = lshr i64 %data, 32
  %stores.n = add i64 %stores, %s
  store i64 %stores.n, ptr %stores.p
  ret void
}
"""
    + define(
        "decode",
        PC
        + """  %slot.n = ptrtoint ptr %slot to i64
  %ignored = call i64 @py.decode_slot(ptr %hart, i64 %slot.n, i64 %offset)
  %h = load ptr, ptr %slot
"""
        + tail("%h"),
        "noinline",
    )
    + define(
        "illegal",
        "  call void @synchronize(ptr %hart, ptr %slot, i64 %budget, i64 %data)\n"
        "  %status = call i64 @py.illegal(ptr %hart)\n"
        "  %exits = icmp eq i64 %status, 1\n  br i1 %exits, label %leave, label %stay\nstay:\n"
        + tail("@after", data="0")
        + "leave:\n  ret void\n",
        "noinline",
    )
    + define(
        "cross",
        PC
        + write("pc", "%pc").replace("%pc.p", "%pc.q")
        + write("budget", "%budget")
        + """  call void @count(ptr %hart, i64 %data)
  %status = call i64 @py.step(ptr %hart)
  %exits = icmp eq i64 %status, 1
  br i1 %exits, label %leave, label %stay
stay:
"""
        + tail("@after", data="0")
        + "leave:\n  ret void\n",
        "noinline",
    )
    + define(
        "next_page",
        read("page_pc")
        + "  %following = add i64 %page_pc, 4096\n"
        + write("pc", "%following")
        + tail("@dispatch"),
    )
    + f"""define i64 @run(ptr %hart) {{
  %status = call i64 @py.check_interrupt(ptr %hart)
  %exits = icmp eq i64 %status, 1
  br i1 %exits, label %leave, label %start
start:
{read("budget")}  call void @dispatch(ptr %hart, ptr null, i64 %budget, i64 0)
  br label %leave
leave:
  %settled = call i64 @py.settle(ptr %hart)
{read("exit_reason")}  ret i64 %exit_reason
}}
!0 = !{{!"branch_weights", i32 1, i32 100000}}
!1 = !{{!"branch_weights", i32 100000, i32 1}}
"""
)

assert SLOT_BYTES == 16  # the shifts by 3 above: 16 bytes a halfword
