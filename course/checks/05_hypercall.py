"""Checks of lab 5: page-table updates in batches, in the guest and in the monitor."""

import random
import struct

from vlab.grading import check
from vlab.labs import hypercall
from vlab.labs.answers import WrongAnswer, agree
from vlab.labs.booting import boot


def array(rng, count):
    return struct.pack(f"<{2 * count}Q", *(rng.getrandbits(63) for _ in range(2 * count)))


def run_guest(solution, batch, changes):
    """Run the guest's half, and see that each page has become what it should last."""
    ran = hypercall.run_guest_half(solution.GUEST, batch, changes)
    situation = f"{len(changes)} updates, BATCH = {batch}"
    agree(situation, "exit 0", ran.ended, "GUEST")
    last = dict(changes)
    wrong = {page for page in last if ran.writable[page] != last[page]}
    if wrong:
        page = min(wrong)
        position = max(n for n, (p, _) in enumerate(changes) if p == page)
        raise WrongAnswer(
            f"{situation}, hypercalls of {ran.batches} updates",
            f"update {position} to make page {page} {'writable' if last[page] else 'read-only'}",
            f"{len(wrong)} pages that are not as their last update says",
            "GUEST: queue_update",
        )
    return ran


def batched(solution, batch, count):
    ran = run_guest(solution, batch, [(n, False) for n in range(count)])
    expected = [batch] * (count // batch) + [count % batch] * (count % batch > 0)
    situation = f"{count} updates, BATCH = {batch}: updates in each hypercall"
    agree(situation, expected, ran.batches, "GUEST: queue_update")


@check("monitor: what is to be read", points=10, where="to_read")
def to_read(solution):
    for count in (0, 1, 3, 32, 2047, 2048, 2049, 1 << 40):
        hypercall.ask_read(solution, 0x8020_0000 + 64 * (count & 3), count)


@check("monitor: the updates in the array", points=10, where="updates")
def updates(solution):
    pairs = [(0x8030_0000, 0x2000_00CF), (0x8030_0008, 0), ((1 << 64) - 8, (1 << 63) | 1)]
    for count in range(4):
        hypercall.ask_updates(solution, hypercall.UPDATE.pack(*pairs[0]) * count)
    hypercall.ask_updates(solution, b"".join(hypercall.UPDATE.pack(*pair) for pair in pairs))


@check("monitor: the answer", points=10, where="answer")
def answers(solution):
    for count, done, error in ((1, 1, 0), (32, 32, 0), (0, 0, 0), (5, 2, -22), (5, 0, -16)):
        hypercall.ask_answer(solution, count, done, error)


@check("monitor: any call", points=5, hidden=True, where="updates")
def any_call(solution):
    rng = random.Random(51)
    for _ in range(100):
        count = rng.choice((rng.randrange(40), rng.randrange(2000, 2100)))
        hypercall.ask_read(solution, rng.getrandbits(40), count)
        hypercall.ask_updates(solution, array(rng, rng.randrange(20)))
        done = rng.randrange(count + 1)
        hypercall.ask_answer(solution, count, done, 0 if done == count else -rng.randrange(1, 40))


@check("monitor: boots the kernel", points=10, where="updates")
def boots(solution):
    boot(hypercall, solution, "hello", where="updates")


@check("guest: every update arrives", points=10, where="GUEST")
def arrives(solution):
    run_guest(solution, 4, [(0, False)])
    run_guest(solution, 4, [(n, False) for n in range(10)])


@check("guest: one hypercall a batch", points=10, where="GUEST")
def batches(solution):
    batched(solution, 4, 8)
    batched(solution, 4, 10)
    batched(solution, 16, 3)


@check("guest: order", points=5, where="GUEST")
def order(solution):
    run_guest(solution, 8, [(0, False), (1, False), (0, True), (1, True), (1, False)])


@check("guest: other sizes", points=10, hidden=True, where="GUEST")
def other_sizes(solution):
    rng = random.Random(52)
    for batch, count in ((1, 3), (7, 50), (32, 64), (64, 63), (5, 0)):
        batched(solution, batch, count)
        changes = [(rng.randrange(6), rng.random() < 0.5) for _ in range(count)]
        run_guest(solution, batch, changes)


@check("monitor: other machines", points=10, hidden=True, where="updates")
def boots_elsewhere(solution):
    small = {"memory": "16M", "tlb_entries": 16, "tlb_ways": 2, "batch": 7}
    boot(hypercall, solution, "ptemod", where="updates", set=small, rounds=2, populate=1)
    boot(hypercall, solution, "forktree", where="updates", set={"batch": 200}, seed=3, depth=2)
