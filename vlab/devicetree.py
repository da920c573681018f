"""The device tree: what the guest is told of the board, from the attached objects.

The flattened format is that of the Devicetree specification 0.4, chapter 5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from vlab.board import IRQ, RAM_BASE, Board
from vlab.clock import TIMEBASE
from vlab.devices.ata import ALT_STATUS_CONTROL
from vlab.isa.fields import MEI, MSI, MTI, SEI

MAGIC, VERSION, COMPATIBLE = 0xD00DFEED, 17, 16
BEGIN_NODE, END_NODE, PROP, END = 1, 2, 3, 9
ISA = "rv64imac_zicsr_zifencei"
INTC, PLIC_HANDLE, SYSCON = 1, 2, 3  # phandles

Value = str | int | bytes | tuple[str, ...] | list[int] | None


@dataclass
class Node:
    """A node: properties (text, texts, 32-bit cells, bytes or nothing) and children."""

    name: str
    properties: dict[str, Value] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)

    def add(self, name: str, **properties: Value) -> Node:
        """Add a child; in property names ``_`` stands for ``-`` and ``__`` for ``#``."""
        named = {k.replace("__", "#").replace("_", "-"): v for k, v in properties.items()}
        if "device-type" in named:  # the one name that has an underscore
            named["device_type"] = named.pop("device-type")
        child = Node(name, named)
        self.children.append(child)
        return child

    def find(self, path: str) -> Node:
        """Return a descendant by its path."""
        node = self
        for name in filter(None, path.split("/")):
            node = next(child for child in node.children if child.name == name)
        return node


def _encode(value: Value) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode() + b"\0"
    if isinstance(value, int):
        return struct.pack(">I", value)
    if isinstance(value, tuple):
        return b"".join(text.encode() + b"\0" for text in value)
    return struct.pack(f">{len(value)}I", *value)


def cells(*numbers: int) -> list[int]:
    """Return 64-bit numbers as pairs of cells."""
    return [half for n in numbers for half in (n >> 32, n & 0xFFFFFFFF)]


def flatten(root: Node) -> bytes:
    """Return the flattened device tree."""
    strings: dict[str, int] = {}
    text = bytearray()

    def pad(data: bytes) -> bytes:
        return data + bytes(-len(data) % 4)

    def pieces(node: Node) -> Iterator[bytes]:
        yield struct.pack(">I", BEGIN_NODE) + pad(node.name.encode() + b"\0")
        for name, value in node.properties.items():
            if name not in strings:
                strings[name] = len(text)
                text.extend(name.encode() + b"\0")
            data = _encode(value)
            yield struct.pack(">III", PROP, len(data), strings[name]) + pad(data)
        for child in node.children:
            yield from pieces(child)
        yield struct.pack(">I", END_NODE)

    structure = b"".join(pieces(root)) + struct.pack(">I", END)
    reserved = bytes(16)
    first = 40 + len(reserved)
    total = first + len(structure) + len(text)
    header = struct.pack(
        ">10I", MAGIC, total, first, first + len(structure), 40, VERSION, COMPATIBLE, 0,
        len(text), len(structure),
    )  # fmt: skip
    return header + reserved + structure + bytes(text)


def describe(
    board: Board, memory_size: int, bootargs: str = "", initrd: tuple[int, int] | None = None
) -> Node:
    """Return the tree of a board.

    Parameters
    ----------
    memory_size
        Bytes of RAM that the guest has.
    bootargs
        The kernel's command line.
    initrd
        First address and end of the initial RAM disk.
    """
    root = Node("", {"#address-cells": 2, "#size-cells": 2})
    root.properties |= {"compatible": "riscv-virtio", "model": "riscv-virtio,vlab"}
    chosen = root.add("chosen", bootargs=bootargs)
    root.add(f"memory@{RAM_BASE:x}", device_type="memory", reg=cells(RAM_BASE, memory_size))
    cpus = root.add("cpus", __address_cells=1, __size_cells=0, timebase_frequency=TIMEBASE)
    cpu = cpus.add(
        "cpu@0", device_type="cpu", reg=0, status="okay", compatible="riscv",
        mmu_type="riscv,sv39",
    )  # fmt: skip
    cpu.properties["riscv,isa"] = ISA
    cpu.properties["riscv,isa-base"] = "rv64i"
    cpu.properties["riscv,isa-extensions"] = ("i", "m", "a", "c", "zicsr", "zifencei", "zicntr")
    intc = cpu.add(
        "interrupt-controller",
        __interrupt_cells=1,
        __address_cells=0,
        interrupt_controller=None,
        phandle=INTC,
    )
    intc.properties["compatible"] = "riscv,cpu-intc"
    soc = root.add("soc", __address_cells=2, __size_cells=2, compatible="simple-bus", ranges=None)
    names = {"finisher": "test", "clint": "clint", "plic": "plic", "uart": "serial",
             "virtio-blk": "virtio_mmio", "ata": "ata", "rtc": "rtc"}  # fmt: skip
    for base, end, device in board.bus.mappings:
        kind = names.get(device.name, device.name)
        node = soc.add(f"{kind}@{base:x}", reg=cells(base, end - base))
        compatible = device.compatible  # type: ignore[attr-defined]
        node.properties["compatible"] = compatible
        if device.name == "clint":
            node.properties["interrupts-extended"] = [INTC, MSI, INTC, MTI]
        elif device.name == "plic":
            node.properties |= {
                "phandle": PLIC_HANDLE,
                "riscv,ndev": 31,
                "interrupt-controller": None,
                "#interrupt-cells": 1,
                "#address-cells": 0,
                "interrupts-extended": [INTC, MEI, INTC, SEI],
            }
        elif device.name == "finisher":
            node.properties["phandle"] = SYSCON
        source = IRQ.get(device.name, getattr(device, "interrupt", None))
        if source is not None:
            node.properties["interrupts"] = source
            node.properties["interrupt-parent"] = PLIC_HANDLE
        if device.name == "ata":  # command and control registers apart (Linux's ata-generic)
            node.properties |= {"reg": cells(base, 8, base + ALT_STATUS_CONTROL, 1), "pio-mode": 4}
        if device.name == "uart":
            node.properties["clock-frequency"] = 3686400
            chosen.properties["stdout-path"] = f"/soc/{node.name}"
    for name, value in (("poweroff", 0x5555), ("reboot", 0x7777)):
        root.add(name, compatible=f"syscon-{name}", regmap=SYSCON, offset=0, value=value)
    if initrd is not None:
        chosen.properties["linux,initrd-start"] = cells(initrd[0])
        chosen.properties["linux,initrd-end"] = cells(initrd[1])
    return root
