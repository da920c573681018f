"""Checks of lab 9: which page must go when the host has too few frames."""

import random

from vlab.grading import check
from vlab.labs import overcommit
from vlab.labs.answers import WrongAnswer, agree

FEWER = 0.9
"""Pages that may be brought in, as a part of what FIFO brings in."""


def told(name, solution, *calls):
    policy, reference = getattr(solution, name), getattr(overcommit, name)
    referee = overcommit.Referee(policy, reference, name)
    for method, argument in calls:
        referee.tell(method, argument)


def any_story(name, solution, seed):
    rng = random.Random(seed)
    for _ in range(10):
        policy, reference = getattr(solution, name), getattr(overcommit, name)
        referee = overcommit.Referee(policy, reference, name)
        there = []
        for page in rng.sample(range(100), 40):
            if len(there) == 8:
                may_go = sorted(rng.sample(there, rng.randint(1, 8)))
                there.remove(referee.tell("victim", may_go)["page"])
            referee.tell("arrived", page)
            there.append(page)
            for used in rng.sample(there, rng.randrange(4) if len(there) > 4 else 0):
                referee.tell("touched", used)


def machine(solution, name, workload, frames, **options):
    """Run a policy and the reference of that name; the numbers must agree."""
    policy, reference = getattr(solution, name), getattr(overcommit, name)
    seen = overcommit.run(policy, workload, frames, **options)
    expected = overcommit.run(reference, workload, frames, **options)
    situation = f"{workload} with {frames} frames, pages brought in"
    agree(situation, expected.swapped_in, seen.swapped_in, f"{name}.victim")


def better(solution, workload, frames, **options):
    seen = overcommit.run(solution.Policy, workload, frames, **options).swapped_in
    fifo = overcommit.run(overcommit.Fifo, workload, frames, **options).swapped_in
    if seen > FEWER * fifo:
        raise WrongAnswer(
            f"{workload} with {frames} frames, pages brought in",
            f"at most {int(FEWER * fifo)}, a tenth less than FIFO's {fifo}",
            str(seen),
            "Policy",
        )


ARRIVALS = [("arrived", page) for page in (7, 3, 9, 5)]


@check("fifo: first come, first go", points=15, where="Fifo.victim")
def fifo(solution):
    told("Fifo", solution, *ARRIVALS, ("victim", [3, 5, 7, 9]), ("victim", [3, 5, 9]))
    told("Fifo", solution, *ARRIVALS, ("touched", 7), ("victim", [3, 5, 7, 9]))
    told("Fifo", solution, *ARRIVALS, ("victim", [3, 5, 9]), ("victim", [5, 7, 9]))
    again = [("victim", [3, 5, 7, 9]), ("arrived", 7), ("victim", [3, 5, 7, 9])]
    told("Fifo", solution, *ARRIVALS, *again)


@check("fifo: any story", points=10, hidden=True, where="Fifo.victim")
def any_fifo(solution):
    any_story("Fifo", solution, 91)


@check("fifo: runs the machine", points=10, where="Fifo")
def fifo_machine(solution):
    machine(solution, "Fifo", "forktree", 64, depth=2)


@check("clock: a second chance", points=15, where="Clock.victim")
def clock(solution):
    everything = ("victim", [3, 5, 7, 9])
    told("Clock", solution, *ARRIVALS, everything)
    told("Clock", solution, *ARRIVALS, everything, ("victim", [3, 5, 9]))
    told("Clock", solution, *ARRIVALS, everything, ("touched", 3), ("victim", [3, 5, 9]))
    told("Clock", solution, *ARRIVALS, ("victim", [5, 9]), ("victim", [3, 7, 9]))
    used = [("touched", 3), ("touched", 9), ("arrived", 4), ("victim", [3, 4, 5, 9])]
    told("Clock", solution, *ARRIVALS, everything, *used, ("victim", [3, 4, 9]))


@check("clock: any story", points=15, hidden=True, where="Clock.victim")
def any_clock(solution):
    any_story("Clock", solution, 92)
    machine(solution, "Clock", "forktree", 60, depth=2, seed=2)


@check("policy: better than first come, first go", points=10, where="Policy")
def policy(solution):
    better(solution, "forktree", 64, depth=2)


@check("policy: better on other machines", points=15, hidden=True, where="Policy")
def policy_elsewhere(solution):
    better(solution, "memwalk", 96, pages=60, rounds=6, stride=1024)
    better(solution, "pagefault", 64, pages=200, set={"memory": "32M"})
