"""Sessions as bytes: what a guest was booted with, and its state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlab.costs import Cost, Costs
from vlab.errors import SnapshotError
from vlab.experiments.running import (
    Devices,
    check_devices,
    check_machine,
    check_mode,
    check_monitor,
)
from vlab.experiments.session_history import Checkpoint
from vlab.machine import SLICE, Outcome
from vlab.modes import IMAGES, snapshots
from vlab.modes.setup import Setup

if TYPE_CHECKING:
    from vlab.experiments.session import Session

LARGEST_MEMORY = 8 << 30
"""Bytes of RAM of the largest machine that a snapshot may ask for."""
LATEST = 1 << 62
"""Moment by which every run is over."""
SETTINGS = ("mode", "bootargs", "memory", "engine", "clock", "options")


def save_session(session: Session) -> bytes:
    """Return a session as bytes."""
    setup, loop = session.setup, session.loop
    ended = loop.outcome
    image = setup.image if isinstance(setup.image, bytes) else setup.image.read_bytes()
    firmware = setup.firmware
    return snapshots.to_bytes(
        {
            "setup": {name: getattr(setup, name) for name in SETTINGS},
            "image": image,
            "firmware": firmware.read_bytes() if isinstance(firmware, Path) else firmware,
            "costs": (setup.costs.name, [tuple(row) for row in setup.costs.rows]),
            "monitor": setup.monitor and setup.monitor.__qualname__,
            "label": session.label,
            "max_instructions": loop.max_instructions,
            "moment": loop.moment,
            "left": loop.left,
            "pending": session.keyboard.pending,
            "outcome": ended and (ended.outcome, ended.exit_code, ended.crash),
            "state": snapshots.capture(session.guest),
        }
    )


def open_saved(
    kind: type[Session],
    data: bytes,
    monitor: type | None,
    progress: Callable[[int], None] | None,
    output: Callable[[bytes], None] | None,
    devices: Devices,
) -> Session:
    """Return the session that bytes hold, or raise `SnapshotError`."""
    saved = snapshots.from_bytes(data)
    try:
        setup = _setup(saved, monitor, devices)
        label, most = saved["label"], saved["max_instructions"]
        check_machine(setup.engine, setup.clock, 0, most)
        if not {"workload", "params", "settings"} <= set(label):
            raise SnapshotError("the snapshot does not say what it ran")
        session = kind(setup, label, most, progress, output)
        _continue(session, saved)
    except snapshots.WRONG as error:
        raise SnapshotError(f"not a session's snapshot ({error!r:.80})") from None
    return session


def _setup(saved: dict[str, Any], monitor: type | None, devices: Devices) -> Setup:
    chosen = saved["setup"]
    check_mode(chosen["mode"])
    if saved["monitor"] is not None and monitor is None:
        raise SnapshotError(
            f"saved under a monitor of one's own: pass monitor={saved['monitor']:.60}"
        )
    check_monitor(monitor, chosen["mode"])
    if not 0 < chosen["memory"] <= LARGEST_MEMORY:
        raise SnapshotError(f"a machine with {chosen['memory']} bytes of memory: too large")
    name, rows = saved["costs"]
    costs = Costs(name, tuple(Cost(*row) for row in rows))
    if not all(isinstance(row.cycles, int) and row.cycles >= 0 for row in costs.rows):
        raise SnapshotError("costs must be whole numbers, 0 or more")
    if not isinstance(chosen["bootargs"], str) or not isinstance(saved["image"], bytes):
        raise SnapshotError("the command line or the image is of the wrong type")
    return Setup(
        **{key: chosen[key] for key in SETTINGS},
        image=_known(saved["image"], chosen["mode"]),
        disk=saved["state"]["board"]["disk"],
        costs=costs,
        firmware=saved["firmware"],
        monitor=monitor,
        devices=check_devices(devices, chosen["mode"]),
    )


def _known(image: bytes, mode: str) -> Path | bytes:
    """Return the course's own image by its path, for its symbols; any other as it is."""
    path = IMAGES / ("pv.elf" if mode == "paravirt" else "native.elf")
    same = hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(image).digest()
    return path if same else image


def _continue(session: Session, saved: dict[str, Any]) -> None:
    loop, left, moment = session.loop, saved["left"], saved["moment"]
    pending = saved["pending"]
    known = (left is None or 0 < left <= SLICE) and 0 <= moment < LATEST
    if not known or not isinstance(pending, bytes):
        raise SnapshotError("the place in the run is none that a run can be at")
    snapshots.restore(session.guest, saved["state"], left)
    loop.left, loop.moment = left, moment
    session.keyboard.pending = pending
    if saved["outcome"] is not None:
        loop.outcome = Outcome(*saved["outcome"])
    session.view.synchronize(left is not None)
    state = saved["state"]
    session.history.beginning = Checkpoint(moment, loop.steps, left, pending, 0, state)
