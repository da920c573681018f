"""Takes from this process what Windows does not have, as far as that can be done elsewhere.

Import it first. The libraries that vlab uses are imported before, because they look at the
platform, too; ``os.name`` stays, because `pathlib` makes its classes by it.
"""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import anywidget
import elftools.elf.elffile
import IPython
import llvmlite.binding
import matplotlib.pyplot
import numpy
import pandas
import tqdm

LIBRARIES = (
    anywidget,
    elftools.elf.elffile,
    IPython,
    llvmlite.binding,
    matplotlib.pyplot,
    multiprocessing,
    numpy,
    pandas,
    subprocess,
    sysconfig,
    tempfile,
    tqdm,
)

MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "termios", "tty")

NAMES: dict[Any, tuple[str, ...]] = {
    os: ("fork", "getuid", "geteuid", "getpgid", "getpgrp", "killpg", "setsid", "sysconf", "uname",
         "openpty", "mkfifo", "fchmod", "sched_getaffinity", "wait4", "nice"),
    mmap: ("MAP_ANONYMOUS", "MAP_ANON", "MAP_PRIVATE", "MAP_SHARED", "MAP_NORESERVE", "PROT_READ",
           "PROT_WRITE", "PROT_EXEC", "MADV_DONTNEED"),
    signal: ("SIGKILL", "SIGALRM", "SIGHUP", "SIGUSR1", "setitimer", "ITIMER_REAL", "alarm",
             "pthread_sigmask"),
    select: ("poll", "epoll"),
}  # fmt: skip


def select_sockets_only(*_: object) -> None:
    raise OSError(10038, "an operation was attempted on something that is not a socket")


def replace_closed_only(source: str, target: str) -> None:
    """Refuse to replace a file that exists, as Windows does while anybody has it open."""
    if Path(target).exists():
        raise PermissionError(13, "access is denied", str(target))
    REPLACE(source, target)


REPLACE = os.replace


class Kernel32:
    """Windows's functions for memory, with this host's."""

    denies = False

    def __init__(self) -> None:
        self.given: dict[int, mmap.mmap] = {}

        def allocate(at: None, size: int, kind: int, protection: int) -> int | None:
            if self.denies:
                return None
            assert (at, kind, protection) == (None, 0x1000 | 0x2000, 0x40)
            memory = mmap.mmap(-1, size, prot=EVERYTHING)
            address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            self.given[address] = memory
            return address

        def free(address: int, size: int, kind: int) -> bool:
            assert (size, kind) == (0, 0x8000)
            return self.given.pop(address, None) is not None

        self.VirtualAlloc: Any = allocate
        self.VirtualFree: Any = free


EVERYTHING = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
KERNEL32 = Kernel32()
ctypes.WinDLL = lambda name, use_last_error: {"kernel32": KERNEL32}[name]  # type: ignore[attr-defined]
ctypes.get_last_error = lambda: 1655  # type: ignore[attr-defined]

for module in MODULES:
    sys.modules[module] = None  # type: ignore[assignment]
for owner, names in NAMES.items():
    for name in names:
        if hasattr(owner, name):
            delattr(owner, name)
select.select = select_sockets_only  # type: ignore[assignment]
os.replace = replace_closed_only  # type: ignore[assignment]
sys.platform = "win32"
