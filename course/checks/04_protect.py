"""Checks of lab 4: page tables are write-protected, and writes to them handled."""

import random

from vlab.grading import check
from vlab.labs import protect
from vlab.labs.booting import boot

ROOT, MIDDLE, LEAF, OTHER = 0x80100, 0x80101, 0x80102, 0x80200
BASE = 0x4000_0000


def told(solution, *calls):
    """Tell the student's object and the reference the same story, and compare the answers."""
    referee = protect.Referee(solution)
    for method, *arguments in calls:
        referee.tell(method, *arguments)
    return referee


def walk(space=ROOT, base=BASE):
    return (
        ("table", space, space, 2, 0),
        ("table", space, MIDDLE, 1, base),
        ("table", space, LEAF, 0, base),
    )


@check("a table is protected", points=10, where="PageTables.table")
def protected(solution):
    told(
        solution,
        ("is_table", LEAF),
        *walk(),
        *(("is_table", frame) for frame in (ROOT, MIDDLE, LEAF, OTHER)),
    )


@check("writable mappings are dropped", points=10, where="PageTables.table")
def dropped(solution):
    told(
        solution,
        ("mapped", 0, 0x8010_2000, LEAF),
        ("mapped", OTHER, 0x5000, LEAF),
        ("mapped", OTHER, 0x6000, OTHER),
        *walk(),
        *walk(),
    )


@check("mappings that are gone", points=10, where="PageTables.unmapped")
def gone(solution):
    told(
        solution,
        ("mapped", 0, 0x8010_2000, LEAF),
        ("mapped", OTHER, 0x5000, LEAF),
        ("unmapped", OTHER, 0x5000, LEAF),
        *walk(),
        ("unmapped", 0, 0x8010_2000, LEAF),
    )


@check("a write drops what depended on it", points=15, where="PageTables.written")
def write(solution):
    told(solution, *walk(), ("written", LEAF, 0))
    told(solution, *walk(), ("written", LEAF, 7), ("written", LEAF, 511))
    told(solution, *walk(), *walk(OTHER, 2 * BASE), ("written", LEAF, 3))


@check("a write at every level", points=5, where="PageTables.written")
def levels(solution):
    told(solution, *walk(), ("written", MIDDLE, 5))
    told(solution, *walk(), ("written", ROOT, 9))


@check("a table that is none any more", points=10, where="PageTables.written")
def released(solution):
    writes = [("written", LEAF, n) for n in range(3)]
    told(solution, *walk(), *writes, ("is_table", LEAF), ("is_table", MIDDLE))
    told(solution, *walk(), *writes[:2], *walk(), *writes[:2], ("is_table", LEAF))
    told(solution, *walk(), *writes, *walk(), *writes, ("is_table", LEAF))


@check("any history", points=15, hidden=True, where="PageTables.written")
def any_history(solution):
    rng = random.Random(41)
    for _ in range(8):
        referee = protect.Referee(solution)
        mapped = []
        for _ in range(80):
            frame, space = rng.randrange(0x80100, 0x80106), rng.choice((0, 0x90000, 0x90001))
            what = rng.random()
            if what < 0.3 and not referee.reference.is_table(frame):
                mapping = (space, rng.randrange(8) << 12, frame)
                if mapping not in mapped:
                    mapped.append(mapping)
                    referee.tell("mapped", *mapping)
            elif what < 0.4 and mapped:
                referee.tell("unmapped", *mapped.pop(rng.randrange(len(mapped))))
            elif what < 0.6:
                level = rng.randrange(3)
                drops = referee.tell("table", space, frame, level, rng.randrange(4) << 39)
                for space, va in drops:
                    mapped.remove((space, va, frame))
                    referee.tell("unmapped", space, va, frame)
            elif what < 0.8 and referee.reference.is_table(frame):
                referee.tell("written", frame, rng.randrange(512))
            else:
                referee.tell("is_table", frame)


@check("boots the kernel", points=5, where="PageTables")
def boots(solution):
    boot(protect, solution, "hello", where="PageTables")


@check("boots on other machines", points=10, hidden=True, where="PageTables")
def boots_elsewhere(solution):
    small = {"memory": "16M", "tlb_entries": 16, "tlb_ways": 2}
    boot(protect, solution, "ptemod", where="PageTables.written", set=small, rounds=2, pages=20)
    boot(protect, solution, "forktree", where="PageTables.table", seed=4, depth=2)
