"""The PLIC, driven by its registers and sources without a machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from wires import Wire

from vlab.devices import plic as p
from vlab.devices.plic import Plic

M, S = 0, 1


class Controller:
    """A PLIC with both its outputs."""

    def __init__(self) -> None:
        self.wires = [Wire(), Wire()]
        self.plic = Plic(*self.wires)

    def get(self, offset: int) -> int:
        return self.plic.read(offset, 4)

    def put(self, offset: int, value: int) -> None:
        self.plic.write(offset, value, 4)

    def enable(self, context: int, *sources: int, priority: int = 1) -> None:
        for source in sources:
            self.put(p.PRIORITY + 4 * source, priority)
        mask = sum(1 << source for source in sources)
        self.put(p.ENABLE + p.ENABLE_STRIDE * context, self.plic.enable[context] | mask)

    def threshold(self, context: int, value: int) -> None:
        self.put(p.CONTEXT + p.CONTEXT_STRIDE * context + p.THRESHOLD, value)

    def claim(self, context: int) -> int:
        return self.get(p.CONTEXT + p.CONTEXT_STRIDE * context + p.CLAIM)

    def complete(self, context: int, source: int) -> None:
        self.put(p.CONTEXT + p.CONTEXT_STRIDE * context + p.CLAIM, source)

    def pending(self) -> int:
        return self.get(p.PENDING)


def test_a_source_reaches_the_contexts_that_enable_it() -> None:
    """A pending source raises the wire of exactly the contexts in which it is enabled."""
    c = Controller()
    c.enable(S, 10)
    c.plic.set_level(10, True)
    assert [w.level for w in c.wires] == [False, True]
    c.enable(M, 10)
    assert [w.level for w in c.wires] == [True, True]


def test_claim_and_complete() -> None:
    """A claim takes the request; the gateway forwards no other until it is completed."""
    c = Controller()
    c.enable(S, 10)
    c.plic.set_level(10, True)
    assert c.pending() == 1 << 10
    assert c.claim(S) == 10
    assert c.pending() == 0
    assert not c.wires[S].level
    assert c.claim(S) == 0
    c.plic.set_level(10, False)
    c.plic.set_level(10, True)
    assert c.pending() == 0
    c.complete(S, 10)
    assert c.wires[S].level
    assert c.claim(S) == 10
    c.plic.set_level(10, False)
    c.complete(S, 10)
    assert not c.wires[S].level


def test_a_request_is_not_retracted() -> None:
    """A level that falls before the claim leaves the request pending (1.0, Interrupt Gateways)."""
    c = Controller()
    c.enable(S, 10)
    c.plic.set_level(10, True)
    c.plic.set_level(10, False)
    assert c.wires[S].level
    assert c.claim(S) == 10
    c.complete(S, 10)
    assert not c.wires[S].level


def test_a_claim_by_one_context_is_a_claim_for_all() -> None:
    """All enabled contexts are notified; the first to claim gets the source, others get 0."""
    c = Controller()
    c.enable(M, 9)
    c.enable(S, 9)
    c.plic.set_level(9, True)
    assert c.claim(M) == 9
    assert not c.wires[S].level
    assert c.claim(S) == 0


def test_priorities_order_claims() -> None:
    """The highest priority is claimed first, among equals the lowest number."""
    c = Controller()
    c.enable(S, 11, priority=2)
    c.enable(S, 3, 9, priority=5)
    for source in (9, 11, 3):
        c.plic.set_level(source, True)
    assert [c.claim(S) for _ in range(4)] == [3, 9, 11, 0]


def test_priority_zero_never_interrupts() -> None:
    """Priority 0 disables a source."""
    c = Controller()
    c.enable(S, 10, priority=0)
    c.plic.set_level(10, True)
    assert not c.wires[S].level
    assert c.claim(S) == 0
    c.put(p.PRIORITY + 40, 1)
    assert c.wires[S].level


def test_the_threshold_masks_notifications_and_not_claims() -> None:
    """Sources at or below the threshold do not notify, and can be polled by claims (1.0, 8)."""
    c = Controller()
    c.enable(S, 10, priority=3)
    c.threshold(S, 3)
    c.plic.set_level(10, True)
    assert not c.wires[S].level
    c.threshold(S, 2)
    assert c.wires[S].level
    c.threshold(S, 7)
    assert not c.wires[S].level
    assert c.claim(S) == 10


def test_completion_needs_an_enabled_source() -> None:
    """Completing a source that is not enabled for the context is ignored."""
    c = Controller()
    c.enable(S, 10)
    c.plic.set_level(10, True)
    assert c.claim(S) == 10
    c.complete(M, 10)
    c.complete(S, 0)
    c.complete(S, 31)
    c.complete(S, 1 << 20)
    assert not c.wires[S].level
    c.complete(S, 10)
    assert c.wires[S].level


def test_registers_keep_what_they_can_hold() -> None:
    """Priorities and thresholds have three bits, source 0 does not exist, pending is read-only."""
    c = Controller()
    c.put(p.PRIORITY, 7)
    c.put(p.PRIORITY + 4, 0xFFFF_FFFF)
    c.threshold(M, 0xFFFF_FFFF)
    c.put(p.ENABLE, 0xFFFF_FFFF)
    c.put(p.PENDING, 0xFFFF_FFFF)
    assert (c.get(p.PRIORITY), c.get(p.PRIORITY + 4)) == (0, 7)
    assert c.get(p.CONTEXT) == 7
    assert c.get(p.ENABLE) == 0xFFFF_FFFE
    assert c.pending() == 0


def test_only_aligned_words_are_registers() -> None:
    """Accesses of another width, or between registers, are inert."""
    c = Controller()
    c.enable(S, 10)
    c.plic.set_level(10, True)
    claim = p.CONTEXT + p.CONTEXT_STRIDE * S + p.CLAIM
    for offset, size in ((claim, 1), (claim, 8), (claim + 1, 4)):
        assert c.plic.read(offset, size) == 0
    c.plic.write(2, 7, 4)
    c.plic.write(p.PRIORITY + 40, 0, 8)
    assert c.get(p.PRIORITY) == 0
    assert c.claim(S) == 10


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["level", "claim", "complete", "enable", "priority", "threshold"]),
            st.integers(0, 1),
            st.integers(1, 3),
            st.integers(0, 7),
        ),
        min_size=30,
        max_size=60,
    )
)
def test_against_a_model(steps: list[tuple[str, int, int, int]]) -> None:
    """Requests, claims and notifications are those of the specification, stated per source."""
    c = Controller()
    level, state = dict.fromkeys(range(1, 4), False), dict.fromkeys(range(1, 4), "idle")
    enabled = {(context, source): False for context in (M, S) for source in level}
    priority, threshold = dict.fromkeys(level, 0), [0, 0]

    def candidates(context: int) -> list[tuple[int, int]]:
        return sorted(
            (-priority[s], s)
            for s in level
            if state[s] == "pending" and enabled[context, s] and priority[s]
        )

    for action, context, source, value in steps:
        if action == "level":
            level[source] = value > 3
            c.plic.set_level(source, level[source])
        elif action == "claim":
            best = candidates(context)
            assert c.claim(context) == (best[0][1] if best else 0)
            if best:
                state[best[0][1]] = "served"
        elif action == "complete":
            c.complete(context, source)
            if enabled[context, source] and state[source] == "served":
                state[source] = "idle"
        elif action == "enable":
            enabled[context, source] = value > 3
            mask = sum(1 << s for s in level if enabled[context, s])
            c.put(p.ENABLE + p.ENABLE_STRIDE * context, mask)
        elif action == "priority":
            priority[source] = value
            c.put(p.PRIORITY + 4 * source, value)
        else:
            threshold[context] = value
            c.threshold(context, value)
        for s, high in level.items():
            if high and state[s] == "idle":
                state[s] = "pending"
        for k in (M, S):
            best = candidates(k)
            assert c.wires[k].level == (bool(best) and -best[0][0] > threshold[k])
        assert c.pending() == sum(1 << s for s in state if state[s] == "pending")


def test_restoring_drives_the_outputs() -> None:
    """A controller that is restored notifies the contexts that the saved one notified."""
    c, other = Controller(), Controller()
    c.enable(S, 10)
    c.plic.set_level(10, True)
    other.plic.restore(c.plic.state())
    assert [w.level for w in other.wires] == [False, True]
