"""Importing vlab is instant and its public names resolve."""

from __future__ import annotations

import subprocess
import sys

import pytest

import vlab

HEAVY = {"numpy", "pandas", "matplotlib", "numba", "llvmlite", "ipywidgets"}


def test_import_loads_nothing_heavy() -> None:
    """`import vlab` loads no library; each is loaded by what needs it."""
    code = f"import sys, vlab; print(sorted({HEAVY!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_import_is_fast() -> None:
    """`import vlab` takes well under 0.3 s (the fastest of three, beyond Python's own start)."""
    code = "import time; t = time.perf_counter(); import vlab; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.3


@pytest.mark.parametrize("name", vlab.__all__)
def test_public_names_resolve(name: str) -> None:
    """Everything in `__all__` exists and is listed by `dir`."""
    assert getattr(vlab, name) is not None
    assert name in dir(vlab)


def test_a_wrong_name_is_an_attribute_error() -> None:
    """A name that does not exist behaves as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = vlab.rum
