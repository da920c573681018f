"""Finding the loop that executes at some place of a page, from the page's bytes.

A loop is a strongly connected component of the page's control flow: every instruction from
which the place can be reached again without leaving the page. Calls of functions in the page,
and their returns, are part of it, and so are indirect jumps to places that were seen to be
reached by one (a switch's cases).
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import NamedTuple

from vlab.engines.csrs import COUNTERS, NO_PLACE, PLACES, csr_place, writes
from vlab.isa.bits import signed
from vlab.isa.decode import Decoded, decode
from vlab.isa.table import STANDARD

PAGE = 4096
MOST = 300
"""Instructions of a loop at most."""

TRANSLATED = ("op", "load", "store", "branch", "jal", "jalr", "lr", "sc", "amo", "fence", "csr")
RA = 1
REACHES = (PAGE, 1024, 256)
"""How far from the instruction to look, in bytes: the first that finds no more than `MOST`."""


class Step(NamedTuple):
    """An instruction of the loop: where it is, what it is, and where it goes in the page."""

    offset: int
    decoded: Decoded
    ways: tuple[int, ...]

    @property
    def behind(self) -> int:
        """Offset of the instruction behind it."""
        return self.offset + self.decoded.length


class Loop(NamedTuple):
    """A loop: its instructions by offset, and the offsets at which it is entered."""

    steps: dict[int, Step]
    entries: tuple[int, ...]

    @property
    def ways_out(self) -> set[int]:
        """Offsets in the page at which execution goes on behind the loop."""
        ways = (direct_ways(step.offset, step.decoded) for step in self.steps.values())
        return {way for each in ways for way in each} - set(self.steps)

    def is_followed(self, load: Step) -> bool:
        """Return whether what a step loads is the address of a load: it is a link of a chain."""
        pointer, ahead, seen = load.decoded.rd, [*load.ways], set[int]()
        while ahead and load.decoded.row.width == 8:
            offset = ahead.pop()
            if offset in seen or offset not in self.steps:
                continue
            seen.add(offset)
            step = self.steps[offset]
            if step.decoded.row.kind == "load" and step.decoded.rs1 == pointer:
                return True
            if "rd" not in step.decoded.row.fields or step.decoded.rd != pointer:
                ahead += step.ways
        return False


def instruction_at(page: bytes, offset: int) -> Decoded | None:
    """Return the instruction at an offset, None if it has no translation."""
    raw = int.from_bytes(page[offset : offset + 2], "little")
    if raw & 3 == 3:
        if offset > PAGE - 4:
            return None
        raw |= int.from_bytes(page[offset + 2 : offset + 4], "little") << 16
    decoded = decode(raw)
    if decoded is None or decoded.row.kind not in TRANSLATED or decoded.row.name not in STANDARD:
        return None
    if decoded.row.name == "slti" and decoded.rd == decoded.rs1 == 0:
        return None  # the marker
    if decoded.row.kind == "csr" and not is_plain(decoded):
        return None
    return decoded


def is_plain(decoded: Decoded) -> bool:
    """Return whether an access to a CSR has a fast path."""
    place = csr_place(decoded.imm)
    return place != NO_PLACE and not (PLACES[place] in COUNTERS and writes(decoded))


def direct_ways(offset: int, decoded: Decoded) -> list[int]:
    """Return the offsets in the page at which execution may go on, but for indirect jumps."""
    kind, behind = decoded.row.kind, offset + decoded.length
    target = [n for n in (offset + signed(decoded.imm),) if 0 <= n < PAGE]
    if kind == "jalr":
        return []
    if kind == "jal":
        return target
    return ([behind] if behind < PAGE else []) + (target if kind == "branch" else [])


def far_target(page: bytes, offset: int, decoded: Decoded) -> list[int]:
    """Return where an ``auipc`` just before an indirect jump makes it lead, if in the page."""
    before = instruction_at(page, offset - 4) if offset >= 4 else None
    if before is None or before.row.name != "auipc" or before.rd != decoded.rs1:
        return []
    target = offset - 4 + signed(before.imm) + signed(decoded.imm)
    return [target] if 0 <= target < PAGE else []


class Flow:
    """The control flow of a page around a place.

    Parameters
    ----------
    page
        The 4096 bytes of the page.
    cases
        Offsets that indirect jumps, other than returns, were seen to lead to.
    halts
        Offsets that are left to the interpreter.
    """

    def __init__(self, page: bytes, cases: Iterable[int] = (), halts: Container[int] = ()) -> None:
        self.page, self.cases, self.halts = page, sorted(cases), halts
        self.returns: set[int] = set()

    def ways(self, offset: int, decoded: Decoded) -> list[int]:
        """Return the offsets in the page at which execution may go on."""
        if decoded.row.kind != "jalr":
            return direct_ways(offset, decoded)
        if (decoded.rd, decoded.rs1) == (0, RA):
            return sorted(self.returns)
        return far_target(self.page, offset, decoded) or ([] if decoded.rd else self.cases)

    def reachable(self, start: int, reach: int) -> dict[int, Step]:
        """Return the instructions that can follow the one at ``start``, not too far from it."""
        known: dict[int, Decoded | None] = {}
        self.returns.clear()
        open_, steps = [start], {}
        while open_:
            offset = open_.pop()
            if offset in known or abs(offset - start) > reach:
                continue
            decoded = known[offset] = instruction_at(self.page, offset)
            if decoded is None or offset in self.halts:
                continue
            if is_call(decoded) and self.ways(offset, decoded):
                behind = offset + decoded.length
                if behind < PAGE and behind not in self.returns:
                    self.returns.add(behind)
                    open_ += [n for n, d in known.items() if d and d.row.kind == "jalr"]
                    for n in open_:
                        known.pop(n, None)
                    known[offset] = decoded
            ways = self.ways(offset, decoded)
            steps[offset] = Step(offset, decoded, tuple(ways))
            open_ += [n for n in ways if n not in known]
        return steps


def is_call(decoded: Decoded) -> bool:
    """Return whether an instruction jumps and links."""
    return decoded.row.kind in ("jal", "jalr") and decoded.rd != 0


def cases_among(page: bytes, heads: Iterable[int]) -> tuple[int, ...]:
    """Return those offsets, of places where blocks begin, that no direct jump explains.

    Nothing if the page has no indirect jump but returns.
    """
    explained, indirect = set(), False
    for head in heads:
        offset = head
        while offset < PAGE and (decoded := instruction_at(page, offset)) is not None:
            ways = direct_ways(offset, decoded)
            offset += decoded.length
            if is_call(decoded):
                explained.update((offset, *far_target(page, offset - decoded.length, decoded)))
            elif decoded.row.kind == "jalr" and decoded.rs1 != RA:
                indirect = True
            if decoded.row.kind in ("jal", "jalr", "branch"):
                explained.update(ways)
            if decoded.row.kind in ("jal", "jalr"):
                break
    return tuple(sorted(set(heads) - explained)) if indirect else ()


def find_loop(
    page: bytes, start: int, cases: Iterable[int] = (), halts: Container[int] = ()
) -> Loop | None:
    """Return the loop around an instruction.

    Parameters
    ----------
    page
        The 4096 bytes of the page.
    start
        Offset of an instruction that was being executed.
    cases
        Offsets that indirect jumps, other than returns, were seen to lead to.
    halts
        Offsets that are left to the interpreter.

    Returns
    -------
    Loop or None
        None if the page does not lead back to it, or only by too many instructions.
    """
    for reach in REACHES:
        loop = loop_within(Flow(page, cases, halts), start, reach)
        if loop is not None and len(loop.steps) <= MOST:
            return loop
    return None


def loop_within(flow: Flow, start: int, reach: int) -> Loop | None:
    """Return the loop around an instruction, as far as it lies within ``reach`` bytes of it."""
    steps = flow.reachable(start, reach)
    came_from: dict[int, list[int]] = {}
    for step in steps.values():
        for way in step.ways:
            came_from.setdefault(way, []).append(step.offset)
    back, open_ = set(), list(came_from.get(start, []))
    while open_:
        offset = open_.pop()
        if offset not in back:
            back.add(offset)
            open_ += came_from.get(offset, [])
    if start not in back:
        return None
    inside = {
        offset: step._replace(ways=tuple(n for n in step.ways if n in back))
        for offset, step in sorted(steps.items())
        if offset in back
    }
    backwards = {way for step in inside.values() for way in step.ways if way <= step.offset}
    return Loop(inside, tuple(sorted(backwards)))
