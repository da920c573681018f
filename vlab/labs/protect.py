"""Lab 4: the student keeps the guest's page tables write-protected, and handles the writes.

The student writes a class; frames are guest-physical frame numbers, ``space`` is the frame of
the root table of a guest address space (0 before the guest turns paging on)::

    class PageTables:
        def table(self, space, frame, level, base)   -> list of (space, va) to be dropped
        def is_table(self, frame)                    -> bool
        def mapped(self, space, va, frame)           a writable shadow entry was made
        def unmapped(self, space, va, frame)         it is gone
        def written(self, frame, index)              -> dict with drop and release

`table`: a walk in ``space`` has read the table in ``frame``, which is one of that level (2: root)
and covers addresses from ``base``. Shadow entries through which the guest could still write to
it must go. `written`: the guest has written entry ``index`` of a table; ``drop`` is a list of
``(space, first address, bytes)``. A table that was written `FLOOD` times without being read
by a walk in between is released: it is none any more, and all that it covered is dropped.
"""

from __future__ import annotations

from collections import Counter as Tally
from typing import Any

from vlab.isa.fields import PTE_W
from vlab.labs.answers import WrongAnswer, shown
from vlab.memory import PAGE
from vlab.modes.fullvirt import FullVirt
from vlab.vmm.regimes import TRANSLATED
from vlab.vmm.shadow import FLOOD, ShadowPaging, Space


class Reference:
    """What the student's class has to be (Adams & Agesen 2006, section 2.4)."""

    def __init__(self) -> None:
        self.uses: dict[int, set[tuple[int, int, int]]] = {}
        self.writers: dict[int, set[tuple[int, int]]] = {}
        self.writes: dict[int, int] = {}

    def table(self, space: int, frame: int, level: int, base: int) -> list[tuple[int, int]]:
        drops = [] if frame in self.uses else sorted(self.writers.get(frame, ()))
        self.uses.setdefault(frame, set()).add((space, level, base))
        self.writes[frame] = 0
        return drops

    def is_table(self, frame: int) -> bool:
        return frame in self.uses

    def mapped(self, space: int, va: int, frame: int) -> None:
        self.writers.setdefault(frame, set()).add((space, va))

    def unmapped(self, space: int, va: int, frame: int) -> None:
        self.writers.get(frame, set()).discard((space, va))

    def written(self, frame: int, index: int) -> dict[str, Any]:
        self.writes[frame] += 1
        if self.writes[frame] == FLOOD:
            uses = self.uses.pop(frame)
            drop = [(space, base, 1 << 21 + 9 * level) for space, level, base in uses]
            return {"drop": drop, "release": True}
        drop = []
        for space, level, base in self.uses[frame]:
            size = 1 << 12 + 9 * level
            drop.append((space, base + index * size, size))
        return {"drop": drop, "release": False}


class Referee:
    """The student's object and the reference, told the same and compared."""

    def __init__(self, student: Any) -> None:
        self.student, self.reference = student.PageTables(), Reference()
        self.events: list[str] = []

    def tell(self, method: str, *arguments: int) -> Any:
        """Call a method of both, and compare what they return."""
        call = f"{method}({', '.join(map(shown, arguments))})"
        answer = getattr(self.student, method)(*arguments)
        expected = getattr(self.reference, method)(*arguments)
        if method in ("mapped", "unmapped"):
            return None
        where = f"PageTables.{method}"
        if isinstance(expected, bool):
            if answer is not expected:
                history = self.history(arguments[0])
                raise WrongAnswer(call + history, str(expected), repr(answer)[:200], where)
        elif isinstance(expected, list):
            self.compare(call + self.history(arguments[1]), expected, answer, where)
        else:
            self.compare_write(call + self.history(arguments[0]), expected, answer, where)
        return answer

    def compare_write(self, call: str, expected: dict[str, Any], answer: Any, where: str) -> None:
        """Compare what `written` returned."""
        if not isinstance(answer, dict) or set(answer) != set(expected):
            raise WrongAnswer(call, "a dict with drop and release", repr(answer)[:200], where)
        if answer["release"] is not expected["release"]:
            what = f"release: {expected['release']} (released at write {FLOOD} without a walk)"
            raise WrongAnswer(call, what, f"release: {answer['release']}", where)
        self.compare(f"{call}, drop", expected["drop"], answer["drop"], where)

    @staticmethod
    def compare(call: str, expected: list[Any], answer: Any, where: str) -> None:
        """Compare lists, whatever their order."""
        try:
            seen = sorted({tuple(item) for item in answer})
        except TypeError:
            seen = None
        if seen != sorted(set(expected)):
            raise WrongAnswer(call, shown(sorted(expected)), shown(answer), where)

    def history(self, frame: int) -> str:
        """Return what the reference knows of a frame, as text."""
        reference = self.reference
        uses = ", ".join(f"level {n} at {shown(b)} of {s:#x}" for s, n, b in
                         sorted(reference.uses.get(frame, ())))  # fmt: skip
        if uses:
            return f" [now a table: {uses}; writes since a walk: {reference.writes[frame]}]"
        return " [not a table]"


class GuardedShadow(ShadowPaging):
    """Shadow paging whose page tables are guarded by the student's object."""

    def __init__(self, shadow: ShadowPaging, student: Any) -> None:
        self.__dict__.update(shadow.__dict__)
        self.make_guard = lambda: Referee(student)
        self.guard = self.make_guard()
        self.entries: dict[tuple[int, int], int] = {}
        self.count: Tally[tuple[int, int, int]] = Tally()

    def fill(self, vcpu: Any, space: Space, va: int, pte: int, level: int) -> None:
        super().fill(vcpu, space, va, pte, level)
        page = va & ~0xFFF
        entry = self.physical.load(space.leaves[page], 8)
        self._gone(space, page)
        if entry & PTE_W:
            frame = self._guest_frame[entry >> 10]
            self.entries[id(space), page] = frame
            key = (space.key[0] or 0, page, frame)
            self.count[key] += 1
            if self.count[key] == 1:
                self.guard.tell("mapped", *key)

    def is_table(self, gpa: int) -> bool:
        return self.guard.tell("is_table", gpa // PAGE)

    def written(self, gpa: int) -> None:
        frame = gpa // PAGE
        if frame not in self.tables:
            return
        answer = self.guard.tell("written", frame, gpa % PAGE // 8)
        for root, first, size in answer["drop"]:
            if size >= 1 << 30 and first >> 38 & 1:
                first |= -1 << 39 & (1 << 64) - 1
            self._drop_range(root, first, size)
        if answer["release"]:
            self._unprotect(frame, set())  # what it covered is dropped already

    def drop_all(self) -> None:
        super().drop_all()
        self.guard = self.make_guard()

    def _protect(self, frame: int, use: tuple[int, int, int]) -> None:
        root, level, base = use
        for space, va in self.guard.tell("table", root, frame, level, base):
            for regime in TRANSLATED if space else ("bare",):
                found = self.spaces.get((space or None, regime))
                if found is not None and found.holds(va):
                    self.drop(found, va)
        self.writable.pop(frame, None)  # the student knows which they were
        super()._protect(frame, use)

    def _forget(self, space: Space, va: int) -> None:
        super()._forget(space, va)
        self._gone(space, va)

    def _gone(self, space: Space, page: int) -> None:
        frame = self.entries.pop((id(space), page), None)
        if frame is not None:
            key = (space.key[0] or 0, page, frame)
            self.count[key] -= 1
            if self.count[key] == 0:
                self.guard.tell("unmapped", *key)


def monitor(student: Any) -> type[FullVirt]:
    """Return a monitor whose guest's page tables are guarded by the student's object."""

    class ProtectMonitor(FullVirt):
        """Trap-and-emulate; page tables guarded by the student."""

        def __init__(self, machine: Any, vcpu: Any, shadow: ShadowPaging, sbi: Any) -> None:
            guarded = GuardedShadow(shadow, student)
            vcpu.memory.shadow = guarded
            super().__init__(machine, vcpu, guarded, sbi)

    return ProtectMonitor
