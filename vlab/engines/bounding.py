"""Rewriting a student's function so that it is safe as machine code.

What machine code must not do is made impossible: every value stays within 64 bits, a shift
uses the low six bits of its count, a local variable begins as 0, loops are bounded, recursion is
refused, and nothing can be called but arithmetic. The reference engine runs the same
rewritten source as Python, which is how the engines stay equal.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from enum import IntEnum
from types import FunctionType
from typing import Any

from vlab.engines.intrinsics import ARITHMETIC, INTRINSICS
from vlab.engines.lowering import LoweringError, Module
from vlab.isa import bits
from vlab.isa.bits import MASK64
from vlab.isa.table import InstructionError

ROUNDS = 1024
"""Rounds of loops after which a meaning gives up, its result 0."""


class Bounding(ast.NodeTransformer):
    """The rewriting of one function's syntax tree.

    Parameters
    ----------
    scope
        What names outside the function mean; whole numbers are written in as constants.
    callees
        Rewritten name of each function that it calls.
    """

    def __init__(self, scope: dict[str, Any], callees: dict[str, str], local: set[str]) -> None:
        self.scope, self.callees, self.local = scope, callees, local

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Constant(node.value & MASK64) if type(node.value) is int else node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return node if node.id in self.local else self._frozen(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._frozen(node)

    def _frozen(self, node: ast.expr) -> ast.expr:
        found = resolve(node, self.scope)
        if type(found) is int or isinstance(found, IntEnum):
            return ast.Constant(int(found) & MASK64)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.LShift | ast.RShift):
            node.right = ast.BinOp(node.right, ast.BitAnd(), ast.Constant(63))
        return masked(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        if not isinstance(node.target, ast.Name):
            return node
        value = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
        return ast.Assign([node.target], self.visit(value), lineno=node.lineno)

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        node.value = masked(self.visit(node.value))
        return node

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        node.value = masked(self.visit(node.value)) if node.value else ast.Constant(0)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        return masked(node) if isinstance(node.op, ast.Invert | ast.USub) else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        node.body, node.orelse = masked(node.body), masked(node.orelse)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        return ast.IfExp(node, ast.Constant(1), ast.Constant(0))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        sides = [node.left, *node.comparators]
        if any(self._is_signed(side) for side in sides):
            sides = [s if self._is_signed(s) else call("signed_", s) for s in sides]
            node.left, node.comparators = sides[0], sides[1:]
        return node

    def _is_signed(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and resolve(node.func, self.scope) is bits.signed

    def visit_Call(self, node: ast.Call) -> ast.expr:
        function = node.func
        name = self.callees.get(function.id) if isinstance(function, ast.Name) else None
        arguments = [self.visit(argument) for argument in node.args]
        node.args = [masked(a) if name else a for a in arguments]
        if name:
            node.func = ast.Name(name, ast.Load())
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        self.generic_visit(node)
        guard = f"rounds_ = rounds_ + 1\nif rounds_ > {ROUNDS}:\n    return 0"
        node.body = [*ast.parse(guard).body, *node.body]
        return node


def masked(node: ast.expr) -> ast.expr:
    """Return an expression cut to 64 bits."""
    return ast.BinOp(node, ast.BitAnd(), ast.Constant(MASK64))


def call(name: str, argument: ast.expr) -> ast.expr:
    """Return a call."""
    return ast.Call(ast.Name(name, ast.Load()), [argument], [])


def resolve(node: ast.expr, scope: dict[str, Any]) -> Any:
    """Return what a name, or an attribute of one, means outside the function; None: nothing."""
    if isinstance(node, ast.Attribute):
        return getattr(resolve(node.value, scope), node.attr, None)
    return scope.get(node.id) if isinstance(node, ast.Name) else None


def read(name: str, function: FunctionType) -> ast.FunctionDef:
    """Return the syntax tree of a function."""
    try:
        source = getattr(function, "__source__", None) or inspect.getsource(function)
        tree = ast.parse(textwrap.dedent(source)).body[0]
    except (OSError, TypeError, SyntaxError):
        raise InstructionError(f"{name}: its source is not there to be read") from None
    if not isinstance(tree, ast.FunctionDef):
        raise InstructionError(f"{name}: its meaning must be a function, defined with def")
    plain = tree.args
    if plain.vararg or plain.kwarg or plain.kwonlyargs or plain.defaults:
        raise InstructionError(f"{name}: {tree.name}: only plain parameters, without defaults")
    tree.decorator_list, tree.returns = [], None
    for argument in plain.args:
        argument.annotation = None
    return tree


def bounded(name: str, function: FunctionType, calling: tuple[str, ...] = ()) -> FunctionType:
    """Return a function that does as ``function`` does, within bounds.

    Its source is in ``__source__``, the functions that it calls in ``__callees__``.

    Raises
    ------
    InstructionError
        If it cannot be machine code; the message begins with ``name``.
    """
    if not isinstance(function, FunctionType):
        raise InstructionError(f"{name}: its meaning must be a function, defined with def")
    where = function.__name__
    if where in calling:
        raise InstructionError(f"{name}: {where} calls itself: use a while loop")
    tree = read(name, function)
    scope = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    local = {a.arg for a in tree.args.args}
    callees: dict[str, FunctionType] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "hart":
            raise InstructionError(f"{name}: a meaning has its operands, it cannot see the hart")
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            local.add(node.id)
        if isinstance(node, ast.While) and calling:
            raise InstructionError(f"{name}: {where} is called in it, so it may have no loop")
        if isinstance(node, ast.Call):
            called = resolve(node.func, scope)
            if called in INTRINSICS and getattr(called, "__module__", "") == bits.__name__:
                continue
            if not isinstance(called, FunctionType) or called in INTRINSICS:
                what = ast.unparse(node.func)
                raise InstructionError(f"{name}: {where} calls {what}, which is no arithmetic")
            callees[ast.unparse(node.func)] = bounded(name, called, (*calling, where))
    parameters = {a.arg for a in tree.args.args}
    body = Bounding(scope, {n: f.__name__ for n, f in callees.items()}, local).visit(tree).body
    begin = [f"{variable} = 0" for variable in (*sorted(local - parameters), "rounds_")]
    head = f"def own_{where}({', '.join(a.arg for a in tree.args.args)}):\n"
    lines = [*begin, *(ast.unparse(ast.fix_missing_locations(s)) for s in body)]
    source = head + textwrap.indent("\n".join(lines), "    ")
    space: dict[str, Any] = {**scope, "signed_": bits.signed}
    space |= {f.__name__: f for f in callees.values()}
    exec(compile(source, f"<{name}>", "exec"), space)
    meaning: Any = space[f"own_{where}"]
    meaning.__source__, meaning.__callees__ = source, tuple(callees.values())
    if not calling:
        try_lowering(name, meaning)
    return meaning


def try_lowering(name: str, meaning: FunctionType) -> None:
    """Raise `InstructionError` if a meaning cannot become machine code."""
    module = Module(INTRINSICS, ARITHMETIC)
    module.name_of(meaning)
    try:
        module.drain()
    except (LoweringError, ValueError) as error:
        raise InstructionError(f"{name}: {str(error).replace('own_', '')}") from None
