"""CSRs in words: their fields by name (RISC-V privileged specification 1.12, chapters 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vlab.experiments.session_looking import cause_name

INTERRUPTS = {1: "software", 5: "timer", 9: "external"}
MODES = {0: "Bare: no translation", 8: "Sv39", 9: "Sv48", 10: "Sv57"}
WORDS = {
    "sstatus": "Supervisor status",
    "sie": "Interrupts enabled",
    "sip": "Interrupts pending",
    "stvec": "Trap handler's address",
    "scounteren": "Counters that user mode may read",
    "senvcfg": "Environment of user mode",
    "sscratch": "Scratch word of the trap handler",
    "sepc": "Where the trap came from",
    "scause": "Cause of the trap",
    "stval": "Address or instruction of the trap",
    "satp": "Address translation",
    "stimecmp": "Time of the next timer interrupt",
    "time": "Clock, 10 MHz",
    "cycle": "Cycles",
    "instret": "Instructions retired",
    "pending": "Events that wait",
    "masked": "Events are masked (the interrupt flag)",
    "entry": "Address of the upcall handler",
    "trap_cause": "Cause of the upcall",
    "trap_epc": "Where the upcall came from",
    "trap_tval": "Address or instruction of the upcall",
    "trap_user": "Whether it came from user mode",
    "trap_masked": "Whether events were masked before",
    "trap_a7": "a7 at the return",
}
"""What each register says, in a few words; those that are not listed are shown without."""
ADDRESSES = {"stvec", "sepc", "mtvec", "mepc", "entry", "trap_epc"}
CAUSES = {"scause", "mcause", "trap_cause"}


class Field(NamedTuple):
    """A field of a CSR: its name, its value, and what that means."""

    name: str
    value: int
    meaning: str


def fields(name: str, value: int) -> list[Field]:
    """Return the fields of a CSR, or none if it is one number."""
    decode = DECODERS.get(name)
    return decode(value) if decode else []


def _bit(value: int, n: int) -> int:
    return value >> n & 1


def _sstatus(value: int) -> list[Field]:
    sie, spie, spp, sum_, mxr = (_bit(value, n) for n in (1, 5, 8, 18, 19))
    return [
        Field("SIE", sie, _on("interrupts", sie)),
        Field("SPIE", spie, f"{_on('interrupts', spie)} before the trap"),
        Field("SPP", spp, f"the trap came from {'S (kernel)' if spp else 'U (user program)'}"),
        Field("SUM", sum_, f"kernel may {'' if sum_ else 'not '}touch U pages"),
        Field("MXR", mxr, f"executable pages {'' if mxr else 'not '}readable"),
    ]


def _on(what: str, bit: int) -> str:
    return f"{what} {'on' if bit else 'off'}"


def _interrupts(value: int) -> list[Field]:
    names = {1: "SSI", 5: "STI", 9: "SEI"}
    return [
        Field(names[n], _bit(value, n), INTERRUPTS[n] if _bit(value, n) else "no")
        for n in INTERRUPTS
    ]


def _satp(value: int) -> list[Field]:
    root = (value & (1 << 44) - 1) << 12
    return [
        Field("MODE", value >> 60, MODES.get(value >> 60, "reserved")),
        Field("ASID", value >> 44 & 0xFFFF, "address space"),
        Field("PPN", value & (1 << 44) - 1, f"root table at {root:#x}"),
    ]


def _cause(value: int) -> list[Field]:
    try:
        meaning = cause_name(value).replace("_", " ")
    except ValueError:
        meaning = "reserved"
    return [
        Field("Interrupt", value >> 63, "interrupt" if value >> 63 else "exception"),
        Field("Code", value & (1 << 63) - 1, meaning),
    ]


def _tvec(value: int) -> list[Field]:
    mode = {0: "direct", 1: "vectored"}.get(value & 3, "reserved")
    return [Field("BASE", value & ~3, f"{value & ~3:#x}"), Field("MODE", value & 3, mode)]


DECODERS: dict[str, Callable[[int], list[Field]]] = {
    "sstatus": _sstatus,
    "sie": _interrupts,
    "sip": _interrupts,
    "satp": _satp,
    "stvec": _tvec,
    **dict.fromkeys(CAUSES, _cause),
}
