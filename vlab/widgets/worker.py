"""One thread a widget, which does its work in the order in which it was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

Job = Callable[[], None]


class Task(NamedTuple):
    """Work to be done; of those with the same key that still wait, only the last is."""

    job: Job
    key: str | None


class Worker:
    """Does jobs one after the other, off the kernel's main thread.

    Parameters
    ----------
    changed
        Called with True when work begins and with False when none is left.
    failed
        Called with what a job raised; the next one is then done.
    """

    def __init__(
        self, changed: Callable[[bool], None], failed: Callable[[Exception], None]
    ) -> None:
        self.changed, self.failed = changed, failed
        self.tasks: list[Task] = []
        self.ready = threading.Condition()
        self.busy = self.closed = False
        self.thread: threading.Thread | None = None

    def do(self, job: Job, key: str | None = None) -> None:
        """Do a job when those before it are done."""
        with self.ready:
            if self.closed:
                return
            if key is not None:
                self.tasks = [task for task in self.tasks if task.key != key]
            self.tasks.append(Task(job, key))
            self.ready.notify_all()
            if self.thread is None:
                self.thread = threading.Thread(target=self._work, daemon=True)
                self.thread.start()

    def forget(self) -> None:
        """Do nothing of what still waits."""
        with self.ready:
            self.tasks = []

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is left to do; return whether it came to that in time."""
        with self.ready:
            return self.ready.wait_for(lambda: not (self.busy or self.tasks), seconds)

    def close(self) -> None:
        """End the thread when the job under way is done."""
        with self.ready:
            self.closed, self.tasks = True, []
            self.ready.notify_all()

    @property
    def inside(self) -> bool:
        """Whether the caller is a job."""
        return threading.current_thread() is self.thread

    def _work(self) -> None:
        while True:
            with self.ready:
                self.ready.wait_for(lambda: self.tasks or self.closed)
                if self.closed:
                    return
                task, self.busy = self.tasks.pop(0), True
            self._call(lambda: self.changed(True))
            self._call(task.job)
            with self.ready:
                last = not self.tasks
            if last:
                self._call(lambda: self.changed(False))
            with self.ready:
                self.busy = False
                self.ready.notify_all()

    def _call(self, job: Job) -> None:
        try:
            job()
        except Exception as error:  # a student's monitor may raise anything
            self.failed(error)
