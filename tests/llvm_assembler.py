"""LLVM's assembler and linker, as the oracle of vlab's: through the ``ziglang`` package."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

needs_llvm = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="no ziglang: pip install 'vlab[guests]'"
)

SCRIPT = """SECTIONS {{
  . = {origin:#x};
  .text : {{ *(.text) }}
  . = ALIGN(16); .rodata : {{ *(.rodata) }}
  . = ALIGN(16); .data : {{ *(.data) }}
  . = ALIGN(16); .other : {{ *(.other) }}
  /DISCARD/ : {{ *(.riscv.attributes .note* .comment) }}
}}
"""
FLAGS = ("-target", "riscv64-freestanding-none", "-mcpu=generic_rv64+m+a+c+zihintpause",
         "-nostdlib", "-Wl,-n", "-Wl,--build-id=none")  # fmt: skip


def llvm_code(source: str, origin: int, directory: Path) -> bytes:
    """Return the bytes at ``origin`` that LLVM makes of a source, sections one after another."""
    (directory / "x.s").write_text(".option norelax\n.option norvc\n" + source, encoding="utf-8")
    (directory / "x.ld").write_text(SCRIPT.format(origin=origin), encoding="utf-8")
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-Wl,-T,x.ld", "x.s", "-o", "x.elf"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    code = b""
    with (directory / "x.elf").open("rb") as file:
        for segment in ELFFile(file).iter_segments("PT_LOAD"):
            code = code.ljust(segment["p_vaddr"] - origin, b"\0") + segment.data()
    return code
