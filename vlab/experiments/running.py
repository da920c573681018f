"""Run one workload in one mode."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from vlab.costs import Costs, preset
from vlab.errors import MachineError, ModeError, unknown
from vlab.experiments.catalogue import workload as find_workload
from vlab.experiments.result import Result
from vlab.memory import PAGE

TECHNIQUES = ("native", "emulate", "fullvirt", "paravirt")
MODES = (*TECHNIQUES, "simulate")
ENGINES = ("translator", "interpreter", "python")
CLOCKS = ("cycles", "retired")
EMULATIONS = ("interpreter", "dbt")
"""Techniques of ``emulate``: an interpreter, or dynamic binary translation."""

LEAST_CODE_CACHE = 512 << 10
MEMORY = 64 << 20
INSTRUCTION_LIMIT = 2_000_000_000
"""Ends a guest that loops for ever after about half a minute."""

Devices = Mapping[int, Callable[[], Any]] | None
"""Classes of devices by physical address."""

_UNITS = {"K": 10, "M": 20, "G": 30}


def run(
    workload: str,
    mode: str = "native",
    *,
    of: str | None = None,
    technique: str | None = None,
    engine: str = "translator",
    clock: str = "cycles",
    set: Mapping[str, Any] | None = None,
    seed: int = 0,
    max_instructions: int = INSTRUCTION_LIMIT,
    costs: str | Costs = "teaching",
    monitor: type | None = None,
    devices: Devices = None,
    progress: Callable[[int], None] | None = None,
    **params: Any,
) -> Result:
    """Run a workload of the guest in a mode and return what was counted.

    Parameters
    ----------
    workload
        A name from ``vlab.workloads()``.
    mode
        ``native``, ``emulate``, ``fullvirt``, ``paravirt`` or ``simulate``.
    of
        The technique that ``simulate`` predicts (``native`` unless told).
    technique
        How ``emulate`` emulates: ``interpreter`` (unless told) or ``dbt``, dynamic binary
        translation, whose code cache ``set`` can bound (``{"code_cache": "1M"}``).
    engine
        ``translator`` (the interpreter, and translated code for what is hot; where a host
        does not allow that, the interpreter alone), ``interpreter``, or ``python`` (the
        reference, slow). All give the same results.
    clock
        ``cycles``: guest time includes the costs of virtualization; ``retired``: guest time
        is the number of instructions retired, equal in all modes.
    set
        Machine options by name, for example ``{"tlb_sets": 16, "memory": "64M"}``.
    costs
        A preset's name or a table (``vlab.preset("teaching").replace(exit=600)``).
    monitor
        A subclass of `vlab.FullVirt` or `vlab.ParaVirt`, with handlers of your own, to run the
        guest under instead of the mode's stock one.
    devices
        Devices of your own, as classes by physical address (`vlab.Device`).
    progress
        Called now and then with the number of instructions retired.
    **params
        The workload's own parameters.

    Raises
    ------
    VlabError
        If any of these does not exist or does not fit; nothing has run then.
    """
    chosen = find_workload(workload)
    bound = chosen.bind(params)
    check_mode(mode, of)
    emulation = check_technique(technique, mode, of)
    check_monitor(monitor, mode)
    own = check_devices(devices, mode)
    of = (of or "native") if mode == "simulate" else None
    table = preset(costs)
    options = dict(set or {})
    memory = parse_size(options.pop("memory", MEMORY), "memory")
    emulation |= check_code_cache(options, emulation)
    check_machine(engine, clock, seed, max_instructions)
    settings = {
        "engine": engine,
        "clock": clock,
        "costs": table.name,
        "seed": seed,
        "set": {"memory": memory, **options},
        "max_instructions": max_instructions,
        **emulation,
    }
    words = [f"seed={seed}"] if seed else []

    from vlab.modes import run_guest

    begin = time.perf_counter()
    ended = run_guest(
        mode,
        of=of,
        image=None,
        disk=None,
        bootargs=" ".join([*words, chosen.bootargs(bound)]),
        memory=memory,
        engine=engine,
        clock=clock,
        costs=table,
        options=options,
        max_instructions=max_instructions,
        console=None,
        progress=progress,
        monitor=monitor,
        devices=own,
        **emulation,
    )
    return from_outcome(ended, workload, mode, of, bound, settings, time.perf_counter() - begin)


def from_outcome(
    ended: Any,
    workload: str,
    mode: str,
    of: str | None,
    params: dict[str, Any],
    settings: dict[str, Any],
    wall_s: float,
) -> Result:
    """Return what `vlab.modes.run_guest` reported as a `Result`."""
    return Result(
        workload=workload,
        mode=mode,
        of=of,
        params=params,
        image_sha256=ended.image_sha256,
        exit_code=ended.exit_code,
        console=ended.console,
        counters=ended.counters,
        counters_total=ended.counters_total,
        cycles=ended.cycles,
        cycles_total=ended.cycles_total,
        wall_s=wall_s,
        outcome=ended.outcome,
        crash=ended.crash,
        settings=settings,
        machine=getattr(ended, "machine", None),
    )


def check_mode(mode: str, of: str | None = None) -> None:
    """Raise `ModeError` unless there is such a mode and it can predict `of`."""
    if mode not in MODES:
        raise ModeError(unknown("mode", mode, MODES))
    if of is not None and mode != "simulate":
        raise ModeError(f"mode {mode!r} executes the guest: only 'simulate' predicts another mode")
    if of is not None and of not in TECHNIQUES:
        raise ModeError(unknown("mode to predict", of, TECHNIQUES))


def check_technique(technique: str | None, mode: str, of: str | None = None) -> dict[str, Any]:
    """Return how to emulate, nothing for other modes, or raise `ModeError` if that cannot be."""
    if technique is not None and technique not in EMULATIONS:
        raise ModeError(unknown("technique", technique, EMULATIONS))
    if mode == "simulate" and of == "emulate" and technique == "dbt":
        raise ModeError("mode 'simulate' predicts emulation by an interpreter only, not by 'dbt'")
    if technique is not None and mode != "emulate" and (mode, of) != ("simulate", "emulate"):
        raise ModeError(f"mode {mode!r} takes no technique: only 'emulate' does")
    return {"technique": technique or "interpreter"} if mode == "emulate" else {}


def check_code_cache(options: dict[str, Any], emulation: dict[str, Any]) -> dict[str, Any]:
    """Take the size of the code cache out of machine options, and return it if there is one."""
    given = options.pop("code_cache", None)
    if given is None:
        return {}
    if emulation.get("technique") != "dbt":
        raise MachineError(f"code_cache={given!r}: only emulation by 'dbt' has a code cache")
    size = parse_size(given, "code_cache")
    if not LEAST_CODE_CACHE <= size <= 1 << 30:
        raise MachineError(f"code_cache={given!r}: must be from 512K to 1G")
    return {"code_cache": size // PAGE * PAGE}


def check_monitor(monitor: type | None, mode: str) -> None:
    """Raise `ModeError` unless a monitor of one's own is one of the mode."""
    if monitor is not None and getattr(monitor, "technique", None) != mode:
        wanted = {"fullvirt": "vlab.FullVirt", "paravirt": "vlab.ParaVirt"}.get(mode)
        what = f"a subclass of {wanted}" if wanted else "none: nothing is handled by a monitor"
        raise ModeError(f"monitor={monitor!r}: mode {mode!r} takes {what}")


def check_devices(devices: Devices, mode: str) -> Mapping[int, Callable[[], Any]]:
    """Return devices of one's own by address, or raise if the mode can have none or not these."""
    if devices and mode not in ("native", "emulate", "fullvirt"):
        why = "its guest has no device registers" if mode == "paravirt" else "it runs no guest"
        raise ModeError(f"mode {mode!r} takes no devices: {why}")
    if devices is not None and not isinstance(devices, Mapping):
        raise MachineError(f"devices={devices!r:.60}: must be classes by address")

    from vlab.devices.device import make

    make(devices or {})
    return devices or {}


def check_machine(engine: str, clock: str, seed: int, max_instructions: int) -> None:
    """Raise `MachineError` unless the machine can be set up like this."""
    if engine not in ENGINES:
        raise MachineError(unknown("engine", engine, ENGINES))
    if clock not in CLOCKS:
        raise MachineError(unknown("clock", clock, CLOCKS))
    for name, value, least in (("seed", seed, 0), ("max_instructions", max_instructions, 1)):
        if not isinstance(value, int) or not least <= value < 1 << 63:
            raise MachineError(f"{name}={value!r}: must be a whole number, {least} or more")


def parse_size(size: int | str, what: str) -> int:
    """Return a size in bytes, given as a number or as text with K, M or G."""
    text = str(size).strip().upper().removesuffix("B").removesuffix("I")
    shift = _UNITS.get(text[-1:], 0)
    digits = text[:-1] if shift else text
    if not digits.isascii() or not digits.isdigit() or int(digits) == 0:
        raise MachineError(f"{what}={size!r}: must be a size such as 64M (units K, M, G)")
    return int(digits) << shift
