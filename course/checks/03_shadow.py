"""Checks of lab 3: guest page tables are walked, and shadow entries made."""

import random

from vlab.grading import check
from vlab.labs import shadow
from vlab.labs.booting import boot

V, R, W, X, USER, G, A, D = (1 << n for n in range(8))
KERNEL = {"user": False, "sum": False, "mxr": False}
PROGRAM = {"user": True, "sum": False, "mxr": False}
ACCESSES = ("load", "store", "fetch")
POINTERS = [0x80201 << 10 | V, 0x80202 << 10 | V]
VA = 0x12_3456_7890


def leaf(flags, frame=0x80345):
    return frame << 10 | flags


def walk(solution, path, va=VA, access="load", mode=PROGRAM):
    shadow.ask_walk(solution, path, va, access, mode)


def modes():
    for user in (True, False):
        for sum_bit in (False, True):
            for mxr in (False, True):
                yield {"user": user, "sum": sum_bit, "mxr": mxr}


@check("walk: three levels", points=10, where="walk_tables")
def three_levels(solution):
    walk(solution, [*POINTERS, leaf(V | R | USER | A)])
    walk(solution, [*POINTERS, leaf(V | R | W | USER | A | D, 0x87FFF)], va=0x1FFF, access="store")
    walk(solution, [*POINTERS, leaf(V | R | X | A)], va=(1 << 64) - 8, access="fetch", mode=KERNEL)
    walk(solution, [POINTERS[0], leaf(V | R | USER | A, 0x80400)])
    walk(solution, [leaf(V | R | USER | A, 0x80000)])


@check("walk: what is no translation", points=10, where="walk_tables")
def no_translation(solution):
    walk(solution, [*POINTERS, leaf(V | R | USER | A)])
    walk(solution, [0])
    walk(solution, [*POINTERS, leaf(R | W | USER | A | D)])
    walk(solution, [*POINTERS, leaf(V | W | USER | A | D)], access="store")
    walk(solution, [*POINTERS, leaf(V | W | X | USER | A | D)], access="store")
    walk(solution, [*POINTERS, leaf(V)])
    walk(solution, [POINTERS[0], leaf(V | R | USER | A, 0x80401)])
    walk(solution, [POINTERS[0] | USER, *POINTERS[1:], leaf(V | R | USER | A)])
    walk(solution, [*POINTERS, leaf(V | R | USER | A) | 1 << 60])
    walk(solution, [*POINTERS, leaf(V | R | USER | A)], va=1 << 39)
    walk(solution, [*POINTERS, leaf(V | R | USER | A)], va=1 << 38)


@check("walk: who may do what", points=10, where="walk_tables")
def permissions(solution):
    for flags in (R, R | W, X, R | X, R | W | X):
        for owner in (0, USER):
            for access in ACCESSES:
                for mode in modes():
                    walk(solution, [*POINTERS, leaf(V | A | D | flags | owner)], VA, access, mode)


@check("walk: accessed and dirty", points=5, where="walk_tables")
def accessed_dirty(solution):
    for flags in (0, A, A | D):
        for access in ACCESSES:
            walk(solution, [*POINTERS, leaf(V | R | W | X | USER | flags)], access=access)


@check("walk: any tables", points=15, hidden=True, where="walk_tables")
def any_tables(solution):
    rng = random.Random(31)
    for _ in range(400):
        depth = rng.choice((1, 2, 3, 3, 3))
        flags = V | rng.getrandbits(8) if rng.random() < 0.9 else rng.getrandbits(8)
        span = 9 * (3 - depth)
        frame = rng.getrandbits(30) if rng.random() < 0.1 else rng.getrandbits(30) >> span << span
        path = [rng.getrandbits(20) << 10 | V for _ in range(depth - 1)] + [leaf(flags, frame)]
        if rng.random() < 0.1:
            path[0] |= rng.choice((USER, A, D, 1 << 55))
        mode = rng.choice(list(modes()))
        walk(solution, path, rng.getrandbits(38), rng.choice(ACCESSES), mode)


@check("entry: permissions", points=10, where="shadow_entry")
def entry_permissions(solution):
    for flags in (R, R | W, X, R | X, R | W | X):
        for owner in (0, USER):
            for mode in modes():
                pte = leaf(V | A | D | flags | owner)
                shadow.ask_entry(solution, pte, mode, 0x98765, False)


@check("entry: clean pages and page tables", points=5, where="shadow_entry")
def entry_protected(solution):
    for mode in (PROGRAM, KERNEL):
        owner = USER if mode["user"] else 0
        pte = leaf(V | R | W | A | owner)
        shadow.ask_entry(solution, pte, mode, 0x98765, False)
        shadow.ask_entry(solution, pte | D, mode, 0x98765, True)
        shadow.ask_entry(solution, pte | D, mode, 0x98765, False)


@check("entry: any", points=10, hidden=True, where="shadow_entry")
def entry_any(solution):
    rng = random.Random(32)
    for _ in range(400):
        pte = leaf(V | A | rng.getrandbits(8), rng.getrandbits(30))
        mode = rng.choice(list(modes()))
        shadow.ask_entry(solution, pte, mode, rng.getrandbits(24), rng.random() < 0.3)


@check("boots the kernel", points=5, where="shadow_entry")
def boots(solution):
    boot(shadow, solution, "hello", where="shadow_entry")


@check("boots on other machines", points=10, hidden=True, where="shadow_entry")
def boots_elsewhere(solution):
    small = {"memory": "16M", "tlb_entries": 16, "tlb_ways": 1}
    boot(shadow, solution, "ptemod", where="walk_tables", set=small, seed=2, rounds=2, pages=40)
    boot(shadow, solution, "forktree", where="shadow_entry", set={"asid_bits": 0}, depth=2)
