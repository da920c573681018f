"""The hypercalls of the paravirtual ABI, one function each, and the table of them.

A function gets the monitor and the arguments; its result goes into ``a0``. It may raise
`Refused`, which becomes a negative result: whatever the guest asks, only it can suffer.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from vlab.errors import ParameterError
from vlab.isa.fields import MASK64
from vlab.vmm.direct import EINVAL, ENOSYS, Refused
from vlab.vmm.shared_info import EVENTS

MAX_UPDATES, MAX_CALLS, MAX_TEXT = 2048, 128, 4096
"""Limits of what one hypercall may ask for, so that each ends soon."""
UPDATE, CALL, RESULT = struct.Struct("<2Q"), struct.Struct("<6Q"), 40
"""Elements of the arrays of `mmu_update` and `multicall`, and where a result is."""
EVERYTHING = MASK64


def set_entry(vm: Any, va: int, *_: int) -> int:
    """Register where upcalls go."""
    vm.vcpu.entry = va & ~1
    return 0


def iret(vm: Any, *_: int) -> None:
    """Resume what an upcall interrupted, as the shared page says; what ``sret`` is natively."""
    vm.vcpu.resume()


def mmu_update(vm: Any, va: int, count: int, *_: int) -> int:
    """Validate and write page-table entries, up to the first that is refused."""
    updates = vm.memory.read(vm.spaces.kernel_root, va, limited(count, MAX_UPDATES) * UPDATE.size)
    for gpa, value in UPDATE.iter_unpack(updates):
        vm.paging.update(gpa, value)
    return count


def multicall(vm: Any, va: int, count: int, *_: int) -> int:
    """Make several hypercalls in one exit; each result goes into its entry."""
    calls = vm.memory.read(vm.spaces.kernel_root, va, limited(count, MAX_CALLS) * CALL.size)
    for n, (number, *arguments, _) in enumerate(CALL.iter_unpack(calls)):
        result = -EINVAL if number in ALONE else call(vm, number, arguments) or 0
        answer = (result & MASK64).to_bytes(8, "little")
        vm.memory.write(vm.spaces.kernel_root, va + n * CALL.size + RESULT, answer)
    return 0


def pin_root(vm: Any, gpa: int, kind: int, *_: int) -> int:
    """Declare a frame a root table: validated now, and kept until unpinned."""
    vm.paging.pin(gpa, kind)
    return 0


def unpin_root(vm: Any, gpa: int, kind: int, *_: int) -> int:
    """Undo `pin_root`."""
    vm.paging.unpin(gpa, kind)
    return 0


def switch(vm: Any, kernel: int, user: int, *_: int) -> int:
    """Change to another kernel root and user root."""
    vm.spaces.use(kernel, user)
    return 0


def tlb_flush(vm: Any, va: int, *_: int) -> int:
    """Drop the hardware's translations of one page, or all."""
    if va == EVERYTHING:
        vm.spaces.flush_everything()
    else:
        vm.spaces.flush_page(va)
    return 0


def set_timer(vm: Any, time: int, *_: int) -> int:
    """Ask for a timer event."""
    vm.backends.timer.set(time)
    return 0


def block(vm: Any, *_: int) -> int:
    """Unmask events and wait for one."""
    shared, machine = vm.shared, vm.machine
    shared.masked = 0
    while not shared.pending & EVENTS and machine.finished() is None:
        machine.advance()
        if machine.hart.lines & machine.hart.mie:
            vm.backends.serve()
        else:
            machine.sleep()
    return 0


def notify(vm: Any, ring: int, *_: int) -> int:
    """The doorbell: there is something in a ring."""
    vm.backends.notify(ring)
    return 0


def shutdown(vm: Any, code: int, *_: int) -> int:
    """End the run."""
    vm.backends.shutdown(code)
    return 0


def console(vm: Any, va: int, length: int, *_: int) -> int:
    """Print, before there are rings or when nothing else works any more."""
    text = vm.memory.read(vm.spaces.kernel_root, va, limited(length, MAX_TEXT))
    vm.backends.console.transmit(text)
    return length


def deliver(vm: Any, *_: int) -> int:
    """Take pending events: the monitor does that whenever it enters the guest."""
    return 0


def setup_ring(vm: Any, ring: int, gpa: int, *_: int) -> int:
    """Share a page as a ring."""
    vm.backends.setup(ring, gpa)
    return 0


def limited(count: int, most: int) -> int:
    """Return a count unless it is out of bounds."""
    if count > most:
        raise Refused(EINVAL, f"a count of {count}: at most {most}")
    return count


class Hypercall(NamedTuple):
    """One row of the table; the number is the place in it."""

    name: str
    function: Callable[..., int | None]


TABLE = tuple(
    Hypercall(function.__name__, function)
    for function in (
        set_entry,
        iret,
        mmu_update,
        multicall,
        pin_root,
        unpin_root,
        switch,
        tlb_flush,
        set_timer,
        block,
        notify,
        shutdown,
        console,
        deliver,
        setup_ring,
    )
)
ALONE = {n for n, row in enumerate(TABLE) if row.function in (iret, multicall, block)}
"""Numbers that may not be in a multicall."""


Method = TypeVar("Method", bound=Callable[..., Any])
NUMBERS = range(len(TABLE), 1 << 16)
"""Numbers that are free for hypercalls of one's own."""
ARGUMENTS = 4


def hypercall(number: int) -> Callable[[Method], Method]:
    """Declare a hypercall of your own; decorates a method of a subclass of `vlab.ParaVirt`.

    Parameters
    ----------
    number
        What the guest puts into ``a7``; the ABI's own numbers are taken.

    Notes
    -----
    The method takes up to four arguments, ``a0`` to ``a3``; the number that it returns goes into
    ``a0``. It is counted by its name in ``hypercalls_by_name`` and costs what the cost table says
    for ``hypercall.other``.

    Examples
    --------
    >>> import vlab
    >>> class Mine(vlab.ParaVirt):
    ...     @vlab.hypercall(64)
    ...     def add(self, a, b):
    ...         return a + b
    """
    if not isinstance(number, int) or number not in NUMBERS:
        taken = f", it is {TABLE[number].name}" if number in range(len(TABLE)) else ""
        first, last = NUMBERS[0], NUMBERS[-1]
        raise ParameterError(f"hypercall {number!r}{taken}: free are {first} to {last}")

    def mark(method: Method) -> Method:
        taken = [
            p for p in inspect.signature(method).parameters.values() if p.kind != p.KEYWORD_ONLY
        ]
        if not 1 <= len(taken) <= 1 + ARGUMENTS:
            name = getattr(method, "__name__", method)
            raise ParameterError(f"hypercall {name}: takes self and up to {ARGUMENTS} arguments")
        method.hypercall = number, len(taken) - 1  # type: ignore[attr-defined]
        return method

    return mark


def own_hypercalls(kind: type) -> dict[int, Hypercall]:
    """Return the hypercalls that a class declares or inherits, by number."""
    found: dict[int, Hypercall] = {}
    for name in dir(kind):
        method = getattr(kind, name)
        if not hasattr(method, "hypercall"):
            continue
        number, count = method.hypercall
        if number in found:
            raise ParameterError(f"hypercall {number}: is both {found[number].name} and {name}")
        found[number] = Hypercall(name, lambda vm, *a, f=method, n=count: f(vm, *a[:n]))
    return found


def call(vm: Any, number: int, arguments: list[int]) -> int | None:
    """Make one hypercall: count it, carry it out, and return its result, None for none."""
    row = TABLE[number] if number < len(TABLE) else vm.own_hypercalls.get(number)
    if row is None:
        return -ENOSYS
    name, function = row
    vm.machine.count_key("hypercalls_by_name", "hypercalls", name)
    try:
        return function(vm, *arguments)
    except Refused as refusal:
        vm.last_refusal = f"{name}: {refusal}"
        return -refusal.code
    finally:
        vm.machine.count("mmu_updates", vm.paging.validated)
        vm.paging.validated = 0
