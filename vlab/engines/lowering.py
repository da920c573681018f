"""Lowering of the restricted Python subset to LLVM IR text.

The functions under `vlab.isa` are plain Python; this module turns the very same source
into machine code's input. Every value is a 64-bit integer; comparisons are unsigned unless
an operand is `signed(...)`. The subset is described in ``docs/architecture.md``.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

from vlab.errors import VlabError
from vlab.state import LAYOUT


class LoweringError(VlabError):
    """A function uses something outside the subset; the message names it and its line."""


class Value(NamedTuple):
    """An IR operand: its text, its type (``i64`` or ``i1``) and whether it is signed."""

    text: str
    type: str = "i64"
    signed: bool = False


Emit = Callable[["FunctionLowering", list[Value]], Value]

BINARY = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.LShift: "shl",
}
COMPARE = {
    ast.Eq: ("eq", "eq"),
    ast.NotEq: ("ne", "ne"),
    ast.Lt: ("ult", "slt"),
    ast.LtE: ("ule", "sle"),
    ast.Gt: ("ugt", "sgt"),
    ast.GtE: ("uge", "sge"),
}


def source_of(function: FunctionType) -> ast.FunctionDef:
    """Return the syntax tree of a function (``__source__`` if it was generated)."""
    text = getattr(function, "__source__", None) or inspect.getsource(function)
    tree = ast.parse(textwrap.dedent(text)).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise LoweringError(f"{function.__name__}: expected a function defined with def")
    return tree


class Module:
    """A module under construction: lowers functions on demand, each once.

    Parameters
    ----------
    intrinsics
        Python functions that are not lowered but emitted: ``{function: emitter}``.
    prelude
        IR text put in front (declarations, helper functions).
    records
        Layout of each record, by the name that its parameter has everywhere.
    """

    def __init__(
        self,
        intrinsics: dict[Any, Emit],
        prelude: str = "",
        records: dict[str, dict[str, tuple[int, int]]] | None = None,
    ) -> None:
        self.records = records or {"hart": LAYOUT}
        self.intrinsics = intrinsics
        self.heat = 0
        self.blocks = False
        self.chunks = [prelude]
        self.names: dict[Any, str] = {}
        self.queue: list[tuple[FunctionType, str, str]] = []

    def name_of(self, function: FunctionType, attributes: str = "") -> str:
        """Return the IR name of a function, scheduling it to be lowered."""
        name = self.names.get(function)
        if name is None:
            name = f"@py.{function.__name__}"
            if name in self.names.values():
                name = f"{name}.{len(self.names)}"
            self.names[function] = name
            self.queue.append((function, name, attributes))
        return name

    def drain(self) -> None:
        """Lower everything scheduled."""
        while self.queue:
            function, name, attributes = self.queue.pop()
            self.chunks.append(FunctionLowering(self, function, name, attributes).text())

    def text(self) -> str:
        """Return the whole module."""
        self.drain()
        return "\n".join(self.chunks)


class FunctionLowering:
    """One function being lowered: a walk over its syntax tree that appends lines of IR."""

    def __init__(self, module: Module, function: FunctionType, name: str, attributes: str) -> None:
        self.module, self.function, self.name = module, function, name
        self.attributes = attributes
        self.tree = source_of(function)
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.locals: dict[str, str] = {}
        self.counter = 0
        self.terminated = False
        self.loops: list[tuple[str, str]] = []

    # -- plumbing ---------------------------------------------------------

    def fail(self, node: ast.AST, what: str) -> LoweringError:
        line = self.tree.lineno + getattr(node, "lineno", 1) - 1
        return LoweringError(f"{self.function.__name__}, line {line}: {what}")

    def fresh(self, stem: str = "t") -> str:
        self.counter += 1
        return f"{stem}{self.counter}"

    def emit(self, text: str) -> str:
        """Append an instruction with a result and return the result's name."""
        name = "%" + self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        if not self.terminated:
            self.do(f"br label %{name}")
        self.lines.append(f"{name}:")
        self.terminated = False

    def branch(self, condition: Value, yes: str, no: str) -> None:
        self.do(f"br i1 {self.truth(condition)}, label %{yes}, label %{no}")
        self.terminated = True

    def truth(self, value: Value) -> str:
        if value.type == "i1":
            return value.text
        return self.emit(f"icmp ne i64 {value.text}, 0")

    def word(self, value: Value) -> str:
        if value.type == "i64":
            return value.text
        if value.text in ("true", "false"):
            return str(int(value.text == "true"))
        return self.emit(f"zext i1 {value.text} to i64")

    def slot(self, name: str) -> str:
        """Return the stack slot of a local variable."""
        if name not in self.locals:
            self.locals[name] = f"%v.{name}"
            self.entry.append(f"  %v.{name} = alloca i64")
        return self.locals[name]

    # -- whole function -----------------------------------------------------

    def text(self) -> str:
        parameters = [a.arg for a in self.tree.args.args]
        records = self.module.records
        signature = ", ".join(f"ptr %{p}" if p in records else f"i64 %a.{p}" for p in parameters)
        for p in parameters:
            if p not in records:
                self.do(f"store i64 %a.{p}, ptr {self.slot(p)}")
        self.block(self.tree.body)
        if not self.terminated:
            self.do("ret i64 0")
        head = f"define internal i64 {self.name}({signature}) {self.attributes} {{\nentry:"
        return "\n".join([head, *self.entry, *self.lines, "}"])

    def block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if self.terminated:
                return
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        method = getattr(self, f"do_{type(node).__name__}", None)
        if method is None:
            raise self.fail(node, f"{type(node).__name__} is outside the subset")
        method(node)

    def do_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.value(node.value)

    def do_Pass(self, node: ast.Pass) -> None:
        pass

    def do_Return(self, node: ast.Return) -> None:
        result = self.word(self.value(node.value)) if node.value is not None else "0"
        self.do(f"ret i64 {result}")
        self.terminated = True

    def do_Assign(self, node: ast.Assign) -> None:
        result = self.word(self.value(node.value))
        for target in node.targets:
            self.store(target, result)

    def do_AugAssign(self, node: ast.AugAssign) -> None:
        old = ast.copy_location(ast.parse(ast.unparse(node.target), mode="eval").body, node)
        self.store(node.target, self.word(self.binary(node, node.op, old, node.value)))

    def do_If(self, node: ast.If) -> None:
        yes, no, end = self.fresh("yes"), self.fresh("no"), self.fresh("end")
        self.branch(self.value(node.test), yes, no if node.orelse else end)
        self.label(yes)
        self.block(node.body)
        finished = self.terminated
        if not finished:
            self.do(f"br label %{end}")
            self.terminated = True
        if node.orelse:
            self.label(no)
            self.block(node.orelse)
            if not self.terminated:
                self.do(f"br label %{end}")
                self.terminated = True
            elif finished:
                return
        self.lines.append(f"{end}:")
        self.terminated = False

    def do_While(self, node: ast.While) -> None:
        top, body, end = self.fresh("while"), self.fresh("body"), self.fresh("done")
        self.label(top)
        self.branch(self.value(node.test), body, end)
        self.label(body)
        self.loops.append((top, end))
        self.block(node.body)
        self.loops.pop()
        if not self.terminated:
            self.do(f"br label %{top}")
        self.lines.append(f"{end}:")
        self.terminated = False

    def do_Break(self, node: ast.Break) -> None:
        self.do(f"br label %{self.loops[-1][1]}")
        self.terminated = True

    def do_Continue(self, node: ast.Continue) -> None:
        self.do(f"br label %{self.loops[-1][0]}")
        self.terminated = True

    # -- places -------------------------------------------------------------

    def field(self, node: ast.Attribute | ast.Subscript) -> str:
        """Return a pointer to a word of the hart record."""
        if isinstance(node, ast.Subscript):
            if not isinstance(node.value, ast.Attribute):
                raise self.fail(node, "only hart.array[i] can be indexed")
            record, first = self.layout(node.value)
            index = self.word(self.value(node.slice))
            total = self.emit(f"add i64 {index}, {first}")
            return self.emit(f"getelementptr i64, ptr %{record}, i64 {total}")
        record, first = self.layout(node)
        return self.emit(f"getelementptr i64, ptr %{record}, i64 {first}")

    def is_record(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.module.records

    def layout(self, node: ast.Attribute) -> tuple[str, int]:
        """Return the record that an attribute belongs to, and its first word there."""
        if not isinstance(node.value, ast.Name) or not self.is_record(node.value):
            raise self.fail(node, "only fields of hart can be used")
        record = node.value.id
        if node.attr not in self.module.records[record]:
            raise self.fail(node, f"a {record} has no field {node.attr!r}")
        return record, self.module.records[record][node.attr][0]

    def store(self, target: ast.expr, result: str) -> None:
        if isinstance(target, ast.Name):
            self.do(f"store i64 {result}, ptr {self.slot(target.id)}")
        elif isinstance(target, ast.Attribute | ast.Subscript):
            self.do(f"store i64 {result}, ptr {self.field(target)}")
        else:
            raise self.fail(target, "cannot assign to this")

    # -- expressions ----------------------------------------------------------

    def value(self, node: ast.expr) -> Value:
        method = getattr(self, f"get_{type(node).__name__}", None)
        if method is None:
            raise self.fail(node, f"{type(node).__name__} is outside the subset")
        return method(node)

    def constant(self, node: ast.AST, value: Any) -> Value:
        if isinstance(value, bool):
            return Value("true" if value else "false", "i1")
        if not isinstance(value, int):
            raise self.fail(node, f"{value!r} is not an integer")
        value = int(value) & ((1 << 64) - 1)
        return Value(str(value - (1 << 64) if value >> 63 else value))

    def get_Constant(self, node: ast.Constant) -> Value:
        return self.constant(node, node.value)

    def get_Name(self, node: ast.Name) -> Value:
        if node.id in self.locals:
            return Value(self.emit(f"load i64, ptr {self.locals[node.id]}"))
        return self.constant(node, self.resolve(node))

    def resolve(self, node: ast.expr) -> Any:
        """Return the Python object that a global name or an attribute of one denotes."""
        if isinstance(node, ast.Name):
            scope = self.function.__globals__
            closure = inspect.getclosurevars(self.function).nonlocals
            for space in (closure, scope):
                if node.id in space:
                    return space[node.id]
            raise self.fail(node, f"unknown name {node.id!r}")
        if isinstance(node, ast.Attribute):
            return getattr(self.resolve(node.value), node.attr)
        raise self.fail(node, "not a constant")

    def get_Attribute(self, node: ast.Attribute) -> Value:
        if self.is_record(node.value):
            return Value(self.emit(f"load i64, ptr {self.field(node)}"))
        return self.constant(node, self.resolve(node))

    def get_Subscript(self, node: ast.Subscript) -> Value:
        return Value(self.emit(f"load i64, ptr {self.field(node)}"))

    def get_BinOp(self, node: ast.BinOp) -> Value:
        return self.binary(node, node.op, node.left, node.right)

    def binary(self, node: ast.AST, op: ast.operator, left: ast.expr, right: ast.expr) -> Value:
        a, b = self.value(left), self.value(right)
        if a.type == b.type == "i1" and isinstance(op, ast.BitAnd | ast.BitOr | ast.BitXor):
            return Value(self.emit(f"{BINARY[type(op)]} i1 {a.text}, {b.text}"), "i1")
        x, y = self.word(a), self.word(b)
        if isinstance(op, ast.RShift):
            return Value(self.emit(f"{'ashr' if a.signed else 'lshr'} i64 {x}, {y}"))
        if type(op) not in BINARY:
            raise self.fail(node, f"operator {type(op).__name__} is outside the subset")
        return Value(self.emit(f"{BINARY[type(op)]} i64 {x}, {y}"))

    def get_UnaryOp(self, node: ast.UnaryOp) -> Value:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return Value(self.emit(f"xor i1 {self.truth(operand)}, true"), "i1")
        if isinstance(node.op, ast.Invert):
            return Value(self.emit(f"xor i64 {self.word(operand)}, -1"))
        if isinstance(node.op, ast.USub):
            return Value(self.emit(f"sub i64 0, {self.word(operand)}"))
        raise self.fail(node, "operator outside the subset")

    def get_Compare(self, node: ast.Compare) -> Value:
        if len(node.ops) != 1 or type(node.ops[0]) not in COMPARE:
            raise self.fail(node, "one comparison of integers at a time")
        a, b = self.value(node.left), self.value(node.comparators[0])
        predicate = COMPARE[type(node.ops[0])][a.signed or b.signed]
        return Value(self.emit(f"icmp {predicate} i64 {self.word(a)}, {self.word(b)}"), "i1")

    def get_BoolOp(self, node: ast.BoolOp) -> Value:
        place, end = self.slot(self.fresh("bool.")), self.fresh("end")
        for i, operand in enumerate(node.values):
            result = self.value(operand)
            self.do(f"store i64 {self.word(result)}, ptr {place}")
            if i + 1 < len(node.values):
                more = self.fresh("more")
                yes, no = (more, end) if isinstance(node.op, ast.And) else (end, more)
                self.branch(result, yes, no)
                self.label(more)
        self.label(end)
        loaded = self.emit(f"load i64, ptr {place}")
        return Value(self.emit(f"icmp ne i64 {loaded}, 0"), "i1")

    def get_IfExp(self, node: ast.IfExp) -> Value:
        place = self.slot(self.fresh("if."))
        yes, no, end = self.fresh("yes"), self.fresh("no"), self.fresh("end")
        self.branch(self.value(node.test), yes, no)
        for label, operand in ((yes, node.body), (no, node.orelse)):
            self.label(label)
            self.do(f"store i64 {self.word(self.value(operand))}, ptr {place}")
            self.do(f"br label %{end}")
            self.terminated = True
        self.label(end)
        return Value(self.emit(f"load i64, ptr {place}"))

    def get_Call(self, node: ast.Call) -> Value:
        function = self.resolve(node.func)
        emitter = self.module.intrinsics.get(function)
        if emitter is not None:
            return emitter(self, [self.value(a) for a in node.args if not self.is_record(a)])
        if not isinstance(function, FunctionType):
            raise self.fail(node, f"cannot call {function!r}")
        words = [
            f"ptr %{ast.unparse(a)}" if self.is_record(a) else f"i64 {self.word(self.value(a))}"
            for a in node.args
        ]
        name = self.module.name_of(function)
        return Value(self.emit(f"call i64 {name}({', '.join(words)})"))
