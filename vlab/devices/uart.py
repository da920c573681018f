"""UART ns16550 (National Semiconductor PC16550D data sheet)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vlab.devices.deadline import Deadline

RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR = range(8)
IER_RX, IER_THRE, IER_LINE = 1, 2, 4
IIR_NONE, IIR_THRE, IIR_RX, IIR_FIFO = 1, 2, 4, 0xC0
FCR_ENABLE, FCR_CLEAR_RX = 1, 2
LCR_DLAB = 0x80
MCR_DTR, MCR_RTS, MCR_OUT1, MCR_OUT2, MCR_LOOP = 1, 2, 4, 8, 0x10
LSR_DATA, LSR_THRE, LSR_IDLE = 1, 0x20, 0x40
MSR_CTS, MSR_DSR, MSR_RI, MSR_DCD = 0x10, 0x20, 0x40, 0x80
MSR_READY = MSR_CTS | MSR_DSR | MSR_DCD
LOOPBACK = ((MCR_RTS, MSR_CTS), (MCR_DTR, MSR_DSR), (MCR_OUT1, MSR_RI), (MCR_OUT2, MSR_DCD))
FIFO = 16


class Uart:
    """A UART that transmits at once and receives what `receive` is given.

    Parameters
    ----------
    output
        Called with each byte transmitted.
    irq
        The interrupt wire.
    """

    name = "uart"
    compatible = ("ns16550a",)
    size = 0x100
    deadline = Deadline()

    def __init__(self, output: Callable[[int], None], irq: Callable[[bool], None]) -> None:
        self.output, self.irq = output, irq
        self.ier = self.lcr = self.mcr = self.scratch = self.fcr = 0
        self.divisor = 1
        self.queue = bytearray()
        self.thre_pending = False

    def receive(self, data: bytes) -> int:
        """Take typed bytes, as many as the FIFO has room for, and return how many."""
        taken = data[: FIFO - len(self.queue)]
        self.queue += taken
        self._update()
        return len(taken)

    @property
    def room(self) -> int:
        """Bytes that `receive` would take now."""
        return FIFO - len(self.queue)

    def take(self, count: int) -> bytes:
        """Return at most so many received bytes, as firmware does for its caller."""
        taken = bytes(self.queue[:count])
        del self.queue[:count]
        self._update()
        return taken

    def _identify(self) -> int:
        if self.ier & IER_RX and self.queue:
            return IIR_RX
        if self.ier & IER_THRE and self.thre_pending:
            return IIR_THRE
        return IIR_NONE

    def _update(self) -> None:
        self.irq(self._identify() != IIR_NONE)

    def read(self, offset: int, size: int) -> int:
        """Read a register."""
        if offset == RBR_THR:
            if self.lcr & LCR_DLAB:
                return self.divisor & 0xFF
            return int.from_bytes(self.take(1), "little")
        if offset == IER:
            return self.divisor >> 8 if self.lcr & LCR_DLAB else self.ier
        if offset == IIR_FCR:
            cause = self._identify()
            if cause == IIR_THRE:
                self.thre_pending = False
                self._update()
            return cause | (IIR_FIFO if self.fcr & FCR_ENABLE else 0)
        if offset == LCR:
            return self.lcr
        if offset == MCR:
            return self.mcr
        if offset == LSR:
            # A driver that sees here that the register is empty has been told, as by IIR:
            # xv6's reads no IIR, and a level would interrupt it for ever.
            self.thre_pending = False
            self._update()
            return LSR_THRE | LSR_IDLE | (LSR_DATA if self.queue else 0)
        if offset == MSR:
            if self.mcr & MCR_LOOP:
                return sum(status for control, status in LOOPBACK if self.mcr & control)
            return MSR_READY
        return self.scratch if offset == SCR else 0

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a register; the low byte counts."""
        value &= 0xFF
        if offset == RBR_THR:
            if self.lcr & LCR_DLAB:
                self.divisor = self.divisor & 0xFF00 | value
                return
            if self.mcr & MCR_LOOP:
                self.queue += bytes([value])[: self.room]
            else:
                self.output(value)
            self.thre_pending = True
        elif offset == IER:
            if self.lcr & LCR_DLAB:
                self.divisor = self.divisor & 0xFF | value << 8
                return
            if value & IER_THRE and not self.ier & IER_THRE:
                self.thre_pending = True  # enabling it with an empty register interrupts
            self.ier = value & 0xF
        elif offset == IIR_FCR:
            if value & FCR_CLEAR_RX or (value ^ self.fcr) & FCR_ENABLE:
                self.queue.clear()
            self.fcr = value
        elif offset == LCR:
            self.lcr = value
        elif offset == MCR:
            self.mcr = value & 0x1F
        elif offset == SCR:
            self.scratch = value
        self._update()

    def on_deadline(self, now: int) -> None:
        """Never called: there is no deadline."""

    def state(self) -> dict[str, Any]:
        """Return the state as plain data."""
        names = ("ier", "lcr", "mcr", "scratch", "fcr", "divisor", "thre_pending")
        return {name: getattr(self, name) for name in names} | {"queue": bytes(self.queue)}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        self.__dict__.update(state)
        self.queue = bytearray(state["queue"])
        self._update()
