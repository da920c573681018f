"""Compiled code survives between processes, and nothing that happens to the cache breaks a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_object_loader import SERVED

from vlab.engines import hot_loops, object_cache
from vlab.engines.loops import find_loop

RUN = "import vlab; r = vlab.run('hello', mode='fullvirt'); print(r.exit_code, r.cycles.total)"
COUNT = "from vlab.engines import object_cache; print(object_cache.made)"


def start(cache: Path, code: str) -> subprocess.Popen[str]:
    """Begin a process of its own that uses a cache directory."""
    environment = {**os.environ, "VLAB_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )


def output(cache: Path, code: str) -> list[str]:
    """Return what a process prints, word by word."""
    process = start(cache, code)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return printed.split()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that ``vlab.warmup`` has filled."""
    cache = tmp_path_factory.mktemp("cache")
    made = output(cache, f"import vlab; vlab.warmup(); {COUNT}")
    assert int(made[-1]) >= 3
    return cache


def test_a_warm_process_compiles_nothing(filled: Path) -> None:
    """After ``warmup`` no run of any mode has anything left to compile."""
    runs = "import vlab; [vlab.run('hello', mode=m) for m in ('native','fullvirt','paravirt')]; "
    assert output(filled, runs + COUNT)[-1] == "0"


def test_processes_that_start_at_once_share_a_cache(tmp_path: Path) -> None:
    """Several processes with one empty cache all run, and leave complete objects only."""
    processes = [start(tmp_path, RUN) for _ in range(3)]
    results = {process.communicate(timeout=180)[0] for process in processes}
    assert len(results) == 1
    assert results.pop().startswith("0 ")
    files = list(tmp_path.iterdir())
    assert files
    assert all(path.suffix == ".o" and object_cache._stored(path) for path in files)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_object_is_made_again(filled: Path, damage: str, tmp_path: Path) -> None:
    """A changed, shortened or empty file is not trusted and is replaced."""
    for path in filled.iterdir():
        data = bytearray(path.read_bytes())
        if damage == "flip":
            data[len(data) // 2] ^= 1
        (tmp_path / path.name).write_bytes(
            {"flip": bytes(data), "cut": bytes(data[:-9]), "empty": b""}[damage]
        )
    assert output(tmp_path, f"{RUN}; {COUNT}")[0] == "0"
    used = [path for path in tmp_path.iterdir() if object_cache._stored(path)]
    assert len(used) >= 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    """Where the directory cannot be made the run compiles for itself."""
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    assert output(blocked / "cache", RUN)[0] == "0"


def test_old_objects_are_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest versions of an object are kept, and what has another name is left alone."""
    monkeypatch.setenv("VLAB_CACHE_DIR", str(tmp_path))
    for age in range(20):
        old = tmp_path / f"thing-{age:032x}.o"
        old.write_bytes(b"old")
        os.utime(old, (1000 - age, 1000 - age))
    other = tmp_path / f"thing-else-{0:032x}.o"
    other.write_bytes(b"another")
    assert object_cache.stored("thing", lambda: b"code") == b"code"
    assert other.exists()
    left = {path.name for path in tmp_path.glob("thing-*.o")} - {other.name}
    assert len(left) == object_cache.KEPT
    assert f"thing-{0:032x}.o" in left
    assert f"thing-{19:032x}.o" not in left


LOOPS = """
import sys, vlab
from vlab.engines import hot_loops, object_cache
from vlab.engines.tiered import Translator
Translator.wait, Translator.worth = True, 1
r = vlab.run("compute", n=2000)
print(len(hot_loops._made), object_cache.made, "llvmlite" in sys.modules, r.cycles_total.total,
      r.counters_total.to_dict())
"""


@pytest.fixture(scope="module")
def with_loops(filled: Path) -> tuple[Path, list[str]]:
    """A cache with loops, and what the process printed that compiled them."""
    printed = output(filled, LOOPS)
    assert int(printed[0]) == int(printed[1]) > 0
    assert list(filled.glob("loop-*.o"))
    return filled, printed


def test_a_warm_process_enters_its_loops_without_llvm(with_loops: tuple[Path, list[str]]) -> None:
    """Loops that another process compiled are loaded, and every counter is the same."""
    cache, cold = with_loops
    warm = output(cache, LOOPS)
    assert warm[0] == cold[0]
    assert warm[1] == "0"
    assert warm[3:] == cold[3:]
    if SERVED:
        assert warm[2] == "False"


def copied(cache: Path, target: Path, loops: bytes | None) -> None:
    """Copy a cache, with other contents for the loops, or without these."""
    for path in cache.iterdir():
        loop = path.name.startswith("loop-")
        if not loop or loops is not None:
            (target / path.name).write_bytes(loops if loop and loops else path.read_bytes())


def test_damaged_loops_are_compiled_again(
    with_loops: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """A loop whose file was changed is not entered but made anew."""
    cache, cold = with_loops
    copied(cache, tmp_path, b"\0" * 4000)
    assert output(tmp_path, LOOPS)[1:2] == cold[1:2]
    assert all(object_cache._stored(path) for path in tmp_path.glob("loop-*.o"))


def test_processes_compile_loops_at_once(
    with_loops: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """Processes that compile the same loops at once count the same, and leave whole files."""
    cache, cold = with_loops
    copied(cache, tmp_path, None)
    processes = [start(tmp_path, LOOPS) for _ in range(3)]
    for process in processes:
        assert process.communicate(timeout=180)[0].split()[3:] == cold[3:]
    assert all(object_cache._stored(path) for path in tmp_path.iterdir())


def test_loops_of_a_cache_that_cannot_be_written(
    with_loops: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """A cache that may only be read serves what it has; without one, loops are compiled."""
    cache, cold = with_loops
    copied(cache, tmp_path, b"")
    tmp_path.chmod(0o555)
    assert output(tmp_path, LOOPS)[1] == "0"
    tmp_path.chmod(0o755)
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    assert output(blocked / "cache", LOOPS)[3:] == cold[3:]


def test_a_loop_is_described_by_all_that_its_code_depends_on() -> None:
    """Loops that differ in an operand, a way or an entry are kept under different names."""
    words = (0x0015_0513, 0xFEA5_CEE3)  # addi a0, a0, 1; blt a1, a0, -4
    page = b"".join(word.to_bytes(4, "little") for word in words).ljust(4096, b"\0")
    loop = find_loop(page, 0)
    assert loop is not None
    other = find_loop(page[:2] + b"\x25" + page[3:], 0)
    assert other is not None
    variants = [loop, other, loop._replace(entries=(0, 4)), find_loop(page[4:8] + page[:4092], 0)]
    variants = [loop for loop in variants if loop is not None]
    assert len({hot_loops.description(v) for v in variants}) == len(variants) >= 3
    assert hot_loops.description(loop) == hot_loops.description(find_loop(page, 0) or other)
