"""The ns16550 UART, driven by its registers without a machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import Wire

from vlab.devices import uart as u
from vlab.devices.uart import Uart


class Port:
    """A UART with what it printed and its wire."""

    def __init__(self) -> None:
        self.printed, self.wire = bytearray(), Wire()
        self.uart = Uart(self.printed.append, self.wire)

    def get(self, register: int) -> int:
        return self.uart.read(register, 1)

    def put(self, register: int, value: int) -> None:
        self.uart.write(register, value, 1)

    def cause(self) -> int:
        """What IIR says, without the bits that tell of FIFOs."""
        return self.get(u.IIR_FCR) & 0xF


def test_bytes_written_are_transmitted_at_once() -> None:
    """What is written to THR goes out, and the transmitter is always idle."""
    port = Port()
    for byte in b"hello":
        assert port.get(u.LSR) & (u.LSR_THRE | u.LSR_IDLE) == u.LSR_THRE | u.LSR_IDLE
        port.put(u.RBR_THR, byte)
    assert port.printed == b"hello"


@given(st.binary(max_size=40))
def test_received_bytes_come_out_in_order(data: bytes) -> None:
    """The FIFO takes at most 16 bytes, gives them in order, and LSR says while there are any."""
    port = Port()
    assert port.uart.receive(data) == min(len(data), 16)
    got = bytearray()
    while port.get(u.LSR) & u.LSR_DATA:
        got.append(port.get(u.RBR_THR))
    assert got == data[:16]
    assert port.get(u.RBR_THR) == 0
    assert port.uart.room == 16


def test_the_receive_interrupt_lasts_as_long_as_there_is_data() -> None:
    """With IER bit 0 the wire is high until the last byte was read, and never without it."""
    port = Port()
    port.uart.receive(b"ab")
    assert not port.wire.level
    port.put(u.IER, u.IER_RX)
    assert port.wire.level
    assert port.cause() == u.IIR_RX
    port.get(u.RBR_THR)
    assert port.wire.level
    port.get(u.RBR_THR)
    assert not port.wire.level
    assert port.cause() == u.IIR_NONE


def test_the_transmit_interrupt_ends_when_it_was_identified() -> None:
    """THRE interrupts when it is enabled and after each byte; reading IIR withdraws it."""
    port = Port()
    port.put(u.IER, u.IER_THRE)
    assert port.wire.level
    assert port.cause() == u.IIR_THRE
    assert not port.wire.level
    assert port.cause() == u.IIR_NONE
    port.put(u.RBR_THR, ord("x"))
    assert port.wire.level
    port.put(u.IER, 0)
    assert not port.wire.level


def test_identifying_a_receive_interrupt_leaves_the_transmit_interrupt() -> None:
    """Received data have priority; only an IIR that says THRE withdraws THRE."""
    port = Port()
    port.put(u.IER, u.IER_RX | u.IER_THRE)
    port.uart.receive(b"a")
    assert port.cause() == u.IIR_RX
    assert port.cause() == u.IIR_RX
    port.get(u.RBR_THR)
    assert port.wire.level
    assert port.cause() == u.IIR_THRE
    assert not port.wire.level


def test_reading_the_line_status_ends_the_transmit_interrupt() -> None:
    """A driver that polls LSR and never reads IIR (xv6's) is not interrupted for ever."""
    port = Port()
    port.put(u.IER, u.IER_RX | u.IER_THRE)
    port.put(u.RBR_THR, ord("x"))
    port.uart.receive(b"a")
    port.get(u.LSR)
    assert port.wire.level
    port.get(u.RBR_THR)
    assert not port.wire.level
    port.put(u.RBR_THR, ord("y"))
    assert port.wire.level


def test_the_divisor_hides_data_and_interrupt_enable() -> None:
    """With DLAB set, registers 0 and 1 are the divisor latch, and nothing is printed or read."""
    port = Port()
    port.put(u.IER, u.IER_RX)
    port.uart.receive(b"a")
    port.put(u.LCR, u.LCR_DLAB | 3)
    port.put(u.RBR_THR, 0x34)
    port.put(u.IER, 0x12)
    assert (port.get(u.RBR_THR), port.get(u.IER)) == (0x34, 0x12)
    assert port.uart.divisor == 0x1234
    port.put(u.LCR, 3)
    assert port.printed == b""
    assert port.get(u.IER) == u.IER_RX
    assert port.get(u.RBR_THR) == ord("a")


def test_a_driver_recognizes_a_16550a() -> None:
    """The probe of a driver: scratch register, IIR bits 7:6 with FIFOs on, modem loopback."""
    port = Port()
    port.put(u.SCR, 0x5A)
    assert port.get(u.SCR) == 0x5A
    assert port.get(u.IIR_FCR) & 0xC0 == 0
    port.put(u.IIR_FCR, u.FCR_ENABLE)
    assert port.get(u.IIR_FCR) & 0xC0 == 0xC0
    port.put(u.MCR, u.MCR_LOOP | 0x0A)
    assert port.get(u.MSR) & 0xF0 == 0x90
    port.put(u.MCR, 0)
    assert port.get(u.MSR) & 0xF0 == 0xB0


@pytest.mark.parametrize(("mcr", "msr"), [(1, 0x20), (2, 0x10), (4, 0x40), (8, 0x80)])
def test_loopback_joins_modem_outputs_to_inputs(mcr: int, msr: int) -> None:
    """In loopback DTR is DSR, RTS is CTS, OUT1 is RI and OUT2 is DCD (data sheet, 8.6.7)."""
    port = Port()
    port.put(u.MCR, u.MCR_LOOP | mcr)
    assert port.get(u.MSR) == msr


def test_loopback_receives_what_it_sends() -> None:
    """In loopback a byte goes to the receiver and not to the line; a full FIFO drops it."""
    port = Port()
    port.put(u.MCR, u.MCR_LOOP)
    for byte in range(20):
        port.put(u.RBR_THR, byte)
    assert port.printed == b""
    assert [port.get(u.RBR_THR) for _ in range(16)] == list(range(16))
    assert not port.get(u.LSR) & u.LSR_DATA


@pytest.mark.parametrize("fcr", [u.FCR_ENABLE | u.FCR_CLEAR_RX, 0])
def test_the_receiver_is_cleared(fcr: int) -> None:
    """FCR bit 1, or switching FIFOs on or off, discards what was received."""
    port = Port()
    port.put(u.IIR_FCR, u.FCR_ENABLE)
    port.put(u.IER, u.IER_RX)
    port.uart.receive(b"abc")
    port.put(u.IIR_FCR, fcr)
    assert not port.wire.level
    assert not port.get(u.LSR) & u.LSR_DATA


def test_firmware_takes_bytes_past_the_registers() -> None:
    """`take` gives at most so many bytes, and the wire falls with the last."""
    port = Port()
    port.put(u.IER, u.IER_RX)
    port.uart.receive(b"abc")
    assert port.uart.take(2) == b"ab"
    assert port.wire.level
    assert port.uart.take(9) == b"c"
    assert not port.wire.level
