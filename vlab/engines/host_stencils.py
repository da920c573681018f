"""Stencils for an emulator that runs on the modelled machine itself: RV64 code with holes.

The code is made by LLVM's RISC-V target from the meanings that every engine has. The first
arguments are the hart's record, the budget, the virtual address of the page being executed, and the
lookup's set for data; they stay in the host's registers a0 to a3 from stencil to stencil.
"""

from __future__ import annotations

from vlab.engines.block_tables import HOLES, SPECIAL
from vlab.engines.handlers import meaning
from vlab.engines.ir_text import read, write
from vlab.engines.lowering import Module
from vlab.isa.table import Instruction, standard_rows
from vlab.state import FAST_ENTRIES, FAST_WORDS, LAYOUT

CODE = HOLES[HOLES.index("next") :]
VALUES = ((8, 16, 24, 677, 0x10345678, 0x11345679, 0x1234567A, -37, 0x1334567B, 0x153457B1,
           0x163457B3),
          (88, 96, 104, -1235, 0x2468A987, 0x2568A986, 0x2668A985, -21, 0x2768A984, 0x2968A7C2,
           0x2A68A7C4))  # fmt: skip
"""Two sets of operands: those of 12 bits take one instruction, those of 32 take two."""

WIDE = (0x143452A3, 0x2868A5C4)
SHIFTS = (13, 22)
SIGNATURE = "(ptr %hart, i64 %budget, i64 %page, ptr %set)"

ENTRY, EXIT, FAR, CALL, LINK, HELPER = SPECIAL


class Operands:
    """One set of operands: text for each hole."""

    def __init__(self, variant: int) -> None:
        self.variant = variant
        self.values = dict(zip(HOLES, VALUES[variant], strict=False))

    def __getitem__(self, name: str) -> str:
        return str(self.values[name])


def register(name: str, o: Operands) -> str:
    """Return lines that load a guest register."""
    return f"""  %{name}.p = getelementptr i8, ptr %hart, i64 {o[name]}
  %{name} = load i64, ptr %{name}.p
"""


def set_rd(value: str, o: Operands) -> str:
    """Return lines that write the destination register."""
    return f"""  %rd.p = getelementptr i8, ptr %hart, i64 {o["rd"]}
  store i64 {value}, ptr %rd.p
"""


def jump(target: str) -> str:
    """Return lines that jump to other code of the emulator."""
    return f"""  musttail call void @hole.{target}(ptr %hart, i64 %budget, i64 %page, ptr %set)
  ret void
"""


def set_pc(hole: str, o: Operands) -> str:
    """Return lines that write ``pc``, an offset in the page."""
    return f"""  %pc.v = add i64 %page, {o[hole]}
  %pc.p = getelementptr i64, ptr %hart, i64 {LAYOUT["pc"][0]}
  store i64 %pc.v, ptr %pc.p
"""


def define(name: str, body: str) -> str:
    """Return a stencil, in a section of its own."""
    return f'define void @st.{name}{SIGNATURE} section ".st.{name}" {{\n{body}}}\n'


def entry(o: Operands) -> str:
    """A block's begin: take its length from the budget, or leave if less than that is left."""
    body = f"""  %less = add i64 %budget, {o["length"]}
  %over = icmp slt i64 %less, 0
  br i1 %over, label %leave, label %go, !prof !1
leave:
{set_pc("offset", o)}{jump("out")}go:
  musttail call void @hole.next(ptr %hart, i64 %less, i64 %page, ptr %set)
  ret void
"""
    return define(ENTRY, body)


def exit_(o: Operands) -> str:
    """An exit to an offset in the page, where the dispatcher is told which exit it was."""
    number = f"""  %exit.p = getelementptr i64, ptr %hart, i64 {LAYOUT["value"][0]}
  store i64 {o["exit"]}, ptr %exit.p
"""
    return define(EXIT, set_pc("goal", o) + number + jump("out"))


def far(o: Operands) -> str:
    """An exit out of the page."""
    return define(FAR, set_pc("goal", o) + jump("out"))


def wide(o: Operands) -> Operands:
    """Return operands with an immediate that needs two instructions."""
    other = Operands(o.variant)
    other.values["imm"] = WIDE[o.variant]
    return other


def call(o: Operands) -> str:
    """Have the helper carry out a row; it comes back to ``resume``."""
    body = f"""{set_pc("offset", o)}  tail call void @hole.helper(\
ptr %hart, i64 %budget, i64 %page, ptr %set, \
i64 {o["operands"]}, i64 {wide(o)["imm"]}, i64 {o["resume"]})
  ret void
"""
    return define(CALL, body)


def helper() -> str:
    """Return the helper: not copied, but counted. It calls a row's executor and comes back."""
    unpack = "".join(
        f"  %{name}.s = lshr i64 %operands, {shift}\n  %{name} = and i64 %{name}.s, 255\n"
        for name, shift in (("row", 0), ("rd", 8), ("rs1", 16), ("rs2", 24))
    )
    return f"""define void @st.{HELPER}(\
ptr %hart, i64 %budget, i64 %page, ptr %set, i64 %operands, i64 %imm, i64 %resume) \
section ".st.{HELPER}" {{
{unpack}{write("budget", "%budget")}{read("handlers")}  %at = shl i64 %row, 3
  %entry.i = add i64 %handlers, %at
  %entry.p = inttoptr i64 %entry.i to ptr
  %executor = load ptr, ptr %entry.p
  %status = call i64 %executor(ptr %hart, i64 %rd, i64 %rs1, i64 %rs2, i64 %imm)
  %fine = icmp eq i64 %status, 0
  br i1 %fine, label %on, label %leave, !prof !0
leave:
  tail call void @hole.out(ptr %hart, i64 %budget, i64 %page, ptr %set)
  ret void
on:
  %left = load i64, ptr %budget.p
{read("block_code")}  %goal = add i64 %block_code, %resume
  %code = inttoptr i64 %goal to ptr
  tail call void %code(ptr %hart, i64 %left, i64 %page, ptr %set)
  ret void
}}
"""


def lookup(tag_word: int, width: int) -> str:
    """Return lines that find ``%host`` for ``%va``, or leave for the slow way."""
    return f"""  %page.n = lshr i64 %va, 12
  %index = and i64 %page.n, {FAST_ENTRIES - 1}
  %scaled = mul i64 %index, {FAST_WORDS}
  %entry = getelementptr i64, ptr %set, i64 %scaled
  %tag.p = getelementptr i64, ptr %entry, i64 {tag_word}
  %tag = load i64, ptr %tag.p
  %masked = and i64 %va, {-4096 + width - 1}
  %hit = icmp eq i64 %tag, %masked
  br i1 %hit, label %fast, label %slow, !prof !0
slow:
{jump("aside")}fast:
  %addend.p = getelementptr i64, ptr %entry, i64 3
  %addend = load i64, ptr %addend.p
  %sum = add i64 %va, %addend
  %host = inttoptr i64 %sum to ptr
"""


def operation(module: Module, row: Instruction, o: Operands) -> str:
    """Arithmetic."""
    names = row.meaning.__code__.co_varnames[: row.meaning.__code__.co_argcount]
    if row.format == "U":
        o = wide(o)
        o.values["imm"] &= ~0xFFF if "pc" not in names else -1
    if "SHAMT" in row.format:
        o.values["imm"] = SHIFTS[o.variant]
    body, values = "", {"imm": o["imm"], "rs1": "%rs1", "rs2": "%rs2", "pc": "%page"}
    for name in names:
        body += register(name, o) if name.startswith("rs") else ""
    body += f"  %result = {meaning(module, row, **values)}\n" + set_rd("%result", o)
    return body + jump("next")


def branch(module: Module, row: Instruction, o: Operands) -> str:
    """A conditional branch: not taken, the exit behind it; taken, one further on."""
    return f"""{register("rs1", o)}{register("rs2", o)}\
  %holds = {meaning(module, row, rs1="%rs1", rs2="%rs2")}
  %taken = icmp ne i64 %holds, 0
  br i1 %taken, label %yes, label %no, !prof !1
yes:
{jump("aside")}no:
{jump("next")}"""


def jal(module: Module, row: Instruction, o: Operands) -> str:
    """A jump: its exit is behind it."""
    return f"  %back = add i64 %page, {o['behind']}\n" + set_rd("%back", o) + jump("next")


def jalr(module: Module, row: Instruction, o: Operands) -> str:
    """An indirect jump: where to is the dispatcher's to find."""
    return f"""{register("rs1", o)}  %sum = add i64 %rs1, {o["imm"]}
  %goal = and i64 %sum, -2
  %back = add i64 %page, {o["behind"]}
{set_rd("%back", o)}  %pc.p = getelementptr i64, ptr %hart, i64 {LAYOUT["pc"][0]}
  store i64 %goal, ptr %pc.p
{jump("out")}"""


def load(module: Module, row: Instruction, o: Operands) -> str:
    """A load that hits the lookup; the tag tells that it is aligned, too."""
    bits = 8 * row.width
    wide = "%raw" if bits == 64 else "%wide"
    widen = "" if bits == 64 else f"  %wide = zext i{bits} %raw to i64\n"
    return (
        register("rs1", o)
        + f"  %va = add i64 %rs1, {o['imm']}\n"
        + lookup(0, row.width)
        + f"  %raw = load i{bits}, ptr %host\n{widen}"
        + f"  %result = {meaning(module, row, value=wide)}\n"
        + set_rd("%result", o)
        + jump("next")
    )


def store(module: Module, row: Instruction, o: Operands) -> str:
    """A store that hits the lookup."""
    bits = 8 * row.width
    value = "%rs2" if bits == 64 else "%narrow"
    narrow = "" if bits == 64 else f"  %narrow = trunc i64 %rs2 to i{bits}\n"
    return (
        register("rs1", o)
        + register("rs2", o)
        + f"  %va = add i64 %rs1, {o['imm']}\n"
        + lookup(1, row.width)
        + narrow
        + f"  store i{bits} {value}, ptr %host\n"
        + jump("next")
    )


KINDS = {"op": operation, "branch": branch, "jal": jal, "jalr": jalr, "load": load, "store": store}


def generate(variant: int) -> str:
    """Return all stencils as LLVM IR text, with one of two sets of operands."""
    from vlab.engines.intrinsics import ARITHMETIC, INTRINSICS

    module = Module(INTRINSICS, ARITHMETIC)
    calls = "".join(f"declare dso_local void @hole.{name}{SIGNATURE}\n" for name in CODE)
    more = "(ptr, i64, i64, ptr, i64, i64, i64)"
    calls = calls.replace(f"@hole.helper{SIGNATURE}", f"@hole.helper{more}")
    o = Operands(variant)
    module.chunks.append(calls + entry(o) + exit_(o) + far(o) + call(o) + helper())
    module.chunks.append(define(LINK, jump("aside")))
    for row in standard_rows():
        if row.kind in KINDS:
            body = KINDS[row.kind](module, row, Operands(variant))
            module.chunks.append(define(row.name, body))
    weights = '!0 = !{!"branch_weights", i32 1, i32 100000}\n'
    return module.text() + weights + '!1 = !{!"branch_weights", i32 100000, i32 1}\n'
