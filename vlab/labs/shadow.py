"""Lab 3: the student walks the guest's page tables and makes shadow entries.

The student writes two functions::

    walk_tables(path, va, access, mode)        -> dict with level, pte, gpa; or None (a fault)
    shadow_entry(pte, mode, frame, is_table)   -> the shadow's page-table entry

``path`` holds the entries that the walk meets, from the root table down. ``access`` is
``"fetch"``, ``"load"`` or ``"store"``; ``mode`` is a dictionary of truth values: ``user`` (virtual
privilege U rather than S), ``sum`` and ``mxr`` (those bits of the guest's sstatus).
"""

from __future__ import annotations

from typing import Any

from vlab.isa.execute import raise_trap
from vlab.isa.fields import (
    FETCH,
    LOAD,
    MXR,
    PTE_A,
    PTE_D,
    PTE_G,
    PTE_PPN,
    PTE_R,
    PTE_RESERVED,
    PTE_U,
    PTE_V,
    PTE_W,
    PTE_X,
    SATP_PPN,
    STORE,
    SUM,
    Cause,
    U,
)
from vlab.isa.mmu import leaf_address, page_fault
from vlab.labs.answers import WrongAnswer, agree, shown
from vlab.memory import PAGE
from vlab.modes.fullvirt import ACCESS, FullVirt
from vlab.vmm.regimes import TRANSLATED, regime_of

NAMES = {FETCH: "fetch", LOAD: "load", STORE: "store"}
FLAGS = (("V", PTE_V), ("R", PTE_R), ("W", PTE_W), ("X", PTE_X), ("U", PTE_U), ("G", PTE_G),
         ("A", PTE_A), ("D", PTE_D))  # fmt: skip
Mode = dict[str, bool]


def allowed(pte: int, access: str, mode: Mode) -> bool:
    """Return whether a leaf permits an access (privileged specification, section 4.3.1)."""
    if mode["user"]:
        if not pte & PTE_U:
            return False
    elif pte & PTE_U and (access == "fetch" or not mode["sum"]):
        return False
    if access == "fetch":
        return pte & PTE_X != 0
    if access == "load":
        return pte & PTE_R != 0 or (mode["mxr"] and pte & PTE_X != 0)
    return pte & PTE_W != 0


def walked(path: list[int], va: int, access: str, mode: Mode) -> dict[str, int] | None:
    """Return what `walk_tables` has to return (privileged specification, section 4.3.2)."""
    if va >> 38 not in (0, (1 << 26) - 1):
        return None
    for depth, pte in enumerate(path):
        level = 2 - depth
        if not pte & PTE_V or pte & (PTE_R | PTE_W) == PTE_W or pte & PTE_RESERVED:
            return None
        if not pte & (PTE_R | PTE_X):
            if level == 0 or pte & (PTE_A | PTE_D | PTE_U):
                return None
            continue
        if pte >> 10 & (1 << 9 * level) - 1 or not allowed(pte, access, mode):
            return None
        new = pte | PTE_A | (PTE_D if access == "store" else 0)
        return {"level": level, "pte": new, "gpa": leaf_address(new, level, va)}
    return None


def shadowed(pte: int, mode: Mode, frame: int, is_table: bool) -> int:
    """Return what `shadow_entry` has to return (Adams & Agesen 2006, section 2.4)."""
    entry = frame << 10 | PTE_V | PTE_U | PTE_A | PTE_D
    for access, bit in (("load", PTE_R), ("store", PTE_W), ("fetch", PTE_X)):
        if allowed(pte, access, mode):
            entry |= bit
    if is_table or not pte & PTE_D:
        entry &= ~PTE_W
    return entry


def flags(pte: int) -> str:
    """Return an entry's flags as letters."""
    return "".join(letter if pte & bit else "-" for letter, bit in FLAGS)


def described(mode: Mode) -> str:
    """Return a mode as text."""
    bits = [name.upper() for name in ("sum", "mxr") if mode[name]]
    return f"in virtual {'U' if mode['user'] else 'S'}-mode" + (f", {' '.join(bits)}" * bool(bits))


def ask_walk(student: Any, path: list[int], va: int, access: str, mode: Mode) -> Any:
    """Ask for a walk, and compare."""
    answer = student.walk_tables(list(path), va, access, dict(mode))
    expected = walked(path, va, access, mode)
    steps = ", ".join(f"level {2 - n}: {pte:#x} {flags(pte)}" for n, pte in enumerate(path))
    situation = f"{access} at {va:#x} {described(mode)}, entries [{steps}]"
    if expected is None and answer is not None:
        raise WrongAnswer(situation, "None, a page fault", shown(answer), "walk_tables")
    if expected is not None and answer is None:
        raise WrongAnswer(situation, "the access to be allowed", "None", "walk_tables")
    if expected is not None:
        agree(situation, readable(expected), readable(answer), "walk_tables")
    return answer


def readable(answer: Any) -> Any:
    """Return an answer with the entry's flags as letters, too."""
    if not isinstance(answer, dict) or not isinstance(answer.get("pte"), int):
        return answer
    return {**answer, "pte": f"{answer['pte']:#x} {flags(answer['pte'])}"}


def ask_entry(student: Any, pte: int, mode: Mode, frame: int, is_table: bool) -> int:
    """Ask for a shadow entry, and compare."""
    answer = student.shadow_entry(pte, dict(mode), frame, is_table)
    expected = shadowed(pte, mode, frame, is_table)
    kind = "a page table of the guest" if is_table else "an ordinary page"
    situation = f"shadow of {pte:#x} {flags(pte)} {described(mode)}, frame {frame:#x}, {kind}"
    if not isinstance(answer, int) or answer < 0:
        raise WrongAnswer(situation, "a page-table entry", repr(answer)[:200], "shadow_entry")
    if answer >> 10 != expected >> 10:
        agree(situation + ", frame of the entry", expected >> 10, answer >> 10, "shadow_entry")
    if answer != expected:
        raise WrongAnswer(
            situation, f"flags {flags(expected)}", f"flags {flags(answer)}", "shadow_entry"
        )
    return answer


def monitor(student: Any) -> type[FullVirt]:
    """Return a monitor whose shadow is filled by the student's functions."""

    class ShadowMonitor(FullVirt):
        """Trap-and-emulate; hidden page faults by the student."""

        def mode(self) -> Mode:
            """Return what the student's functions are told of the virtual CPU."""
            vcpu = self.vcpu
            status = vcpu.mstatus
            return {"user": vcpu.priv == U, "sum": status & SUM != 0, "mxr": status & MXR != 0}

        def path(self, va: int) -> tuple[list[int], list[int]] | None:
            """Return addresses and values of the entries on a walk, None if it leaves RAM."""
            memory, addresses, entries = self.vcpu.memory, [], []
            table = (self.vcpu.satp & SATP_PPN) * PAGE
            for level in (2, 1, 0):
                address = table + (va >> 12 + 9 * level & 511) * 8
                if not memory.contains(address):
                    return None
                pte = memory.load(address, 8)
                addresses.append(address)
                entries.append(pte)
                if not pte & PTE_V or pte & (PTE_R | PTE_W | PTE_X):
                    break
                table = (pte & PTE_PPN) << 2
            return addresses, entries

        def on_page_fault(self, cause: int, va: int) -> None:
            vcpu, access = self.vcpu, ACCESS[Cause(cause)]
            found = self.path(va) if regime_of(vcpu) in TRANSLATED else None
            if found is None:
                super().on_page_fault(cause, va)
                return
            addresses, entries = found
            answer = ask_walk(student, entries, va, NAMES[access], self.mode())
            if answer is None:
                self.exited("page_fault")
                raise_trap(vcpu, page_fault(access), va)
                return
            address, pte = addresses[2 - answer["level"]], answer["pte"]
            changed = pte != vcpu.memory.load(address, 8)
            if changed:
                vcpu.memory.store(address, 8, pte)
                vcpu.ad_updates += 1
            reason = "dirty" if changed and self.space.holds(va) else "shadow_fill"
            self.on_hidden_fault(access, va, answer["gpa"], pte, answer["level"], reason)

        def fill(self, va: int, pte: int, level: int) -> None:
            shadow, space, mode = self.shadow, self.space, self.mode()
            super().fill(va, pte, level)
            if self.space is None or regime_of(self.vcpu) not in TRANSLATED:
                return
            frame = leaf_address(pte, level, va) // PAGE
            mapped, is_table = shadow.p2m[frame - shadow.first_frame], frame in shadow.tables
            entry = ask_entry(student, pte, mode, mapped, is_table)
            shadow.physical.store(space.leaves[va & ~0xFFF], 8, entry)

    return ShadowMonitor
