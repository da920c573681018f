"""The modes run the same guest to the same end; the shapes that the literature knows come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vlab
from vlab.exits import ExitReason
from vlab.experiments.catalogue import workloads

EXECUTING = ("native", "emulate", "fullvirt", "paravirt")
SMALL: dict[str, dict[str, int]] = {
    "compute": {"n": 20},
    "syscall": {"n": 50},
    "ctxswitch": {"n": 10},
    "pagefault": {"pages": 30},
    "ptemod": {"rounds": 2, "pages": 4},
    "memwalk": {"pages": 70, "rounds": 3},
    "forktree": {"depth": 2},
    "diskpio": {"n": 4},
    "diskvirtio": {"n": 8},
    "console": {"n": 5},
    "timer": {"n": 3},
}


def run(workload: str, mode: str, **params: Any) -> vlab.Result:
    """Run a workload and see it finish."""
    result = vlab.run(workload, mode=mode, **params)
    assert (result.outcome, result.exit_code) == ("finished", 0), result.crash
    return result


@pytest.mark.parametrize("workload", sorted(workloads()))
def test_every_executing_mode_prints_the_same(workload: str) -> None:
    """Console output and checksum do not depend on the mode, under either clock."""
    small = SMALL.get(workload, {})
    results = [run(workload, mode, **small) for mode in EXECUTING]
    results += [run(workload, mode, clock="retired", **small) for mode in EXECUTING]
    consoles = {result.console for result in results}
    assert len(consoles) == 1
    assert f"{workload} checksum=" in consoles.pop()


def test_full_virtualization_runs_the_unmodified_image() -> None:
    """``native``, ``emulate`` and ``fullvirt`` run one image; ``paravirt`` runs the ported one."""
    image = {mode: run("hello", mode).image_sha256 for mode in EXECUTING}
    assert image["native"] == image["emulate"] == image["fullvirt"]
    assert image["paravirt"] != image["native"]


@pytest.mark.parametrize("mode", EXECUTING)
def test_the_same_run_gives_the_same_counts(mode: str) -> None:
    """Two runs of a mode agree in every counter and every cycle."""
    a, b = (run("mixed", mode) for _ in range(2))
    assert a.counters_total == b.counters_total
    assert a.cycles_total == b.cycles_total


def test_innocuous_instructions_cost_no_exits() -> None:
    """``compute`` under fullvirt is within 1 % of native in modelled cycles (efficiency)."""
    native, full = (run("compute", mode) for mode in ("native", "fullvirt"))
    assert full.counters.exits < 50
    assert full.cycles.total < 1.01 * native.cycles.total


def shadow_paging(result: vlab.Result) -> float:
    """Return the exits that shadow paging alone causes, per thousand instructions."""
    reasons = result.counters.exits_by_reason
    caused = sum(reasons[name] for name in ("shadow_fill", "dirty", "pt_write", "fence"))
    switches = result.counters.shadow_switches - 2 * result.counters.traps
    return 1000 * (caused + max(0, switches)) / result.counters.retired


def test_page_table_churn_and_context_switches_are_the_worst_of_shadow_paging() -> None:
    """``ptemod`` makes more shadow-paging exits than any workload that leaves its tables alone.

    ``ctxswitch`` comes out the worst of those that change no mapping: each switch of address
    space is one of shadows.
    """
    rate = {name: shadow_paging(run(name, "fullvirt")) for name in workloads()}
    still = ("hello", "compute", "syscall", "memwalk", "diskvirtio", "console", "timer")
    assert all(rate["ptemod"] > rate[name] for name in (*still, "mixed"))
    assert all(rate["ctxswitch"] > rate[name] for name in still if name != "hello")


def test_batching_divides_exits_by_the_size_of_the_batch() -> None:
    """n page-table updates in batches of b need n/b hypercalls."""
    calls = {
        batch: run("ptemod", "paravirt", populate=1, set={"batch": batch}).counters
        for batch in (1, 4, 16)
    }
    updates = {batch: c.mmu_updates for batch, c in calls.items()}
    assert len(set(updates.values())) == 1
    one = calls[1].hypercalls_by_name["mmu_update"]
    assert one >= updates[1]
    for batch in (4, 16):
        assert calls[batch].hypercalls_by_name["mmu_update"] == pytest.approx(one / batch, rel=0.02)


def test_a_pio_disk_exits_for_every_word() -> None:
    """A sector by PIO needs at least 256 exits for its data under full virtualization."""
    few, many = (run("diskpio", "fullvirt", n=n) for n in (4, 12))
    accesses = [r.counters.mmio_by_device["ata"] for r in (few, many)]
    assert accesses[1] - accesses[0] >= 8 * 256
    assert few.counters.exits_by_reason["mmio"] >= 4 * 256


class Doorbells(vlab.FullVirt):
    """Counts stores to the virtio disk's QueueNotify register."""

    rung = 0

    def on_emulated_exit(self) -> None:
        notifies = self.vcpu.exit_reason == ExitReason.MMIO_WRITE
        if notifies and self.vcpu.exit_addr == 0x1000_1050:
            Doorbells.rung += 1
        super().on_emulated_exit()


def test_a_virtio_disk_needs_one_doorbell_and_one_interrupt_a_request() -> None:
    """At queue depth 1 a request costs one doorbell and one interrupt."""
    rung, interrupts = [], []
    for n in (8, 24):
        Doorbells.rung = 0
        result = run("diskvirtio", "fullvirt", n=n, monitor=Doorbells)
        rung.append(Doorbells.rung)
        interrupts.append(result.counters_total.interrupts_by_source["external"])
    assert rung[1] - rung[0] == 16
    assert interrupts[1] - interrupts[0] == 16


def test_paravirtual_disks_need_one_doorbell_a_request() -> None:
    """Both disks behind a ring cost one notification a request: the device no longer matters."""
    for workload in ("diskpio", "diskvirtio"):
        few, many = (run(workload, "paravirt", n=n).counters for n in (8, 24))
        assert many.hypercalls_by_name["notify"] - few.hypercalls_by_name["notify"] == 16
        assert many.ring_requests - few.ring_requests == 16


def test_nobody_sleeps_through_an_interrupt_that_is_pending() -> None:
    """A disk that finishes while the guest goes to sleep wakes it at once, not at the next tick."""
    result = run("diskpio", "fullvirt", n=40, chunk=8, write=1)
    assert result.counters.idle_cycles == 0


@pytest.mark.parametrize("asid_bits", [0, 1, 2])
@pytest.mark.parametrize("mode", EXECUTING)
def test_few_address_space_tags_suffice(mode: str, asid_bits: int) -> None:
    """With no tags in the TLB, or fewer than address spaces, everything prints the same."""
    result = run("forktree", mode, depth=2, set={"asid_bits": asid_bits})
    assert result.console == run("forktree", mode, depth=2).console


@pytest.mark.parametrize("mode", ["native", "emulate", "fullvirt"])
def test_a_guest_that_only_traps_has_crashed(mode: str, tmp_path: Path) -> None:
    """A trap vector that traps retires nothing: the run ends, with a result that says so."""
    image = tmp_path / "nowhere.bin"
    image.write_bytes(b"\xff" * 4096)
    result = vlab.boot(image, mode=mode)
    assert result.outcome == "crashed"
    assert "endless trap" in result.crash


@pytest.mark.parametrize("mode", EXECUTING)
@pytest.mark.parametrize("workload", ["ptemod", "timer", "diskvirtio", "mixed"])
def test_the_clock_shows_the_priced_cycles(workload: str, mode: str) -> None:
    """The time that the guest saw at its end is the total that its counters are priced at."""
    session = vlab.session(workload, mode, **SMALL.get(workload, {}))
    assert session.run().reason == "finished"
    assert session.guest.machine.now() == session.cycles.total
