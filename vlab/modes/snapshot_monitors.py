"""The state of a mode: what a monitor knows beyond the records and memory.

Shadow tables and page types are written down as they are, not built anew: filling them again
would be counted again.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from vlab.errors import SnapshotError
from vlab.memory import PAGE
from vlab.modes import snapshot_records as records
from vlab.modes.plain_data import is_plain
from vlab.vmm.backends import Backends
from vlab.vmm.direct import DirectPaging, Use
from vlab.vmm.drivers import AtaDriver, VirtioDriver
from vlab.vmm.frames import FramePool
from vlab.vmm.rings import BlockRing, ConsoleRing, Request
from vlab.vmm.shadow import ShadowPaging, Space
from vlab.words import clear

APART = {"loaded", "sbi"}
"""Attributes that are sometimes None, and else objects that are saved apart or not at all."""
PARTS = {
    "machine", "hart", "vcpu", "shadow", "domain", "shared", "paging", "spaces", "memory",
    "backends",
}  # fmt: skip
"""Attributes that are never plain data."""
DRIVER_STATE = {VirtioDriver: ("available", "seen"), AtaDriver: ("left", "address", "write")}


def save(mode: Any) -> dict[str, Any]:
    """Return a mode's state as plain data, attributes of a monitor of one's own included."""
    own = {k: v for k, v in vars(mode).items() if is_plain(v) and k not in APART}
    state: dict[str, Any] = {"own": own}
    if hasattr(mode, "shadow"):
        state["vcpu"] = records.save(mode.vcpu, records.OF_ITS_EMULATOR)
        state["attributed"] = mode.attributed
        state["shadow"] = save_shadow(mode.shadow, mode.space)
    elif hasattr(mode, "domain"):
        vcpu, spaces = mode.vcpu, mode.spaces
        state["vcpu"] = records.save(vcpu.record)
        state["cpu"] = (vcpu.entry, vcpu.seen)
        state["spaces"] = (dict(spaces.given), spaces.user_root, spaces.kernel_root)
        state["paging"] = save_paging(mode.paging)
        state["backends"] = save_backends(mode.backends)
        state["pool"] = words(mode.domain.pool.free)
    return state


def restore(mode: Any, state: dict[str, Any]) -> None:
    """Put a mode into a saved state."""
    own = state["own"]
    if PARTS & set(own) or not all(is_plain(getattr(type(mode), name, None)) for name in own):
        raise SnapshotError("the monitor: a saved attribute has the name of a method or a part")
    vars(mode).update({name: copied(value) for name, value in own.items() if name not in APART})
    if hasattr(mode, "shadow"):
        mode.space = restore_shadow(mode.shadow, state["shadow"])
        records.restore(mode.vcpu, state["vcpu"])
        mode.attributed = state["attributed"]
    elif hasattr(mode, "domain"):
        vcpu, spaces = mode.vcpu, mode.spaces
        records.restore(vcpu.record, state["vcpu"])
        vcpu.entry, vcpu.seen = whole(state["cpu"])
        spaces.given, spaces.user_root, spaces.kernel_root = whole(state["spaces"])
        spaces.given = dict(spaces.given)
        spaces.version += 1
        restore_paging(mode.paging, state["paging"])
        restore_backends(mode.backends, state["backends"])
        restore_pool(mode.domain.pool, state["pool"])


def copied(value: Any) -> Any:
    """Return a plain value whose containers are its own."""
    if isinstance(value, dict):
        return {copied(k): copied(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)(copied(item) for item in value)
    return value


def whole(value: Any) -> Any:
    """Return a value if all that it contains is whole numbers, names and None."""
    if isinstance(value, dict):
        whole([*value, *value.values()])
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            whole(item)
    elif value is not None and not isinstance(value, (int, str)):
        raise TypeError(type(value).__name__)
    return value


def words(numbers: Any) -> bytes:
    """Return numbers as 64-bit words."""
    return np.array(numbers, dtype=np.int64).tobytes()


def numbers(data: bytes) -> list[int]:
    """Return the numbers of `words`."""
    found: list[int] = np.frombuffer(data, dtype=np.int64).tolist()
    return found


def restore_pool(pool: FramePool, data: bytes) -> None:
    """Restore which frames of the monitor are free."""
    free = numbers(data)
    for frame in free:
        _frame_of(pool, frame)
    pool.free[:] = free


def _frame_of(pool: FramePool, frame: int) -> int:
    if frame % PAGE or not 0 <= frame - pool.base < pool.count * PAGE:
        raise SnapshotError(f"{frame:#x}: is not a frame of the monitor")
    return frame


# -- shadow paging -------------------------------------------------------------------


def save_shadow(shadow: ShadowPaging, current: Space | None) -> dict[str, Any]:
    """Return shadow paging's state; spaces are named by their place in the list."""
    spaces, first = list(shadow.spaces.values()), shadow.first_frame
    for users in shadow.writable.values():
        spaces += [space for space, _ in users if space not in spaces]
    if current is not None and current not in spaces:
        spaces.append(current)
    return {
        "spaces": [
            (space.key, space.root, space.asid, dict(space.tables), dict(space.leaves))
            for space in spaces
        ],
        "live": len(shadow.spaces),
        "current": None if current is None else spaces.index(current),
        "tables": {frame: set(uses) for frame, uses in shadow.tables.items()},
        "writes": {frame: shadow.table_map[frame - first] - 1 for frame in shadow.tables},
        "writable": {
            frame: {(spaces.index(space), va) for space, va in users}
            for frame, users in shadow.writable.items()
        },
        "counts": (shadow.next_asid, shadow.fills, shadow.flushes),
        "pool": words(shadow.pool.free),
    }


def restore_shadow(shadow: ShadowPaging, state: dict[str, Any]) -> Space | None:
    """Restore shadow paging; return the space in use."""
    pool = shadow.pool
    spaces = []
    for key, root, asid, tables, leaves in whole(state["spaces"]):
        for frame in (root, *tables.values(), *(entry & ~(PAGE - 1) for entry in leaves.values())):
            _frame_of(pool, frame)
        space = Space(shadow, key, root, asid)
        space.tables, space.filled = dict(tables), dict(leaves)
        spaces.append(space)
    restore_pool(pool, state["pool"])
    shadow.spaces = {space.key: space for space in spaces[: state["live"]]}
    shadow.tables = {frame: set(uses) for frame, uses in whole(state["tables"]).items()}
    clear(shadow.table_map)
    clear(shadow.paths)
    for frame, writes in whole(state["writes"]).items():
        if frame not in shadow.tables or frame < shadow.first_frame or writes < 0:
            raise SnapshotError(f"writes to {frame!r}: is not a guest page table")
        shadow.table_map[frame - shadow.first_frame] = writes + 1
    shadow.mapped = {
        frame: {(spaces[n], va) for n, va in users}
        for frame, users in whole(state["writable"]).items()
    }
    shadow.next_asid, shadow.fills, shadow.flushes = whole(state["counts"])
    shadow.version += 1
    return None if state["current"] is None else spaces[state["current"]]


# -- direct paging and backends --------------------------------------------------------


def save_paging(paging: DirectPaging) -> dict[str, Any]:
    """Return types and reference counts of frames."""
    return {
        "use": bytes(paging.use),
        "count": words(paging.count),
        "dropped": words(paging.dropped),
        "pins": {frame: int(use) for frame, use in paging.pins.items()},
        "spaces": dict(paging.spaces),
        "counts": (paging.epoch, paging.next_space, paging.validated),
    }


def restore_paging(paging: DirectPaging, state: dict[str, Any]) -> None:
    """Restore types and reference counts of frames."""
    use, count = [Use(n) for n in state["use"]], numbers(state["count"])
    dropped = numbers(state["dropped"])
    if not len(use) == len(count) == len(dropped) == len(paging.use):
        raise SnapshotError(f"page types of {len(use)} frames, this machine has {len(paging.use)}")
    paging.use[:], paging.count[:], paging.dropped[:] = use, count, dropped
    paging.pins = {frame: Use(n) for frame, n in whole(state["pins"]).items()}
    paging.spaces = dict(whole(state["spaces"]))
    paging.epoch, paging.next_space, paging.validated = whole(state["counts"])


def save_backends(backends: Backends) -> dict[str, Any]:
    """Return the monitor's side of the rings, and its drivers' state."""
    ring = backends.requests
    return {
        "pages": dict(backends.pages),
        "console": None if backends.output is None else backends.output.address,
        "requests": ring and (ring.address, ring.taken, ring.answered, set(ring.done)),
        "disks": [
            (
                [(index, tuple(request)) for index, request in disk.queue],
                tuple(getattr(disk.driver, name) for name in DRIVER_STATE[type(disk.driver)]),
            )
            for disk in backends.disks
        ],
    }


def restore_backends(backends: Backends, state: dict[str, Any]) -> None:
    """Restore the monitor's side of the rings, and its drivers' state."""
    physical = backends.physical
    backends.pages = dict(whole(state["pages"]))
    console, requests = whole(state["console"]), whole(state["requests"])
    backends.output = None if console is None else ConsoleRing(physical, console)
    backends.requests = None
    if requests is not None:
        ring = backends.requests = BlockRing(physical, requests[0])
        ring.taken, ring.answered, done = requests[1:]
        ring.done = set(done)
    if len(state["disks"]) != len(backends.disks):
        raise SnapshotError(f"{len(state['disks'])} disks, this machine has {len(backends.disks)}")
    for disk, (queue, values) in zip(backends.disks, whole(state["disks"]), strict=True):
        disk.queue = deque((index, Request(*request)) for index, request in queue)
        for name, value in zip(DRIVER_STATE[type(disk.driver)], values, strict=True):
            setattr(disk.driver, name, value)
