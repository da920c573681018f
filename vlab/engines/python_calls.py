"""Machine code that Python calls as it calls its own built-in functions.

A call through `ctypes` converts arguments by their declared types; a built-in function is a
plain C function that is handed Python objects ("Python/C API", *Common Object Structures*,
``PyMethodDef``). On one x86-64 host the one takes 140 ns, the other 45, and 20 where other threads
of Python need not go on meanwhile.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

API = (
    "PyLong_AsVoidPtr",
    "PyLong_AsUnsignedLongLong",
    "PyLong_FromUnsignedLongLong",
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
)
"""Functions of the Python/C API that the code calls, through a table filled when it is loaded."""

TABLE = "python"
NO_ARGUMENT, ONE_ARGUMENT = 4, 8
"""``METH_NOARGS``, ``METH_O``."""


class MethodDefinition(ctypes.Structure):
    """``PyMethodDef``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("method", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def table() -> str:
    """Return the table of `API` as LLVM IR text."""
    return f"@{TABLE} = dso_local global [{len(API)} x ptr] zeroinitializer\n"


def entry(name: str, argument: int | None = None) -> str:
    """Return a built-in function as LLVM IR text: ``@name.python``, which calls ``@name``.

    Parameters
    ----------
    name
        A function that takes the address of a block of words and returns a number. Python's
        other threads go on during it, unless it is handed an argument.
    argument
        Word of the block into which the built-in function's argument is written, None if it has
        none.
    """

    def function(name: str) -> str:
        place = f"getelementptr [{len(API)} x ptr], ptr @{TABLE}, i64 0, i64 {API.index(name)}"
        return f"  %{name}.p = {place}\n  %{name} = load ptr, ptr %{name}.p\n"

    head = f"define ptr @{name}.python(ptr %self, ptr %argument) {{\n"
    head += "".join(function(f) for f in API)
    head += "  %words = call ptr %PyLong_AsVoidPtr(ptr %self)\n"
    if argument is None:
        before = "  %thread = call ptr %PyEval_SaveThread()\n"
        after = "  call void %PyEval_RestoreThread(ptr %thread)\n"
    else:
        before = (
            "  %number = call i64 %PyLong_AsUnsignedLongLong(ptr %argument)\n"
            f"  %word = getelementptr i64, ptr %words, i64 {argument}\n"
            "  store i64 %number, ptr %word\n"
        )
        after = ""
    return (
        f"{head}{before}  %result = call i64 @{name}(ptr %words)\n{after}"
        "  %object = call ptr %PyLong_FromUnsignedLongLong(i64 %result)\n  ret ptr %object\n}\n"
    )


def fill(address: int) -> None:
    """Fill the table of `API`, which is at ``address``."""
    places = (ctypes.c_void_p * len(API)).from_address(address)
    for index, name in enumerate(API):
        places[index] = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value


class BuiltIn:
    """A built-in function at an address, to be bound to blocks of words.

    Parameters
    ----------
    name
        Its name.
    address
        Of its machine code (`entry`).
    flags
        `NO_ARGUMENT` or `ONE_ARGUMENT`.
    """

    def __init__(self, name: str, address: int, flags: int) -> None:
        self.definition = MethodDefinition(name.encode(), address, flags, None)
        _ALIVE.append(self)

    def bound(self, words: int) -> Callable[..., int]:
        """Return the function for a block of words, which must live as long."""
        new = ctypes.pythonapi.PyCFunction_NewEx
        new.restype = ctypes.py_object
        new.argtypes = ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p
        function: Callable[..., int] = new(ctypes.addressof(self.definition), words, None)
        return function


_ALIVE: list[BuiltIn] = []
"""Functions that Python made hold on to a definition without owning it."""
