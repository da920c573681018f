"""The submission's process: defines what the student wrote, and answers calls of it.

Started as ``python -I -S -B child.py SECONDS FILE``: requests come on standard input, answers go
to what standard output was, and what is printed goes into the file. Whatever the submission
does to this process, only its answers are looked at, and they are plain data (`wire.py`).
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import functools
import io
import itertools
import operator
import os
import re
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import confinement
import wire

del sys.path[0]

IMPORTS = (ast.Import, ast.ImportFrom)


MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)


def run_cell(cell: str, name: str, names: dict[str, object]) -> str:
    """Run a cell and return what it raised, nothing if it came to its end.

    Whoever has imported vlab at the head of a cell loses the import, not the functions below.
    """
    said = ""
    try:
        tree, features = parsed(cell, name)
        for lines in parts(tree):
            code = compile(ast.Module(lines, []), name, "exec", features, dont_inherit=True)
            try:
                exec(code, names)
            except ImportError as error:
                if not isinstance(lines[0], IMPORTS):
                    raise
                said = said or describe(error)
    except BaseException as error:
        said = said or describe(error)
    return said


def parsed(cell: str, name: str) -> tuple[ast.Module, int]:
    """Return the syntax of a cell, without lines for the notebook, and its features."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(cell, name)
        except SyntaxError:
            tree = ast.parse(MAGIC.sub("pass", cell), name)
    known = [
        getattr(__future__, one.name).compiler_flag
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for one in node.names
        if hasattr(__future__, one.name)
    ]
    return tree, functools.reduce(operator.or_, known, 0)


def parts(tree: ast.Module) -> list[list[ast.stmt]]:
    """Return the statements of a cell: each import for itself, what is between them together."""
    places = enumerate(tree.body, 1)
    groups = itertools.groupby(places, lambda at: isinstance(at[1], IMPORTS) * at[0])
    return [[node for _, node in group] for _, group in groups]


def describe(error: BaseException) -> str:
    """Return an error as one line, with the student's line that it comes from."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("<cell"):
            line = trace.tb_lineno
        trace = trace.tb_next
    place = f" (line {line})" if line else ""
    try:
        text = " ".join(str(error).split())[:300]
    except BaseException:
        text = "an error that cannot be printed"
    return f"{type(error).__name__}: {text}{place}"


class Printed(io.RawIOBase):
    """Where prints go: a file up to its limit, nowhere from there on."""

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: object) -> int:
        """Write what there is room for, and say that it was all."""
        with contextlib.suppress(OSError):
            os.write(1, data)  # type: ignore[arg-type]
        return memoryview(data).nbytes  # type: ignore[arg-type]


class Server:
    """Answers requests about what the submission has defined."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {"__name__": "__main__"}
        self.objects: list[object] = []

    def answer(self, request: tuple[object, ...]) -> object:
        """Return the answer to a request: its kind, and what belongs to it."""
        what, *rest = request
        if what == "cell":
            return "ran", run_cell(rest[1], f"<{rest[0]}>", self.names)  # type: ignore[arg-type]
        if what == "get":
            return self.describe(self.names[rest[0]]) if rest[0] in self.names else ("missing",)
        target, arguments = rest[0], rest[1]
        try:
            if what == "method":
                function = getattr(self.objects[target], rest[2])  # type: ignore[call-overload]
            else:
                function = self.names[target]  # type: ignore[index]
            result = function(*arguments)  # type: ignore[operator, misc]
            if isinstance(function, type):
                self.objects.append(result)
                return "object", len(self.objects) - 1
            return "value", result
        except BaseException as error:
            return "raised", describe(error)

    @staticmethod
    def describe(value: object) -> tuple[object, ...]:
        """Return what a name stands for."""
        if isinstance(value, type):
            return ("class",)
        return ("function",) if callable(value) else ("value", value)


def main() -> None:
    """Confine this process, then serve."""
    for name in confinement.PRELOADED:
        with contextlib.suppress(ImportError):
            __import__(name)
    confinement.limit(int(sys.argv[1]))
    answers, printed = os.dup(1), os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(printed, stream)
    server, write, requests = Server(), os.write, os.dup(0)
    sys.stdin = None  # type: ignore[assignment]
    sys.stdout = sys.stderr = io.TextIOWrapper(Printed(), "utf-8", "replace", line_buffering=True)
    read, encode, decode, failure = os.read, wire.encode, wire.decode, wire.WireError
    free, pending = confinement.filter_calls(), b""
    write(answers, encode(("ready", free)))
    while True:
        while b"\n" not in pending:
            more = read(requests, 1 << 16)
            if not more:
                os._exit(0)
            pending += more
        line, _, pending = pending.partition(b"\n")
        answer = server.answer(decode(line))
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
        try:
            data = encode(answer)
        except failure as error:
            data = encode(("raised", str(error)))
        while data:
            data = data[write(answers, data) :]


if __name__ == "__main__":
    main()
