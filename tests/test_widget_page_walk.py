"""The page-walk explorer agrees with the machine, number for number."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from jupyter_browser import OpenNotebook

import vlab
from vlab.widgets import PageWalkExplorer
from vlab.widgets.walk_text import exit_reason

MEMORY_ACCESS = re.compile(r"(?:c\.)?([ls])[bhwd]u?(?:sp)? +\w+, ?(-?\w+)\((\w+)\)")


def open_explorer(workload: str = "memwalk", mode: str = "fullvirt", **options) -> PageWalkExplorer:
    """Return an explorer at its first stop."""
    explorer = PageWalkExplorer(workload, mode, **options)
    assert explorer.wait(30)
    assert explorer.status["error"] == ""
    return explorer


def asked(explorer: PageWalkExplorer, do: str, **fields) -> dict:
    """Ask as the page does, and return the view that it then displays."""
    explorer.ask(do, **fields)
    assert explorer.wait(30)
    return explorer.view


def data_access(session: vlab.Session) -> tuple[int, str] | None:
    """Return address and kind of the load or store about to be executed, if it is a plain one."""
    line = next(line for line in session.disassemble(before=0, after=0) if line.current)
    match = MEMORY_ACCESS.match(line.text)
    if match is None:
        return None
    kind, offset, base = match.groups()
    va = session.registers[base] + int(offset, 0) & (1 << 64) - 1
    return va, "load" if kind == "l" else "store"


@pytest.mark.parametrize(("workload", "mode"), [
    ("pagefault", "native"), ("pagefault", "fullvirt"), ("ptemod", "fullvirt"),
    ("pagefault", "paravirt"),
])  # fmt: skip
def test_a_walk_shows_the_references_that_are_counted(workload: str, mode: str) -> None:
    """References shown for an access that misses the TLB are those the hardware then counts,
    and the exit foretold is the exit that comes."""
    session = vlab.session(workload, mode=mode, set={"tlb_entries": 8, "tlb_ways": 2})
    session.until(mark=1)
    misses, exits = 0, set()
    for _ in range(4000):
        access = data_access(session)
        walks = [session.walk(session.pc, "fetch")] + ([session.walk(*access)] if access else [])
        missing = [walk for walk in walks if not walk.in_tlb]
        before = session.counters
        foretold = [reason for walk in walks if (reason := exit_reason(session, walk))]
        shown = sum(len((walk.shadow or walk.guest).references) for walk in missing)
        faults = any((walk.shadow or walk.guest).fault for walk in walks)
        session.step()
        counted = session.counters - before
        if faults:  # what the hardware did before the exit, and again after it, is one step
            exits.update(foretold[:1])
            if mode == "fullvirt":
                assert counted.exits_by_reason[foretold[0]] == 1
            continue
        if missing and counted.tlb_misses == len(missing):
            misses += 1
            assert counted.walk_references == shown
    assert misses
    if mode == "fullvirt":
        assert exits >= {"pagefault": {"page_fault"}, "ptemod": {"pt_write"}}[workload]


FIRST_WRITE = """
    la t0, root
    li t1, 0x200000cf       # 1 GiB at 0x80000000, at its own address: A and D set
    sd t1, 16(t0)
    li t1, 0x20000047       # the same at 0xc0000000, not written yet: D clear
    sd t1, 24(t0)
    srli t0, t0, 12
    li t1, 8
    slli t1, t1, 60
    or t0, t0, t1
    csrw satp, t0
    sfence.vma
    li t2, 0xc0e00000
    ld t3, 0(t2)
    sd t3, 0(t2)
    li t2, 0xd0000000       # behind the end of memory
    ld t3, 0(t2)
    .data
    .balign 4096
root: .space 4096
"""


def test_the_first_write_to_a_page_is_foretold() -> None:
    """A page that was read and not yet written: the store exits as `dirty`, as foretold."""
    session = vlab.guest_cell(FIRST_WRITE, "fullvirt").session("fullvirt")
    session.until(symbol="cell")
    foretold = []
    while session.symbol().split("+")[0] == "cell":
        access = data_access(session)
        walks = [session.walk(session.pc, "fetch")] + ([session.walk(*access)] if access else [])
        reasons = [reason for walk in walks if (reason := exit_reason(session, walk))]
        before = session.counters
        session.step()
        exits = (session.counters - before).exits_by_reason
        assert all(exits[reason] for reason in reasons)
        foretold += reasons
    assert foretold.count("dirty") == 1
    assert foretold.count("mmio") == 1
    assert foretold.count("shadow_fill") >= 2


@pytest.mark.parametrize("mode", ["native", "fullvirt", "paravirt"])
def test_the_tlb_experiment_counts_what_a_run_counts(mode: str) -> None:
    """A row of the experiment is the counters of `vlab.run` with the same TLB."""
    explorer = open_explorer(mode=mode, pages=64, rounds=10)
    asked(explorer, "measure", entries=32, ways=2)
    view = asked(explorer, "measure", entries=128, ways=4)
    for row, (entries, ways) in zip(view["runs"], [(32, 2), (128, 4)], strict=True):
        options = {"tlb_entries": entries, "tlb_ways": ways}
        counters = vlab.run("memwalk", mode, set=options, pages=64, rounds=10).counters
        assert row["accesses"] == counters.tlb_accesses
        assert row["hits"] == counters.tlb_hits
        assert row["misses"] == counters.tlb_misses
        assert row["references"] == counters.walk_references
    assert view["runs"][0]["misses"] > view["runs"][1]["misses"]
    explorer.close()


def test_looking_changes_nothing() -> None:
    """Walking any address leaves the run as it would have been."""
    explorer = open_explorer(rounds=5)
    before = explorer.session.counters
    for address in ("pc", "sp", "0", "0x120000000", "0xffffffffffffffff", "0x8000000000"):
        asked(explorer, "walk", address=address, access="store")
    assert explorer.session.counters == before
    explorer.session.run()
    assert explorer.session.result().counters == vlab.run("memwalk", "fullvirt", rounds=5).counters
    explorer.close()


def test_faults_are_explained() -> None:
    """An address that is not mapped, and one that cannot exist, say why."""
    explorer = open_explorer()
    view = asked(explorer, "walk", address="0x200000000", access="load")
    assert "not valid" in view["outcome"]
    assert "page_fault" in view["outcome"]
    view = asked(explorer, "walk", address="0x8000000000", access="load")
    assert "sign-extended" in view["outcome"]
    asked(explorer, "walk", address="here", access="load")
    assert explorer.status["error"].startswith("'here': not an address; write a number")
    asked(explorer, "walk", address="sp", access="look")
    assert "unknown access" in explorer.status["error"]
    asked(explorer, "measure", entries=3, ways=1)
    assert "power of two" in explorer.status["error"]
    explorer.close()


def test_regions_are_what_is_mapped() -> None:
    """Every page of a region is reached by a walk, and the pages between regions are not."""
    explorer = open_explorer()
    session = explorer.session
    regions = session.regions()
    assert len(regions) > 3
    for region in regions:
        for va in (region.start, region.end - 1):
            assert session.walk(va).guest.references[-1].pte & 1
    for before, after in pairwise(regions):
        if before.end < after.start:
            assert not session.walk(before.end).guest.references[-1].pte & 1
    assert session.regions("shadow")
    explorer.close()


def test_a_session_of_ones_own_is_shown_where_it_stands() -> None:
    """Given a session, the explorer begins where it was stopped."""
    session = vlab.session("hello", mode="native")
    session.until(symbol="kmain")
    explorer = PageWalkExplorer(session)
    assert explorer.wait(10)
    assert explorer.view["where"]["symbol"] == "kmain"
    assert explorer.session is session
    explorer.close()
    with pytest.raises(vlab.VlabError, match="mode"):
        PageWalkExplorer(session, mode="native")
    with pytest.raises(vlab.VlabError, match="expected a workload"):
        PageWalkExplorer(3)


@pytest.mark.slow
def test_in_the_browser(notebook: OpenNotebook) -> None:
    """By keyboard alone addresses are walked and the TLB changed; the numbers are the machine's."""
    notebook.open(
        "import vlab\nw = vlab.widgets.PageWalkExplorer('memwalk', mode='fullvirt')\nw"
    ).run()
    page = notebook.widget("PageWalkExplorer")
    assert len(page.texts(".pw-guest tbody tr")) == 4
    page.check_reachable()
    assert len(page.texts(".pw-shadow tbody tr")) == 4
    notebook.screenshot("page-walk", page)

    field = page.root.get_by_label("Virtual address")
    began = time.perf_counter()
    with page.change():
        page.by_keyboard(field, "Control+A", *"0x200000000", "Enter")
    print(f"a walk took {1000 * (time.perf_counter() - began):.0f} ms")
    assert "cause 13" in page.text(".pw-guest .pw-fault")
    assert "VM exit: page_fault" in page.text(".pw-outcome")
    notebook.screenshot("page-walk-fault", page)

    with page.change():
        page.by_keyboard(page.root.locator(".pw-region").nth(4), "Enter")
    assert "0x120000000" in page.text(".pw-outcome")
    with page.change():
        page.by_keyboard(page.root.get_by_role("button", name="Run", exact=False).first, "Enter")
    assert "page_fault" in page.text(".pw-where") or "finished" in page.text(".pw-where")

    for entries in ("16", "512"):
        page.by_keyboard(page.root.get_by_label("entries"), *entries)
        began = time.perf_counter()
        with page.change():
            page.by_keyboard(page.root.get_by_role("button", name="Run and count"), "Space")
        print(f"a rerun took {1000 * (time.perf_counter() - began):.0f} ms")
    rows = page.root.locator(".pw-runs tbody tr")
    for nth, entries in enumerate((16, 512)):
        counters = vlab.run("memwalk", "fullvirt", set={"tlb_entries": entries}).counters
        for key, value in (
            ("misses", counters.tlb_misses),
            ("references", counters.walk_references),
        ):
            shown = rows.nth(nth).locator(f"[data-count={key}]").inner_text()
            assert int(shown.replace(",", "")) == value
    notebook.screenshot("page-walk-tlb", page)
    assert page.error == ""
    notebook.check()
