"""Pieces of LLVM IR text that the interpreter's handlers are made of.

In a handler ``%hart`` is the record, ``%slot`` the decoded instruction, ``%budget`` the
instructions left and ``%data`` the accesses made: loads in the low, stores in the high 32 bits.
"""

from __future__ import annotations

from vlab.engines.code_page import COUNTERS
from vlab.state import LAYOUT

SIGNATURE = "(ptr %hart, ptr %slot, i64 %budget, i64 %data)"


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


def warmer(heat: int, slot: str, left: str, data: str, tag: str = "") -> str:
    """Return lines that count a taken branch to a slot; the ``heat``-th has it translated.

    None if ``heat`` is 0: the interpreter is alone.
    """
    if heat == 0:
        return ""
    slots = read("page_slots").replace("%page_slots", f"%w.page_slots{tag}")
    return f"""{slots}  %w.to{tag} = ptrtoint ptr {slot} to i64
  %w.from{tag} = sub i64 %w.to{tag}, %w.page_slots{tag}
  %w.half{tag} = lshr i64 %w.from{tag}, 3
  %w.base{tag} = add i64 %w.page_slots{tag}, {COUNTERS}
  %w.at{tag} = add i64 %w.base{tag}, %w.half{tag}
  %w.p{tag} = inttoptr i64 %w.at{tag} to ptr
  %w.old{tag} = load i16, ptr %w.p{tag}
  %w.warm{tag} = icmp ult i16 %w.old{tag}, {heat}
  br i1 %w.warm{tag}, label %w.count{tag}, label %w.on{tag}
w.count{tag}:
  %w.new{tag} = add i16 %w.old{tag}, 1
  store i16 %w.new{tag}, ptr %w.p{tag}
  %w.hot{tag} = icmp eq i16 %w.new{tag}, {heat}
  br i1 %w.hot{tag}, label %w.heat{tag}, label %w.on{tag}
w.heat{tag}:
{tail("@heat", slot, left, data)}w.on{tag}:
"""


def go_on(
    slot: str, data: str = "%data", tag: str = "", heat: int = 0, blocks: bool = False
) -> str:
    """Return lines that retire the instruction and jump to the handler of a slot.

    With ``blocks`` the instruction ends a block of the emulated translator.
    """
    warm = warmer(heat, slot, f"%left{tag}", data, tag)
    if blocks:
        warm = tail("@arrive", slot, f"%left{tag}", data)
    on = f"{warm}  %h{tag} = load ptr, ptr {slot}\n" + tail(f"%h{tag}", slot, f"%left{tag}", data)
    return f"""{block_ends(blocks, tag)}  %left{tag} = sub i64 %budget, 1
  %over{tag} = icmp eq i64 %left{tag}, 0
  br i1 %over{tag}, label %stop{tag}, label %go{tag}, !prof !0
go{tag}:
{warm if blocks else on}stop{tag}:
{tail("@stop", slot, "0", data)}"""


def next_slot(data: str = "%data", tag: str = "", blocks: bool = False) -> str:
    """Return lines that retire the instruction and go on with the one behind it.

    How far that is decides a branch, which the processor predicts: if it were added, each
    instruction would wait for the length of the one before.
    """
    if blocks:
        return (
            LENGTH.replace("%length", f"%length{tag}")
            + f"  %next{tag} = getelementptr i8, ptr %slot, i64 %length{tag}\n"
            + go_on(f"%next{tag}", data, tag, blocks=blocks)
        )
    ways = "".join(
        f"""behind{size}{tag}:
  %next{size}{tag} = getelementptr i8, ptr %slot, i64 {8 * size}
  %h{size}{tag} = load ptr, ptr %next{size}{tag}
{tail(f"%h{size}{tag}", f"%next{size}{tag}", f"%left{tag}", data)}"""
        for size in (2, 4)
    )
    return (
        LENGTH.replace("%length", f"%length{tag}")
        + f"""  %left{tag} = sub i64 %budget, 1
  %over{tag} = icmp eq i64 %left{tag}, 0
  br i1 %over{tag}, label %stop{tag}, label %go{tag}, !prof !0
go{tag}:
  %short{tag} = icmp eq i64 %length{tag}, 16
  br i1 %short{tag}, label %behind2{tag}, label %behind4{tag}
{ways}stop{tag}:
  %next{tag} = getelementptr i8, ptr %slot, i64 %length{tag}
{tail("@stop", f"%next{tag}", "0", data)}"""
    )


def block_ends(blocks: bool, tag: str = "") -> str:
    """Return lines that note the end of a block, if there are any."""
    return write("block_due", "1").replace("%block_due.p", f"%due.p{tag}") if blocks else ""


def go_to_pc(target: str, tag: str = "", blocks: bool = False) -> str:
    """Return lines that retire the instruction and go on at a virtual address."""
    return (
        block_ends(blocks, tag)
        + field("pc").replace("%pc.p", f"%pc.p{tag}")
        + f"""  store i64 {target}, ptr %pc.p{tag}
  %left{tag} = sub i64 %budget, 1
{tail("@dispatch", budget=f"%left{tag}")}"""
    )


def define(name: str, body: str, attributes: str = "") -> str:
    """Return the definition of a handler."""
    return f"define internal void @{name}{SIGNATURE} {attributes} {{\n{body}}}\n"
