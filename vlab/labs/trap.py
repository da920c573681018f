"""Lab 2: the student makes the virtual CPU take traps and return from them.

The student writes three functions over ``cpu``, a dictionary with the words pc, priv, sstatus,
stvec, sepc, scause, stval, sip and sie of the virtual CPU::

    take_trap(cpu, cause, tval)   -> dict of the words that change
    return_from_trap(cpu)         -> dict of the words that change (sret)
    interrupt_to_take(cpu)        -> the cause, bit 63 included, or 0
"""

from __future__ import annotations

from typing import Any

from vlab.exits import ExitReason
from vlab.hart_counters import CAUSE_NAMES, INTERRUPT_NAMES
from vlab.isa.csr import csr_read, write_mstatus
from vlab.isa.fields import (
    INTERRUPT,
    MASK64,
    S_INTERRUPTS,
    SEI,
    SIE,
    SPIE,
    SPP,
    SSI,
    SSTATUS_WRITABLE,
    STI,
    Cause,
    Csr,
    S,
    U,
)
from vlab.isa.trap import set_privilege, vector
from vlab.labs.answers import agree
from vlab.modes.fullvirt import FullVirt

SRET = 0x10200073
WORDS = {"sstatus": Csr.SSTATUS, "stvec": Csr.STVEC, "sepc": Csr.SEPC, "scause": Csr.SCAUSE,
         "stval": Csr.STVAL, "sip": Csr.SIP, "sie": Csr.SIE}  # fmt: skip
NO_TRAP = MASK64


def trapped(cpu: dict[str, int], cause: int, tval: int) -> dict[str, int]:
    """Return what `take_trap` has to return (privileged specification, 3.1.6.1, 4.1.2, 4.1.8)."""
    status = cpu["sstatus"] & ~(SPP | SPIE | SIE)
    status |= (SPIE if cpu["sstatus"] & SIE else 0) | (SPP if cpu["priv"] == S else 0)
    target = vector(cpu["stvec"], cause)
    return {"pc": target, "priv": S, "sstatus": status, "sepc": cpu["pc"], "scause": cause,
            "stval": tval}  # fmt: skip


def returned(cpu: dict[str, int]) -> dict[str, int]:
    """Return what `return_from_trap` has to return (privileged specification, 3.1.6.1)."""
    status = cpu["sstatus"] & ~(SPP | SIE) | SPIE
    status |= SIE if cpu["sstatus"] & SPIE else 0
    return {"pc": cpu["sepc"], "priv": S if cpu["sstatus"] & SPP else U, "sstatus": status}


def chosen(cpu: dict[str, int]) -> int:
    """Return what `interrupt_to_take` has to return (privileged specification, 4.1.3)."""
    ready = cpu["sip"] & cpu["sie"]
    if cpu["priv"] == S and not cpu["sstatus"] & SIE:
        return 0
    return next((INTERRUPT | code for code in (SEI, SSI, STI) if ready >> code & 1), 0)


def name_of(cause: int) -> str:
    """Return a cause's name."""
    if cause & INTERRUPT:
        return f"a {INTERRUPT_NAMES[cause & 63]} interrupt"
    return f"exception {cause} ({CAUSE_NAMES[cause]})"


def ask_trap(student: Any, cpu: dict[str, int], cause: int, tval: int) -> dict[str, int]:
    """Ask for a trap, and compare."""
    answer = student.take_trap(dict(cpu), cause, tval)
    situation = f"{name_of(cause)} at pc {cpu['pc']:#x}, {state(cpu)}"
    agree(situation, normal(cpu, trapped(cpu, cause, tval)), normal(cpu, answer), "take_trap")
    return answer


def ask_return(student: Any, cpu: dict[str, int]) -> dict[str, int]:
    """Ask for a return, and compare."""
    answer = student.return_from_trap(dict(cpu))
    situation = f"sret with sepc {cpu['sepc']:#x}, {state(cpu)}"
    agree(situation, normal(cpu, returned(cpu)), normal(cpu, answer), "return_from_trap")
    return answer


def ask_interrupt(student: Any, cpu: dict[str, int]) -> int:
    """Ask which interrupt is to be taken, and compare."""
    answer = student.interrupt_to_take(dict(cpu))
    situation = f"sip {cpu['sip']:#x}, sie {cpu['sie']:#x}, {state(cpu)}"
    agree(situation, chosen(cpu), answer, "interrupt_to_take")
    return answer


def state(cpu: dict[str, int]) -> str:
    """Return privilege and status as text."""
    status = cpu["sstatus"]
    bits = [name for name, bit in (("SIE", SIE), ("SPIE", SPIE), ("SPP", SPP)) if status & bit]
    return f"priv {'US'[cpu['priv']]}, sstatus {status:#x} ({' '.join(bits) or 'none'} set)"


def normal(cpu: dict[str, int], answer: Any) -> Any:
    """Return an answer without the words that it leaves as they are."""
    if not isinstance(answer, dict):
        return answer
    return {word: value for word, value in answer.items() if cpu.get(word) != value}


def monitor(student: Any) -> type[FullVirt]:
    """Return a monitor whose virtual CPU traps and returns as the student's functions say."""

    class TrapMonitor(FullVirt):
        """Trap-and-emulate; the guest's own traps by the student."""

        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            self.vcpu.intercept = MASK64  # a trap of the virtual CPU is told, not carried out

        def enter(self) -> None:
            vcpu = self.vcpu
            if vcpu.mideleg == S_INTERRUPTS:
                cause = ask_interrupt(student, self.cpu())
                if cause:
                    self.take(cause, 0)
                    self.machine.charge("interrupts")
            super().enter()

        def on_trap(self, cause: int, tval: int) -> None:
            vcpu = self.vcpu
            vcpu.exit_cause = NO_TRAP
            super().on_trap(cause, tval)
            if vcpu.exit_cause != NO_TRAP:
                self.take(vcpu.exit_cause, vcpu.exit_tval)

        def on_illegal_instruction(self, bits: int) -> None:
            vcpu = self.vcpu
            if bits != SRET or vcpu.priv == U:
                super().on_illegal_instruction(bits)
                return
            self.exited("xret")
            vcpu.budget -= 1
            vcpu.returns += 1
            vcpu.reservation = MASK64
            self.put(ask_return(student, self.cpu()))

        def on_emulated_exit(self) -> None:
            if self.vcpu.exit_reason != ExitReason.TRAP:
                super().on_emulated_exit()

        def take(self, cause: int, tval: int) -> None:
            """Let the guest's kernel have a trap."""
            vcpu = self.vcpu
            answer = ask_trap(student, self.cpu(), cause, tval)
            taken = vcpu.interrupts_taken if cause & INTERRUPT else vcpu.traps_taken
            taken[cause & 15] += 1
            vcpu.vectored += 1
            vcpu.user_ecalls += cause == Cause.ECALL_U
            vcpu.reservation = MASK64
            self.put(answer)

        def cpu(self) -> dict[str, int]:
            """Return the words that the student's functions see."""
            vcpu = self.vcpu
            words = {name: csr_read(vcpu, number) for name, number in WORDS.items()}
            return {"pc": vcpu.pc, "priv": vcpu.priv, **words}

        def put(self, answer: dict[str, int]) -> None:
            """Carry out what a function answered."""
            vcpu = self.vcpu
            for word, value in answer.items():
                if word == "sstatus":
                    write_mstatus(vcpu, value, SSTATUS_WRITABLE)
                elif word == "priv":
                    set_privilege(vcpu, value)
                else:
                    setattr(vcpu, word, value)

    return TrapMonitor
