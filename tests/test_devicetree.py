"""The device tree: its format, what it says of the board, and how it compares with QEMU's."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from fdt import Tree, parse
from hypothesis import given
from hypothesis import strategies as st

from vlab.board import RAM_BASE, Board
from vlab.devices.disk import DiskImage
from vlab.devicetree import Node, describe, flatten
from vlab.memory import PhysicalMemory

MEMORY = 64 << 20


def board(disk: bool = True) -> Board:
    image = DiskImage(bytes(512)) if disk else None
    return Board(PhysicalMemory(RAM_BASE, 1 << 20), image, print, lambda bit, level: None)


def tree(disk: bool = True, **options: object) -> Tree:
    return parse(flatten(describe(board(disk), MEMORY, **options)))  # type: ignore[arg-type]


def words(value: bytes) -> list[int]:
    return list(struct.unpack(f">{len(value) // 4}I", value))


NAMES = st.text("abcdefghijklmnop#,-@0123456789", min_size=1, max_size=12)
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=9),
    st.integers(0, 0xFFFF_FFFF),
    st.lists(st.integers(0, 0xFFFF_FFFF), max_size=4),
    st.text("abc é", max_size=9),
    st.tuples(st.just("one"), st.text("xyz", max_size=5)),
)
NODES = st.recursive(
    st.builds(Node, NAMES, st.dictionaries(NAMES, VALUES, max_size=4)),
    lambda inner: st.builds(
        Node,
        NAMES,
        st.dictionaries(NAMES, VALUES, max_size=4),
        st.lists(inner, max_size=3, unique_by=lambda node: node.name),
    ),
    max_leaves=8,
)


def expected(node: Node, path: str, into: Tree) -> Tree:
    """Return what a tree says, by the specification's rules for values (2.2.4)."""
    into[path] = {}
    for name, value in node.properties.items():
        if isinstance(value, int):
            value = [value]
        if isinstance(value, list):
            value = b"".join(cell.to_bytes(4, "big") for cell in value)
        if isinstance(value, str):
            value = (value,)
        if isinstance(value, tuple):
            value = b"".join(text.encode() + b"\0" for text in value)
        into[path][name] = value or b""
    for child in node.children:
        expected(child, f"{path}/{child.name}", into)
    return into


@given(NODES)
def test_a_tree_survives_flattening(node: Node) -> None:
    """Whatever nodes and properties there are, a reader finds exactly these."""
    assert parse(flatten(node)) == expected(node, node.name, {})


def test_names_of_properties_are_stored_once() -> None:
    """Nodes share the strings of their properties' names."""
    assert flatten(describe(board(), MEMORY)).count(b"interrupt-parent\0") == 1


def test_every_device_is_in_the_tree_at_its_address() -> None:
    """Each device on the bus has a node whose first range begins where the device does."""
    machine, nodes = board(), tree()
    starts = {
        words(properties["reg"])[1]: path
        for path, properties in nodes.items()
        if path.startswith("/soc/")
    }
    assert set(starts) == {mapping.base for mapping in machine.bus.mappings}
    for base, path in starts.items():
        assert path.endswith(f"@{base:x}")


def test_a_board_without_a_disk_has_no_disk_nodes() -> None:
    """The tree is made from what is attached."""
    without = tree(disk=False)
    assert set(tree()) - set(without) == {"/soc/virtio_mmio@10001000", "/soc/ata@10009000"}


def test_chosen_tells_what_the_kernel_is_given() -> None:
    """Command line, console, and the initial RAM disk if there is one."""
    initrd = (RAM_BASE + 0x1000, RAM_BASE + 0x2345)
    chosen = tree(bootargs="run=hello a b", initrd=initrd)["/chosen"]
    assert chosen["bootargs"] == b"run=hello a b\0"
    console = chosen["stdout-path"].rstrip(b"\0").decode()
    assert tree()[console]["compatible"] == b"ns16550a\0"
    assert words(chosen["linux,initrd-start"]) == [0, 0x8000_1000]
    assert words(chosen["linux,initrd-end"]) == [0, 0x8000_2345]
    assert "linux,initrd-start" not in tree()["/chosen"]


def test_memory_and_clock() -> None:
    """RAM is where and as large as it is; the timebase is 10 MHz."""
    nodes = tree()
    memory = nodes[f"/memory@{RAM_BASE:x}"]
    assert words(memory["reg"]) == [0, RAM_BASE, 0, MEMORY]
    assert memory["device_type"] == b"memory\0"
    assert words(nodes["/cpus"]["timebase-frequency"]) == [10_000_000]


def test_more_than_four_gigabytes_take_two_cells() -> None:
    """Sizes have 64 bits."""
    nodes = parse(flatten(describe(board(), 5 << 30)))
    assert words(nodes[f"/memory@{RAM_BASE:x}"]["reg"]) == [0, RAM_BASE, 1, 1 << 30]


def test_the_processor_is_what_the_engines_execute() -> None:
    """The ISA string and the list of extensions name the same, and the MMU is Sv39."""
    cpu = tree()["/cpus/cpu@0"]
    assert cpu["mmu-type"] == b"riscv,sv39\0"
    base, *extensions = cpu["riscv,isa"].rstrip(b"\0").decode().split("_")
    assert base == "rv64imac"
    listed = cpu["riscv,isa-extensions"].rstrip(b"\0").decode().split("\0")
    assert listed == [*"imac", *extensions, "zicntr"]


def test_interrupts_lead_to_the_hart() -> None:
    """Each device's interrupt parent is the PLIC, whose own lines are MEI and SEI of the hart."""
    nodes = tree()
    plic = nodes["/soc/plic@c000000"]
    intc = words(nodes["/cpus/cpu@0/interrupt-controller"]["phandle"])[0]
    assert words(plic["interrupts-extended"]) == [intc, 11, intc, 9]
    assert words(nodes["/soc/clint@2000000"]["interrupts-extended"]) == [intc, 3, intc, 7]
    for path, properties in nodes.items():
        if "interrupts" in properties:
            assert properties["interrupt-parent"] == plic["phandle"], path


def test_the_disk_in_pio_mode_is_described_as_its_binding_asks() -> None:
    """ata-generic has two ranges: command registers and the control register."""
    ata = tree()["/soc/ata@10009000"]
    assert words(ata["reg"]) == [0, 0x1000_9000, 0, 8, 0, 0x1000_9206, 0, 1]


@pytest.mark.skipif(not shutil.which("qemu-system-riscv64"), reason="needs QEMU")
def test_qemu_describes_the_same_devices(tmp_path: Path) -> None:
    """What is on both boards has the same place, interrupt, kind and control values on both."""
    blob = tmp_path / "virt.dtb"
    subprocess.run(
        ["qemu-system-riscv64", "-machine", f"virt,dumpdtb={blob}"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    theirs, ours = parse(blob.read_bytes()), tree()
    only_ours = {path for path in ours if path.startswith("/soc/")} - set(theirs)
    assert only_ours == {"/soc/ata@10009000"}
    compared = ("reg", "interrupts", "compatible", "clock-frequency", "value", "offset",
                "#interrupt-cells", "#address-cells", "#size-cells", "timebase-frequency",
                "stdout-path", "ranges")  # fmt: skip
    assert len(ours.keys() & theirs.keys()) >= 14
    for path in ours.keys() & theirs.keys() - {f"/memory@{RAM_BASE:x}"}:
        for name in compared:
            if name in ours[path] and name in theirs[path]:
                assert ours[path][name] == theirs[path][name], (path, name)
    for path in only_ours ^ {path for path in ours if path.startswith("/soc/")}:
        assert {"reg", "compatible"} <= theirs[path].keys()
        assert ("interrupts" in ours[path]) == ("interrupts" in theirs[path])


@pytest.mark.skipif(not shutil.which("dtc"), reason="needs dtc")
def test_the_compiler_of_device_trees_has_nothing_to_complain_of(tmp_path: Path) -> None:
    """dtc reads the tree, with every check that it has."""
    blob = tmp_path / "vlab.dtb"
    options = {"bootargs": "run=hello", "initrd": (RAM_BASE, RAM_BASE + 1)}
    blob.write_bytes(flatten(describe(board(), MEMORY, **options)))  # type: ignore[arg-type]
    command = ["dtc", "-I", "dtb", "-O", "dts", "-o", str(tmp_path / "vlab.dts"), str(blob)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert result.stderr == ""
