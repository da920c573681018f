"""The guest: reproducible images, one porting layer, workloads that run under QEMU."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from vlab import guests
from vlab.errors import BuildError

WORKLOADS = json.loads((guests.SOURCES / "workloads.json").read_text("utf-8"))
QEMU = shutil.which("qemu-system-riscv64")
Boot = Callable[..., tuple[str, int]]
needs_qemu = pytest.mark.skipif(QEMU is None, reason="no qemu-system-riscv64")
needs_compiler = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="no ziglang: pip install 'vlab[guests]'"
)


# ---- Building ------------------------------------------------------------------


@needs_compiler
def test_committed_images_are_what_the_sources_give(tmp_path: Path) -> None:
    """Building again gives the committed images, byte for byte."""
    built = guests.build(tmp_path)
    assert sorted(built) == sorted(p.name for p in tmp_path.iterdir())
    stale = [n for n, p in built.items() if p.read_bytes() != (guests.IMAGES / n).read_bytes()]
    assert not stale, f"differ from vlab/images (run: vlab guests build): {stale}"


def test_a_missing_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without ziglang, build says what to install and writes nothing."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BuildError, match=r"^[^\n]*pip install 'vlab\[guests\]'$"):
        guests.build(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_installed_vlab_without_sources_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where there are no sources, build and diff say that a checkout is needed."""
    monkeypatch.setattr(guests, "SOURCES", tmp_path)
    for action in (guests.build, guests.diff):
        with pytest.raises(BuildError, match="checkout"):
            action()


@needs_compiler
def test_a_compile_error_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A source that does not compile ends in a BuildError that names file and line."""
    sources = tmp_path / "guests"
    shutil.copytree(guests.SOURCES, sources)
    (sources / "kernel" / "main.c").write_text("nonsense\n")
    monkeypatch.setattr(guests, "SOURCES", sources)
    with pytest.raises(BuildError, match=r"main\.c:1"):
        guests.build(tmp_path / "out")


# ---- The porting layer -----------------------------------------------------------

PRIVILEGED = re.compile(r"csr\w+|[sm]ret|wfi|sfence\.vma")


def instructions(image: str) -> list[str]:
    """Return the mnemonics of an image's code."""
    capstone = pytest.importorskip("capstone")
    with (guests.IMAGES / image).open("rb") as file:
        text = ELFFile(file).get_section_by_name(".text")
        code, address = text.data(), text["sh_addr"]
    cs = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC)
    found = list(cs.disasm(code, address))
    assert found[-1].address + found[-1].size == address + len(code), "not all was disassembled"
    return [i.mnemonic for i in found]


def test_the_ported_kernel_has_no_privileged_instruction() -> None:
    """Every privileged instruction is behind the porting layer, so pv.elf has none."""
    assert any(PRIVILEGED.fullmatch(name) for name in instructions("native.elf"))
    assert not [name for name in instructions("pv.elf") if PRIVILEGED.fullmatch(name)]


def test_diff_covers_every_source_once() -> None:
    """Each kernel source is shared or one side's, and the total is what is printed."""
    diff = guests.diff()
    for arch, alone in (("native", diff.native), ("pv", diff.pv)):
        assert all(f"arch/{arch}/" in name for name in alone)
        compiled = set(guests.kernel_sources(arch))
        assert compiled <= set(diff.shared) | set(alone)
    assert not set(diff.shared) & (set(diff.native) | set(diff.pv))
    assert f"{sum(diff.pv.values()):6}  in {len(diff.pv)} files" in str(diff)
    assert f"{sum(diff.shared.values())} lines" in str(diff)


# ---- The disk image --------------------------------------------------------------


def read_image(image: bytes) -> dict[str, bytes]:
    """Read all files of a file-system image, by the format of ``include/fs.h``."""
    magic, blocks, _, bitmap, inodes, scratch, sectors = struct.unpack_from("<Q6I", image)
    assert magic == 0x7366626C6176
    assert len(image) == (scratch + sectors) * 512
    assert scratch * 512 == blocks * 1024
    used = {b for b in range(blocks) if image[bitmap * 1024 + b // 8] >> b % 8 & 1}
    named = set(range(min(used), inodes + 8))

    def content(number: int) -> tuple[int, bytes]:
        kind, _, size, *addrs, _ = struct.unpack_from("<HHI14I", image, inodes * 1024 + number * 64)
        if addrs[12]:
            named.add(addrs[12])
            addrs[12:] = struct.unpack_from("<256I", image, addrs[12] * 1024)
        wanted = addrs[: -(-size // 1024)]
        named.update(wanted)
        return kind, b"".join(image[a * 1024 : (a + 1) * 1024] for a in wanted)[:size]

    def walk(number: int, path: str) -> dict[str, bytes]:
        kind, data = content(number)
        if kind == 2:
            return {path: data}
        files: dict[str, bytes] = {}
        for inode, name in struct.iter_unpack("<H14s", data):
            text = name.rstrip(b"\0").decode()
            if inode and text not in (".", ".."):
                files |= walk(inode, f"{path}/{text}")
        return files

    files = walk(1, "")
    assert named == used, "the bitmap and the files disagree"
    return files


def test_the_disk_holds_the_programs_and_files() -> None:
    """The image is a consistent file system with init, every workload, and guests/files."""
    files = read_image((guests.IMAGES / "fs.img").read_bytes())
    assert {"/bin/init", "/bin/sh"} <= set(files)
    assert {f"/bin/{w['program']}" for w in WORKLOADS} <= set(files)
    assert files["/README"] == (guests.SOURCES / "files" / "README").read_bytes()


def test_mkfs_writes_large_files_and_refuses_too_many(tmp_path: Path) -> None:
    """A file beyond the direct blocks reads back; one that does not fit ends mkfs."""
    mkfs = str(guests.SOURCES / "mkfs.py")
    large = tmp_path / "large"
    large.write_bytes(bytes(i % 251 for i in range(40_000)))
    subprocess.run([sys.executable, mkfs, str(tmp_path / "i"), f"a/large={large}"], check=True)
    assert read_image((tmp_path / "i").read_bytes()) == {"/a/large": large.read_bytes()}
    for size in (270_000, 280_000):  # more than is left; more than a file can have
        large.write_bytes(bytes(size))
        command = [sys.executable, mkfs, str(tmp_path / "j"), f"one={large}", f"two={large}"]
        assert subprocess.run(command, capture_output=True).returncode == 1
        assert not (tmp_path / "j").exists()


# ---- Workloads -------------------------------------------------------------------


@pytest.mark.parametrize("row", WORKLOADS, ids=lambda row: row["name"])
def test_a_workload_takes_the_parameters_that_are_listed(row: dict) -> None:
    """The list and the program agree on parameters and defaults."""
    source = (guests.SOURCES / "user" / f"{row['program']}.c").read_text("utf-8")
    taken = dict(re.findall(r'parameter\(argc, argv, "(\w+)", (\d+)\)', source))
    assert taken == {name: str(p["default"]) for name, p in row["params"].items()}
    assert all(p["min"] <= p["default"] <= p["max"] for p in row["params"].values())
    assert row["summary"].endswith(".")


def converse(options: list[str], *lines: str) -> tuple[str, int]:
    """Run QEMU, typing a line at each prompt; return the guest's console and the status."""
    command = [QEMU, "-machine", "virt", "-nographic", *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        seen = b""
        for line in lines:
            while not seen.endswith(b"$ ") and (c := process.stdout.read(1)):
                seen += c
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            seen += b"|"
        seen += process.stdout.read()
        watchdog.cancel()
    text = seen.decode().replace("\r", "")
    return text[text.index("vlab guest kernel\n") :], process.returncode


def boot_native(tmp_path: Path, bootargs: str, *lines: str) -> tuple[str, int]:
    """Boot native.elf on QEMU's board, with QEMU's firmware and a virtio disk."""
    disk = tmp_path / "disk.img"
    shutil.copyfile(guests.IMAGES / "fs.img", disk)
    options = ["-m", "32M", "-bios", "default", "-kernel", str(guests.IMAGES / "native.elf")]
    options += ["-append", bootargs, "-drive", f"file={disk},if=none,format=raw,id=d0"]
    options += ["-device", "virtio-blk-device,drive=d0,bus=virtio-mmio-bus.0"]
    return converse([*options, "-global", "virtio-mmio.force-legacy=false"], *lines)


def boot_pv(tmp_path: Path, bootargs: str, *lines: str) -> tuple[str, int]:
    """Boot pv.elf on the monitor of guests/monitor."""
    monitor, words = tmp_path / "monitor.elf", tmp_path / "bootargs"
    guests.build_monitor(monitor)
    words.write_bytes(bootargs.encode() + b"\0")
    options = ["-m", "256M", "-bios", str(monitor)]
    at = {guests.IMAGES / "pv.elf": 0x88, guests.IMAGES / "fs.img": 0x89, words: 0x8A}
    for file, place in at.items():
        options += ["-device", f"loader,file={file},addr={place << 24:#x},force-raw=on"]
    return converse(options, *lines)


@needs_qemu
def test_a_program_runs_and_its_status_is_the_machines(tmp_path: Path) -> None:
    """run= runs the program with its arguments, and nothing else is printed."""
    assert boot_native(tmp_path, "hz=100 run=echo a  b") == ("vlab guest kernel\na b\n", 0)
    assert boot_native(tmp_path, "run=cat nothing")[1] == 1
    assert boot_native(tmp_path, "run=nothing")[1] == 1


def checksums(console: str) -> list[str]:
    return sorted(re.findall(r"\w+ checksum=[0-9a-f]{16}", console))


@needs_qemu
@needs_compiler
def test_checksums_depend_on_neither_time_nor_image(tmp_path: Path) -> None:
    """Workloads print the same at any rate of ticks, and paravirtualized at any batch."""
    script = [w["program"] for w in WORKLOADS if w["program"] != "diskpio"]
    runs = [
        *(boot_native(tmp_path, f"hz={hz}", *script, "exit") for hz in (100, 5000)),
        *(boot_pv(tmp_path, f"batch={n}", *script, "exit") for n in (1, 3, 512)),
    ]
    assert len(checksums(runs[0][0])) == len(script)
    for console, status in runs[1:]:
        assert (checksums(console), status) == (checksums(runs[0][0]), 0)


@needs_qemu
@needs_compiler
@pytest.mark.parametrize("options", ["", " write=1", " write=1 chunk=3 n=200"])
def test_both_disks_hold_the_same_image(tmp_path: Path, options: str) -> None:
    """The two disk workloads read, or write and read back, the same sectors."""
    console, _ = boot_pv(tmp_path, "root=ata", f"diskpio{options}", f"diskvirtio{options}", "exit")
    assert len(set(re.findall(r"checksum=(\w+)", console))) == 1
    assert len(checksums(console)) == 2


@needs_qemu
@needs_compiler
@pytest.mark.parametrize("boot", [boot_native, boot_pv])
def test_the_shell(tmp_path: Path, boot: Boot) -> None:
    """Pipes, redirection, lists, directories and a full process table work."""
    script = (
        *("cat README etc/motd > /out; wc < out; cat out | cat | wc", "mkdir d; cd d"),
        *("echo one two > f; cat f; cd /", "ls d; rm d/f d out", "ls"),
        *("forktest", "nothing", "exit 3"),
    )
    console, status = boot(tmp_path, "", *script)
    assert status == 3
    text = b"".join((guests.SOURCES / "files" / n).read_bytes() for n in ("README", "etc/motd"))
    count = f"{len(text.splitlines())} {len(text.split())} {len(text)}\n"
    assert console.count(count) == 2
    assert "\none two\n" in console
    assert "\n       8 f\n" in console
    assert not re.search(r"^ +\d+ (out|d/)$", console, re.M)
    assert "forktest: 61 children, OK\n" in console
    assert "sh: no program /bin/nothing\n" in console


@needs_qemu
@needs_compiler
def test_the_kernel_keeps_its_promises_in_both_images(tmp_path: Path) -> None:
    """usertests passes and prints the same, faults and their addresses included."""
    native, status = boot_native(tmp_path, "run=usertests")
    assert (native.endswith("usertests: all OK\n"), status) == (True, 0)
    for bootargs in ("", "root=ata batch=1 hz=1000 "):
        assert boot_pv(tmp_path, f"{bootargs}run=usertests") == (native, 0)
