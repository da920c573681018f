"""Lab 1: the student decodes and emulates the CSR instructions that trap.

The student writes two functions::

    decode_csr(bits)                     -> dict with op, csr, rd, source, immediate; or None
    emulate_csr(bits, priv, x, csrs)     -> dict with x and csr, what changes; or None (illegal)
"""

from __future__ import annotations

from typing import Any

from vlab.exits import ExitReason
from vlab.isa.csr import counter_allowed, csr_read, csr_write
from vlab.isa.decode import Decoded, decode
from vlab.isa.disassembler import disassemble
from vlab.isa.execute import EXIT, illegal, retire
from vlab.isa.fields import Csr, M
from vlab.labs.answers import WrongAnswer, agree, shown
from vlab.modes.fullvirt import FullVirt

SUPERVISOR = (
    Csr.SSTATUS, Csr.SIE, Csr.STVEC, Csr.SCOUNTEREN, Csr.SSCRATCH, Csr.SEPC, Csr.SCAUSE,
    Csr.STVAL, Csr.SIP, Csr.SATP, Csr.STIMECMP,
)  # fmt: skip
COUNTERS = (Csr.CYCLE, Csr.TIME, Csr.INSTRET)
MACHINE = (
    Csr.MSTATUS, Csr.MISA, Csr.MEDELEG, Csr.MIDELEG, Csr.MIE, Csr.MIP, Csr.MTVEC, Csr.MSCRATCH,
    Csr.MEPC, Csr.MCAUSE, Csr.MTVAL, Csr.MCOUNTEREN, Csr.MENVCFG, Csr.MHARTID, Csr.PMPCFG0,
    Csr.PMPADDR0,
)  # fmt: skip
OPS = {"csrrw": "write", "csrrs": "set", "csrrc": "clear"}


def fields_of(bits: int) -> dict[str, Any] | None:
    """Return what `decode_csr` has to return."""
    decoded = decode(bits)
    if decoded is None or decoded.row.kind != "csr":
        return None
    return {
        "op": OPS[decoded.row.name.removesuffix("i")],
        "csr": decoded.imm,
        "rd": decoded.rd,
        "source": decoded.rs1,
        "immediate": decoded.row.name.endswith("i"),
    }


def effect_of(bits: int, priv: int, x: list[int], csrs: dict[int, int]) -> dict[str, Any] | None:
    """Return what `emulate_csr` has to return (unprivileged specification, chapter 6)."""
    fields = fields_of(bits)
    if fields is None:
        return None
    number, source = fields["csr"], fields["source"]
    writes = fields["op"] == "write" or source != 0
    if number not in csrs or number >> 8 & 3 > priv or (writes and number >> 10 == 3):
        return None
    old = csrs[number]
    operand = source if fields["immediate"] else x[source]
    new = {"write": operand, "set": old | operand, "clear": old & ~operand}[fields["op"]]
    return {
        "x": {fields["rd"]: old} if fields["rd"] else {},
        "csr": {number: new} if writes else {},
    }


def ask(student: Any, bits: int, priv: int, x: list[int], csrs: dict[int, int]) -> Any:
    """Ask the student's function and compare its answer with the reference's."""
    answer = student.emulate_csr(bits, priv, list(x), dict(csrs))
    situation = f"{disassemble(bits, aliases=False)} ({bits:#010x}) at privilege {priv}"
    decoded = decode(bits)
    if decoded is not None and decoded.row.kind == "csr":
        value = shown(csrs[decoded.imm]) if decoded.imm in csrs else "not there"
        situation += f", CSR {decoded.imm:#x} = {value}"
        if not decoded.row.name.endswith("i") and decoded.rs1:
            situation += f", x{decoded.rs1} = {x[decoded.rs1]:#x}"
    expected = effect_of(bits, priv, x, csrs)
    if expected is not None and isinstance(answer, dict):
        agree(situation, sorted(expected), sorted(answer), "emulate_csr")
        for part, name in (("x", "x{}"), ("csr", "csr {:#x}")):
            wanted, seen = named(expected[part], name), named(answer[part], name)
            agree(f"{situation}, part {part!r}", wanted, seen, "emulate_csr")
    elif (expected is None) != (answer is None):
        illegal = "None, as the instruction is illegal here"
        wanted = illegal if expected is None else shown(expected)
        raise WrongAnswer(situation, wanted, shown(answer), "emulate_csr")
    elif expected is not None:
        raise WrongAnswer(situation, "a dict with x and csr", shown(answer), "emulate_csr")
    return answer


def named(part: Any, name: str) -> Any:
    """Return a part of an answer with names for the numbers of registers."""
    if not isinstance(part, dict) or not all(isinstance(key, int) for key in part):
        return part
    return {name.format(key): value for key, value in part.items()}


def monitor(student: Any) -> type[FullVirt]:
    """Return a monitor that has CSR instructions emulated by the student's function."""

    class CsrMonitor(FullVirt):
        """Trap-and-emulate, CSR instructions by the student."""

        def on_illegal_instruction(self, bits: int) -> None:
            decoded = decode(bits)
            if decoded is None or decoded.row.kind != "csr":
                super().on_illegal_instruction(bits)
                return
            self.exited("csr")
            vcpu = self.vcpu
            vcpu.bits, vcpu.length = bits, 4
            answer = ask(student, bits, vcpu.priv, list(vcpu.x[:32]), self.csrs())
            if answer is None:
                if illegal(vcpu) == EXIT:
                    self.on_emulated_exit()
                return
            self.put(decoded, answer)

        def csrs(self) -> dict[int, int]:
            """Return the CSRs that exist, with what the virtual CPU reads in them now."""
            vcpu = self.vcpu
            vcpu.time = self.machine.clock.time
            there = SUPERVISOR + (MACHINE if vcpu.priv == M else ())
            counters = [csr for csr in COUNTERS if counter_allowed(vcpu, csr & 31)]
            return {int(csr): csr_read(vcpu, csr) for csr in (*there, *counters)}

        def put(self, decoded: Decoded, answer: dict[str, Any]) -> None:
            """Carry out what the student's function answered."""
            vcpu = self.vcpu
            vcpu.csr_accesses += 1
            for number, value in answer["csr"].items():
                csr_write(vcpu, number, value)
            for register, value in answer["x"].items():
                vcpu.x[register] = value
            retire(vcpu)
            if answer["csr"] and decoded.imm in (Csr.STIMECMP, Csr.MENVCFG):
                vcpu.exit_reason = ExitReason.TIMER
                self.on_emulated_exit()

    return CsrMonitor
