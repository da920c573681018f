"""The modes: who carries out each thing the guest does. Each is short, to be read in class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlab.costs import Costs

if TYPE_CHECKING:
    from vlab.modes.setup import Ended

IMAGES = Path(__file__).parent.parent / "images"


def run_guest(
    mode: str,
    *,
    of: str | None,
    image: Path | None,
    disk: Path | None,
    bootargs: str,
    memory: int,
    engine: str,
    clock: str,
    costs: Costs,
    options: dict[str, Any],
    max_instructions: int,
    console: Any = None,
    progress: Callable[[int], None] | None = None,
    monitor: type | None = None,
    devices: Mapping[int, Callable[[], Any]] | None = None,
    **technique: Any,
) -> Ended:
    """Run the course's guest in a mode; ``simulate`` predicts the mode ``of``.

    ``image`` and ``disk`` default to the built ones: the ported kernel for ``paravirt``, the
    same unmodified one for every other mode. ``technique`` and ``code_cache`` are as in `Setup`.
    """
    from vlab.modes.compose import Guest
    from vlab.modes.setup import Setup

    default = IMAGES / ("pv.elf" if mode == "paravirt" else "native.elf")
    setup = Setup(
        mode=mode,
        image=image or default,
        disk=disk or (IMAGES / "fs.img").read_bytes(),
        bootargs=bootargs,
        memory=memory,
        engine=engine,
        clock=clock,
        costs=costs,
        options=options,
        console=console,
        monitor=monitor,
        devices=devices or {},
        **technique,
    )
    if mode == "simulate":
        from vlab.modes.compose import split_options
        from vlab.modes.simulate import Simulation

        hardware, _ = split_options(options)
        return Simulation(setup, of or "native", hardware).ended()
    return Guest(setup).run(max_instructions, progress)


def boot_image(
    mode: str,
    *,
    image: Path,
    disk: Path | None = None,
    initrd: Path | None = None,
    firmware: Path | None = None,
    bootargs: str = "",
    memory: int,
    engine: str,
    clock: str,
    costs: Costs,
    options: dict[str, Any],
    max_instructions: int,
    console: Any = None,
    progress: Callable[[int], None] | None = None,
    **technique: Any,
) -> Ended:
    """Boot a kernel that nobody here wrote; changes to its disk are written back at the end."""
    from vlab.modes.compose import Guest
    from vlab.modes.setup import Setup

    setup = Setup(
        mode=mode,
        image=image,
        disk=disk,
        bootargs=bootargs,
        memory=memory,
        engine=engine,
        clock=clock,
        costs=costs,
        options=options,
        initrd=initrd,
        firmware=firmware,
        console=console,
        **technique,
    )
    guest = Guest(setup)
    ended = guest.run(max_instructions, progress)
    if guest.disk is not None and guest.disk.dirty:
        guest.disk.save()
    return ended
