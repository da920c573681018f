"""Direct paging: the hardware walks the guest's own tables, the monitor validates every change.

Barham et al. 2003, section 3.3.3, and Xen's frame types: a guest frame is, at any one time,
a page table of one level, or writable, or neither, with a count of the references that make
it so. As no table is writable by the guest, what was validated stays valid.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from enum import IntEnum

from vlab.errors import HypercallError
from vlab.isa.fields import (
    PTE_A,
    PTE_D,
    PTE_G,
    PTE_R,
    PTE_RESERVED,
    PTE_U,
    PTE_V,
    PTE_W,
    PTE_X,
    SATP_PPN,
)
from vlab.memory import PAGE, GuestMemory

EPERM, EFAULT, EBUSY, EINVAL, ENOSYS = 1, 14, 16, 22, 38
LAST = 511
"""Root entry that belongs to the monitor."""
LEAF = PTE_R | PTE_W | PTE_X


class Refused(HypercallError):
    """The guest asked for something that it may not have; ``code`` is what the call returns."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Use(IntEnum):
    """What a machine frame is used as."""

    FOREIGN = 0
    """Not the guest's."""
    NONE = 1
    WRITABLE = 2
    TABLE_0 = 3
    TABLE_1 = 4
    KERNEL_ROOT = 5
    USER_ROOT = 6


LEVEL = {Use.TABLE_0: 0, Use.TABLE_1: 1, Use.KERNEL_ROOT: 2, Use.USER_ROOT: 2}
BELOW = {1: Use.TABLE_0, 2: Use.TABLE_1}
ROOTS = (Use.KERNEL_ROOT, Use.USER_ROOT)
"""Root uses by the `kind` of a hypercall."""


class DirectPaging:
    """Types and reference counts of one guest's frames, and the updates of its tables.

    Parameters
    ----------
    memory
        The guest's frames.
    monitor_entry
        Entry 511 of every kernel root.

    Attributes
    ----------
    flush_hardware : callable
        Drops every translation that the hardware holds; the monitor's mode sets it.
    validated : int
        Entries validated since the monitor last counted them.
    """

    def __init__(self, memory: GuestMemory, monitor_entry: int) -> None:
        self.memory, self.physical = memory, memory.physical
        self.monitor_entry = monitor_entry
        self.flush_hardware: Callable[[], None] = lambda: None
        self.first = self.physical.base // PAGE
        frames = self.physical.size // PAGE
        self.use = [Use.FOREIGN] * frames
        self.count = [0] * frames
        for frame in memory.p2m.tolist():
            self.use[frame - self.first] = Use.NONE
        self.dropped = [-1] * frames
        self.epoch = 0
        self.pins: dict[int, Use] = {}
        self.spaces: dict[int, int] = {}
        self.next_space = 0
        self.validated = 0

    # -- hypercalls -----------------------------------------------------------------

    def update(self, gpa: int, value: int) -> None:
        """Write one page-table entry after validating it."""
        if gpa % 8 or not self.memory.contains(gpa):
            raise Refused(EINVAL, f"no page-table entry can be at {gpa:#x}")
        address = self.memory.host_address(gpa)
        level = LEVEL.get(self.use[address // PAGE - self.first])
        if level is None:
            raise Refused(EINVAL, f"{gpa:#x} is not in a page table")
        if level == 2 and address % PAGE == LAST * 8:
            raise Refused(EPERM, f"root entry {LAST} belongs to the monitor")
        self.validated += 1
        self._acquire_entry(value, level)
        old = self.physical.load(address, 8)
        self.physical.store(address, 8, value)
        self._release_entry(old, level)

    def pin(self, gpa: int, kind: int) -> None:
        """Make a frame a root table until it is unpinned."""
        frame, use = self.frame(gpa), self._root_use(kind)
        if frame in self.pins:
            raise Refused(EBUSY, f"the root at {gpa:#x} is pinned already")
        self.acquire(frame, use)
        self.pins[frame] = use

    def unpin(self, gpa: int, kind: int) -> None:
        """Undo `pin`; the table stays one while it is in use."""
        frame, use = self.frame(gpa), self._root_use(kind)
        if self.pins.get(frame) != use:
            raise Refused(EINVAL, f"no such root is pinned at {gpa:#x}")
        del self.pins[frame]
        self.release(frame, use)

    @staticmethod
    def _root_use(kind: int) -> Use:
        if kind >= len(ROOTS):
            raise Refused(EINVAL, f"kind of root {kind}: must be 0 (kernel) or 1 (user)")
        return ROOTS[kind]

    def frame(self, gpa: int) -> int:
        """Return the machine frame at a guest-physical page address."""
        if gpa % PAGE or not self.memory.contains(gpa):
            raise Refused(EINVAL, f"{gpa:#x} is not the address of a page of the guest")
        return self.memory.host_address(gpa) // PAGE

    # -- references -------------------------------------------------------------------

    def acquire(self, frame: int, use: Use) -> None:
        """Take a reference to a frame as something; the first one decides what it is."""
        i = frame - self.first
        if self.use[i] == use:
            self.count[i] += 1
            return
        if self.use[i] != Use.NONE:
            raise Refused(
                EBUSY, f"frame {frame:#x} is {self.use[i].name}, so it cannot be {use.name}"
            )
        self.use[i], self.count[i] = use, 1
        if use in LEVEL:
            if self.dropped[i] == self.epoch:
                self.flush_hardware()  # a stale writable translation may be left
            self._validate(frame, use)

    def release(self, frame: int, use: Use) -> None:
        """Give a reference back; with the last one the frame is nothing in particular."""
        i = frame - self.first
        self.count[i] -= 1
        if use == Use.WRITABLE:
            self.dropped[i] = self.epoch
        if self.count[i] == 0:
            self.use[i] = Use.NONE
            if use in LEVEL:
                for pte in self._entries(frame, LEVEL[use]):
                    self._release_entry(pte, LEVEL[use])
                self._end_root(frame, use)

    def flushed(self) -> None:
        """Note that the hardware holds no translation any more (Xen's TLB-flush time stamps)."""
        self.epoch += 1

    # -- validation -----------------------------------------------------------------------

    def _validate(self, frame: int, use: Use) -> None:
        """Take the references of a new table's entries: all of them, or none and refuse."""
        level = LEVEL[use]
        done = []
        try:
            for pte in self._entries(frame, level):
                self._acquire_entry(pte, level)
                done.append(pte)
        except Refused:
            for pte in done:
                self._release_entry(pte, level)
            i = frame - self.first
            self.use[i], self.count[i] = Use.NONE, 0
            raise
        self.validated += len(done)
        self._begin_root(frame, use)

    def _entries(self, frame: int, level: int) -> list[int]:
        """Return what a table holds, without zeros and without the monitor's entry."""
        words = array("Q", self.physical.read(frame * PAGE, PAGE))
        return [word for word in (words[:LAST] if level == 2 else words) if word]

    def _acquire_entry(self, pte: int, level: int) -> None:
        if not pte & PTE_V:
            return
        wrong = self._fault(pte, level)
        if wrong:
            raise Refused(EINVAL, f"entry {pte:#x} of a level-{level} table: {wrong}")
        reference = self._reference(pte, level)
        if reference is not None:
            self.acquire(*reference)

    def _release_entry(self, pte: int, level: int) -> None:
        reference = self._reference(pte, level)
        if reference is not None:
            self.release(*reference)

    @staticmethod
    def _reference(pte: int, level: int) -> tuple[int, Use] | None:
        """Return the counted reference that a well-formed entry holds."""
        if not pte & PTE_V:
            return None
        frame = pte >> 10 & SATP_PPN
        if pte & LEAF:
            return (frame, Use.WRITABLE) if pte & PTE_W else None
        return frame, BELOW[level]

    def _fault(self, pte: int, level: int) -> str:
        """Return why an entry may not be in a table of that level, empty if it may."""
        if pte & (PTE_RESERVED | PTE_G):
            return "reserved bits and G must be 0"
        if pte & LEAF:
            if level:
                return "only 4 KiB leaves are allowed"
            if not pte & PTE_U:
                return "leaves must have U: the guest's kernel runs in U-mode, too"
            if pte & (PTE_R | PTE_W) == PTE_W:
                return "W without R is reserved"
        elif level == 0:
            return "a pointer cannot be at the last level"
        elif pte & (PTE_A | PTE_D | PTE_U):
            return "A, D and U are reserved in pointers"
        i = (pte >> 10 & SATP_PPN) - self.first
        if not 0 <= i < len(self.use) or self.use[i] == Use.FOREIGN:
            return "the frame is not the guest's"
        return ""

    # -- roots ------------------------------------------------------------------------------

    def _begin_root(self, frame: int, use: Use) -> None:
        if use in ROOTS:
            own = self.monitor_entry if use == Use.KERNEL_ROOT else 0
            self.physical.store(frame * PAGE + LAST * 8, 8, own)
            self.spaces[frame] = self.next_space
            self.next_space += 1

    def _end_root(self, frame: int, use: Use) -> None:
        if use in ROOTS:
            self.physical.store(frame * PAGE + LAST * 8, 8, 0)
            del self.spaces[frame]
