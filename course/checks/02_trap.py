"""Checks of lab 2: the virtual CPU takes traps, and returns from them."""

import random

from vlab.grading import check
from vlab.labs import trap
from vlab.labs.booting import boot

SIE, SPIE, SPP = 0x2, 0x20, 0x100
UXL = 2 << 32
SSI, STI, SEI = 1 << 1, 1 << 5, 1 << 9
INTERRUPT = 1 << 63
ECALL_U, LOAD_PAGE, ILLEGAL = 8, 13, 2


def cpu(pc=0x1000, priv=0, sstatus=UXL, stvec=0x8000_2000, sepc=0x4000, sip=0, sie=0):
    return {"pc": pc, "priv": priv, "sstatus": sstatus, "stvec": stvec, "sepc": sepc,
            "scause": 5, "stval": 6, "sip": sip, "sie": sie}  # fmt: skip


def random_cpu(rng):
    status = UXL | rng.choice((0, 1 << 18, 1 << 19, 3 << 18))
    status |= sum(bit for bit in (SIE, SPIE, SPP) if rng.random() < 0.5)
    lines = [sum(bit for bit in (SSI, STI, SEI) if rng.random() < 0.6) for _ in range(2)]
    stvec = rng.getrandbits(38) << 2 | rng.getrandbits(1)
    pc, sepc = rng.getrandbits(38) << 1, rng.getrandbits(38) << 1
    return cpu(pc, rng.getrandbits(1), status, stvec, sepc, *lines)


@check("trap: a system call", points=10, where="take_trap")
def system_call(solution):
    trap.ask_trap(solution, cpu(pc=0x1_0040), ECALL_U, 0)
    trap.ask_trap(solution, cpu(pc=0x1_0044, stvec=0x8020_0100), LOAD_PAGE, 0x3F_F008)


@check("trap: where the handler is", points=10, where="take_trap")
def handler(solution):
    for stvec in (0x8000_2000, 0x8000_2001):
        trap.ask_trap(solution, cpu(stvec=stvec), ECALL_U, 0)
        trap.ask_trap(solution, cpu(stvec=stvec), INTERRUPT | 5, 0)
        trap.ask_trap(solution, cpu(stvec=stvec), INTERRUPT | 9, 0)


@check("trap: what is remembered", points=5, where="take_trap")
def remembered(solution):
    for priv in (0, 1):
        for status in (0, SIE, SPIE, SPP, SIE | SPIE | SPP, 1 << 18):
            trap.ask_trap(solution, cpu(priv=priv, sstatus=UXL | status), ILLEGAL, 0x1234)


@check("trap: any trap", points=10, hidden=True, where="take_trap")
def any_trap(solution):
    rng = random.Random(21)
    for _ in range(300):
        cause = rng.choice((0, 2, 3, 8, 12, 13, 15, INTERRUPT | 1, INTERRUPT | 5, INTERRUPT | 9))
        trap.ask_trap(solution, random_cpu(rng), cause, rng.getrandbits(64))


@check("return: from a system call", points=10, where="return_from_trap")
def returns(solution):
    trap.ask_return(solution, cpu(priv=1, sstatus=UXL | SPIE))
    trap.ask_return(solution, cpu(priv=1, sstatus=UXL))
    trap.ask_return(solution, cpu(priv=1, sstatus=UXL | SPP | SPIE, sepc=0x8020_0404))
    trap.ask_return(solution, cpu(priv=1, sstatus=UXL | SPP | SIE))


@check("return: from any trap", points=10, hidden=True, where="return_from_trap")
def any_return(solution):
    rng = random.Random(22)
    for _ in range(300):
        trap.ask_return(solution, random_cpu(rng))


@check("interrupt: which one, and when", points=10, where="interrupt_to_take")
def interrupts(solution):
    everything = SSI | STI | SEI
    trap.ask_interrupt(solution, cpu(priv=0, sip=STI, sie=everything))
    trap.ask_interrupt(solution, cpu(priv=0, sip=everything, sie=everything))
    trap.ask_interrupt(solution, cpu(priv=0, sip=SSI | STI, sie=everything))
    trap.ask_interrupt(solution, cpu(priv=0, sip=SEI, sie=STI))
    trap.ask_interrupt(solution, cpu(priv=1, sip=STI, sie=STI))
    trap.ask_interrupt(solution, cpu(priv=1, sstatus=UXL | SIE, sip=STI, sie=STI))


@check("interrupt: any", points=5, hidden=True, where="interrupt_to_take")
def any_interrupt(solution):
    rng = random.Random(23)
    for _ in range(300):
        trap.ask_interrupt(solution, random_cpu(rng))


@check("boots the kernel", points=10, where="take_trap")
def boots(solution):
    boot(trap, solution, "syscall", where="take_trap", n=20)


@check("boots on other machines", points=10, hidden=True, where="take_trap")
def boots_elsewhere(solution):
    small = {"memory": "16M", "tlb_entries": 8, "tlb_ways": 1}
    boot(trap, solution, "timer", where="interrupt_to_take", set=small, n=5, hz=5000)
    boot(trap, solution, "forktree", where="take_trap", seed=5, depth=2)
