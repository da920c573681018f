"""Lab 6: the student writes the serial line that the guest prints on: registers and interrupt.

The student writes a class::

    class Uart:
        def read(self, offset)          -> value of a register, 0 to 255
        def write(self, offset, value)  -> the byte that is sent, or None
        def receive(self, byte)         -> whether there was room in the FIFO for it
        def interrupt(self)             -> level of the interrupt wire, True or False

It is asked for its interrupt level after each call of another method.
"""

from __future__ import annotations

from typing import Any

from vlab.board import IRQ, UART, Board
from vlab.bus import Mapping
from vlab.devices.uart import FIFO, LCR_DLAB, RBR_THR, Uart
from vlab.labs.answers import WrongAnswer, agree
from vlab.modes.fullvirt import FullVirt

READS = ("RBR", "IER", "IIR", "LCR", "MCR", "LSR", "MSR", "SCR")
WRITES = ("THR", "IER", "FCR", "LCR", "MCR", "LSR", "MSR", "SCR")
DIVISOR = ("DLL", "DLM")
HISTORY = 6


class Referee:
    """The student's device and the reference, told the same and compared."""

    def __init__(self, student: Any) -> None:
        self.student = student.Uart()
        self.sent: list[int] = []
        self.level = False
        self.reference = Uart(self.sent.append, self._wire)
        self.history: list[str] = []
        self.waiting = 0

    def _wire(self, level: bool) -> None:
        self.level = level

    def read(self, offset: int) -> int:
        """Read a register of both."""
        call = f"read({offset}) of {self._name(READS, offset)}"
        expected, answer = self.reference.read(offset, 1), self.student.read(offset)
        self._compare(call, expected, answer, "Uart.read")
        return expected

    def write(self, offset: int, value: int) -> int | None:
        """Write a register of both; return the byte sent."""
        call = f"write({offset}, {value:#x}) to {self._name(WRITES, offset)}"
        del self.sent[:]
        self.reference.write(offset, value, 1)
        answer = self.student.write(offset, value)
        self._compare(call, self.sent[0] if self.sent else None, answer, "Uart.write")
        return answer

    def receive(self, byte: int) -> bool:
        """Let both receive a byte."""
        expected = self.reference.receive(bytes([byte])) == 1
        answer = self.student.receive(byte)
        self._compare(f"receive({byte:#x})", expected, answer, "Uart.receive")
        return expected

    def _name(self, names: tuple[str, ...], offset: int) -> str:
        if offset < 2 and self.reference.lcr & LCR_DLAB:
            return DIVISOR[offset]
        return names[offset] if offset < len(names) else "nothing"

    def _compare(self, call: str, expected: Any, answer: Any, where: str) -> None:
        before = f" after {'; '.join(self.history[-HISTORY:])}" if self.history else ""
        waiting = f" ({self.waiting} bytes received and not read before)"
        agree(call + before + waiting, expected, answer, where)
        level = self.student.interrupt()
        if level is not self.level:
            uart = self.reference
            raise WrongAnswer(
                f"{call}{before} (IER {uart.ier:#x}, {len(uart.queue)} bytes received)",
                f"interrupt(): {self.level}",
                f"interrupt(): {level!r}"[:100],
                "Uart.interrupt",
            )
        self.history.append(call)
        self.waiting = len(self.reference.queue)


class StudentUart(Uart):
    """The student's device, on the bus."""

    def __init__(self, board: Board, student: Any) -> None:
        super().__init__(board.uart.output, board.plic.wire(IRQ["uart"]))
        self.referee = Referee(student)

    def receive(self, data: bytes) -> int:
        taken = 0
        for byte in data:
            if not self.referee.receive(byte):
                break
            taken += 1
        self._update()
        return taken

    @property
    def room(self) -> int:
        return FIFO - len(self.referee.reference.queue)

    def take(self, count: int) -> bytes:
        waiting = min(count, len(self.referee.reference.queue))
        taken = bytes(self.referee.read(RBR_THR) for _ in range(waiting))
        self._update()
        return taken

    def read(self, offset: int, size: int) -> int:
        value = self.referee.read(offset) if offset < len(READS) else 0
        self._update()
        return value

    def write(self, offset: int, value: int, size: int) -> None:
        if offset < len(WRITES):
            sent = self.referee.write(offset, value & 0xFF)
            if sent is not None:
                self.output(sent)
        self._update()

    def _update(self) -> None:
        self.irq(self.referee.level)


def monitor(student: Any) -> type[FullVirt]:
    """Return a monitor whose board has the student's device in the place of the stock one."""

    class DeviceMonitor(FullVirt):
        """Trap-and-emulate; the serial line by the student."""

        def __init__(self, machine: Any, *parts: Any) -> None:
            super().__init__(machine, *parts)
            board, bus = machine.board, machine.board.bus
            uart = StudentUart(board, student)
            place = Mapping(UART, UART + uart.size, uart)
            bus.mappings = [place if m.device is board.uart else m for m in bus.mappings]
            bus.devices = [uart if d is board.uart else d for d in bus.devices]
            board.uart = uart

    return DeviceMonitor
