"""Snapshots: the whole state of a machine with a guest in it, as plain data or as bytes.

A state holds what a run can see: records, memory, devices, disk, clock, counters, and the
monitor's own tables. Restored, in this process or in another, the guest goes on bit for bit
as it would have. Nothing in it is code, and whatever bytes it was read from, it either fits
the machine or is refused.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

import numpy as np

from vlab.clock import LAST
from vlab.counters import STORED, Counters
from vlab.devices.device import Device
from vlab.errors import SnapshotError, VlabError
from vlab.machine import Machine, Region
from vlab.memory import PAGE, MemoryRangeError, PhysicalMemory
from vlab.modes import snapshot_monitors as monitors
from vlab.modes import snapshot_records as records
from vlab.modes.compose import Guest
from vlab.modes.plain_data import decode, encode

MAGIC = b"vlab snapshot 2\n"
LARGEST = 1 << 30
"""Bytes that a snapshot may have when unpacked, unless told."""

State = dict[str, Any]
WRONG = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError,
         AssertionError, MemoryRangeError)  # fmt: skip
"""What a state of the wrong form makes Python raise."""


def capture(guest: Guest, previous: State | None = None) -> State:
    """Return the state of a guest between two moments of its run.

    Parameters
    ----------
    previous
        An earlier state of the same guest, to share with it what has not changed.
    """
    machine = guest.machine
    board = machine.board.state()
    if previous is not None and board["disk"] == previous["board"]["disk"]:
        board["disk"] = previous["board"]["disk"]
    return {
        "hart": records.save(machine.hart),
        "mode": monitors.copied(monitors.save(guest.mode)),
        "board": monitors.copied(board),
        "machine": save_machine(machine),
        "output": bytes(guest.output),
        "memory": save_memory(machine.hart.memory, previous and previous["memory"]),
    }


def restore(guest: Guest, state: State, left: int | None = None) -> None:
    """Put a guest into a captured state, or raise `SnapshotError`.

    Parameters
    ----------
    left
        What is left of the slice under way.
    """
    machine = guest.machine
    try:
        check_board(machine, state["board"])
        records.check(machine.hart, state["hart"])
        restore_memory(machine.hart.memory, state["memory"])
        machine.board.restore(monitors.copied(state["board"]))
        monitors.restore(guest.mode, state["mode"])
        records.restore(machine.hart, state["hart"], left or 0)
        restore_machine(machine, state["machine"])
        guest.output[:] = state["output"]
    except WRONG as error:
        raise SnapshotError(f"the state does not fit this machine ({error!r:.80})") from None


# -- memory ---------------------------------------------------------------------------


def touched(memory: PhysicalMemory) -> list[int]:
    """Return the numbers of the pages that are not all zeros."""
    pages = np.frombuffer(memory.bytes, dtype=np.uint64).reshape(-1, PAGE // 8)
    found: list[int] = np.flatnonzero(pages.any(axis=1)).tolist()
    return found


def save_memory(memory: PhysicalMemory, before: dict[int, bytes] | None) -> dict[int, bytes]:
    """Return the pages that are not all zeros by number, unchanged ones as they were before."""
    pages, before = {}, before or {}
    for number in touched(memory):
        piece = memory.bytes[number * PAGE : (number + 1) * PAGE]
        known = before.get(number)
        pages[number] = known if known is not None and piece == known else piece.tobytes()
    return pages


def restore_memory(memory: PhysicalMemory, pages: dict[int, bytes]) -> None:
    """Write the pages that differ; an engine forgets the code that was in them."""
    if not all(0 <= n < memory.size // PAGE and len(page) == PAGE for n, page in pages.items()):
        raise SnapshotError(f"memory: has pages outside this machine's {memory.size} bytes")
    for number in {*touched(memory), *pages}:
        page = pages.get(number, bytes(PAGE))
        if memory.bytes[number * PAGE : (number + 1) * PAGE] != page:
            memory.write(memory.base + number * PAGE, page)


# -- machine and board ------------------------------------------------------------------


def stored(counters: Counters | None) -> dict[str, Any] | None:
    """Return counters as plain data."""
    if counters is None:
        return None
    values = ((name, getattr(counters, name)) for name in STORED)
    return {name: dict(v) if isinstance(v, dict) else v for name, v in values}


def save_machine(machine: Machine) -> State:
    """Return counters, measured region and the parts of the clock."""
    return {
        "counters": stored(machine.counters),
        "begin": stored(machine.region.begin),
        "end": stored(machine.region.end),
        "charged": machine.clock.charged,
        "slept": machine.clock.slept,
    }


def counters_of(state: Any) -> Counters | None:
    """Return counters from plain data, or raise `SnapshotError`."""
    if state is None:
        return None
    for name in STORED:
        value = state[name]
        numbers = value.values() if isinstance(value, dict) else [value]
        if isinstance(value, dict) != isinstance(getattr(Counters(), name), dict):
            raise SnapshotError(f"counter {name}: {value!r:.40} is not what it holds")
        if not all(isinstance(n, int) for n in numbers):
            raise SnapshotError(f"counter {name}: must be whole numbers")
    return Counters.from_dict(state)


def restore_machine(machine: Machine, state: State) -> None:
    """Restore counters, measured region and the parts of the clock."""
    read = {name: counters_of(state[name]) for name in ("counters", "begin", "end")}
    counters = read["counters"]
    if counters is None:
        raise SnapshotError("the machine's counters are missing")
    for name in STORED:  # in place: others hold on to the object and to its tallies
        value = getattr(counters, name)
        if isinstance(value, dict):
            getattr(machine.counters, name).clear()
            getattr(machine.counters, name).update(value)
        else:
            setattr(machine.counters, name, value)
    machine.region = Region(read["begin"], read["end"])
    if not all(0 <= state[name] <= LAST for name in ("charged", "slept")):
        raise SnapshotError("the clock: more cycles than a machine reaches")
    machine.clock.charged, machine.clock.slept = state["charged"], state["slept"]


def check_board(machine: Machine, state: State) -> None:
    """Raise `SnapshotError` unless the devices' states have the form of this board's."""
    now = machine.board.state()
    disks = [None if s["disk"] is None else len(s["disk"]) for s in (state, now)]
    if disks[0] != disks[1]:
        raise SnapshotError(f"a disk of {disks[0]} bytes, this machine's has {disks[1]}")
    if not 0 <= state["now"] <= LAST:
        raise SnapshotError("the time is none that a machine reaches")
    if set(state["devices"]) != set(now["devices"]):
        raise SnapshotError(f"devices {', '.join(state['devices'])}: this board has others")
    own = {d.name for d in machine.board.bus.devices if isinstance(d, Device)}
    for name, device in now["devices"].items():
        if name not in own and not alike(state["devices"][name], device):
            raise SnapshotError(f"{name}: its state has not the form of this version's")


def alike(value: Any, model: Any) -> bool:
    """Return whether a device's state has the form of another one."""
    if isinstance(model, dict):
        same = isinstance(value, dict) and set(value) == set(model)
        return same and all(alike(value[key], model[key]) for key in model)
    if isinstance(model, list):
        same = isinstance(value, list) and len(value) == len(model)
        return same and all(alike(a, b) for a, b in zip(value, model, strict=True))
    if isinstance(model, bytes):
        return isinstance(value, bytes) and len(value) <= PAGE
    small = isinstance(value, int) and abs(value) < 1 << 72
    return small or value is None or isinstance(value, tuple)


# -- bytes --------------------------------------------------------------------------------


def to_bytes(value: Any) -> bytes:
    """Return plain data as compressed bytes with a checksum."""
    packed = zlib.compress(encode(value), 1)
    return MAGIC + hashlib.sha256(packed).digest() + packed


def from_bytes(data: bytes, largest: int = LARGEST) -> Any:
    """Return the plain data in bytes from anywhere, or raise `SnapshotError`."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise SnapshotError(f"{type(data).__name__}: a snapshot is bytes")
    data = bytes(data)
    if not data.startswith(MAGIC):
        raise SnapshotError("not a snapshot of this version of vlab: its first bytes are others")
    begin = len(MAGIC) + 32
    packed = data[begin:]
    if hashlib.sha256(packed).digest() != data[len(MAGIC) : begin]:
        raise SnapshotError("the snapshot is damaged: its checksum is wrong")
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(packed, largest)
    except zlib.error as error:
        raise SnapshotError(f"the snapshot is damaged ({error})") from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise SnapshotError(f"the snapshot is damaged, or larger than {largest} bytes unpacked")
    try:
        return decode(raw)
    except VlabError:
        raise
    except (RecursionError, UnicodeDecodeError) as error:
        raise SnapshotError(f"the snapshot is damaged ({type(error).__name__})") from None
