"""A submission in a process of its own, as an object whose functions can be called."""

from __future__ import annotations

import math
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlab.errors import VlabError
from vlab.grading.sandbox.wire import LIMIT, WireError, decode, encode
from vlab.grading.text import plain, printable

CALL_S, CELLS_S, CPU_S = 5, 10, 60
"""Seconds for one call, for defining everything, and of processor time in all."""

CHILD = str(Path(__file__).parent / "sandbox" / "child.py")
QUEUED = 64
"""Pieces of an answer that may wait."""

SHOWN = 4000
"""Bytes of what it printed that are kept."""

NOTED = 20
"""Errors of cells that are kept."""

PIECE = getattr(select, "PIPE_BUF", 0)
"""Bytes that a pipe which can be written to takes without waiting; 0: nobody can tell."""


def environment() -> dict[str, str]:
    """Return the little of the environment that a submission gets."""
    # On Windows nothing else says what processor it is, by which the engines' code is chosen.
    processor = ("PROCESSOR_ARCHITECTURE", "PROCESSOR_ARCHITEW6432")
    kept = ("SYSTEMROOT", "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", *processor)
    return {"PYTHONHASHSEED": "0"} | {n: os.environ[n] for n in kept if n in os.environ}


class SubmissionError(VlabError):
    """The submission did not answer as it should; the message says what it did instead."""


class SubmissionDied(SubmissionError):
    """Its process is gone, or was ended.

    Attributes
    ----------
    cell
        Number of the cell that was being run, from 0; None if all had been.
    """

    cell: int | None = None


class Submission:
    """The process of one submission.

    Parameters
    ----------
    cells
        What it defines.
    until
        When the time for all of its calls is over, by `time.monotonic`.

    Attributes
    ----------
    errors : list of str
        What cells raised.
    freedom : str
        Why the process could not be confined, empty if it is.
    """

    def __init__(self, cells: Sequence[str], until: float = math.inf) -> None:
        self.until = until
        self.scratch = tempfile.TemporaryDirectory(prefix="vlab-submission-")
        self.printed = Path(self.scratch.name) / "printed"
        self.pending = b""
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", CHILD, str(CPU_S), str(self.printed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.scratch.name,
            env=environment(),
            bufsize=0,
        )
        self.arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._receive, daemon=True).start()
        self.errors: list[str] = []
        try:
            self.freedom = str(self._answer(CELLS_S, "its process")[-1])
            self._define(cells)
        except SubmissionDied:
            self.remove()
            raise

    def _define(self, cells: Sequence[str]) -> None:
        """Run the cells; one that ends the process is named by the exception."""
        end = time.monotonic() + CELLS_S
        for number, cell in enumerate(cells):
            if not cell.strip():
                continue
            name = f"cell {number + 1}"
            try:
                said = self.ask("cell", name, cell, seconds=max(0.0, end - time.monotonic()))[1:]
            except WireError as error:
                said = (f"not run: {error}",)
            except SubmissionDied as error:
                error.cell = number
                raise
            if said and said[0] and len(self.errors) < NOTED:
                self.errors.append(plain(f"{name}: {said[0]}"))

    def _receive(self) -> None:
        """Pass on what arrives, as it arrives; nothing at the end."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            while data := stream.read(1 << 16):
                self.arrived.put(data)
                if self.arrived.qsize() > QUEUED:
                    self.process.kill()
        self.arrived.put(b"")

    def ask(self, *request: Any, seconds: float = CALL_S) -> tuple[Any, ...]:
        """Send a request and return the answer.

        Raises
        ------
        SubmissionDied
            If there is none in time; the process is ended then.
        """
        what, data = plain(str(request[1]), 60), encode(request)
        if self.process.poll() is not None:
            raise self._died(what)
        try:
            self._send(data, seconds, what)
        except OSError:
            raise self._died(what) from None
        return self._answer(seconds, what)

    def _send(self, data: bytes, seconds: float, what: str) -> None:
        """Send a message to a process that may not read it."""
        assert self.process.stdin is not None
        pipe, end = self.process.stdin.fileno(), min(time.monotonic() + seconds, self.until)
        while data:
            if PIECE and not select.select([], [pipe], [], max(0.0, end - time.monotonic()))[1]:
                raise self._late(seconds, what)
            data = data[os.write(pipe, data[:PIECE] if PIECE else data) :]

    def _late(self, seconds: float, what: str) -> SubmissionDied:
        """End the process, and return why."""
        self.close()
        if time.monotonic() >= self.until:
            return SubmissionDied(f"{what}: the time for all calls was used up")
        return SubmissionDied(f"{what}: did not end within {seconds:.3g} seconds")

    def _answer(self, seconds: float, what: str) -> tuple[Any, ...]:
        end = min(time.monotonic() + seconds, self.until)
        while b"\n" not in self.pending:
            try:
                data = self.arrived.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise self._late(seconds, what) from None
            if not data:
                raise self._died(what)
            self.pending += data
            if len(self.pending) > LIMIT:
                self.close()
                raise SubmissionDied(f"{what}: sent something endless instead of an answer")
        line, _, self.pending = self.pending.partition(b"\n")
        try:
            answer = decode(line)
        except WireError as error:
            self.close()
            raise SubmissionDied(f"{what}: {error}") from None
        if not isinstance(answer, tuple) or not answer or not isinstance(answer[0], str):
            self.close()
            raise SubmissionDied(f"{what}: sent something else instead of an answer")
        return answer

    def _died(self, what: str) -> SubmissionDied:
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            code = None
        self.close()
        known = {-9: "was killed (memory?)", -24: "used up its processor time",
                 -25: "printed too much", -11: "crashed", -31: "made a forbidden call"}  # fmt: skip
        how = known.get(code or 0, f"ended its process (status {code})")
        return SubmissionDied(f"{what}: {how}")

    def output(self) -> str:
        """Return the end of what it printed."""
        try:
            with self.printed.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - SHOWN))
                return printable(file.read().decode("utf-8", "replace"))
        except OSError:
            return ""

    def close(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def remove(self) -> None:
        """End the process and remove its directory."""
        self.close()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.scratch.cleanup()


def freedom() -> str:
    """Return why submissions cannot be confined on this machine, nothing if they can."""
    probe = Submission([])
    try:
        return probe.freedom
    finally:
        probe.remove()


class RemoteSolution:
    """What a submission has defined, as attributes: functions, classes and plain values."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission

    def __getattr__(self, name: str) -> Any:
        kind, *rest = self._submission.ask("get", name)
        if kind == "missing":
            raise AttributeError(f"{name} is not defined")
        if kind == "value" and len(rest) == 1:
            return rest[0]
        if kind not in ("function", "class"):
            raise SubmissionError(f"{name}: {plain(str(rest[0] if rest else 'no answer'))}")

        def call(*arguments: Any) -> Any:
            return self._result(self._submission.ask("call", name, list(arguments)), name)

        return call

    def _result(self, answer: tuple[Any, ...], name: str) -> Any:
        kind, *rest = answer
        if kind == "value" and len(rest) == 1:
            return rest[0]
        if kind == "object" and len(rest) == 1 and isinstance(rest[0], int):
            return RemoteObject(self, rest[0], name)
        if kind == "raised" and len(rest) == 1:
            raise SubmissionError(f"{name} raised {plain(str(rest[0]))}")
        raise SubmissionError(f"{name}: sent something else instead of an answer")


class RemoteObject:
    """An instance of a class of the submission's."""

    def __init__(self, solution: RemoteSolution, number: int, name: str) -> None:
        self._solution, self._number, self._name = solution, number, name

    def __getattr__(self, method: str) -> Any:
        solution, name = self._solution, f"{self._name}.{method}"

        def call(*arguments: Any) -> Any:
            ask = solution._submission.ask
            return solution._result(ask("method", self._number, list(arguments), method), name)

        return call
