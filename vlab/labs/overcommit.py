"""Lab 9: the host has fewer frames than the guest has pages, and the student says which must go.

The student writes classes like this one; pages are guest-physical frame numbers::

    class Policy:
        def arrived(self, page)    a page was brought in
        def touched(self, page)    the guest has used a page that was not mapped
        def victim(self, pages)    -> dict with page, and unmap

`victim` chooses from ``pages``, those in memory that may go. ``unmap`` is a list of other pages
that lose their mapping and stay: the next use of one faults and is told by `touched`. That is how
a monitor learns what is in use without help from the hardware (Waldspurger 2002; the clock
algorithm of Corbató 1968).

Pages are really moved: a page that went lives in the swap space alone, and its frame serves
another. Each page brought in from there waits for the disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import vlab
from vlab.devices.disk import DiskTiming
from vlab.labs.answers import WrongAnswer, agree, shown
from vlab.labs.booting import LIMIT
from vlab.memory import PAGE, MemoryRangeError
from vlab.modes.fullvirt import FullVirt
from vlab.vmm.shadow import Space

PINNED = 16
"""Pages used last by the monitor itself, which stay: it may be in the midst of using them."""

FEWEST = 2 * PINNED
SWAP = DiskTiming().service(PAGE // 512)
"""Cycles that the disk needs for a page."""

ABSENT, ZEROS = -1, bytes(PAGE)
MEMORY = "16M"
HISTORY = 12


class Fifo:
    """What the student's ``Fifo`` has to be: who came first goes first."""

    def __init__(self) -> None:
        self.queue: list[int] = []

    def arrived(self, page: int) -> None:
        self.queue.append(page)

    def touched(self, page: int) -> None:
        pass

    def victim(self, pages: list[int]) -> dict[str, Any]:
        page = next(page for page in self.queue if page in pages)
        self.queue.remove(page)
        return {"page": page, "unmap": []}


class Clock(Fifo):
    """What the student's ``Clock`` has to be: who was used since it was looked at last may stay."""

    def __init__(self) -> None:
        super().__init__()
        self.used: set[int] = set()

    def arrived(self, page: int) -> None:
        super().arrived(page)
        self.used.add(page)

    def touched(self, page: int) -> None:
        self.used.add(page)

    def victim(self, pages: list[int]) -> dict[str, Any]:
        unmap = []
        while True:
            page = self.queue.pop(0)
            if page in pages and page not in self.used:
                return {"page": page, "unmap": [other for other in unmap if other != page]}
            self.queue.append(page)
            if page in pages:
                self.used.discard(page)
                unmap.append(page)


class Referee:
    """A policy of the student's and the reference, told the same and compared."""

    def __init__(self, policy: Callable[[], Any], reference: Callable[[], Any], name: str) -> None:
        self.student, self.reference, self.name = policy(), reference(), name
        self.history: list[str] = []

    def tell(self, method: str, argument: Any) -> Any:
        """Call a method of both, and compare what `victim` answers."""
        call = f"{method}({shown(argument)})"
        answer = getattr(self.student, method)(argument)
        expected = getattr(self.reference, method)(argument)
        if method == "victim":
            situation = f"{call} after {'; '.join(self.history[-HISTORY:])}"
            agree(situation, expected, answer, f"{self.name}.victim")
        self.history.append(call)
        return expected


class Pager:
    """Which pages of the guest are in host memory, and where.

    Parameters
    ----------
    monitor
        Whose guest it is; its shadow paging and its memory are told where pages are.
    frames
        Number of host frames.
    policy
        Makes the student's object.
    """

    def __init__(self, monitor: Any, frames: int, policy: Callable[[], Any]) -> None:
        self.machine, self.shadow = monitor.machine, monitor.shadow
        self.memory = monitor.vcpu.memory
        self.physical, self.first = self.memory.physical, self.memory.base // PAGE
        self.policy = policy()
        self.place: dict[int, int] = {}
        self.swap: dict[int, bytes] = {}
        self.users: dict[int, set[tuple[Space, int]]] = {}
        self.recent: deque[int] = deque(maxlen=PINNED)
        self.swapped_in = self.unmapped = 0
        self.free = self._empty()[:frames]
        self.memory.host_address = self.host_address

    def _empty(self) -> list[int]:
        """Move all that the guest was loaded with out, and return the frames."""
        frames = [address // PAGE for address in self.memory._frames]
        for n, frame in enumerate(frames):
            data = self.physical.read(frame * PAGE, PAGE)
            if data != ZEROS:
                self.swap[self.first + n] = data
                self.physical.write(frame * PAGE, ZEROS)
            self.shadow.p2m[n] = ABSENT
        self.shadow._guest_frame.clear()
        return frames

    def host_address(self, address: int) -> int:
        """Return where a guest-physical address is, once its page is in memory."""
        if not self.memory.contains(address):
            raise MemoryRangeError(f"{address:#x}")
        return self.need(address // PAGE) * PAGE + address % PAGE

    def need(self, page: int) -> int:
        """Return the frame of a page, and bring it in first if it is not in memory."""
        frame = self.place.get(page)
        if frame is None:
            frame = self.bring(page)
        self.recent.append(page)
        return frame

    def bring(self, page: int) -> int:
        """Bring a page in, into the place of another if there is no free frame."""
        if not self.free:
            self.evict()
        frame = self.free.pop()
        data = self.swap.pop(page, None)
        if data is not None:
            self.swapped_in += 1
            self.machine.counters.device_wait_cycles += SWAP
            self.machine.clock.slept += SWAP
        self.physical.write(frame * PAGE, ZEROS if data is None else data)
        self.place[page] = frame
        self.shadow.p2m[page - self.first] = frame
        self.shadow._guest_frame[frame] = page
        self.policy.arrived(page)
        return frame

    def evict(self) -> None:
        """Move the page out that the policy chooses."""
        pinned = set(self.recent)
        pages = sorted(page for page in self.place if page not in pinned)
        answer = self.policy.victim(list(pages))
        situation = f"victim() with {len(pages)} pages in memory"
        if not isinstance(answer, dict) or set(answer) != {"page", "unmap"}:
            raise WrongAnswer(
                situation, "a dict with page and unmap", shown(answer), "Policy.victim"
            )
        page, unmap = answer["page"], answer["unmap"]
        if page not in pages:
            seen = f"page {shown(page)}, which is not one of them"
            raise WrongAnswer(
                situation, "one of the pages that it was given", seen, "Policy.victim"
            )
        if not isinstance(unmap, list) or not all(other in self.place for other in unmap):
            raise WrongAnswer(
                situation, "unmap to be a list of pages in memory", shown(unmap), "Policy.victim"
            )
        for other in unmap:
            self.unmapped += self.unmap(other)
        self.unmap(page)
        frame = self.place.pop(page)
        self.swap[page] = self.physical.read(frame * PAGE, PAGE)
        self.shadow.p2m[page - self.first] = ABSENT
        del self.shadow._guest_frame[frame]
        self.free.append(frame)

    def mapped(self, page: int, space: Space, va: int) -> None:
        """Note a shadow entry of a page."""
        self.users.setdefault(page, set()).add((space, va))
        self.policy.touched(page)

    def unmap(self, page: int) -> int:
        """Remove the shadow entries of a page and return whether there were any."""
        frame, dropped = self.place[page], 0
        for space, va in self.users.pop(page, ()):
            entry = space.leaves.get(va)
            if entry is not None and self.physical.load(entry, 8) >> 10 == frame:
                self.shadow.drop(space, va)
                dropped = 1
        return dropped


def monitor(policy: Callable[[], Any], frames: int) -> type[FullVirt]:
    """Return a monitor that has so many host frames for its guest."""

    class OvercommitMonitor(FullVirt):
        """Trap-and-emulate; what is in memory by the student."""

        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            self.pager = Pager(self, frames, policy)

        def exited(self, reason: str) -> None:
            super().exited(reason)  # nothing in machine code: it knows of no absent page

        def on_hidden_fault(
            self, access: int, va: int, gpa: int, pte: int, level: int, reason: str
        ) -> None:
            if self.vcpu.memory.contains(gpa):
                self.pager.need(gpa // PAGE)
            super().on_hidden_fault(access, va, gpa, pte, level, reason)

        def fill(self, va: int, pte: int, level: int) -> None:
            space = self.space
            super().fill(va, pte, level)
            if self.space is not None:
                page = va & ~0xFFF
                frame = self.shadow.physical.load(space.leaves[page], 8) >> 10
                self.pager.mapped(self.shadow._guest_frame[frame], space, page)

    return OvercommitMonitor


@dataclass
class Paged:
    """What became of a run: pages brought in from the swap space, and all the rest."""

    swapped_in: int
    unmapped: int
    result: vlab.Result


def run(policy: Callable[[], Any], workload: str, frames: int, **options: Any) -> Paged:
    """Run a workload with so many host frames.

    Parameters
    ----------
    policy
        A class of the student's.
    frames
        At least `FEWEST`.
    **options
        As in `vlab.run`; the guest believes in `MEMORY` unless told.
    """
    options["set"] = {"memory": MEMORY, **options.get("set", {})}
    if frames < FEWEST:
        raise WrongAnswer("run", f"at least {FEWEST} frames", str(frames), "run")
    ran = vlab.run(workload, "fullvirt", monitor=monitor(policy, frames), max_instructions=LIMIT,
                   **options)  # fmt: skip
    stock = vlab.run(workload, "native", **options)
    situation = f"{workload} with {frames} frames"
    if ran.outcome != "finished" or ran.console != stock.console:
        ended = ran.crash or ran.outcome
        raise WrongAnswer(situation, "the console of native", f"{ended}: {ran.console!r}", "Policy")
    pager = ran.machine.mode.pager
    return Paged(pager.swapped_in, pager.unmapped, ran)
