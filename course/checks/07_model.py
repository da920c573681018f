"""Checks of lab 7: a behaviour model of a program, held against the program."""

import random

from vlab.grading import check
from vlab.labs import model
from vlab.labs.answers import WrongAnswer, agree
from vlab.simulation.tlb import Tlb

SMALL = {"tlb_entries": 16, "tlb_ways": 4}
RUNS = (
    ({"pages": 32, "rounds": 20, "stride": 1024}, {}),
    ({"pages": 200, "rounds": 10, "stride": 4096}, {}),
    ({"pages": 64, "rounds": 10, "stride": 512, "random": 1}, SMALL),
)
UNSEEN = (
    ({"pages": 96, "rounds": 20, "stride": 1024}, {"tlb_entries": 32, "tlb_ways": 1}),
    ({"pages": 60, "rounds": 12, "stride": 2048}, {"tlb_entries": 16, "tlb_ways": 16}),
    ({"pages": 80, "rounds": 10, "stride": 4096, "random": 1}, {"tlb_entries": 8, "tlb_ways": 2}),
    ({"pages": 150, "rounds": 9, "stride": 512}, {"tlb_entries": 32, "tlb_ways": 2}),
)


def within(situation, percent, predicted, measured, where):
    error = model.error(predicted, measured)
    if error > percent:
        expected = f"{measured:,} within {percent} %, as measured"
        raise WrongAnswer(situation, expected, f"{predicted:,}, {error:.1f} % off", where)


def misses_within(solution, percent, runs):
    for params, geometry in runs:
        predicted = model.ask_misses(solution, params, geometry)
        measured = model.measured(params, geometry).counters.tlb_misses
        situation = model.said(params, {**model.GEOMETRY, **geometry})
        hint = model.hint(params, geometry, predicted)
        within(situation + hint, percent, predicted, measured, "misses")


def same_hits(solution, entries, ways, pages):
    tlb, reference = solution.Tlb(entries, ways), Tlb(entries, ways)
    for n, page in enumerate(pages):
        hit = tlb.access(page)
        before = ", ".join(map(str, pages[max(0, n - 8) : n])) or "nothing"
        situation = f"TLB of {entries} entries in {ways} ways, page {page} after {before}: a hit?"
        agree(situation, not reference.access(page), hit, "Tlb.access")


@check("a first guess", points=10, where="first_misses")
def first_guess(solution):
    for pages, rounds, entries in ((10, 5, 64), (64, 5, 64), (65, 5, 64), (200, 10, 16)):
        expected = pages * rounds if pages > entries else 0
        situation = f"{pages} pages, {rounds} rounds, {entries} entries"
        answer = solution.first_misses(pages, rounds, entries)
        agree(situation, expected, answer, "first_misses")


@check("a TLB: sets, ways, and who goes first", points=10, where="Tlb.access")
def tlb(solution):
    same_hits(solution, 4, 4, [1, 2, 3, 4, 1, 5, 1, 2])
    same_hits(solution, 4, 1, [0, 4, 0, 1, 1, 5, 2, 6, 2])
    same_hits(solution, 8, 2, [0, 4, 8, 0, 4, 8, 1, 5, 1, 9, 5])


@check("a TLB of any geometry", points=10, hidden=True, where="Tlb.access")
def any_tlb(solution):
    rng = random.Random(71)
    for _ in range(8):
        ways = 1 << rng.randrange(4)
        entries = ways << rng.randrange(4)
        pages = [rng.randrange(2 * entries + 2) for _ in range(60)]
        same_hits(solution, entries, ways, pages)


@check("misses within 25 %", points=10, where="misses")
def roughly(solution):
    misses_within(solution, 25, RUNS)


@check("misses within 3 %", points=10, where="misses")
def closely(solution):
    misses_within(solution, 3, RUNS)


@check("misses of other machines within 3 %", points=15, hidden=True, where="misses")
def elsewhere(solution):
    misses_within(solution, 3, UNSEEN)


@check("operations: instructions within 1 %", points=10, where="operations")
def instructions(solution):
    for params, geometry in RUNS:
        predicted = model.predicted(solution, params, geometry).counters.retired
        measured = model.measured(params, geometry).counters.retired
        situation = model.said(params, {**model.GEOMETRY, **geometry})
        within(f"{situation}: instructions", 1, predicted, measured, "operations")


def cycles_within(solution, percent, runs, modes):
    for params, geometry in runs:
        for mode in modes:
            predicted = model.predicted(solution, params, geometry, mode)
            measured = model.measured(params, geometry, mode)
            one, other = predicted.counters, measured.counters
            situation = (
                f"{model.said(params, {**model.GEOMETRY, **geometry})}, {mode}: cycles, with "
                f"{one.retired:,} of {other.retired:,} instructions and "
                f"{one.tlb_misses:,} of {other.tlb_misses:,} TLB misses"
            )
            within(situation, percent, predicted.cycles.total, measured.cycles.total, "operations")


@check("cycles of native within 2 %", points=5, where="operations")
def native(solution):
    cycles_within(solution, 2, RUNS, ["native"])


@check("cycles of other modes within 3 %", points=10, hidden=True, where="operations")
def other_modes(solution):
    cycles_within(solution, 3, UNSEEN[:3], ["fullvirt", "paravirt", "emulate"])
