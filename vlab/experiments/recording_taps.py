"""Taps on a monitor: which of its methods are called, what it reads and writes.

They are put on the objects of one session while it is recorded, and taken off afterwards. They
pass everything through unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from vlab.experiments.session import Session

KEPT = 64
"""Accesses kept of one exit."""
HANDLERS = ("fill", "upcall")
SHOWN = 8
"""Widest access whose value is kept; longer ones are DMA and copies."""


class Access(NamedTuple):
    """One access by the monitor, or by a device on its behalf.

    Attributes
    ----------
    kind
        ``read`` or ``write``.
    what
        ``guest memory``, ``guest page table``, ``monitor memory`` (shadow tables among it) or
        ``device``.
    address
        Guest-physical for the guest's memory, else physical.
    size
        Bytes.
    value
        What was read or written; None if it is longer than a word.
    before
        What a write overwrote.
    """

    kind: str
    what: str
    address: int
    size: int
    value: int | None = None
    before: int | None = None


class Taps:
    """The taps on one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.recording = False
        self.handlers: list[str] = []
        self.accesses: list[Access] = []
        self.left_out = 0
        self._installed: list[tuple[Any, str]] = []

    def install(self) -> None:
        """Put the taps on."""
        session = self.session
        mode, bus, memory = session.mode, session.machine.board.bus, session.view.physical
        for name in dir(type(mode)):
            if name.startswith("on_") or name in HANDLERS:
                self._put(mode, name, self._handler(name, getattr(mode, name)))
        self._put(memory, "load", self._load(memory.load))
        self._put(memory, "store", self._store(memory.store, memory.load))
        self._put(memory, "read", self._read(memory.read))
        self._put(memory, "write", self._write(memory.write))
        self._put(bus, "read", self._device_read(bus.read))
        self._put(bus, "write", self._device_write(bus.write))

    def remove(self) -> None:
        """Take the taps off."""
        while self._installed:
            delattr(*self._installed.pop())

    def begin(self) -> None:
        """Listen, to one exit."""
        self.handlers, self.accesses, self.left_out = [], [], 0
        self.recording = True

    def end(self) -> tuple[tuple[str, ...], tuple[Access, ...], int]:
        """Stop listening; return handlers, accesses, and how many accesses were left out."""
        self.recording = False
        return tuple(self.handlers), tuple(self.accesses), self.left_out

    def _put(self, owner: Any, name: str, tap: Callable[..., Any]) -> None:
        setattr(owner, name, tap)
        self._installed.append((owner, name))

    def _handler(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def tap(*arguments: Any, **named: Any) -> Any:
            if self.recording:
                self.handlers.append(name)
            return method(*arguments, **named)

        return tap

    def _note(
        self, kind: str, host: int, size: int, value: int | None, before: int | None = None
    ) -> None:
        if len(self.accesses) >= KEPT:
            self.left_out += 1
            return
        what, address = self.session.view.describe(host)
        self.accesses.append(Access(kind, what, address, size, value, before))

    def _load(self, load: Callable[[int, int], int]) -> Callable[[int, int], int]:
        def tap(address: int, width: int) -> int:
            value = load(address, width)
            if self.recording:
                self._note("read", address, width, value)
            return value

        return tap

    def _store(
        self, store: Callable[[int, int, int], None], load: Callable[[int, int], int]
    ) -> Callable[[int, int, int], None]:
        def tap(address: int, width: int, value: int) -> None:
            if not self.recording:
                store(address, width, value)
                return
            before = load(address, width)
            store(address, width, value)
            self._note("write", address, width, value & (1 << 8 * width) - 1, before)

        return tap

    def _read(self, read: Callable[[int, int], bytes]) -> Callable[[int, int], bytes]:
        def tap(address: int, count: int) -> bytes:
            data = read(address, count)
            if self.recording:
                self._note("read", address, count, _number(data))
            return data

        return tap

    def _write(self, write: Callable[[int, bytes], None]) -> Callable[[int, bytes], None]:
        def tap(address: int, data: bytes) -> None:
            write(address, data)
            if self.recording:
                self._note("write", address, len(data), _number(data))

        return tap

    def _device_read(self, read: Callable[[int, int], int]) -> Callable[[int, int], int]:
        def tap(address: int, size: int) -> int:
            value = read(address, size)
            self._note_device("read", address, size, value)
            return value

        return tap

    def _device_write(self, write: Callable[[int, int, int], None]) -> Callable[..., None]:
        def tap(address: int, size: int, value: int) -> None:
            self._note_device("write", address, size, value & (1 << 8 * size) - 1)
            write(address, size, value)

        return tap

    def _note_device(self, kind: str, address: int, size: int, value: int) -> None:
        if self.recording and len(self.accesses) < KEPT:
            self.accesses.append(Access(kind, "device", address, size, value))
        elif self.recording:
            self.left_out += 1


def _number(data: bytes) -> int | None:
    return int.from_bytes(data, "little") if len(data) <= SHOWN else None
