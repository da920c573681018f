"""Compiled code survives between processes, and nothing that happens to the cache breaks a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vlab.engines import object_cache

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
