"""The interpreter between handlers, as LLVM IR text: entering, dispatching, leaving.

``run`` enters; ``dispatch`` finds the handler for ``pc``; ``after`` follows whatever went the
slow way and looks for interrupts; ``stop`` leaves when the budget is used up.
"""

from __future__ import annotations

from vlab.engines.code_cache import STEP
from vlab.engines.code_page import SLOT_BYTES
from vlab.engines.ir_text import LENGTH, PC, define, field, read, tail, warmer, write
from vlab.engines.walk_cache import LOOP, READING_LOOP, USUAL_WAYS
from vlab.exits import ExitReason
from vlab.isa.execute import EXIT
from vlab.isa.fields import LOAD, STORE
from vlab.state import FAST_ENTRIES, FAST_WORDS


def arrive() -> str:
    """Return the handler that enters a block of the emulated translator at a slot of the page."""
    return define(
        "arrive",
        PC
        + """  %in = icmp ult i64 %offset, 4096
  br i1 %in, label %enter, label %on
enter:
"""
        + physical("%offset")
        + """  %entered = call i64 @py.enter_block(ptr %hart, i64 %pa)
  br label %on
on:
  %h = load ptr, ptr %slot
"""
        + tail("%h"),
    )


def physical(offset: str) -> str:
    """Return lines that compute the physical address ``%pa`` of an offset in the page."""
    return (
        read("page_bits")
        + read("ram_pointer")
        + read("ram_base")
        + f"""  %pa.b = sub i64 %page_bits, %ram_pointer
  %pa.p = add i64 %pa.b, %ram_base
  %pa = add i64 %pa.p, {offset}
"""
    )


WORDS = "ptr %hart, i64 %va, i64 %page, i64 %lookup"
"""Arguments of what translates an address that missed the lookup."""

REFILL = f"""define internal preserve_mostcc i64 @refill_apart(
    {WORDS}, i64 %access, i64 %walked) noinline cold {{
  %addend = call i64 @py.refill({WORDS}, i64 %access, i64 %walked)
  ret i64 %addend
}}
"""
"""What goes on for a loop where no remembered walk serves: apart, so that what does serve has few
registers to save."""


def again(name: str, access: int, who: int) -> str:
    """Return the function that hot loops call for an access that missed the lookup."""
    reads, stamp = (read("walk_stamp"), "%walk_stamp") if who == READING_LOOP else ("", "0")
    usual = f"i64 {USUAL_WAYS}, i64 {who}, i64 {stamp}"
    return f"""define internal preserve_mostcc i64 @{name}_again({WORDS}) {{
{reads}  %addend = call i64 @py.walk_again({WORDS}, i64 {access}, {usual})
  ret i64 %addend
}}
"""


def common(heat: int, blocks: bool = False) -> str:
    """Return the handlers that belong to no row, and ``run``."""
    step = "traced_step" if blocks else "step"
    come = (
        physical("%low").replace("%ram_pointer", "%ram_pointer.b").replace("%page_bits.p", "%pb.p")
    )
    come += "  %arrived = call i64 @py.arrive(ptr %hart, i64 %pa)\n"
    return (arrive() if blocks else "") + (
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
  br i1 %spent, label %on, label %look
look:
  %here = call i64 @py.halts_here(ptr %hart)
  %halts = icmp ne i64 %here, 0
  br i1 %halts, label %halt, label %interrupt
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
            + "halt:\n"
            + write("exit_reason", str(int(ExitReason.BUDGET)))
            + "  ret void\nleave:\n  ret void\n",
            "noinline",
        )
        + define(
            "dispatch",
            "  %over = icmp eq i64 %budget, 0\n"
            + "  br i1 %over, label %stop, label %go, !prof !0\ngo:\n"
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
            + "  %low = and i64 %pc, 4095\n"
            + (come if blocks else "")
            + """  %place = shl i64 %low, 3
  %to = add i64 %slots, %place
  %target = inttoptr i64 %to to ptr
"""
            + warmer(heat, "%target", "%budget", "%data")
            + "  %h = load ptr, ptr %target\n"
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
            + f"""single:
  %done = call i64 @py.{step}(ptr %hart)
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
"""
        + write("walk_stale", "1")
        + "  ret void\n}\n"
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
            + f"""  call void @count(ptr %hart, i64 %data)
  %status = call i64 @py.{step}(ptr %hart)
  %exits = icmp eq i64 %status, 1
  br i1 %exits, label %leave, label %stay
stay:
"""
            + tail("@after", data="0")
            + "leave:\n  ret void\n",
            "noinline",
        )
        + (
            define(
                "heat",
                PC
                + write("pc", "%pc").replace("%pc.p", "%pc.q")
                + """  %slot.n = ptrtoint ptr %slot to i64
  %ignored = call i64 @py.translate(ptr %hart, i64 %slot.n)
"""
                + tail("@dispatch"),
                "noinline",
            )
            if heat
            else ""
        )
        + define(
            "halt",
            PC
            + write("pc", "%pc").replace("%pc.p", "%pc.q")
            + write("budget", "%budget")
            + """  call void @count(ptr %hart, i64 %data)
  %here = call i64 @py.halts_here(ptr %hart)
  %halts = icmp ne i64 %here, 0
  br i1 %halts, label %leave, label %on
on:
"""
            + tail("@cross", data="0")
            + "leave:\n"
            + write("exit_reason", str(int(ExitReason.BUDGET)))
            + "  ret void\n",
            "noinline cold",
        )
        + define(
            "next_page",
            read("page_pc")
            + "  %following = add i64 %page_pc, 4096\n"
            + write("pc", "%following")
            + tail("@dispatch"),
        )
        + REFILL
        + again("load", LOAD, LOOP)
        + again("store", STORE, LOOP)
        + again("read", LOAD, READING_LOOP)
        + f"""define i64 @run(ptr %hart) {{
{write("walk_stale", "1")}  %status = call i64 @py.check_interrupt(ptr %hart)
  %exits = icmp eq i64 %status, 1
  br i1 %exits, label %leave, label %start
start:
{read("budget")}  call void @dispatch(ptr %hart, ptr null, i64 %budget, i64 0)
  br label %leave
leave:
  %counted = call i64 @py.count_walks(ptr %hart)
  %settled = call i64 @py.settle(ptr %hart)
{read("exit_reason")}  ret i64 %exit_reason
}}
!0 = !{{!"branch_weights", i32 1, i32 100000}}
!1 = !{{!"branch_weights", i32 100000, i32 1}}
"""
    )


assert SLOT_BYTES == 16  # the shifts by 3 above: 16 bytes a halfword
