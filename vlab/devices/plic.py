"""PLIC: platform-level interrupt controller (RISC-V PLIC specification 1.0)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from vlab.devices.deadline import Deadline

SOURCES = 32
PRIORITY, PENDING, ENABLE, CONTEXT = 0x0, 0x1000, 0x2000, 0x200000
ENABLE_STRIDE, CONTEXT_STRIDE = 0x80, 0x1000
THRESHOLD, CLAIM = 0, 4
MAX_PRIORITY = 7


class Plic:
    """Level-triggered sources 1–31 for two contexts: M and S mode of hart 0.

    Parameters
    ----------
    outputs
        One wire a context: MEIP, SEIP.
    """

    name = "plic"
    compatible = ("sifive,plic-1.0.0", "riscv,plic0")
    size = 0x600000
    deadline = Deadline()

    def __init__(self, *outputs: Callable[[bool], None]) -> None:
        self.outputs = outputs
        contexts = len(outputs)
        self.priority = [0] * SOURCES
        self.level = self.pending = self.claimed = 0
        self.enable = [0] * contexts
        self.threshold = [0] * contexts

    def wire(self, source: int) -> Callable[[bool], None]:
        """Return the wire of a source."""
        return partial(self.set_level, source)

    def set_level(self, source: int, level: bool) -> None:
        """Drive a source; its gateway forwards one request until that is completed."""
        bit = 1 << source
        self.level = self.level | bit if level else self.level & ~bit
        self._forward(bit)
        self._update()

    def _forward(self, bit: int) -> None:
        # A request that was forwarded cannot be retracted (section Interrupt Gateways).
        if self.level & bit and not self.claimed & bit:
            self.pending |= bit

    def _best(self, context: int, threshold: int = 0) -> int:
        """Return the pending, enabled source of highest priority above a threshold, or 0."""
        ready = self.pending & self.enable[context]
        best, highest = 0, threshold
        while ready:
            source = (ready & -ready).bit_length() - 1
            ready &= ready - 1
            if self.priority[source] > highest:
                best, highest = source, self.priority[source]
        return best

    def _update(self) -> None:
        for context, output in enumerate(self.outputs):
            output(self._best(context, self.threshold[context]) != 0)

    def claim(self, context: int) -> int:
        """Claim the best source, whatever the threshold; its pending bit is cleared."""
        source = self._best(context)
        if source:
            self.pending &= ~(1 << source)
            self.claimed |= 1 << source
            self._update()
        return source

    def complete(self, context: int, source: int) -> None:
        """Complete a source enabled for the context; any other value is ignored."""
        if 0 < source < SOURCES and self.enable[context] >> source & 1:
            self.claimed &= ~(1 << source)
            self._forward(1 << source)
            self._update()

    def read(self, offset: int, size: int) -> int:
        """Read a 32-bit register; other accesses read 0."""
        if size != 4 or offset & 3:
            return 0
        if offset < 4 * SOURCES:
            return self.priority[offset // 4]
        if offset == PENDING:
            return self.pending
        context, register = divmod(offset - ENABLE, ENABLE_STRIDE)
        if 0 <= context < len(self.outputs) and register == 0:
            return self.enable[context]
        context, register = divmod(offset - CONTEXT, CONTEXT_STRIDE)
        if 0 <= context < len(self.outputs):
            if register == THRESHOLD:
                return self.threshold[context]
            if register == CLAIM:
                return self.claim(context)
        return 0

    def write(self, offset: int, value: int, size: int) -> None:
        """Write a 32-bit register; other accesses and reserved registers are inert."""
        if size != 4 or offset & 3:
            return
        if 0 < offset < 4 * SOURCES:
            self.priority[offset // 4] = value & MAX_PRIORITY
        else:
            context, register = divmod(offset - ENABLE, ENABLE_STRIDE)
            if 0 <= context < len(self.outputs) and register == 0:
                self.enable[context] = value & ~1
            context, register = divmod(offset - CONTEXT, CONTEXT_STRIDE)
            if 0 <= context < len(self.outputs):
                if register == THRESHOLD:
                    self.threshold[context] = value & MAX_PRIORITY
                elif register == CLAIM:
                    self.complete(context, value)
        self._update()

    def on_deadline(self, now: int) -> None:
        """Never called: there is no deadline."""

    def state(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "priority": list(self.priority),
            "level": self.level,
            "pending": self.pending,
            "claimed": self.claimed,
            "enable": list(self.enable),
            "threshold": list(self.threshold),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a saved state."""
        for key, value in state.items():
            setattr(self, key, list(value) if isinstance(value, list) else value)
        self._update()
