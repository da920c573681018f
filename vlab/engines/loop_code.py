"""A hot loop as one function of LLVM IR, its guest registers promoted to SSA values.

The function has a handler's signature and is entered through the slots of the loop's entries.
Basic blocks that are reached from one place only form a tree with it; a tree is entered only if
the budget exceeds its longest path, and counts instructions and accesses where it is left.
Whatever the loop cannot do by itself leaves it: registers are written back, and the handler of
the interpreter goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from vlab.engines.atomics import ACCESSES, exchange
from vlab.engines.code_cache import DISPATCH, FIRST_ROW, LOAD_AGAIN, READ_AGAIN, STORE_AGAIN
from vlab.engines.csrs import access, by_immediate, known_beforehand, writes
from vlab.engines.handlers import LOAD_UNIT, STORE_UNIT, meaning
from vlab.engines.ir_text import SIGNATURE, read
from vlab.engines.loops import PAGE, Loop, Step
from vlab.engines.lowering import Module
from vlab.engines.walk_cache import enter_loop
from vlab.isa.bits import signed
from vlab.isa.fields import LOAD, STORE
from vlab.state import FAST_ENTRIES, FAST_WORDS, LAYOUT

HEADER = """
!0 = !{!"branch_weights", i32 1, i32 100000}
!1 = !{!"branch_weights", i32 100000, i32 1}
!10 = distinct !{!10}
!11 = distinct !{!11, !10}
!12 = distinct !{!12, !10}
!13 = !{!11}
!14 = !{!12}
"""
RECORD = "!alias.scope !13, !noalias !14"
"""Accesses to the hart's record never overlap those to guest memory."""

MEMORY = "!alias.scope !14, !noalias !13"


UNROLLED, UNROLLED_SIZE = (8, 4, 2), 64
"""Turns of a small loop that are laid out in a row, and instructions that they may be in all."""

JUMPS = ("branch", "jal", "jalr")
FEW_CASES, MOST_CASES = 3, 255
"""Cases of an indirect jump that are compared one by one, and those that a table can tell."""


def is_jump(step: Step) -> bool:
    """Return whether an instruction ends a basic block."""
    return step.decoded.row.kind in JUMPS


def blocks_of(loop: Loop) -> Iterator[list[Step]]:
    """Return the basic blocks: from where a jump leads to, or behind one, to the next."""
    begins = set(loop.entries)
    for step, following in pairwise([*loop.steps.values(), None]):
        begins.update(
            n for n in step.ways if is_jump(step) or not following or n != following.offset
        )
    block: list[Step] = []
    for offset, step in loop.steps.items():
        if block and (offset in begins or block[-1].behind != offset or is_jump(block[-1])):
            yield block
            block = []
        block.append(step)
    if block:
        yield block


class LoopCode:
    """The text of one loop's function.

    Parameters
    ----------
    module
        What the meanings of the rows are lowered into.
    loop
        The loop.
    """

    def __init__(self, module: Module, loop: Loop) -> None:
        self.module, self.loop = module, loop
        self.lines: list[str] = []
        self.tables: list[str] = []
        self.numbers = 0
        decoded = [step.decoded for step in loop.steps.values()]
        self.written = sorted({d.rd for d in decoded if "rd" in d.row.fields} - {0})
        self.used = sorted(
            {d.rs1 for d in decoded if "rs1" in d.row.fields}
            | {d.rs2 for d in decoded if "rs2" in d.row.fields}
            | set(self.written) - {0}
        )
        self.used = [n for n in self.used if n]
        self.blocks = {block[0].offset: block for block in blocks_of(loop)}
        led = Counter(way for block in self.blocks.values() for way in block[-1].ways)
        indirect = (
            way for s in loop.steps.values() if s.decoded.row.kind == "jalr" for way in s.ways
        )
        self.roots = {*loop.entries, *indirect, *(n for n in self.blocks if led[n] != 1)}
        self.path = (0, 0)
        self.grow: list[tuple[str, int, int, tuple[int, int]]] = []
        self.root = self.turn = self.sites = 0
        self.turns = 1

    # -- plumbing -----------------------------------------------------------

    def new(self, text: str) -> str:
        """Append a computation and return the name of its result."""
        self.numbers += 1
        name = f"%v{self.numbers}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Append a line without result."""
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        """Begin a block of IR."""
        self.lines.append(f"{name}:")

    def name(self, stem: str) -> str:
        """Return a label that is not in use."""
        self.numbers += 1
        return f"{stem}{self.numbers}"

    def get(self, register: int) -> str:
        """Return the value of a guest register."""
        return self.new(f"load i64, ptr %x{register}") if register else "0"

    def put(self, register: int, value: str) -> None:
        """Change a guest register."""
        if register:
            self.do(f"store i64 {value}, ptr %x{register}")

    def pc(self, offset: int) -> str:
        """Return the virtual address of a place in the page."""
        return self.new(f"add i64 %page_pc, {offset}")

    # -- leaving ------------------------------------------------------------

    def leave(self, slot: int, handler: int | None, budget: str, data: str) -> None:
        """Leave for a slot's handler, or for one of the table, at an offset of the page."""
        at = self.new(f"getelementptr i8, ptr %slots, i64 {slot * 8}")
        table = "%table" if handler is not None else at
        index = handler * 8 if handler is not None else 0
        target = self.new(f"getelementptr i8, ptr {table}, i64 {index}")
        for place, value in (("at", at), ("target", target)):
            self.do(f"store ptr {value}, ptr %out.{place}")
        for place, value in (("budget", budget), ("data", data)):
            self.do(f"store i64 {value}, ptr %out.{place}")
        self.do("br label %leave")

    def counted(self, done: int, units: int) -> tuple[str, str]:
        """Return the budget and the accesses after so much of the tree."""
        budget, data = self.new("load i64, ptr %budget.now"), self.new("load i64, ptr %data.now")
        if done:
            budget = self.new(f"sub i64 {budget}, {done}")
        if units:
            data = self.new(f"add i64 {data}, {units}")
        return budget, data

    def leave_from(self, slot: int, handler: int | None = None) -> None:
        """Leave behind the path so far."""
        self.leave(slot, handler, *self.counted(*self.path))

    def grow_to(self, target: int, turn: int) -> None:
        """Go on at a block of the tree, whose only way in this is."""
        label = self.name("t")
        self.do(f"br label %{label}")
        self.grow.append((label, target, turn, self.path))

    def go(self, target: int) -> None:
        """Go on at an offset: in the loop, or out of it but in the page."""
        if target == self.root and self.turn + 1 < self.turns:
            self.grow_to(target, self.turn + 1)
        elif target in self.roots:
            budget, data = self.counted(*self.path)
            self.do(f"store i64 {budget}, ptr %budget.now")
            self.do(f"store i64 {data}, ptr %data.now")
            self.do(f"br label %b{target}")
        elif target in self.blocks:
            self.grow_to(target, self.turn)
        else:
            self.leave_from(target)

    def go_if(self, value: str, number: int, root: int) -> None:
        """Go on at a root if a value is a number."""
        equal, other = self.new(f"icmp eq i64 {value}, {number}"), self.name("other")
        self.do(f"br i1 {equal}, label %b{root}, label %{other}")
        self.label(other)

    def go_by_table(self, apart: str, roots: tuple[int, ...]) -> None:
        """Go on at the root at a distance from the page's beginning, if there is one."""
        table = bytearray(PAGE // 2)
        for number, root in enumerate(roots[:MOST_CASES], 1):
            table[root // 2] = number
        name = f"@cases.{len(self.tables)}"
        text = "".join(f"\\{byte:02x}" for byte in table)
        self.tables.append(f'{name} = internal constant [{len(table)} x i8] c"{text}"\n')
        inside = self.new(f"icmp ult i64 {apart}, {PAGE}")
        seek, other = self.name("seek"), self.name("other")
        self.do(f"br i1 {inside}, label %{seek}, label %{other}")
        self.label(seek)
        half = self.new(f"lshr i64 {apart}, 1")
        number = self.new(f"load i8, ptr {self.new(f'getelementptr i8, ptr {name}, i64 {half}')}")
        cases = " ".join(f"i8 {n}, label %b{root}" for n, root in enumerate(roots[:MOST_CASES], 1))
        self.do(f"switch i8 {number}, label %{other} [ {cases} ]")
        self.label(other)

    def go_far(self, address: str) -> None:
        """Go on at a virtual address, by dispatch."""
        self.do(f"store i64 {address}, ptr %pc.p, {RECORD}")
        self.leave_from(0, DISPATCH)

    def go_to(self, offset: int, target: int) -> None:
        """Go on at a target of the instruction at an offset."""
        if 0 <= target < PAGE:
            self.go(target)
        else:
            self.go_far(self.pc(target))

    # -- instructions ---------------------------------------------------------

    def handler_of(self, step: Step, second: bool) -> int:
        """Return the position of a handler of an instruction in the table."""
        return FIRST_ROW + 2 * step.decoded.row.index + second

    def longest(self, root: int) -> int:
        """Return the number of instructions on the longest path of a tree."""
        block = self.blocks[root]
        more = (self.longest(n) for n in block[-1].ways if n not in self.roots)
        return len(block) + max(more, default=0)

    def size(self, root: int, block: int) -> tuple[int, int]:
        """Return the instructions of a tree from a block on, and its ways back to the root."""
        steps = self.blocks[block]
        ways = steps[-1].ways if steps[-1].decoded.row.kind != "jalr" else ()
        below = [self.size(root, n) for n in ways if n not in self.roots]
        total = len(steps) + sum(size for size, _ in below)
        return total, ways.count(root) + sum(back for _, back in below)

    def turns_of(self, root: int) -> int:
        """Return how many turns of a loop its tree holds: small ones are unrolled."""
        size, back = self.size(root, root)
        for turns in UNROLLED if back else ():
            if size * sum(back**n for n in range(turns)) <= UNROLLED_SIZE:
                return turns
        return 1

    def tree(self, root: int) -> None:
        """Emit a tree of basic blocks."""
        first = self.blocks[root][0]
        self.root, self.turn, self.turns = root, 0, self.turns_of(root)
        self.label(f"b{root}")
        budget = self.new("load i64, ptr %budget.now")
        enough = self.new(f"icmp ugt i64 {budget}, {self.longest(root) * self.turns}")
        self.do(f"br i1 {enough}, label %t.{root}, label %s{root}, !prof !1")
        self.label(f"s{root}")
        self.path = (0, 0)
        target = first.offset + signed(first.decoded.imm)
        near = first.decoded.row.kind in ("branch", "jal") and 0 <= target < PAGE
        self.leave_from(root, self.handler_of(first, near))
        self.grow = [(f"t.{root}", root, 0, (0, 0))]
        while self.grow:
            label, offset, self.turn, self.path = self.grow.pop()
            self.label(label)
            self.block(self.blocks[offset])

    def block(self, steps: list[Step]) -> None:
        """Emit a basic block."""
        for step in steps:
            if is_jump(step):
                self.passed(step)
                getattr(self, step.decoded.row.kind)(step)
            else:
                getattr(self, step.decoded.row.kind)(step)
                self.passed(step)
        if not is_jump(steps[-1]):
            self.go(steps[-1].behind)

    def passed(self, step: Step) -> None:
        """Count an instruction on the path."""
        done, units = self.path
        self.path = (done + 1, units + UNITS.get(step.decoded.row.kind, 0))

    def op(self, step: Step) -> None:
        """Arithmetic."""
        d = step.decoded
        if d.rd:
            names = d.row.meaning.__code__.co_varnames[: d.row.meaning.__code__.co_argcount]
            values = {}
            for name in names:
                if name == "imm":
                    values[name] = str(signed(d.imm))
                else:
                    register = {"rs1": d.rs1, "rs2": d.rs2}
                    values[name] = (
                        self.pc(step.offset) if name == "pc" else self.get(register[name])
                    )
            self.put(d.rd, self.new(meaning(self.module, d.row, **values)))

    def jal(self, step: Step) -> None:
        """A jump."""
        if step.decoded.rd:
            self.put(step.decoded.rd, self.pc(step.behind))
        self.go_to(step.offset, step.offset + signed(step.decoded.imm))

    def jalr(self, step: Step) -> None:
        """An indirect jump: to one of the places to which the loop's calls return, or out."""
        d = step.decoded
        total = self.new(f"add i64 {self.get(d.rs1)}, {signed(d.imm)}")
        target = self.new(f"and i64 {total}, -2")
        if d.rd:
            self.put(d.rd, self.pc(step.behind))
        apart = self.new(f"sub i64 {target}, %page_pc")
        budget, data = self.counted(*self.path)
        self.do(f"store i64 {budget}, ptr %budget.now")
        self.do(f"store i64 {data}, ptr %data.now")
        self.path = (0, 0)
        if len(step.ways) > FEW_CASES:
            self.go_by_table(apart, step.ways)
        else:
            for way in step.ways:
                self.go_if(apart, way, way)
        self.go_far(target)

    def branch(self, step: Step) -> None:
        """A conditional branch; it ends its block."""
        d = step.decoded
        holds = self.new(meaning(self.module, d.row, rs1=self.get(d.rs1), rs2=self.get(d.rs2)))
        taken = self.new(f"icmp ne i64 {holds}, 0")
        yes, no = self.name("yes"), self.name("no")
        self.do(f"br i1 {taken}, label %{yes}, label %{no}")
        self.label(yes)
        self.go_to(step.offset, step.offset + signed(d.imm))
        self.label(no)
        self.go(step.behind)

    def address(self, step: Step, kind: int) -> str:
        """Return a pointer to where a load or store goes; what has no translation leaves."""
        d = step.decoded
        va = self.new(f"add i64 {self.get(d.rs1)}, {signed(d.imm)}")
        scaled = self.new(f"lshr i64 {va}, {12 - ENTRY_SHIFT}")
        entry_at = self.new(f"and i64 {scaled}, {(FAST_ENTRIES - 1) << ENTRY_SHIFT}")
        entry = self.new(f"getelementptr i8, ptr %set, i64 {entry_at}")
        tag_p = self.new(f"getelementptr i64, ptr {entry}, i64 {0 if kind == LOAD else 1}")
        tag = self.new(f"load i64, ptr {tag_p}, {RECORD}")
        masked = self.new(f"and i64 {va}, {-4096 + d.row.width - 1}")
        hit = self.new(f"icmp eq i64 {tag}, {masked}")
        fast, miss, slow, go = (self.name(stem) for stem in ("fast", "miss", "slow", "go"))
        self.do(f"br i1 {hit}, label %{fast}, label %{miss}, !prof !1")
        self.label(miss)
        again = "0"
        if step.behind < PAGE:  # what is called may fetch from the page, so this must be next
            words = f"i64 {va}, i64 {masked}, i64 {self.new(f'ptrtoint ptr {entry} to i64')}"
            function = "%load.again" if kind == LOAD else "%store.again"
            again = self.new(f"call preserve_mostcc i64 {function}(ptr %hart, {words})")
            walks = self.new(f"add i64 {self.new('load i64, ptr %walks.now')}, 1")
            self.do(f"store i64 {walks}, ptr %walks.now")
        done = self.new(f"icmp ne i64 {again}, 0")
        self.do(f"br i1 {done}, label %{go}, label %{slow}, !prof !1")
        self.label(slow)
        self.leave_from(step.offset, self.handler_of(step, True))
        self.label(fast)
        addend_p = self.new(f"getelementptr i64, ptr {entry}, i64 3")
        near = self.new(f"load i64, ptr {addend_p}, {RECORD}")
        self.do(f"br label %{go}")
        self.label(go)
        addend = self.new(f"phi i64 [ {near}, %{fast} ], [ {again}, %{miss} ]")
        if d.row.kind == "load" and self.loop.is_followed(step):
            addend = self.expected(addend, go)
        return self.new(f"inttoptr i64 {self.new(f'add i64 {va}, {addend}')} to ptr")

    def expected(self, addend: str, place_of: str) -> str:
        """Return a load's addend, which is most likely what it was.

        Pages often lie in a row in memory. Then the processor, which predicts the branch, loads
        before it has looked the address up, and a chain of pointers is not a chain of lookups.
        """
        self.sites += 1
        place = LAYOUT["near"][0] + self.sites % LAYOUT["near"][1]
        pointer = self.new(f"getelementptr i64, ptr %hart, i64 {place}")
        before = self.new(f"load i64, ptr {pointer}, {RECORD}")
        other, on = self.name("other"), self.name("on")
        is_same = self.new(f"icmp eq i64 {before}, {addend}")
        self.do(f"br i1 {is_same}, label %{on}, label %{other}")
        self.label(other)
        self.do(f"store i64 {addend}, ptr {pointer}, {RECORD}")
        self.do(f"br label %{on}")
        self.label(on)
        return self.new(f"phi i64 [ {before}, %{place_of} ], [ {addend}, %{other} ]")

    def load(self, step: Step) -> None:
        """A load."""
        bits = 8 * step.decoded.row.width
        host = self.address(step, LOAD)
        value = self.new(f"load i{bits}, ptr {host}, align 1, {MEMORY}")
        if step.decoded.rd:
            if bits < 64:
                value = self.new(f"zext i{bits} {value} to i64")
            self.put(step.decoded.rd, self.new(meaning(self.module, step.decoded.row, value=value)))

    def store(self, step: Step) -> None:
        """A store."""
        bits = 8 * step.decoded.row.width
        host = self.address(step, STORE)
        value = self.get(step.decoded.rs2)
        if bits < 64:
            value = self.new(f"trunc i64 {value} to i{bits}")
        self.do(f"store i{bits} {value}, ptr {host}, align 1, {MEMORY}")

    def atomic(self, step: Step) -> None:
        """An atomic."""
        d = step.decoded
        host = self.new(f"ptrtoint ptr {self.address(step, ACCESSES[d.row.kind])} to i64")
        self.put(d.rd, self.new(exchange(self.module, d.row, host, self.get(d.rs2))))

    lr = sc = amo = atomic

    def fence(self, step: Step) -> None:
        """A fence: nothing to do."""

    def csr(self, step: Step) -> None:
        """An access to a CSR; what does more than it can tell leaves."""
        d = step.decoded
        self.do(f"store i64 {self.counted(*self.path)[0]}, ptr %budget.p, {RECORD}")
        source = str(d.rs1) if by_immediate(d.row) else self.get(d.rs1)
        written = str(int(writes(d)))
        done = self.new(access(self.module, d.row, str(d.imm), written, source))
        quick = self.new(f"icmp ne i64 {done}, 0")
        fast, slow = self.name("fast"), self.name("slow")
        self.do(f"br i1 {quick}, label %{fast}, label %{slow}, !prof !1")
        self.label(slow)
        self.leave_from(step.offset, self.handler_of(step, True))
        self.label(fast)
        self.put(d.rd, self.new(f"load i64, ptr %value.p, {RECORD}"))

    def called(self) -> dict[str, int]:
        """Return what is called on a miss, by name, as positions in the table."""
        accesses = {ACCESSES.get(step.decoded.row.kind) for step in self.loop.steps.values()}
        load = LOAD_AGAIN if STORE in accesses else READ_AGAIN
        return {"load.again": load, "store.again": STORE_AGAIN}

    # -- the whole ------------------------------------------------------------

    def text(self) -> str:
        """Return the function ``loop``."""
        for register in self.used:
            self.do(f"%x{register} = alloca i64")
            self.do(f"%x{register}.p = getelementptr i64, ptr %hart, i64 {register}")
        for place in ("budget.now", "data.now", "walks.now", "out.budget", "out.data"):
            self.do(f"%{place} = alloca i64")
        self.do("%out.at = alloca ptr")
        self.do("%out.target = alloca ptr")
        for register in self.used:
            value = self.new(f"load i64, ptr %x{register}.p, {RECORD}")
            self.do(f"store i64 {value}, ptr %x{register}")
        self.do("store i64 %budget, ptr %budget.now")
        self.do("store i64 %data, ptr %data.now")
        self.do("store i64 0, ptr %walks.now")
        for place in ("pc", "budget", "value"):
            self.do(f"%{place}.p = getelementptr i64, ptr %hart, i64 {LAYOUT[place][0]}")
        self.lines += (read("page_pc") + read("page_slots") + read("handlers")).splitlines()
        self.lines += read("data_set").splitlines()
        self.do("%set = getelementptr i64, ptr %hart, i64 %data_set")
        self.do("%slots = inttoptr i64 %page_slots to ptr")
        self.do("%table = inttoptr i64 %handlers to ptr")
        for name, index in self.called().items():
            self.do(f"%{name}.p = getelementptr ptr, ptr %table, i64 {index}")
            self.do(f"%{name} = load ptr, ptr %{name}.p")
        self.do(f"%entered = call i64 {self.module.name_of(enter_loop)}(ptr %hart)")
        self.do("%slot.i = ptrtoint ptr %slot to i64")
        self.do("%from = sub i64 %slot.i, %page_slots")
        for entry in self.loop.entries[1:]:
            self.go_if("%from", entry * 8, entry)
        self.do(f"br label %b{self.loop.entries[0]}")
        for root in sorted(self.roots):
            self.tree(root)
        self.label("leave")
        for register in self.written:
            value = self.new(f"load i64, ptr %x{register}")
            self.do(f"store i64 {value}, ptr %x{register}.p, {RECORD}")
        self.lines += read("walks_again").splitlines()
        walks = self.new(f"add i64 %walks_again, {self.new('load i64, ptr %walks.now')}")
        self.do(f"store i64 {walks}, ptr %walks_again.p")
        self.do("%l.target = load ptr, ptr %out.target")
        self.do("%l.handler = load ptr, ptr %l.target")
        self.do("%l.at = load ptr, ptr %out.at")
        self.do("%l.budget = load i64, ptr %out.budget")
        self.do("%l.data = load i64, ptr %out.data")
        self.do("musttail call void %l.handler(ptr %hart, ptr %l.at, i64 %l.budget, i64 %l.data)")
        self.do("ret void")
        body = "\n".join(self.lines)
        return f"{''.join(self.tables)}define void @loop{SIGNATURE} {{\n{body}\n}}\n{HEADER}"


UNITS = {kind: LOAD_UNIT if access == LOAD else STORE_UNIT for kind, access in ACCESSES.items()}
ENTRY_SHIFT = (FAST_WORDS * 8).bit_length() - 1


def generate(loop: Loop) -> str:
    """Return a loop's module as LLVM IR text."""
    from vlab.engines.intrinsics import ARITHMETIC, CLEAR_FAST, INTRINSICS

    module = Module(INTRINSICS, ARITHMETIC)
    if any(step.decoded.row.kind == "csr" for step in loop.steps.values()):
        module.chunks.append(CLEAR_FAST)
        known_beforehand(module)
    module.chunks.append(LoopCode(module, loop).text())
    return module.text()
