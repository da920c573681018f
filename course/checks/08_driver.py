"""Checks of lab 8: an exit storm is found, and a driver written that does without."""

import random

from vlab.grading import check
from vlab.labs import driver
from vlab.labs.answers import WrongAnswer, agree

EXITS = 3
"""Exits a request that a driver of a queue may make: one doorbell, and what is touched first."""


def diagnosed(solution, rows):
    said = f"a trace of {len(rows)} exits, {len({row['pc'] for row in rows})} instructions"
    agree(said, driver.hottest(rows), solution.diagnose(rows), "diagnose")


def served(solution, requests, disk_seed, pages=64):
    disk = driver.make_disk(disk_seed)
    result = driver.serve(solution.DRIVER, requests, disk, pages)
    situation = f"{len(requests)} requests (first sector, sectors): {requests[:3]}"
    if result.ended != "exit 0":
        hint = " (an endless loop: what does the driver wait for?)" * (result.ended == "limit")
        raise WrongAnswer(situation, "the program to end", result.ended + hint, "DRIVER")
    if result.wrong:
        first = result.wrong[0]
        raise WrongAnswer(
            f"{situation}, request {first} for {requests[first]}",
            "the data that are on the disk",
            f"other data, in {len(result.wrong)} of {len(requests)} requests",
            "DRIVER: read_sectors",
        )
    if result.trampled:
        raise WrongAnswer(
            situation,
            "nothing to be written behind the array of the available ring",
            "other memory overwritten there: is the slot taken modulo QUEUE_SIZE?",
            "DRIVER: read_sectors",
        )
    return result


def few_exits(solution, requests, disk_seed):
    result = served(solution, requests, disk_seed)
    limit = EXITS * len(requests) + 4
    if result.exits > limit:
        raise WrongAnswer(
            f"{len(requests)} requests",
            f"at most {limit} exits",
            f"{result.exits}, {driver.blamed(result.rows)}",
            "DRIVER: read_sectors",
        )


@check("diagnose: the storm", points=10, where="diagnose")
def storm(solution):
    result = driver.serve(driver.PIO, [(0, 2), (10, 1)], driver.make_disk(1))
    diagnosed(solution, result.rows)


@check("diagnose: other storms", points=10, hidden=True, where="diagnose")
def other_storms(solution):
    rng = random.Random(81)
    for _ in range(10):
        places = [(rng.getrandbits(31), 0x1000_0000 + rng.getrandbits(14)) for _ in range(5)]
        rows = []
        for n, (pc, address) in enumerate(places):
            rows += [{"pc": pc, "reason": "mmio", "address": address}] * (3 + 5 * n)
        other = rng.choice(("shadow_fill", "csr", "interrupt"))
        rows += [{"pc": rng.getrandbits(31), "reason": other, "address": None}] * 60
        rng.shuffle(rows)
        diagnosed(solution, rows)


@check("driver: one request", points=15, where="DRIVER")
def one(solution):
    served(solution, [(0, 1)], 2)
    served(solution, [(17, 1)], 2)


@check("driver: many requests", points=15, where="DRIVER")
def many(solution):
    served(solution, [(3, 2), (40, 8), (5, 1), (6, 3), (100, 4), (0, 1)], 3)


@check("driver: few exits", points=15, where="DRIVER")
def quiet(solution):
    few_exits(solution, [(3, 2), (40, 8), (5, 1), (6, 3)], 4)


@check("driver: other disks", points=15, hidden=True, where="DRIVER")
def other_disks(solution):
    served(solution, driver.make_requests(82, 25), 83, pages=96)
    served(solution, [(255, 1), (248, 8), (255, 1)], 84, pages=48)


@check("driver: few exits whatever is asked", points=10, hidden=True, where="DRIVER")
def always_quiet(solution):
    few_exits(solution, driver.make_requests(85, 40), 86)
