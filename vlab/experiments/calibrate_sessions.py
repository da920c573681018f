"""Calibration by watching: what a session sees between two moments of a workload.

The fits of `vlab.experiments.calibrate` know sums only. Here a session is stopped where
something begins and where it ends, or stepped through, for what depends on the order of events.
"""

from __future__ import annotations

from vlab.experiments.session import Session
from vlab.experiments.session_opening import session
from vlab.simulation.model import Vector, difference, flatten
from vlab.simulation.tlb import DATA_PAGE, PAGE

QUIET = {"hz": 1}
"""Guest options under which no tick falls into a measured region."""

FAULT = 20
"""The first touch that is watched: by then shadow paging has let go of the page table."""

Touch = tuple[int, int]
"""A page's virtual number, in units of its level, and the level."""


def counted(live: Session) -> Vector:
    """Return everything counted so far."""
    return flatten(live.counters)


def interrupts_off(live: Session) -> bool:
    """Return whether the guest's kernel would not take an interrupt."""
    csrs = live.csrs
    return csrs["masked"] == 1 if "masked" in csrs else csrs["sstatus"] & 2 == 0


def until_timer(mode: str) -> Vector:
    """Return what was counted when the kernel sets its timer for the first time."""
    live = session("hello", mode=mode, set=QUIET)
    live.until(symbol="timer_set")
    return difference(counted(live), {})


def phases(mode: str) -> dict[str, Vector]:
    """Return what happens from moment to moment of a sleep until the next tick.

    Returns
    -------
    dict
        ``begun``: from setting the timer to the measured region; ``setting``: from the tick to
        setting the next; ``after_setting``: from there to the program, if the tick is late;
        ``wake``: from the tick to the program; ``call``: from there, if there is no work, to where
        the kernel has interrupts on again; ``looking``: from there to where it has them off, to
        look at the time.
    """
    live = session("timer", mode=mode, set=QUIET, n=9, hz=1000, work=0)
    live.until(mark=1)
    begin = counted(live)
    live = session("timer", mode=mode, set=QUIET, n=9, hz=1000, work=0)
    while live.until(symbol="timer_set", mark=1).reason == "breakpoint":
        timer_set = counted(live)
    seen = {"begun": difference(begin, timer_set)}
    for _ in range(3):  # the first rounds find nothing in place
        live.until(idle=True)
        moments = [counted(live)]
        live.until(symbol="timer_set")
        moments.append(counted(live))
        while live.privilege != "U":
            live.step()
        moments.append(counted(live))
        live.until(syscall=True)
        while interrupts_off(live):
            live.step()
        moments.append(counted(live))
        live.until(symbol="sys_sleep")
        while not interrupts_off(live):
            live.step()
        moments.append(counted(live))
    tick, setting, program, on, off = moments
    live = session("timer", mode=mode, set=QUIET, n=9, hz=1000, work=1_000_000)
    live.until(mark=1)
    for _ in range(6):
        live.until(symbol="timer_set")
    late = counted(live)
    while live.privilege != "U":
        live.step()
    return seen | {
        "after_setting": difference(counted(live), late),
        "setting": difference(setting, tick),
        "wake": difference(program, tick),
        "call": difference(on, program),
        "looking": difference(off, on),
    }


def touched_by_fault(mode: str) -> list[list[int]]:
    """Return the pages that the hardware translates from one first touch to the next.

    With a TLB of one entry, each step's entry is the page that the instruction used last.

    Returns
    -------
    list
        Page number at the first fault, level, and by how much the number grows from fault to
        fault; in order, repetitions left out. The page that is touched is not among them.
    """
    one = {**QUIET, "tlb_entries": 1, "tlb_ways": 1}
    live = session("memwalk", mode=mode, set=one, pages=2 * FAULT, stride=PAGE, rounds=1)
    while fault_address(live) // PAGE != DATA_PAGE + FAULT:
        if live.until_exit().reason != "exit":
            raise RuntimeError(f"no page fault {FAULT} under {mode}")
    between = [touches(live, DATA_PAGE + FAULT + k) for k in (1, 2, 3)][1:]
    first, second = (without_repetition(sequence) for sequence in between)
    if [level for _, level in first] != [level for _, level in second]:
        raise RuntimeError(f"two page faults under {mode} touch different pages")
    return [
        [a - (FAULT + 2) * (b - a), level, b - a]
        for (a, level), (b, _) in zip(first, second, strict=True)
    ]


def fault_address(live: Session) -> int:
    """Return the address of the last exception that the guest's kernel saw."""
    csrs = live.csrs
    return csrs["trap_tval"] if "trap_tval" in csrs else csrs["stval"]


def last_page(live: Session) -> Touch:
    """Return the only page that a TLB of one entry holds."""
    for entry in live.tlb():
        return entry.va >> 12 + 9 * entry.level, entry.level
    return -1, 0


def touches(live: Session, until: int) -> list[Touch]:
    """Step until a page was touched, and return those before it in order."""
    data: list[Touch] = []
    fetched: list[int] = []
    while True:
        fetched.append(live.pc)
        live.step()
        data.append(last_page(live))
        if data[-1] == (until, 0):
            break
    known = set(data)

    def page_of(address: int) -> Touch:
        for level in (2, 1, 0):
            if (touch := (address >> 12 + 9 * level, level)) in known:
                return touch
        return address >> 12, 0

    both = [touch for pc, used in zip(fetched, data, strict=True) for touch in (page_of(pc), used)]
    return both[:-1]


def without_repetition(sequence: list[Touch]) -> list[Touch]:
    """Return a sequence in which no two touches alternate more than twice.

    Twice, as the second of them may evict the first, which then returns as the newest.
    """
    result: list[Touch] = []
    for touch in sequence:
        alternating = len(result) >= 4 and result[-4:-2] == result[-2:]
        if touch not in (result[-2:] if alternating else result[-1:]):
            result.append(touch)
    return result
