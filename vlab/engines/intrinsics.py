"""Operations that the lowering emits directly: host memory, arithmetic LLVM knows, tables."""

from __future__ import annotations

from vlab.engines.lowering import Emit, FunctionLowering, Value
from vlab.engines.machine_only import (
    execute_row,
    handler_address,
    in_register,
    no_status,
    peek16,
    peek32,
    peek64,
    poke32,
    poke64,
    refill_apart,
    sync_code,
    unlikely,
    word_address,
)
from vlab.isa import bits, physical
from vlab.isa.mmu import EMPTY_SET, FETCH_SETS
from vlab.state import FAST_ENTRIES, FAST_WORDS, LAYOUT


def _pointer(f: FunctionLowering, value: Value) -> str:
    return f.emit(f"inttoptr i64 {f.word(value)} to ptr")


def _peek(width: int) -> Emit:
    def emit(f: FunctionLowering, a: list[Value]) -> Value:
        loaded = f.emit(f"load i{width}, ptr {_pointer(f, a[0])}, align 1")
        return Value(loaded if width == 64 else f.emit(f"zext i{width} {loaded} to i64"))

    return emit


def _poke64(f: FunctionLowering, a: list[Value]) -> Value:
    f.do(f"store i64 {f.word(a[1])}, ptr {_pointer(f, a[0])}, align 1")
    return Value("0")


def _poke32(f: FunctionLowering, a: list[Value]) -> Value:
    low = f.emit(f"trunc i64 {f.word(a[1])} to i32")
    f.do(f"store i32 {low}, ptr {_pointer(f, a[0])}, align 1")
    return Value("0")


def _sync_code(f: FunctionLowering, a: list[Value]) -> Value:
    f.do(f"call void @llvm.clear_cache(ptr {_pointer(f, a[0])}, ptr {_pointer(f, a[1])})")
    return Value("0")


def _call(name: str) -> Emit:
    def emit(f: FunctionLowering, a: list[Value]) -> Value:
        return Value(f.emit(f"call i64 @{name}({', '.join('i64 ' + f.word(v) for v in a)})"))

    return emit


def _call_hart(name: str) -> Emit:
    def emit(f: FunctionLowering, a: list[Value]) -> Value:
        words = "".join(", i64 " + f.word(v) for v in a)
        return Value(f.emit(f"call i64 @{name}(ptr %hart{words})"))

    return emit


def _refill_apart(f: FunctionLowering, a: list[Value]) -> Value:
    words = "".join(", i64 " + f.word(v) for v in a)
    return Value(f.emit(f"call preserve_mostcc i64 @refill_apart(ptr %hart{words})"))


def _word_address(f: FunctionLowering, a: list[Value]) -> Value:
    place = f.emit(f"getelementptr i64, ptr %hart, i64 {f.word(a[0])}")
    return Value(f.emit(f"ptrtoint ptr {place} to i64"))


def _in_register(f: FunctionLowering, a: list[Value]) -> Value:
    return Value(f.emit(f"freeze i64 {f.word(a[0])}"))


def _no_status(f: FunctionLowering, a: list[Value]) -> Value:
    word = f.word(a[0])
    f.do(f"call void @llvm.assume(i1 {f.emit(f'icmp ugt i64 {word}, 1')})")
    return Value(word)


def _unlikely(f: FunctionLowering, a: list[Value]) -> Value:
    return Value(f.emit(f"call i1 @llvm.expect.i1(i1 {a[0].text}, i1 false)"), "i1")


def _signed(f: FunctionLowering, a: list[Value]) -> Value:
    return Value(f.word(a[0]), "i64", True)


def _sext(f: FunctionLowering, a: list[Value]) -> Value:
    word, width = f.word(a[0]), int(a[1].text)
    return Value(f.emit(f"sext i{width} {f.emit(f'trunc i64 {word} to i{width}')} to i64"))


def _handler_address(f: FunctionLowering, a: list[Value]) -> Value:
    place = f.emit(f"getelementptr i64, ptr @handlers, i64 {f.word(a[0])}")
    return Value(f.emit(f"load i64, ptr {place}"))


def _execute_row(f: FunctionLowering, a: list[Value]) -> Value:
    place = f.emit(f"getelementptr ptr, ptr @executors, i64 {f.word(a[0])}")
    function = f.emit(f"load ptr, ptr {place}")
    words = ", ".join("i64 " + f.word(v) for v in a[1:])
    return Value(f.emit(f"call i64 {function}(ptr %hart, {words})"))


SET_BYTES = 8 * FAST_ENTRIES * FAST_WORDS

INTRINSICS: dict[object, Emit] = {
    peek16: _peek(16),
    peek32: _peek(32),
    peek64: _peek(64),
    poke32: _poke32,
    sync_code: _sync_code,
    poke64: _poke64,
    handler_address: _handler_address,
    execute_row: _execute_row,
    refill_apart: _refill_apart,
    in_register: _in_register,
    no_status: _no_status,
    word_address: _word_address,
    unlikely: _unlikely,
    physical.load_ram: _call_hart("load_ram"),
    physical.store_ram: _call_hart("store_ram"),
    physical.clear_fast: _call_hart("clear_fast"),
    bits.signed: _signed,
    bits.sext: _sext,
    bits.quotient: _call("quotient"),
    bits.remainder: _call("remainder"),
    bits.uquotient: _call("uquotient"),
    bits.uremainder: _call("uremainder"),
    bits.mul_high_ss: _call("mul_high_ss"),
    bits.mul_high_su: _call("mul_high_su"),
    bits.mul_high_uu: _call("mul_high_uu"),
}


def _mul_high(name: str, left: str, right: str) -> str:
    return f"""
define internal i64 @{name}(i64 %a, i64 %b) alwaysinline {{
  %x = {left} i64 %a to i128
  %y = {right} i64 %b to i128
  %p = mul i128 %x, %y
  %h = lshr i128 %p, 64
  %r = trunc i128 %h to i64
  ret i64 %r
}}"""


def _divide(name: str, op: str) -> str:
    # A meaning handles division by zero and overflow itself; the guards only keep LLVM's
    # division defined when both arms of a conditional are evaluated.
    overflow = "and i1 %minus, %least" if op.startswith("s") else "and i1 false, false"
    return f"""
define internal i64 @{name}(i64 %a, i64 %b) alwaysinline {{
  %zero = icmp eq i64 %b, 0
  %minus = icmp eq i64 %b, -1
  %least = icmp eq i64 %a, -9223372036854775808
  %overflow = {overflow}
  %bad = or i1 %zero, %overflow
  %d = select i1 %bad, i64 1, i64 %b
  %r = {op} i64 %a, %d
  ret i64 %r
}}"""


def _ram_access() -> str:
    """Return ``load_ram`` and ``store_ram``: a switch over the width, folded when constant."""

    def word(name: str) -> str:
        first = LAYOUT[name][0]
        return f"""
  %{name}.p = getelementptr i64, ptr %hart, i64 {first}
  %{name} = load i64, ptr %{name}.p"""

    place = (
        word("ram_base")
        + word("ram_pointer")
        + """
  %offset = sub i64 %address, %ram_base
  %host = add i64 %ram_pointer, %offset
  %p = inttoptr i64 %host to ptr
  switch i64 %width, label %w8 [ i64 1, label %w1 i64 2, label %w2 i64 4, label %w4 ]"""
    )
    loads = "".join(
        f"""
w{n}:
  %v{n} = load i{8 * n}, ptr %p, align 1
  %z{n} = zext i{8 * n} %v{n} to i64
  ret i64 %z{n}"""
        for n in (1, 2, 4)
    )
    stores = "".join(
        f"""
w{n}:
  %v{n} = trunc i64 %value to i{8 * n}
  store i{8 * n} %v{n}, ptr %p, align 1
  br label %stored"""
        for n in (1, 2, 4)
    )
    return f"""
define internal i64 @load_ram(ptr %hart, i64 %address, i64 %width) {{{place}
w8:
  %v8 = load i64, ptr %p, align 1
  ret i64 %v8{loads}
}}
define internal i64 @store_ram(ptr %hart, i64 %address, i64 %width, i64 %value) {{{place}
w8:
  store i64 %value, ptr %p, align 1
  br label %stored{stores}
stored:{word("code_map")}
  %page = lshr i64 %offset, 12
  %entry = shl i64 %page, 3
  %map = add i64 %code_map, %entry
  %mp = inttoptr i64 %map to ptr
  %slots = load i64, ptr %mp
  %code = icmp ne i64 %slots, 0
  br i1 %code, label %drop, label %done
drop:
  %ignored = call i64 @py.drop_code(ptr %hart, i64 %address, i64 %width)
  br label %done
done:
  ret i64 0
}}"""


def _clear_fast() -> str:
    """Return ``clear_fast``: it clears what a privilege has in use, for data and for fetches."""

    def clear(name: str, number: int, then: str) -> str:
        first = LAYOUT["fast"][0] + number * FAST_ENTRIES * FAST_WORDS
        return f"""
{name}:
  %{name}.first = getelementptr i64, ptr %hart, i64 {first}
  call void @llvm.memset.p0.i64(ptr align 64 %{name}.first, i8 -1, i64 {SET_BYTES}, i1 false)
  br label %{then}"""

    privileges = "".join(
        f"""
p{mode}:
  %in{mode} = and i64 %used, {1 << mode | 1 << FETCH_SETS + mode}
  %any{mode} = icmp ne i64 %in{mode}, 0
  br i1 %any{mode}, label %data{mode}, label %p{mode + 1}"""
        + clear(f"data{mode}", mode, f"code{mode}")
        + clear(f"code{mode}", FETCH_SETS + mode, f"p{mode + 1}")
        for mode in range(EMPTY_SET)
    )
    return f"""
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define internal i64 @clear_fast(ptr %hart) noinline {{
  %used.p = getelementptr i64, ptr %hart, i64 {LAYOUT["fast_used"][0]}
  %used = load i64, ptr %used.p
  br label %p0{privileges}
p{EMPTY_SET}:
  ret i64 0
}}"""


ARITHMETIC = "\n".join(
    [
        _mul_high("mul_high_ss", "sext", "sext"),
        _mul_high("mul_high_su", "sext", "zext"),
        _mul_high("mul_high_uu", "zext", "zext"),
        _divide("quotient", "sdiv"),
        _divide("remainder", "srem"),
        _divide("uquotient", "udiv"),
        _divide("uremainder", "urem"),
    ]
)
"""What meanings may call, as LLVM IR text."""


def _guest_ram() -> str:
    """Return ``load_ram`` and ``store_ram`` of a virtual CPU: every page through the p2m table.

    No access crosses a page (`vlab.isa.execute.load` splits those). A store makes the
    engine forget the code of the page, as `vlab.memory.PhysicalMemory.store` does.
    """

    def word(name: str) -> str:
        first = LAYOUT[name][0]
        return f"""
  %{name}.p = getelementptr i64, ptr %hart, i64 {first}
  %{name} = load i64, ptr %{name}.p"""

    place = (
        word("ram_base")
        + word("ram_pointer")
        + word("p2m")
        + """
  %offset = sub i64 %address, %ram_base
  %page = lshr i64 %offset, 12
  %eight = shl i64 %page, 3
  %entry = add i64 %p2m, %eight
  %entry.p = inttoptr i64 %entry to ptr
  %frame = load i64, ptr %entry.p
  %start = shl i64 %frame, 12
  %low = and i64 %address, 4095
  %physical = or i64 %start, %low
  %at = add i64 %ram_pointer, %physical
  %p = inttoptr i64 %at to ptr
  switch i64 %width, label %w8 [ i64 1, label %w1 i64 2, label %w2 i64 4, label %w4 ]"""
    )
    loads = "".join(
        f"""
w{n}:
  %v{n} = load i{8 * n}, ptr %p, align 1
  %z{n} = zext i{8 * n} %v{n} to i64
  ret i64 %z{n}"""
        for n in (1, 2, 4)
    )
    stores = "".join(
        f"""
w{n}:
  %v{n} = trunc i64 %value to i{8 * n}
  store i{8 * n} %v{n}, ptr %p, align 1
  br label %stored"""
        for n in (1, 2, 4)
    )
    return f"""
define internal i64 @load_ram(ptr %hart, i64 %address, i64 %width) {{{place}
w8:
  %v8 = load i64, ptr %p, align 1
  ret i64 %v8{loads}
}}
define internal i64 @store_ram(ptr %hart, i64 %address, i64 %width, i64 %value) {{{place}
w8:
  store i64 %value, ptr %p, align 1
  br label %stored{stores}
stored:{word("code_map")}
  %f8 = shl i64 %frame, 3
  %map = add i64 %code_map, %f8
  %map.p = inttoptr i64 %map to ptr
  store i64 0, ptr %map.p
  ret i64 0
}}"""


GUEST_RAM = _guest_ram()
"""Guest-physical memory of a virtual CPU."""

CLEAR_FAST = _clear_fast()
"""What functions need that change a translation."""

PRELUDE = (
    "declare void @llvm.clear_cache(ptr, ptr)\n"
    "declare i1 @llvm.expect.i1(i1, i1)\n"
    "declare void @llvm.assume(i1)\n"
    f"{ARITHMETIC}{_ram_access()}{CLEAR_FAST}"
)
"""What every lowered function may call."""
