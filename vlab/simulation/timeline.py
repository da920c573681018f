"""A timeline of a program that sleeps from tick to tick: where each tick of the timer falls.

The guest's kernel sets the timer one interval after the tick before, or after the present if
that has passed (``guests/kernel/timer.c``). A tick falls into the sleep, or it is late: it
interrupts the program, or the kernel on its way into the sleep, before that has looked at the
time. Ticks that come while the kernel has interrupts off wait until the program runs again.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_LATE = 1_000_000
"""Late ticks that are followed one by one: beyond, the guest does little but serve its timer."""


@dataclass(frozen=True)
class Phases:
    """Durations in cycles.

    Attributes
    ----------
    begun
        From where the timer was set to where the first round begins.
    call, looking, sleep, wake
        A program's call up to where the kernel has interrupts on; from there to where it has
        them off and looks at the time; from there to the sleep; from the tick that ends it
        until the program runs again.
    setting, after_setting
        From the tick that ends a sleep to where the kernel sets the next one; from there to the
        program, if the tick is late.
    late, kernel_late
        A late tick that interrupts the program, or the kernel.
    """

    begun: float
    call: float
    looking: float
    sleep: float
    wake: float
    setting: float
    after_setting: float
    late: float
    kernel_late: float


class Timeline:
    """Rounds of sleeping and working, abreast of a timer.

    Parameters
    ----------
    interval
        Cycles from tick to tick.

    Attributes
    ----------
    now
        Present time.
    idle
        Cycles slept.
    late, kernel_late
        Late ticks.
    """

    def __init__(self, interval: float, phases: Phases) -> None:
        self.interval, self.phases = interval, phases
        self.now, self.next = phases.begun, interval
        self.idle, self.late, self.kernel_late = 0.0, 0, 0

    def tick(self, duration: float, setting: float) -> None:
        """Take a tick, now or when it is due; ``setting`` later the next one is set."""
        self.now = max(self.now, self.next)
        self.next += self.interval
        if self.next <= self.now + setting:
            self.next = self.now + setting + self.interval
        self.now += duration

    def busy(self, cycles: float) -> None:
        """Run the program for so long, ticks not counted."""
        between = self.interval - self.phases.late
        while self.next - self.now < cycles and self.late < MOST_LATE:
            cycles -= max(0.0, self.next - self.now)
            if self.next > self.now and between > 0:  # ticks far from the end are all alike
                many = int(cycles // between)
                cycles -= many * between
                self.late += many
                self.now = self.next = self.next + many * self.interval
            self.tick(self.phases.late, self.phases.late - self.phases.after_setting)
            self.late += 1
        self.now += cycles

    def call(self) -> None:
        """Call the kernel, up to where it looks at the time."""
        self.now += self.phases.call
        cycles = self.phases.looking
        while self.next - self.now < cycles and self.kernel_late < MOST_LATE:
            cycles -= max(0.0, self.next - self.now)
            self.tick(self.phases.kernel_late, self.phases.late - self.phases.after_setting)
            self.kernel_late += 1
        self.now += cycles

    def round(self, work: float) -> None:
        """Call the kernel, sleep until the next tick, and work."""
        self.call()
        self.now += self.phases.sleep
        self.idle += max(0.0, self.next - self.now)
        self.tick(self.phases.wake, self.phases.setting)
        self.busy(work)

    def rounds(self, n: int, work: float) -> None:
        """Do n rounds; once all are alike, the others are known."""
        ahead = None
        for i in range(n):
            before = (self.idle, self.late, self.kernel_late)
            self.round(work)
            if ahead is not None and abs(self.next - self.now - ahead) < 1e-6:
                left = n - i - 1
                self.idle += left * (self.idle - before[0])
                self.late += left * (self.late - before[1])
                self.kernel_late += left * (self.kernel_late - before[2])
                return
            ahead = self.next - self.now
