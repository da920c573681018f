"""Small paravirtual guests: instruction by instruction, or driven by hand."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

from paging_audit import audit

from vlab.board import RAM_BASE
from vlab.costs import preset
from vlab.isa.fields import PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W
from vlab.memory import PAGE
from vlab.modes.compose import Guest
from vlab.modes.setup import Setup

A0, A7 = 10, 17
ENTRY = RAM_BASE + 0x800
"""Where `with_entry` puts the upcall handler."""
RO = PTE_V | PTE_R | PTE_U | PTE_A
RW = RO | PTE_W | PTE_D
ECALL, LOOP, NOTHING, ILLEGAL = 0x73, 0x6F, 0x13, 0xFFFF_FFFF
PENDING, MASKED, CAUSE, EPC, TVAL, USER, WAS_MASKED, SAVED_A7 = range(-2048, -1984, 8)
"""Words of the shared page, from x0."""
MARK_1, MARK_2 = 0x00102013, 0x00202013
(
    SET_ENTRY, IRET, MMU_UPDATE, MULTICALL, PIN_ROOT, UNPIN_ROOT, SWITCH, TLB_FLUSH, SET_TIMER,
    BLOCK, NOTIFY, SHUTDOWN, CONSOLE, DELIVER, SETUP_RING,
) = range(15)  # fmt: skip


def words(*instructions: int) -> bytes:
    """Return 32-bit instructions as bytes."""
    return b"".join(i.to_bytes(4, "little") for i in instructions)


def li(rd: int, value: int) -> bytes:
    """Load a 64-bit constant: auipc, ld, and a jump over the constant."""
    code = words(0x17 | rd << 7, 0x3003 | rd << 7 | rd << 15 | 12 << 20, 0x00C0006F)
    return code + (value & (1 << 64) - 1).to_bytes(8, "little")


def hypercall(number: int, *arguments: int) -> bytes:
    """Make a hypercall."""
    setup = b"".join(li(A0 + n, value) for n, value in enumerate(arguments))
    return setup + li(A7, number) + words(ECALL)


def sd(rs2: int, offset: int, rs1: int = 0) -> bytes:
    """Store a double word; relative to x0 the shared page is reached."""
    low, high = offset & 31, offset >> 5 & 127
    return words(0x3023 | low << 7 | rs1 << 15 | rs2 << 20 | high << 25)


def guest(
    code: bytes = words(LOOP), pages: int = 64, disk: bytes | None = None, **more: Any
) -> Any:
    """Return a machine with a paravirtual guest in it: `.mode`, `.machine`, `.run(limit)`."""
    setup = Setup("paravirt", code, disk, "", pages * PAGE, "python", "cycles", preset(), {})
    return Guest(replace(setup, **more))


def with_entry(code: bytes, handler: bytes) -> bytes:
    """Return an image: code that first registers the handler at `ENTRY`."""
    code = hypercall(SET_ENTRY, ENTRY) + code
    return code.ljust(ENTRY - RAM_BASE, b"\0") + handler


def calls(*rows):
    """Return the array of a multicall."""
    return b"".join(struct.pack("<6Q", *(list(row) + [0] * 6)[:5], 77) for row in rows)


class Driven:
    """A guest driven by hand: its kernel is the test.

    Attributes
    ----------
    mode : ParaVirt
    scratch : int
        Guest-physical address of the first of the pages that the test may use.
    """

    def __init__(self, **options: Any) -> None:
        self.guest = guest(**options)
        self.mode, self.machine = self.guest.mode, self.guest.machine
        self.domain, self.shared = self.mode.domain, self.mode.shared
        self.memory, self.paging = self.domain.memory, self.domain.paging
        self.scratch, self.tables = self.shared.first_free, self.shared.identity

    def call(self, number: int, *arguments: int) -> int:
        """Make a hypercall and return its result as a signed number."""
        hart = self.machine.hart
        hart.x[A0] = 0
        hart.pc -= 4  # that of an `ecall` just before the guest's next instruction
        hart.limit, hart.budget = hart.limit + 1, hart.budget + 1
        given = [*arguments, 0, 0, 0, 0][:4]
        self.mode.on_hypercall(number, [value & (1 << 64) - 1 for value in given])
        result = hart.x[A0]
        return result - (1 << 64) if result >> 63 else result

    def page(self, n: int) -> int:
        """Guest-physical address of a free page."""
        return self.scratch + n * PAGE

    def entry(self, gpa: int, flags: int) -> int:
        """Return a page-table entry for a page of the guest."""
        return self.memory.host_address(gpa) >> 2 | flags

    def identity(self, gpa: int) -> int:
        """Return where the entry is that maps a page in the guest's kernel."""
        return self.tables + (gpa - RAM_BASE) // PAGE * 8

    def updates(self, *pairs: tuple[int, int], at: int = 15) -> int:
        """Make one HC_MMU_UPDATE of ``(address of entry, value)`` pairs."""
        array = b"".join(word.to_bytes(8, "little") for pair in pairs for word in pair)
        self.memory.write(self.page(at), array)
        return self.call(MMU_UPDATE, self.page(at), len(pairs))

    def protect(self, gpa: int, flags: int = RO) -> int:
        """Change the kernel's mapping of a page."""
        return self.updates((self.identity(gpa), self.entry(gpa, flags)))

    def user_space(self, va_page: int = 0) -> int:
        """Make pages 0, 1, 2 a user address space; return where its first leaf entry is."""
        for n in range(3):
            assert self.protect(self.page(n)) == 1
        assert self.call(PIN_ROOT, self.page(0), 1) == 0
        pointers = (
            (self.page(0), self.entry(self.page(1), PTE_V)),
            (self.page(1), self.entry(self.page(2), PTE_V)),
        )
        assert self.updates(*pointers) == 2
        return self.page(2) + 8 * va_page

    def audit(self) -> None:
        """Check all page tables; rings and buffers under way hold their pages, too."""
        held: dict[int, int] = {}
        backends = self.mode.backends
        frames = list(backends.pages.values())
        for disk in backends.disks:
            for _, request in disk.queue:
                if not request.write:
                    frames.append(self.paging.frame(request.gpa & -PAGE))
        for frame in frames:
            held[frame] = held.get(frame, 0) + 1
        audit(self.domain, held=held)
