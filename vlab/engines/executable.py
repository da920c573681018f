"""Memory that can be written and executed, and what host processors ask of those who write code.

x86-64 sees its own stores when it fetches code. aarch64 does not: the lines of the data cache must
be cleaned, those of the instruction cache dropped ("Arm Architecture Reference Manual", B2.4.4),
which ``__clear_cache`` of the compiler's runtime library does.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
import weakref
from functools import cache
from typing import Any

from vlab.errors import VlabError

NAMES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
"""Processors that translated code is made for, by what `platform.machine` calls them."""

STUB = 16
"""Bytes of a jump to anywhere."""


class NoExecutableMemoryError(VlabError):
    """The host does not let code be made; the message says what is missing."""


def processor() -> str | None:
    """Return this host's processor, None if no code is made for it."""
    return NAMES.get(platform.machine().lower())


def executable_memory(size: int) -> Any:
    """Return a buffer that can be written and executed, for as long as somebody has it."""
    if sys.platform == "win32":
        return _of_windows(size)
    if not sys.platform.startswith("linux"):
        raise NoExecutableMemoryError(f"executable memory on {sys.platform} is not served yet")
    try:
        return mmap.mmap(-1, size, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError as error:
        raise NoExecutableMemoryError(
            f"the host denies executable memory ({error.strerror})"
        ) from error


COMMIT_AND_RESERVE, RELEASE, EXECUTE_READWRITE = 0x3000, 0x8000, 0x40
"""What ``VirtualAlloc`` and ``VirtualFree`` are asked for ("Memory Protection Constants")."""


def _of_windows(size: int) -> Any:
    """Return the same from Windows, whose `mmap` has no memory of this kind."""
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    allocate, free = kernel.VirtualAlloc, kernel.VirtualFree
    pointer, size_t, dword = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
    allocate.restype, allocate.argtypes = pointer, (pointer, size_t, dword, dword)
    free.argtypes = pointer, size_t, dword
    at = allocate(None, size, COMMIT_AND_RESERVE, EXECUTE_READWRITE)
    if not at:
        error = ctypes.get_last_error()
        raise NoExecutableMemoryError(f"the host denies executable memory (error {error})")
    memory = (ctypes.c_ubyte * size).from_address(at)
    # Not when the process ends: what is called then may lie there.
    weakref.finalize(memory, free, at, 0, RELEASE).atexit = False
    return memory


@cache
def runtime() -> ctypes.CDLL | None:
    """Return the library with ``__clear_cache``, found by LLVM's linker, too; None: not needed."""
    if processor() != "aarch64":
        return None
    try:
        return ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise NoExecutableMemoryError(f"no __clear_cache on this host ({error})") from error


def sync_code(begin: int, size: int) -> None:
    """Have the processor fetch what was written at an address."""
    library = runtime()
    if library is not None:
        library.__clear_cache(ctypes.c_void_p(begin), ctypes.c_void_p(begin + size))


def jump_to(address: int, host: str | None) -> bytes:
    """Return the code of a jump to an address, `STUB` bytes at most."""
    word = address.to_bytes(8, "little")
    if host == "aarch64":  # ldr x16, .+8; br x16
        return b"\x50\x00\x00\x58\x00\x02\x1f\xd6" + word
    return b"\x48\xb8" + word + b"\xff\xe0"  # mov rax, address; jmp rax
