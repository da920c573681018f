"""SBI calls on a hart record, without a machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import Wires

from vlab.board import RAM_BASE, Board
from vlab.clock import CYCLES_PER_TICK
from vlab.memory import PhysicalMemory
from vlab.sbi import BASE, DBCN, HSM, IPI, RFENCE, SRST, TIME, Sbi
from vlab.state import Hart

ALL = (1 << 64) - 1
SSIP, STI = 1 << 1, 5
OK, FAILED, NOT_SUPPORTED, INVALID_PARAM, ALREADY_AVAILABLE = 0, -1, -2, -3, -6
SIZE = 8192


class Supervisor:
    """What a kernel sees of the firmware: calls, and their results."""

    def __init__(self) -> None:
        self.memory = PhysicalMemory(RAM_BASE, SIZE)
        self.wires, self.printed, self.flushes = Wires(), bytearray(), 0
        self.board = Board(self.memory, None, self.printed.append, self.wires)
        self.hart = Hart(self.memory)
        self.sbi = Sbi(self.board, self.wires, self.memory, self.flush)

    def flush(self) -> None:
        self.flushes += 1

    def call(self, extension: int, function: int, *arguments: int) -> tuple[int, int]:
        x = self.hart.x
        for i in range(32):
            x[i] = 0xDEAD0000 + i
        for i, argument in enumerate(arguments):
            x[10 + i] = argument
        x[16], x[17] = function, extension
        before = list(x)
        self.sbi.call(self.hart)
        changed = {i for i in range(33) if x[i] != before[i]}
        assert changed <= ({10} if extension <= 8 else {10, 11})
        return (x[10] ^ 1 << 63) - (1 << 63), x[11]

    def at(self, ticks: int) -> None:
        self.board.clock.now = ticks * CYCLES_PER_TICK
        self.board.bus.advance(self.board.clock.now)


def test_the_base_extension() -> None:
    """Version 2.0, every offered extension is probed as there, others are not."""
    s = Supervisor()
    assert s.call(BASE, 0) == (OK, 2 << 24)
    for extension in (BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, *range(9)):
        assert s.call(BASE, 3, extension) == (OK, 1)
    for extension in (9, 0x504D55, 0x0A000000, ALL):
        assert s.call(BASE, 3, extension) == (OK, 0)
    for function in (4, 5, 6):
        assert s.call(BASE, function) == (OK, 0)
    assert s.call(BASE, 7)[0] == NOT_SUPPORTED


@pytest.mark.parametrize(
    ("extension", "function"),
    [(0x504D55, 0), (9, 0), (TIME, 1), (IPI, 1), (RFENCE, 7), (HSM, 4), (SRST, 1), (DBCN, 3)],
)
def test_what_is_not_there_is_not_supported(extension: int, function: int) -> None:
    """Unknown extensions and functions return SBI_ERR_NOT_SUPPORTED."""
    assert Supervisor().call(extension, function, 0, 0, 0)[0] == NOT_SUPPORTED


@pytest.mark.parametrize("extension", [TIME, 0])
def test_the_timer(extension: int) -> None:
    """STIP rises when the time comes, and setting a new time withdraws it (6.1)."""
    s = Supervisor()
    assert s.call(extension, 0, 50)[0] == OK
    s.at(49)
    assert not s.wires[STI]
    s.at(50)
    assert s.wires[STI]
    s.call(extension, 0, 80)
    assert not s.wires[STI]
    assert s.board.bus.deadline() == 80 * CYCLES_PER_TICK
    s.call(extension, 0, 10)
    assert s.wires[STI]
    s.call(extension, 0, ALL)
    assert not s.wires[STI]
    assert s.board.bus.deadline() is None


@pytest.mark.parametrize(
    ("mask", "base", "error", "selected"),
    [
        (1, 0, OK, True),
        (0, ALL, OK, True),
        (123, ALL, OK, True),
        (0, 0, OK, False),
        (0, 5, OK, False),
        (2, 0, INVALID_PARAM, False),
        (3, 0, INVALID_PARAM, False),
        (1, 1, INVALID_PARAM, False),
    ],
)
def test_hart_masks(mask: int, base: int, error: int, selected: bool) -> None:
    """A mask selects harts from its base on, base -1 all; one that is not there is an error."""
    s = Supervisor()
    assert s.call(IPI, 0, mask, base) == (error, 0)
    assert bool(s.hart.mip & SSIP) == selected
    assert s.call(RFENCE, 1, mask, base, 0, 4096) == (error, 0)
    assert s.flushes == selected


def test_remote_fences() -> None:
    """fence.i and both sfences are served; those of the hypervisor extension are not there."""
    s = Supervisor()
    for function in (0, 1, 2):
        assert s.call(RFENCE, function, 1, 0, 0, ALL, 0) == (OK, 0)
    assert s.flushes == 2
    for function in (3, 4, 5, 6):
        assert s.call(RFENCE, function, 1, 0, 0, ALL, 0)[0] == NOT_SUPPORTED


def test_there_is_one_hart_and_it_runs() -> None:
    """Hart 0 is started already, others do not exist, and the last one cannot be stopped."""
    s = Supervisor()
    assert s.call(HSM, 0, 0, RAM_BASE, 0)[0] == ALREADY_AVAILABLE
    assert s.call(HSM, 0, 1, RAM_BASE, 0)[0] == INVALID_PARAM
    assert s.call(HSM, 1)[0] == FAILED
    assert s.call(HSM, 2, 0) == (OK, 0)
    assert s.call(HSM, 2, 1)[0] == INVALID_PARAM
    assert s.call(HSM, 3, 0)[0] == NOT_SUPPORTED


@pytest.mark.parametrize(
    ("kind", "reason", "code", "reset"),
    [(0, 0, 0, False), (1, 0, 0, True), (2, 0, 0, True), (0, 1, 1, False), (1, 1, 1, True)],
)
def test_system_reset(kind: int, reason: int, code: int, reset: bool) -> None:
    """Shutdown ends the machine, with 1 after a failure; a reboot asks for a reset."""
    s = Supervisor()
    s.call(SRST, 0, kind, reason)
    assert s.board.exit_code == code
    assert s.board.finisher.reset_requested == reset


@pytest.mark.parametrize(("kind", "reason"), [(3, 0), (0xF000_0000, 0), (0, 2), (ALL, ALL)])
def test_reserved_resets_do_nothing(kind: int, reason: int) -> None:
    """A reserved type or reason is an invalid parameter (10.1)."""
    s = Supervisor()
    assert s.call(SRST, 0, kind, reason)[0] == INVALID_PARAM
    assert s.board.exit_code is None


def test_the_console_is_written_from_memory() -> None:
    """Debug console: bytes at a physical address are printed, and their number returned."""
    s = Supervisor()
    s.memory.write(RAM_BASE + 100, b"hello")
    assert s.call(DBCN, 0, 5, RAM_BASE + 100, 0) == (OK, 5)
    assert s.call(DBCN, 2, 0x121) == (OK, 0)
    assert s.printed == b"hello!"
    assert s.call(DBCN, 0, 0, RAM_BASE, 0) == (OK, 0)


def test_the_console_is_read_into_memory() -> None:
    """What was typed is stored, as much as there is; the UART forgets it and its wire falls."""
    s = Supervisor()
    s.board.uart.write(1, 1, 1)
    s.board.uart.receive(b"typed")
    assert s.board.plic.level
    assert s.call(DBCN, 1, 3, RAM_BASE, 0) == (OK, 3)
    assert s.call(DBCN, 1, 100, RAM_BASE + 3, 0) == (OK, 2)
    assert s.memory.read(RAM_BASE, 6) == b"typed\0"
    assert s.call(DBCN, 1, 100, RAM_BASE, 0) == (OK, 0)
    assert not s.board.plic.level


@pytest.mark.parametrize("function", [0, 1])
@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(1, 0, 0), (2, RAM_BASE + SIZE - 1, 0), (1, RAM_BASE, 1), (ALL, ALL, ALL), (1, ALL, 0)],
)
def test_console_memory_must_be_memory(function: int, count: int, low: int, high: int) -> None:
    """A buffer that is not in memory is an invalid parameter; nothing is printed or lost."""
    s = Supervisor()
    s.board.uart.receive(b"kept")
    assert s.call(DBCN, function, count, low, high) == (INVALID_PARAM, 0)
    assert s.printed == b""
    assert s.board.uart.take(16) == b"kept"


def test_the_legacy_console() -> None:
    """Characters go out by 1 and come in by 2, which returns -1 if there is none."""
    s = Supervisor()
    assert s.call(1, 0, ord("x"))[0] == 0
    assert s.printed == b"x"
    assert s.call(2, 0)[0] == -1
    s.board.uart.receive(b"\xfe")
    assert s.call(2, 0)[0] == 0xFE


def test_legacy_interrupts_fences_and_shutdown() -> None:
    """4 sets SSIP and 3 clears it; 5 to 7 are fences; 8 ends the machine."""
    s = Supervisor()
    s.call(4, 0, 0)
    assert s.hart.mip & SSIP
    s.call(3, 0)
    assert not s.hart.mip & SSIP
    for extension in (5, 6, 7):
        assert s.call(extension, 0, 0)[0] == 0
    assert s.flushes == 2
    s.call(8, 0)
    assert s.board.exit_code == 0


NUMBERS = st.sampled_from([0, 1, 2, 8, RAM_BASE, RAM_BASE + SIZE, ALL]) | st.integers(0, ALL)


@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from([BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, *range(10)]) | NUMBERS,
            st.integers(0, 8) | NUMBERS,
            st.lists(NUMBERS, min_size=6, max_size=6),
        ),
        max_size=20,
    )
)
def test_no_call_raises(calls: list[tuple[int, int, list[int]]]) -> None:
    """Whatever a kernel asks for, it gets an answer."""
    s = Supervisor()
    for extension, function, arguments in calls:
        s.hart.x[16], s.hart.x[17] = function, extension
        for i, argument in enumerate(arguments):
            s.hart.x[10 + i] = argument
        s.sbi.call(s.hart)
        s.at(s.board.clock.time + 3)


def test_the_timer_is_part_of_the_boards_state() -> None:
    """A board that is restored while a timer is set interrupts at the same time."""
    s, other = Supervisor(), Supervisor()
    s.call(TIME, 0, 50)
    other.board.restore(s.board.state())
    other.at(49)
    assert not other.wires[STI]
    other.at(50)
    assert other.wires[STI]
