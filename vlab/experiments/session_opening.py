"""From the options of `vlab.run` and `vlab.boot` to a live session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vlab.costs import Costs, preset
from vlab.errors import DiskError, ImageError, ModeError, ParameterError
from vlab.experiments.booting import MEMORY as BOOT_MEMORY
from vlab.experiments.booting import existing
from vlab.experiments.catalogue import workload as find_workload
from vlab.experiments.running import (
    INSTRUCTION_LIMIT,
    MEMORY,
    Devices,
    check_devices,
    check_machine,
    check_mode,
    check_monitor,
    check_technique,
    parse_size,
)
from vlab.experiments.session import Session
from vlab.modes import IMAGES
from vlab.modes.setup import Setup


def session(
    workload: str | None = None,
    mode: str = "native",
    *,
    technique: str | None = None,
    image: str | Path | bytes | None = None,
    disk: str | Path | None = None,
    initrd: str | Path | None = None,
    firmware: str | Path | None = None,
    append: str = "",
    memory: int | str | None = None,
    engine: str = "translator",
    clock: str = "cycles",
    set: Mapping[str, Any] | None = None,
    seed: int = 0,
    max_instructions: int = INSTRUCTION_LIMIT,
    costs: str | Costs = "teaching",
    monitor: type | None = None,
    devices: Devices = None,
    progress: Callable[[int], None] | None = None,
    output: Callable[[bytes], None] | None = None,
    **params: Any,
) -> Session:
    """Return a live machine with a guest loaded, before its first instruction.

    Parameters
    ----------
    workload
        A name from ``vlab.workloads()``; without one, the guest runs its shell.
    image
        A kernel of your own instead, with ``disk``, ``initrd``, ``firmware`` and ``append`` as
        in `vlab.boot`; or the contents of one, for example ``vlab.assemble(text).code``. Changes
        to the disk stay in the session.
    technique
        Of ``emulate``: a session has ``interpreter`` only.
    progress
        Called some twenty times a second with the number of instructions retired.
    output
        Called with what the guest prints, as bytes.
    mode, memory, engine, clock, set, seed, max_instructions, costs, monitor, **params
        As in `vlab.run`.
    devices
        Devices of your own, as classes by physical address (`vlab.Device`).
    """
    check_mode(mode)
    if mode == "simulate":
        raise ModeError("mode 'simulate' executes no guest: there is nothing to step through")
    if check_technique(technique, mode).get("technique") == "dbt":
        raise ModeError("a session emulates by an interpreter only: 'dbt' is for run and compare")
    check_monitor(monitor, mode)
    own = check_devices(devices, mode)
    check_machine(engine, clock, seed, max_instructions)
    table, options = preset(costs), dict(set or {})
    size = options.pop("memory", memory)
    bound: dict[str, Any] = {}
    if image is not None:
        if workload is not None or params:
            raise ParameterError("image: a kernel of your own runs no workload of the course's")
        size = parse_size(BOOT_MEMORY if size is None else size, "memory")
        kernel = image if isinstance(image, bytes) else existing(image, ImageError)
        contents = existing(disk, DiskError).read_bytes() if disk else None
        name = "image" if isinstance(kernel, bytes) else kernel.name
        bootargs, bound = append, {"append": append}
    else:
        if disk or initrd or firmware or append:
            raise ParameterError("disk, initrd, firmware and append need an image of your own")
        size = parse_size(MEMORY if size is None else size, "memory")
        kernel = IMAGES / ("pv.elf" if mode == "paravirt" else "native.elf")
        contents = (IMAGES / "fs.img").read_bytes()
        words = [f"seed={seed}"] if seed else []
        name = workload or "sh"
        if workload is not None:
            chosen = find_workload(workload)
            bound = chosen.bind(params)
            words.append(chosen.bootargs(bound))
        elif params:
            raise ParameterError(f"unknown parameter {next(iter(params))!r}: the shell takes none")
        bootargs = " ".join(words)
    settings = {
        "engine": engine,
        "clock": clock,
        "costs": table.name,
        "seed": seed,
        "set": {"memory": size, **options},
        "max_instructions": max_instructions,
    }
    setup = Setup(
        mode=mode,
        image=kernel,
        disk=contents,
        bootargs=bootargs,
        memory=size,
        engine=engine,
        clock=clock,
        costs=table,
        options=options,
        initrd=existing(initrd, ImageError) if initrd else None,
        firmware=existing(firmware, ImageError) if firmware else None,
        monitor=monitor,
        devices=own,
    )
    label = {"workload": name, "params": bound, "settings": settings}
    return Session(setup, label, max_instructions, progress, output)
