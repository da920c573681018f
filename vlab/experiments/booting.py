"""Boot kernels: one that nobody here wrote, or the guest's own shell."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vlab.costs import Costs, preset
from vlab.errors import DiskError, ImageError, ModeError
from vlab.experiments.consoles import Console, Script, terminal
from vlab.experiments.result import Result
from vlab.experiments.running import (
    INSTRUCTION_LIMIT,
    check_code_cache,
    check_machine,
    check_mode,
    check_technique,
    from_outcome,
    parse_size,
)

MEMORY = 128 << 20
FOREVER = (1 << 63) - 1


def boot(
    image: str | Path,
    mode: str = "native",
    *,
    disk: str | Path | None = None,
    initrd: str | Path | None = None,
    technique: str | None = None,
    firmware: str | Path | None = None,
    append: str = "",
    memory: int | str = MEMORY,
    input: str = "",
    console: Console | None = None,
    engine: str = "translator",
    clock: str = "cycles",
    set: Mapping[str, Any] | None = None,
    max_instructions: int = INSTRUCTION_LIMIT,
    costs: str | Costs = "teaching",
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Boot a kernel image, as it is, on the machine in a mode.

    Parameters
    ----------
    image
        An ELF or a raw image for RV64.
    disk
        A disk image, attached as virtio-blk and as ATA disk; its changes are written back.
    firmware
        Runs in M-mode first, in place of the machine's own SBI.
    append
        The kernel's command line.
    technique
        Of ``emulate``: ``interpreter`` (unless told) or ``dbt``, as in `vlab.run`.
    input
        Typed on the console as fast as the guest takes it.
    console
        What the console is connected to instead (see `vlab.experiments.consoles`).
    """
    check_mode(mode)
    if mode == "simulate":
        raise ModeError("mode 'simulate' executes no guest: it cannot boot an image")
    size = parse_size(memory, "memory")
    emulation = check_technique(technique, mode)
    options = dict(set or {})
    emulation |= check_code_cache(options, emulation)
    check_machine(engine, clock, 0, max_instructions)
    table = preset(costs)
    settings = {
        "engine": engine,
        "clock": clock,
        "costs": table.name,
        "set": {"memory": size, **options},
        "max_instructions": max_instructions,
        **emulation,
    }
    kernel = existing(image, ImageError)
    files: dict[str, Path | None] = {
        "disk": existing(disk, DiskError) if disk else None,
        "initrd": existing(initrd, ImageError) if initrd else None,
        "firmware": existing(firmware, ImageError) if firmware else None,
    }

    from vlab.modes import boot_image

    begin = time.perf_counter()
    ended = boot_image(
        mode,
        image=kernel,
        **files,
        bootargs=append,
        memory=size,
        engine=engine,
        clock=clock,
        costs=table,
        options=options,
        max_instructions=max_instructions,
        console=console or Script(input),
        progress=progress,
        **emulation,
    )
    wall_s = time.perf_counter() - begin
    params = {key: str(path) for key, path in files.items() if path is not None}
    params["append"] = append
    return from_outcome(ended, kernel.name, mode, None, params, settings, wall_s)


def boot_interactively(image: str | Path, mode: str, **options: Any) -> Result:
    """Boot a kernel image with your terminal as its console."""
    with terminal() as console:
        return boot(image, mode, console=console, **options)


def shell(mode: str = "native", **options: Any) -> Result:
    """Run the guest's shell on your terminal (Control-] leaves it).

    Parameters
    ----------
    **options
        As in `boot`: ``engine``, ``clock``, ``set``, ``costs``, ``memory``.
    """
    check_mode(mode)
    if mode == "simulate":
        raise ModeError("mode 'simulate' executes no guest: it has no shell")
    table = preset(options.pop("costs", "teaching"))
    memory = parse_size(options.pop("memory", MEMORY), "memory")
    settings = {"engine": "translator", "clock": "cycles", **options, "costs": table.name}

    from vlab.modes import run_guest

    begin = time.perf_counter()
    with terminal() as console:
        console.write(f"vlab: {mode}; Control-] leaves\n".encode())
        ended = run_guest(
            mode,
            of=None,
            image=None,
            disk=None,
            bootargs="",
            memory=memory,
            engine=settings["engine"],
            clock=settings["clock"],
            costs=table,
            options=dict(options.get("set") or {}),
            max_instructions=FOREVER,
            console=console,
            progress=None,
        )
    return from_outcome(ended, "sh", mode, None, {}, settings, time.perf_counter() - begin)


def existing(path: str | Path, error: type[Exception]) -> Path:
    """Return the path of a readable file, or raise `error`."""
    path = Path(path)
    if path.is_dir():
        raise error(f"{path}: is a directory, not an image")
    if not path.is_file():
        raise error(f"{path}: no such file")
    return path
