"""The machines under the labs: with the reference in the student's place, nothing changes."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

import vlab
from vlab.board import RAM_BASE
from vlab.devices.uart import FIFO, Uart
from vlab.hardware import HardwareOptions, enter_supervisor, reset
from vlab.isa.csr import csr_read
from vlab.isa.execute import raise_trap
from vlab.isa.fields import (
    FETCH,
    LOAD,
    MXR,
    PTE_D,
    PTE_PPN,
    PTE_V,
    S_INTERRUPTS,
    SATP_SV39,
    SSTATUS_WRITABLE,
    STORE,
    SUM,
    Cause,
    Csr,
    M,
    S,
    U,
)
from vlab.isa.mmu import leaf_address, walk
from vlab.isa.trap import pending_interrupt, return_from_s
from vlab.labs import (
    WrongAnswer,
    csr,
    device,
    driver,
    hypercall,
    model,
    overcommit,
    protect,
    shadow,
    trap,
)
from vlab.labs.answers import agree
from vlab.memory import PAGE, PhysicalMemory
from vlab.state import Hart
from vlab.vmm.emulator import emulate


class ReferenceUart:
    """The stock serial line in the interface of the student's."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.level = False
        self.uart = Uart(self.sent.append, lambda level: setattr(self, "level", level))

    def read(self, offset: int) -> int:
        return self.uart.read(offset, 1)

    def write(self, offset: int, value: int) -> int | None:
        del self.sent[:]
        self.uart.write(offset, value, 1)
        return self.sent[0] if self.sent else None

    def receive(self, byte: int) -> bool:
        return self.uart.receive(bytes([byte])) == 1

    def interrupt(self) -> bool:
        return self.level


REFERENCES: dict[str, tuple[Any, Any, str]] = {
    "csr": (csr, SimpleNamespace(emulate_csr=csr.effect_of), "fullvirt"),
    "trap": (
        trap,
        SimpleNamespace(
            take_trap=trap.trapped,
            return_from_trap=trap.returned,
            interrupt_to_take=trap.chosen,
        ),
        "fullvirt",
    ),
    "shadow": (
        shadow,
        SimpleNamespace(walk_tables=shadow.walked, shadow_entry=shadow.shadowed),
        "fullvirt",
    ),
    "protect": (protect, SimpleNamespace(PageTables=protect.Reference), "fullvirt"),
    "hypercall": (hypercall, hypercall.Stock, "paravirt"),
    "device": (device, SimpleNamespace(Uart=ReferenceUart), "fullvirt"),
}


@pytest.mark.parametrize("lab", REFERENCES)
@pytest.mark.parametrize(
    ("workload", "params"), [("forktree", {"depth": 2}), ("timer", {"n": 3}), ("mixed", {"n": 2})]
)
def test_the_reference_changes_nothing(lab: str, workload: str, params: dict[str, int]) -> None:
    """With the reference in the student's place, counters and cycles are those of the mode."""
    module, student, mode = REFERENCES[lab]
    stock = vlab.run(workload, mode, **params)
    run = vlab.run(workload, mode, monitor=module.monitor(student), **params)
    assert run.console == stock.console
    assert run.counters_total == stock.counters_total
    assert run.cycles_total == stock.cycles_total


def machine() -> Hart:
    """Return a hart where firmware leaves it, with a little RAM."""
    hart = Hart(PhysicalMemory(RAM_BASE, 16 * PAGE))
    hart.ram_base, hart.ram_size = RAM_BASE, 16 * PAGE
    reset(hart, HardwareOptions(1, 1, 16))
    enter_supervisor(hart)
    hart.limit = hart.budget = 1 << 40
    return hart


def test_csr_reference_is_the_hardware() -> None:
    """What lab 1 expects is what the hardware does, for random CSR instructions."""
    rng = random.Random(1)
    numbers = (*csr.SUPERVISOR, Csr.TIME, Csr.MSTATUS, Csr.MSCRATCH, 0x5C0)
    for _ in range(1500):
        hart = machine()
        hart.priv = rng.choice((S, M))
        hart.time_fresh = 1
        for n in range(1, 32):
            hart.x[n] = rng.getrandbits(64)
        csrs = {}
        for n in (*csr.SUPERVISOR, *csr.MACHINE, Csr.TIME):
            if n != Csr.STIMECMP or hart.priv == M:
                csrs[int(n)] = csr_read(hart, n)
        number = rng.choice(numbers)
        funct3, source = rng.choice((1, 2, 3, 5, 6, 7)), rng.choice((0, rng.randrange(32)))
        bits = number << 20 | source << 15 | funct3 << 12 | rng.randrange(32) << 7 | 0x73
        x, pc = list(hart.x[:32]), hart.pc
        expected = csr.effect_of(bits, hart.priv, x, csrs)
        emulate(hart, bits)
        if expected is None:
            assert hart.pc != pc + 4
            continue
        assert hart.pc == pc + 4, hex(bits)
        for register, value in expected["x"].items():
            assert hart.x[register] == value
        assert list(hart.x[1:32]) == [expected["x"].get(n, x[n]) for n in range(1, 32)]
        for n, value in expected["csr"].items():
            if n in (Csr.SSCRATCH, Csr.STVAL, Csr.SCAUSE, Csr.MSCRATCH):
                assert csr_read(hart, n) == value


def cpu_of(hart: Hart) -> dict[str, int]:
    words = {name: csr_read(hart, number) for name, number in trap.WORDS.items()}
    return {"pc": hart.pc, "priv": hart.priv, **words}


def test_trap_reference_is_the_hardware() -> None:
    """What lab 2 expects of traps, returns and interrupts is what the hardware does."""
    rng = random.Random(2)
    for _ in range(1000):
        hart = machine()
        hart.priv = rng.choice((U, S))
        hart.mstatus = hart.mstatus & ~SSTATUS_WRITABLE | rng.getrandbits(64) & SSTATUS_WRITABLE
        hart.stvec, hart.sepc = rng.getrandbits(63) & ~2, rng.getrandbits(63) & ~1
        hart.mie, hart.mip = rng.getrandbits(12), rng.getrandbits(12) & S_INTERRUPTS
        hart.pc = rng.getrandbits(63) & ~1
        cpu = cpu_of(hart)
        cause = pending_interrupt(hart)
        assert trap.chosen(cpu) == cause
        if rng.random() < 0.3:
            return_from_s(hart)
            expected = trap.returned(cpu)
        else:
            cause = cause or rng.choice((Cause.ECALL_U, Cause.LOAD_PAGE, Cause.ILLEGAL))
            tval = rng.getrandbits(64)
            raise_trap(hart, cause, tval)
            expected = trap.trapped(cpu, cause, tval)
        assert trap.normal(cpu, {**cpu, **expected}) == trap.normal(cpu, cpu_of(hart))


def test_walk_reference_is_the_hardware() -> None:
    """What lab 3 expects of a walk is what the hardware's walker does, for random tables."""
    rng = random.Random(3)
    faults = 0
    for _ in range(3000):
        hart = machine()
        path, va = random_path(rng)
        for level, pte in zip((2, 1, 0), path, strict=False):
            table = RAM_BASE + (2 - level) * PAGE
            hart.memory.store(table + (va >> 12 + 9 * level & 511) * 8, 8, pte)
        hart.satp = SATP_SV39 | RAM_BASE // PAGE
        mode = {name: rng.random() < 0.5 for name in ("user", "sum", "mxr")}
        hart.priv = U if mode["user"] else S
        hart.mstatus |= SUM * mode["sum"] | MXR * mode["mxr"]
        access = rng.choice((FETCH, LOAD, STORE))
        hart.fault = 0
        leaf = walk(hart, va, access, hart.priv)
        expected = shadow.walked(path, va, shadow.NAMES[access], mode)
        if hart.fault:
            faults += 1
            assert expected is None
        else:
            gpa = leaf_address(leaf, hart.walk_level, va)
            assert expected == {"level": hart.walk_level, "pte": leaf, "gpa": gpa}
    assert 500 < faults < 2500


def random_path(rng: random.Random) -> tuple[list[int], int]:
    """Return entries of tables at the beginning of RAM, and an address that they translate."""
    va = rng.getrandbits(38)
    leaf = rng.choice((0, 0, 0, 1, 2))
    path = []
    for level in range(2, leaf, -1):
        path.append((RAM_BASE // PAGE + 3 - level) << 10 | PTE_V)
    aligned = 9 * leaf if rng.random() < 0.8 else 0
    frame = rng.getrandbits(30) >> aligned << aligned
    path.append(frame << 10 & PTE_PPN | rng.getrandbits(8) | PTE_V)
    if rng.random() < 0.2:
        path[rng.randrange(len(path))] ^= 1 << rng.choice((*range(8), 60))
        path = path[: next((n + 1 for n, p in enumerate(path) if not p & 1 or p & 14), len(path))]
    return path, va


def test_shadow_reference_is_the_monitor() -> None:
    """What lab 3 expects of a shadow entry never permits more than the guest's entry does."""
    rng = random.Random(4)
    for _ in range(2000):
        pte = rng.getrandbits(40) << 10 | rng.getrandbits(8) | PTE_V
        mode = {name: rng.random() < 0.5 for name in ("user", "sum", "mxr")}
        is_table = rng.random() < 0.3
        entry = shadow.shadowed(pte, mode, 0x12345, is_table)
        for access, bit in (("load", 2), ("store", 4), ("fetch", 8)):
            granted = shadow.allowed(pte, access, mode)
            if access == "store":
                granted = granted and bool(pte & PTE_D) and not is_table
            assert bool(entry & bit) == granted
        assert entry >> 10 == 0x12345


def test_both_drivers_read_what_is_on_the_disk() -> None:
    """The driver that lab 8 hands out reads the right data, with hundreds of exits a sector."""
    disk, requests = driver.make_disk(5), driver.make_requests(5, 4)
    served = driver.serve(driver.PIO, requests, disk)
    assert (served.ended, served.wrong) == ("exit 0", [])
    sectors = sum(count for _, count in requests)
    hot = driver.hottest(served.rows)
    assert hot["pc"] == served.labels["word"]
    assert hot["count"] == 256 * sectors


def test_uart_fifo_refuses_the_seventeenth_byte() -> None:
    """The student's device is asked whether it takes a byte, as the stock one is."""
    referee = device.Referee(SimpleNamespace(Uart=ReferenceUart))
    assert [referee.receive(n) for n in range(FIFO + 1)] == [True] * FIFO + [False]


def test_behaviour_is_the_students_for_one_run_only() -> None:
    """A prediction uses the student's behaviour and leaves the stock one in its place."""
    params = {"pages": 80, "rounds": 5, "stride": 4096}
    stock = vlab.run("memwalk", "simulate", of="native", **params)
    student = SimpleNamespace(
        misses=lambda *_: 1234, operations=lambda params, misses: [("miss", misses)]
    )
    predicted = model.predicted(student, params, {}).counters.tlb_misses
    assert predicted == pytest.approx(1234, rel=0.002) != stock.counters.tlb_misses
    assert vlab.run("memwalk", "simulate", of="native", **params).counters == stock.counters


def test_a_difference_is_named() -> None:
    """A wrong answer says what was expected, what was seen, and where to look."""
    with pytest.raises(WrongAnswer) as caught:
        agree("sret", {"pc": 0x100, "priv": 1}, {"pc": 0x100, "priv": 0}, "return_from_trap")
    assert caught.value.expected == "'priv': 1"
    assert caught.value.seen == "'priv': 0"
    assert caught.value.where == "return_from_trap"


@pytest.mark.parametrize("policy", [overcommit.Fifo, overcommit.Clock])
def test_a_guest_computes_the_same_on_few_frames(policy: type) -> None:
    """Pages are really moved out and back: whatever goes, the guest's results stay."""
    for frames in (overcommit.FEWEST, 70):
        paged = overcommit.run(policy, "forktree", frames, depth=2)
        pager = paged.result.machine.mode.pager
        assert len(pager.place) <= frames
        assert not set(pager.place) & set(pager.swap)
        unused = set(pager.free) | set(pager.place.values())
        assert len(unused) <= frames
    assert paged.swapped_in > 9


@pytest.mark.parametrize(
    ("loop", "blamed"),
    [
        ("li t0, 0x10000000\n1: lbu t1, 5(t0)\n j 1b", "for the device register at 0x10000005"),
        ("1: csrr t1, mstatus\n j 1b", "(csr)"),
    ],
    ids=["a register", "a CSR"],
)
def test_a_driver_that_waits_in_vain_is_told_where(loop: str, blamed: str) -> None:
    """Exits without end stop soon, and the instruction that makes them is named."""
    with pytest.raises(WrongAnswer) as caught:
        driver.serve(f"read_sectors: {loop}\n", [(0, 1)], driver.make_disk(1))
    assert blamed in caught.value.seen
    assert caught.value.where == "DRIVER: read_sectors"


def test_texts_that_define_nothing_are_told_so() -> None:
    """A missing label is told without a line that is not there; what is no text is refused."""
    disk = driver.make_disk(1)
    with pytest.raises(WrongAnswer, match=r"in the program that calls it: .*'read_sectors'"):
        driver.serve("nop\n", [(0, 1)], disk)
    with pytest.raises(WrongAnswer, match=r"in the program that calls it: .*'queue_update'"):
        hypercall.run_guest_half("flush_updates: ret\n", 4, [(0, False)])
    with pytest.raises(WrongAnswer, match="a text in assembly language, seen 7"):
        driver.serve(7, [(0, 1)], disk)  # type: ignore[arg-type]
    with pytest.raises(WrongAnswer, match="a text in assembly language, seen None"):
        hypercall.run_guest_half(None, 4, [(0, False)])  # type: ignore[arg-type]
