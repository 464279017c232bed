"""Runs what may block, such as a stock exporter's flush, on a thread that can be given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from spanwatch.otel.daemon import Daemon
from spanwatch.otel.guard import Guard


class Bounded:
    """One daemon thread per process for blocking actions, whose failures stop at the guard.

    It is started ahead: from Python 3.12 on no thread can be started while the interpreter shuts down.
    """

    def __init__(self, name: str) -> None:
        self._name, self._guard, self._over = name, Guard(), False
        self._renew()
        self._daemon = Daemon(name, self._loop, self._renew)
        self._daemon.ensure()

    def start(self, action: Callable[[], object]) -> threading.Event:
        """Run an action, after those started before it; the event says when it has ended, however.

        After `end`, and where no thread can be started any more, nothing is run and the event is set at once.
        """
        ended = threading.Event()
        if self._over or not self._daemon.ensure():
            ended.set()
        else:
            self._queue.put((action, ended))
        return ended

    def end(self) -> None:
        """Give it up: the thread ends when what was started before has, be it never."""
        if not self._over:
            self._over = True
            self._queue.put(None)

    def _loop(self) -> None:
        while (work := self._queue.get()) is not None:
            action, ended = work
            try:
                self._guard.run(f"an action of {self._name}", action)
            finally:
                ended.set()

    def _renew(self) -> None:
        self._queue: SimpleQueue[tuple[Callable[[], object], threading.Event] | None] = SimpleQueue()
        if self._over:
            self._queue.put(None)


def wait(ended: threading.Event, deadline: float) -> bool:
    """Wait until `deadline` (monotonic seconds); whether it ended."""
    return ended.wait(left(deadline))


def left(deadline: float) -> float:
    """Seconds until `deadline` (monotonic seconds), never fewer than 0."""
    return max(0.0, deadline - time.monotonic())
