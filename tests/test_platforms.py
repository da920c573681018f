"""What is not there on Windows and macOS is not needed: processes without it do the main jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ELSEWHERE = """
import sys, os, signal, mmap, select
import numpy, ctypes, subprocess, pathlib, tempfile, concurrent.futures, llvmlite.binding
import matplotlib.figure, matplotlib.font_manager, matplotlib.backends.backend_svg
import pandas, ipywidgets, anywidget, nbformat, asyncio

for name in ("resource", "fcntl", "termios", "tty", "pty", "grp", "pwd"):
    sys.modules[name] = None
for owner, names in (
    (signal, "SIGALRM SIGKILL SIGHUP setitimer ITIMER_REAL alarm pthread_sigmask"),
    (os, "fork getuid geteuid getpgid killpg setsid wait4 sysconf getpgrp sched_getaffinity"),
    (mmap, "MAP_ANONYMOUS MAP_ANON MAP_PRIVATE MAP_SHARED MAP_NORESERVE PROT_READ PROT_WRITE"),
):
    for missing in names.split():
        if hasattr(owner, missing):
            delattr(owner, missing)

def select_sockets_only(*_):
    raise OSError("an operation was attempted on something that is not a socket")

select.select = select_sockets_only
sys.platform = "win32"
"""

JOBS = {
    "run": "main(['run', 'hello', '--mode', 'fullvirt'])",
    "compare": "main(['compare', 'hello', '--figure', 'f.svg'])",
    "info": "main(['info'])",
    "boot": "main(['boot', IMAGE, '--max-instructions', '1000000'])",
}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_needs_nothing_of_unix(job: str, tmp_path: Path) -> None:
    """Without what Unix alone has, a command works, and prints to a terminal of code page 1252."""
    root = Path(__file__).parent.parent
    image = f"IMAGE = {str(root / 'vlab/images/native.elf')!r}"
    program = f"{ELSEWHERE}\n{image}\nfrom vlab.cli import main\nsys.exit({JOBS[job]})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "LOCALAPPDATA": str(tmp_path / "local")},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode("cp1252")[-2000:]
    assert done.returncode == (1 if job == "boot" else 0), done.stderr.decode("cp1252")[-2000:]
    assert done.stdout


def test_every_module_imports_without_unix() -> None:
    """No module of the package imports at its top what Windows does not have."""
    program = f"""{ELSEWHERE}
import importlib, pkgutil, vlab
for module in pkgutil.walk_packages(vlab.__path__, "vlab."):
    if "__main__" not in module.name:
        importlib.import_module(module.name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
