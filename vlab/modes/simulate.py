"""``simulate``: nobody executes the guest; a behaviour of its program drives a model.

The behaviour yields abstract operations, the model knows what each does to every counter
under a technique (constants from recorded runs, `vlab.experiments.calibrate`), the TLB model
says what memory patterns miss, the disks' own timing how long they take, and the clock how
often the timer ticks. Counters are priced like those of any other mode.
"""

from __future__ import annotations

import math
from dataclasses import asdict

from vlab.clock import CYCLES_PER_TICK, TIMEBASE
from vlab.costs import price
from vlab.devices.disk import DiskTiming
from vlab.errors import WorkloadError
from vlab.hardware import HardwareOptions
from vlab.modes.setup import Ended, Setup
from vlab.simulation.behaviours import BEHAVIOURS, preparations
from vlab.simulation.model import Vector, add, charge, constants, scaled, to_counters
from vlab.simulation.timeline import Phases, Timeline
from vlab.simulation.tlb import Tlb
from vlab.simulation.variants import varied

HZ = 100
"""Timer ticks a second that the guest kernel asks for unless told (``guests/kernel/param.h``)."""


BATCH = 32
"""Page-table updates that the ported kernel collects unless told (``guests/kernel/arch/pv``)."""


class Simulation:
    """A workload under a technique, simulated.

    Parameters
    ----------
    setup
        As for the executing modes; the command line says which program.
    technique
        The mode that is predicted.
    """

    def __init__(self, setup: Setup, technique: str, hardware: HardwareOptions) -> None:
        self.setup, self.technique = setup, technique
        name, given = program_of(setup.bootargs)
        self.params = {"batch": int(setup.options.get("batch", BATCH)), **given}
        if name not in BEHAVIOURS:
            raise WorkloadError(f"workload {name!r} has no behaviour to simulate")
        self.behaviour, self.name = BEHAVIOURS[name], name
        self.record = constants()["techniques"][technique]
        self.constants = self.record["workloads"][name]
        self.operations = varied(
            self.constants["operations"],
            name,
            {**asdict(hardware), "batch": self.params["batch"]},
            self.record["variants"],
        )
        self.tlb = Tlb(hardware.tlb_entries, hardware.tlb_ways, self.record["faulting"])
        self.hz = int(setup.options.get("hz", HZ))

    def time(self, vector: Vector) -> float:
        """Return how long the counted events take on the guest's clock, in cycles."""
        counters = to_counters(vector)
        if self.setup.clock == "retired":
            return counters.retired + counters.idle_cycles + counters.device_wait_cycles
        return price(counters, self.setup.costs, self.technique).total

    def region(self) -> Vector:
        """Return the counters of the measured region."""
        operations = list(self.behaviour(self.params, self.tlb))
        total = charge(operations, self.operations, DiskTiming())
        if self.name == "timer":
            self.sleep_between_ticks(total)
        else:
            self.tick(total, charge(preparations(operations), self.constants["before"], None))
        return total

    def tick(self, total: Vector, before: Vector) -> None:
        """Add the ticks that fall into the region, from where it begins to where it ends."""
        interval = interval_of(self.hz)
        begin = self.time(before) - self.time(self.record["timer_start"])
        begin += begin // interval * (one := self.time(self.record["tick"]))
        length = self.time(total)
        ticks = 0
        while True:
            again = math.floor((begin + length + ticks * one) / interval)
            again -= math.floor(begin / interval)
            if again <= ticks:
                break
            ticks = again
        add(total, self.record["tick"], ticks)
        if ticks and begin < interval:  # no tick was before
            add(total, self.record["first_tick"], 1)

    def sleep_between_ticks(self, total: Vector) -> None:
        """Add the ticks that are late, and the sleep until those that are not."""
        operations, moments = self.operations, self.record["phases"]
        times = {name: self.time(vector) for name, vector in moments.items()}
        sleep = self.time(operations["sleep"])
        sleep -= times["wake"] + times["call"] + times["looking"]
        line = Timeline(interval_of(self.params["hz"]), Phases(sleep=sleep, **times))
        work = self.params["work"]
        line.rounds(self.params["n"], self.time(scaled(operations["work"], work)))
        add(total, moments["late"], line.late)
        add(total, moments["kernel_late"], line.kernel_late)
        total["idle_cycles"] = line.idle

    def ended(self) -> Ended:
        """Return the prediction, in the form of a run's results."""
        region = self.region()
        total = dict(region)
        add(total, self.record["boot"], 1)
        counters, counters_total = to_counters(region), to_counters(total)
        costs = self.setup.costs
        return Ended(
            console="",
            exit_code=0,
            outcome="finished",
            crash=None,
            counters=counters,
            counters_total=counters_total,
            cycles=price(counters, costs, self.technique),
            cycles_total=price(counters_total, costs, self.technique),
            image_sha256=None,
            machine=self,
        )


def interval_of(hz: int) -> int:
    """Return the cycles from tick to tick (``guests/kernel/timer.c``)."""
    return TIMEBASE // (hz if 0 < hz <= TIMEBASE else HZ) * CYCLES_PER_TICK


def program_of(bootargs: str) -> tuple[str, dict[str, int]]:
    """Return the program that a command line runs, and its parameters."""
    _, _, command = bootargs.partition("run=")
    name, *words = command.split() or [""]
    pairs = (word.split("=", 1) for word in words if "=" in word)
    return name, {key: int(value) for key, value in pairs}
