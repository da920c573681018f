"""Lab 5: page-table updates in batches, by a guest in assembly language and a monitor in Python.

The student writes the monitor's half as three functions::

    to_read(va, count)            -> (address, bytes) of the array, or a negative error
    updates(data)                 -> list of (guest-physical address of the entry, new value)
    answer(count, done, error)    -> what the guest finds in a0

and the guest's half as a text ``GUEST`` in assembly language that defines ``queue_update`` (a0:
address of the entry, a1: new value) and ``flush_updates``, and may use the symbols
``HC_MMU_UPDATE`` and ``BATCH``. The monitor's half serves the ported kernel, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vlab.board import RAM_BASE
from vlab.costs import preset
from vlab.isa.assembler import assemble
from vlab.isa.expressions import AssemblyError
from vlab.isa.fields import MASK64, PTE_D, PTE_W
from vlab.labs.answers import WrongAnswer, agree, in_student_lines, shown
from vlab.memory import PAGE
from vlab.modes.compose import Guest
from vlab.modes.paravirt import A0, ParaVirt
from vlab.modes.setup import Setup
from vlab.vmm.direct import EINVAL, Refused
from vlab.vmm.hypercalls import ALONE, CALL, MAX_CALLS, MAX_UPDATES, RESULT, UPDATE, call

MMU_UPDATE, MULTICALL, SHUTDOWN = 2, 3, 11
SYMBOLS = {"HC_MMU_UPDATE": MMU_UPDATE}
LIMIT = 200_000
KEPT = 7
"""Exit code of a guest whose saved registers were lost."""

FIRST_PAGE = 256
"""The pages that the guest protects begin so many pages behind the start of its RAM."""

MAIN = """
        la   sp, stack_top
        li   t0, -4096
        ld   s1, 40(t0)          # the leaf tables of the identity map
        la   s0, changes
        li   s3, 0x5151
again:  ld   t0, 0(s0)           # page
        bltz t0, done
        ld   t1, 8(s0)           # 1: make it writable
        addi s0, s0, 16
        slli t0, t0, 3
        add  a0, s1, t0
        ld   a1, 0(a0)
        andi a1, a1, ~0x84
        beqz t1, 1f
        ori  a1, a1, 0x84
1:      call queue_update
        li   t2, 0x5151
        bne  s3, t2, lost
        j    again
done:   call flush_updates
        call flush_updates       # nothing is left: no hypercall
        li   t2, 0x5151
        bne  s3, t2, lost
        li   a0, 0
        j    out
lost:   li   a0, 7
out:    li   a7, 11
        ecall
        j    out
"""


def read(va: int, count: int) -> tuple[int, int] | int:
    """Return what `to_read` has to return."""
    return -EINVAL if count > MAX_UPDATES else (va, count * UPDATE.size)


def parsed(data: bytes) -> list[tuple[int, int]]:
    """Return what `updates` has to return."""
    return list(UPDATE.iter_unpack(data))


def result(count: int, done: int, error: int) -> int:
    """Return what `answer` has to return (``docs/architecture.md``, ``HC_MMU_UPDATE``)."""
    return error or count


def ask_read(student: Any, va: int, count: int) -> Any:
    """Ask what is to be read, and compare."""
    answer, expected = student.to_read(va, count), read(va, count)
    situation = f"an array of {count} updates at {va:#x}"
    if isinstance(expected, tuple) and isinstance(answer, list | tuple):
        agree(f"{situation}: address and bytes", expected, tuple(answer), "to_read")
    else:
        agree(situation, expected, answer, "to_read")
    return answer


def ask_updates(student: Any, data: bytes) -> list[tuple[int, int]]:
    """Ask what the array says, and compare."""
    answer, expected = student.updates(data), parsed(data)
    try:
        seen = [tuple(pair) for pair in answer]
    except TypeError:
        raise WrongAnswer(
            f"{len(data)} bytes", "a list of pairs", repr(answer)[:200], "updates"
        ) from None
    situation = f"an array of {len(data)} bytes"
    agree(f"{situation}: updates in it", len(expected), len(seen), "updates")
    for n, (wanted, found) in enumerate(zip(expected, seen, strict=True)):
        agree(f"{situation}, update {n}", wanted, found, "updates")
    return seen


def ask_answer(student: Any, count: int, done: int, error: int) -> int:
    """Ask for the result, and compare."""
    answer = student.answer(count, done, error)
    why = f"refused with {error}" if error else "and all were accepted"
    situation = f"{count} updates, {done} done {why}"
    agree(situation, result(count, done, error), answer, "answer")
    return answer


def monitor(student: Any) -> type[ParaVirt]:
    """Return a monitor whose page-table updates are served by the student's functions."""

    class BatchMonitor(ParaVirt):
        """Direct paging; the batches by the student."""

        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            self.batches: list[int] = []

        def on_hypercall(self, number: int, arguments: list[int]) -> None:
            if number not in (MMU_UPDATE, MULTICALL):
                super().on_hypercall(number, arguments)
                return
            self.exited("hypercall")
            self.vcpu.skip_ecall()
            serve = self.mmu_update if number == MMU_UPDATE else self.multicall
            self.hart.x[A0] = serve(*arguments[:2]) & MASK64

        def mmu_update(self, va: int, count: int) -> int:
            """Serve one batch."""
            machine, paging = self.machine, self.paging
            machine.count_key("hypercalls_by_name", "hypercalls", "mmu_update")
            span = ask_read(student, va, count)
            if isinstance(span, int):
                return span
            done = error = 0
            try:
                data = self.memory.read(self.spaces.kernel_root, *span)
                for gpa, value in ask_updates(student, data):
                    paging.update(gpa, value)
                    done += 1
            except Refused as refusal:
                error = -refusal.code
            machine.count("mmu_updates", paging.validated)
            paging.validated = 0
            self.batches.append(done)
            return ask_answer(student, count, done, error)

        def multicall(self, va: int, count: int) -> int:
            """Make several hypercalls (`vlab.vmm.hypercalls.multicall`)."""
            self.machine.count_key("hypercalls_by_name", "hypercalls", "multicall")
            if count > MAX_CALLS:
                return -EINVAL
            root = self.spaces.kernel_root
            try:
                calls = self.memory.read(root, va, count * CALL.size)
                for n, (number, *arguments, _) in enumerate(CALL.iter_unpack(calls)):
                    if number == MMU_UPDATE:
                        done = self.mmu_update(*arguments[:2])
                    else:
                        done = -EINVAL if number in ALONE else call(self, number, arguments) or 0
                    place = va + n * CALL.size + RESULT
                    self.memory.write(root, place, (done & MASK64).to_bytes(8, "little"))
            except Refused as refusal:
                return -refusal.code
            return 0

    return BatchMonitor


class Stock:
    """The reference, in the place of the student's functions."""

    to_read, updates, answer = staticmethod(read), staticmethod(parsed), staticmethod(result)


@dataclass
class Batched:
    """What became of a run of the guest's half.

    Attributes
    ----------
    batches
        Updates done by each hypercall.
    writable
        For each page changed, whether its mapping is writable in the end.
    ended
        Exit code, or how the run ended instead.
    """

    batches: list[int]
    writable: dict[int, bool]
    ended: str


def run_guest_half(
    source: str, batch: int, changes: list[tuple[int, bool]], student: Any = Stock, pages: int = 512
) -> Batched:
    """Run the guest's half: it makes pages read-only, or writable again, one after the other.

    Parameters
    ----------
    source
        The student's text.
    batch
        Updates that the queue is to hold.
    changes
        Page and whether it is to become writable.
    """
    if not isinstance(source, str):
        raise WrongAnswer("GUEST", "a text in assembly language", shown(source), "GUEST")
    rows = [word for page, writable in changes for word in (FIRST_PAGE + page, int(writable))]
    data = ", ".join(map(str, [*rows, -1]))
    text = f"{MAIN}\n{source}\n.data\n.balign 16\nchanges: .dword {data}\n"
    text += ".balign 16\n.space 1024\nstack_top: .dword 0\n"
    try:
        code = assemble(text, RAM_BASE, SYMBOLS | {"BATCH": batch}).code
    except AssemblyError as error:
        message = in_student_lines(str(error), MAIN.count("\n") + 1)
        raise WrongAnswer("assembling GUEST", "no error", message, "GUEST") from None
    setup = Setup("paravirt", code, None, "", pages * PAGE, "interpreter", "cycles", preset(), {},
                  monitor=monitor(student))  # fmt: skip
    guest = Guest(setup)
    ended = guest.run(LIMIT)
    vm, shared = guest.mode, guest.mode.shared
    table = shared.identity
    writable = {
        page: vm.domain.memory.load(table + 8 * (FIRST_PAGE + page), 8) & (PTE_W | PTE_D) != 0
        for page, _ in changes
    }
    how = f"exit {ended.exit_code}" if ended.outcome == "finished" else ended.outcome
    if ended.exit_code == KEPT:
        how = "s3 was changed by a call"
    if ended.crash:
        how = f"{ended.outcome}: {ended.crash}"
    return Batched(vm.batches, writable, how)
