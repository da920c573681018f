"""The machine as firmware: RISC-V SBI 2.0 for kernels that start in S-mode.

The same object serves a monitor's virtual CPU: it touches nothing but the record it is given,
the board, and the timer wire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlab.board import Board
from vlab.devices.deadline import Deadline
from vlab.isa.fields import SSI, STI
from vlab.memory import MemoryRangeError
from vlab.state import Hart

OK, FAILED, NOT_SUPPORTED, INVALID_PARAM, _, _, ALREADY_AVAILABLE = 0, -1, -2, -3, -4, -5, -6
BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN = (
    0x10, 0x54494D45, 0x735049, 0x52464E43, 0x48534D, 0x53525354, 0x4442434E,
)  # fmt: skip
SPEC_VERSION = 2 << 24
IMPLEMENTATION_ID = 0x766C6162  # not registered: "vlab"
EXTENSIONS = {0, 1, 2, 3, 4, 5, 6, 7, 8, BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN}
SHUTDOWN, WARM_REBOOT, SYSTEM_FAILURE = 0, 2, 1
ALL = (1 << 64) - 1
CONSOLE_CHUNK = 4096  # bytes that a call takes at most


class SbiTimer:
    """The supervisor timer that the firmware keeps: a deadline that raises STIP."""

    name = "sbi-timer"
    deadline = Deadline()

    def __init__(self, board: Board, wire: Callable[[int, bool], None]) -> None:
        self.clock, self.wire = board.clock, wire
        self.deadline = None
        board.bus.watch(self)

    def set(self, time: int) -> None:
        """Ask for an interrupt when ``time`` is reached; clears the pending one."""
        self.wire(STI, False)
        due = self.clock.cycles(time)
        self.deadline = due if time < 1 << 56 else None
        if due <= self.clock.now:
            self.on_deadline(self.clock.now)

    def on_deadline(self, now: int) -> None:
        """The time has come."""
        self.deadline = None
        self.wire(STI, True)

    def state(self) -> dict[str, Any]:
        """Return the state as plain data; the wire's level is part of the hart's."""
        return {"deadline": self.deadline}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        self.deadline = state["deadline"]


class Sbi:
    """SBI calls: base, TIME, IPI, RFENCE, HSM, SRST, DBCN and the legacy extensions.

    Parameters
    ----------
    board
        Where the console and the finisher are.
    wire
        ``wire(bit, level)`` drives an interrupt of the hart served.
    memory
        What physical addresses in calls refer to.
    flush
        Called for remote fences: flushes the hart's translations.
    """

    def __init__(
        self,
        board: Board,
        wire: Callable[[int, bool], None],
        memory: Any,
        flush: Callable[[], None],
    ) -> None:
        self.board, self.wire, self.memory, self.flush = board, wire, memory, flush
        self.timer = SbiTimer(board, wire)

    def call(self, hart: Hart) -> None:
        """Serve the call in ``a7``, ``a6`` with arguments ``a0``…; results in ``a0``, ``a1``."""
        extension, function = hart.x[17], hart.x[16]
        arguments = [hart.x[10 + i] for i in range(6)]
        if extension <= 8:
            hart.x[10] = self._legacy(hart, extension, arguments) & ALL
            return
        error, value = self._dispatch(hart, extension, function, arguments)
        hart.x[10], hart.x[11] = error & ALL, value & ALL

    def _dispatch(self, hart: Hart, extension: int, function: int, a: list[int]) -> tuple[int, int]:
        if extension == BASE:
            return self._base(function, a)
        if extension == TIME and function == 0:
            self.timer.set(a[0])
            return OK, 0
        if extension == IPI and function == 0:
            selected = self._selects_hart(a[0], a[1])
            if selected:
                hart.mip |= 1 << SSI
            return (INVALID_PARAM if selected is None else OK), 0
        if extension == RFENCE and function <= 2:
            selected = self._selects_hart(a[0], a[1])
            if selected and function:
                self.flush()
            return (INVALID_PARAM if selected is None else OK), 0
        if extension == HSM:
            return self._hart_state(function, a)
        if extension == SRST and function == 0:
            return self._reset(a[0], a[1])
        if extension == DBCN:
            return self._console(function, a)
        return NOT_SUPPORTED, 0

    @staticmethod
    def _selects_hart(mask: int, base: int) -> bool | None:
        """Return whether hart 0 is selected, None if a hart is that does not exist (3.1)."""
        if base == ALL or mask == 0:
            return base == ALL
        return True if (mask, base) == (1, 0) else None

    def _base(self, function: int, a: list[int]) -> tuple[int, int]:
        values = (SPEC_VERSION, IMPLEMENTATION_ID, 1, int(a[0] in EXTENSIONS), 0, 0, 0)
        return (OK, values[function]) if function < len(values) else (NOT_SUPPORTED, 0)

    @staticmethod
    def _hart_state(function: int, a: list[int]) -> tuple[int, int]:
        if function > 3:
            return NOT_SUPPORTED, 0
        if function == 0:
            return (ALREADY_AVAILABLE if a[0] == 0 else INVALID_PARAM), 0
        if function == 2:
            return (OK if a[0] == 0 else INVALID_PARAM), 0  # 0: started
        return (FAILED if function == 1 else NOT_SUPPORTED), 0

    def _reset(self, kind: int, reason: int) -> tuple[int, int]:
        if kind > WARM_REBOOT or reason > SYSTEM_FAILURE:
            return INVALID_PARAM, 0
        self.board.finisher.exit_code = int(reason == SYSTEM_FAILURE)
        self.board.finisher.reset_requested = kind != SHUTDOWN
        return OK, 0

    def _console(self, function: int, a: list[int]) -> tuple[int, int]:
        uart, memory, address = self.board.uart, self.memory, a[1]
        if function == 2:
            uart.output(a[0] & 0xFF)
            return OK, 0
        if function > 2:
            return NOT_SUPPORTED, 0
        if a[2]:  # the upper half of an address of 128 bits
            return INVALID_PARAM, 0
        count = min(a[0], CONSOLE_CHUNK)
        try:
            buffer = memory.read(address, count)
        except MemoryRangeError:
            return INVALID_PARAM, 0
        if function == 0:
            for byte in buffer:
                uart.output(byte)
            return OK, count
        data = uart.take(count)
        memory.write(address, data)
        return OK, len(data)

    def _legacy(self, hart: Hart, extension: int, a: list[int]) -> int:
        """Extensions 0–8 of SBI 0.1; the result is in ``a0`` alone."""
        if extension == 0:
            self.timer.set(a[0])
        elif extension == 1:
            self.board.uart.output(a[0] & 0xFF)
        elif extension == 2:
            typed = self.board.uart.take(1)
            return typed[0] if typed else -1
        elif extension == 3:
            hart.mip &= ~(1 << SSI)
        elif extension == 4:
            hart.mip |= 1 << SSI
        elif extension in (6, 7):
            self.flush()
        elif extension == 8:
            self.board.finisher.exit_code = 0
        return 0
