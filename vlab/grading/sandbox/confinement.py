"""What the submission's process may do: compute, and read and write what is open already.

On Linux a filter of system calls (seccomp, ``prctl(2)``) lets through what a program needs for
computing and refuses everything else: no file is opened, nothing is deleted, no process is
started or signalled, there is no network. It holds for any user, root included, and cannot be
taken off again. Limits on memory, processor time and output come from ``setrlimit(2)``.
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
import struct
import sys

PRELOADED = (
    "__future__", "abc", "ast", "array", "base64", "binascii", "bisect", "cmath", "collections",
    "collections.abc", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum",
    "encodings.idna", "encodings.latin_1", "fractions", "functools", "hashlib", "heapq", "inspect",
    "io", "itertools", "json", "linecache", "math", "numbers", "operator", "random", "re",
    "statistics", "string", "struct", "textwrap", "time", "traceback", "types", "typing",
    "unicodedata", "warnings",
)  # fmt: skip
"""What submissions may import: after this no file is opened any more."""

MEMORY, OUTPUT = 512 << 20, 1 << 20
"""Bytes of address space besides what the interpreter has, and of one output file."""

NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, ARCHITECTURE = 0, 4

X86_64, AARCH64 = 0xC000003E, 0xC00000B7
CALLS: dict[int, dict[str, int]] = {
    X86_64: {
        "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9,
        "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
        "rt_sigreturn": 15, "readv": 19, "writev": 20, "select": 23, "sched_yield": 24,
        "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "exit": 60, "uname": 63,
        "gettimeofday": 96, "getrusage": 98, "times": 100, "getuid": 102, "getgid": 104,
        "geteuid": 107, "getegid": 108, "sigaltstack": 131, "gettid": 186, "time": 201,
        "futex": 202, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
        "clock_nanosleep": 230, "exit_group": 231, "pselect6": 270, "ppoll": 271,
        "getrandom": 318, "membarrier": 324, "rseq": 334,
    },
    AARCH64: {
        "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222,
        "mprotect": 226, "munmap": 215, "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135,
        "rt_sigreturn": 139, "readv": 65, "writev": 66, "sched_yield": 124, "mremap": 216,
        "madvise": 233, "nanosleep": 101, "getpid": 172, "exit": 93, "uname": 160,
        "gettimeofday": 169, "getrusage": 165, "times": 153, "getuid": 174, "getgid": 176,
        "geteuid": 175, "getegid": 177, "sigaltstack": 132, "gettid": 178, "futex": 98,
        "restart_syscall": 128, "clock_gettime": 113, "clock_getres": 114,
        "clock_nanosleep": 115, "exit_group": 94, "pselect6": 72, "ppoll": 73,
        "getrandom": 278, "membarrier": 283, "rseq": 293,
    },
}  # fmt: skip
"""Numbers of the calls let through, by architecture (``linux/audit.h``)."""


def program(architecture: int) -> bytes:
    """Return the filter as BPF (``linux/filter.h``): eight bytes an instruction."""

    def line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    numbers = sorted(CALLS[architecture].values())
    lines = [
        line(LOAD, ARCHITECTURE),
        line(EQUAL, architecture, 1, 0),
        line(RETURN, KILL),
        line(LOAD, NUMBER),
    ]
    for place, number in enumerate(numbers):
        lines.append(line(EQUAL, number, len(numbers) - place, 0))
    return b"".join([*lines, line(RETURN, REFUSE), line(RETURN, ALLOW)])


def filter_calls() -> str:
    """Confine this process for good; return why it cannot be done, nothing if it is."""
    architecture = {"x86_64": X86_64, "aarch64": AARCH64}.get(platform.machine())
    if not sys.platform.startswith("linux") or architecture is None:
        return f"system calls cannot be filtered on {sys.platform} {platform.machine()}"
    code = program(architecture)
    buffer = ctypes.create_string_buffer(code)
    head = struct.pack("@HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    number = [ctypes.c_ulong(n) for n in (0, 0, 0)]
    if libc.prctl(NO_NEW_PRIVS, ctypes.c_ulong(1), *number):
        return f"prctl: error {ctypes.get_errno()}"
    if libc.prctl(SET_SECCOMP, ctypes.c_ulong(FILTER), ctypes.c_char_p(head), *number[:2]):
        return f"seccomp: error {ctypes.get_errno()}"
    return ""


def limit(seconds: int) -> None:
    """Limit processor time, memory and output, where the platform has such limits."""
    try:
        import resource
    except ImportError:
        return
    for what, amount in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, OUTPUT),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, MEMORY),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (amount, amount))
