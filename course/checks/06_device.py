"""Checks of lab 6: a serial line with its registers and its interrupt."""

import random

import vlab
from vlab.grading import check
from vlab.labs import device
from vlab.labs.answers import agree
from vlab.labs.booting import boot

DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR = range(8)
FCR = IIR
DLAB = 0x80


def told(solution, *accesses):
    """Make accesses to the student's device and to the reference, and compare.

    ``offset``: a read; ``(offset, value)``: a write; ``bytes``: received on the line.
    """
    referee = device.Referee(solution)
    for access in accesses:
        if isinstance(access, bytes):
            for byte in access:
                referee.receive(byte)
        elif isinstance(access, tuple):
            referee.write(*access)
        else:
            referee.read(access)


@check("registers", points=10, where="Uart.read")
def registers(solution):
    told(solution, IER, LCR, MCR, SCR, LSR, IIR, MSR)
    told(solution, (LCR, 0x1B), LCR, (SCR, 0xA5), SCR, (MCR, 0xE3), MCR)
    told(solution, (IER, 0xFF), IER, (IER, 0), IER, (FCR, 1), IIR, (FCR, 0), IIR)


@check("sending", points=10, where="Uart.write")
def sending(solution):
    told(solution, LSR, (DATA, ord("v")), LSR, (DATA, ord("m")), LSR)
    told(solution, (DATA, 0), (DATA, 0xFF), (LCR, 3), (DATA, 0x80))


@check("receiving", points=10, where="Uart.read")
def receiving(solution):
    told(solution, b"ok", LSR, DATA, LSR, DATA, LSR, DATA)
    told(solution, (FCR, 1), bytes(range(18)), *[DATA] * 17, LSR)
    told(solution, (FCR, 1), b"lost", (FCR, 3), LSR, DATA)


@check("divisor", points=5, where="Uart.write")
def divisor(solution):
    told(solution, (LCR, DLAB), DATA, IER, (DATA, 12), (IER, 3), DATA, IER, (LCR, 3), DATA, IER)


@check("interrupt: received data", points=10, where="Uart.interrupt")
def interrupt_received(solution):
    told(solution, b"a", IIR, (IER, 1), IIR, IIR, DATA, IIR)
    told(solution, (IER, 1), b"ab", IIR, DATA, IIR, DATA, IIR, (IER, 0), b"c", IIR)


@check("interrupt: transmitter empty", points=10, where="Uart.interrupt")
def interrupt_empty(solution):
    told(solution, (IER, 2), IIR, IIR, (DATA, 65), IIR, IIR)
    told(solution, (DATA, 65), (IER, 2), (IER, 2), LSR, IIR)
    told(solution, (IER, 3), b"x", IIR, DATA, IIR, IIR)


@check("any accesses", points=15, hidden=True, where="Uart")
def any_accesses(solution):
    rng = random.Random(61)
    for _ in range(20):
        accesses = []
        for _ in range(30):
            offset = rng.randrange(8)
            value = rng.getrandbits(8)
            if offset == MCR:
                value &= 0xEF
            if offset == LCR and rng.random() < 0.7:
                value &= 0x7F
            write, received = (offset, value), bytes([value]) * rng.choice((1, 1, 9))
            accesses.append(rng.choice((offset, offset, write, received)))
        told(solution, *accesses)


@check("boots the kernel", points=10, where="Uart")
def boots(solution):
    boot(device, solution, "hello", where="Uart.write")


@check("a conversation", points=10, hidden=True, where="Uart")
def conversation(solution):
    typed = "echo a line that is longer than the FIFO\nls\n"
    consoles = []
    for monitor in (None, device.monitor(solution)):
        session = vlab.session(mode="fullvirt", monitor=monitor, max_instructions=30_000_000)
        session.until(idle=True)
        session.type(typed)
        session.until(idle=True)
        consoles.append(session.console)
    agree("the shell, asked to echo and to list", *consoles, "Uart.receive")
    boot(device, solution, "console", where="Uart.write", seed=3, set={"memory": "16M"}, n=6)
