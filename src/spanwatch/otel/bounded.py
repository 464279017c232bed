"""Runs what may block, such as a stock exporter's flush, on a thread that can be given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from spanwatch.otel.daemon import Daemon


class Bounded:
    """One daemon thread per process for blocking actions.

    It is started ahead: from Python 3.12 on no thread can be started while the interpreter shuts down.
    """

    def __init__(self, name: str) -> None:
        self._renew()
        self._daemon = Daemon(name, self._loop, self._renew)
        self._daemon.ensure()

    def start(self, action: Callable[[], object]) -> threading.Event:
        """Run an action, after those started before it; the event says when it has ended, however."""
        ended = threading.Event()
        self._queue.put((action, ended))
        self._daemon.ensure()
        return ended

    def _loop(self) -> None:
        while True:
            action, ended = self._queue.get()
            try:
                action()
            finally:
                ended.set()

    def _renew(self) -> None:
        self._queue: SimpleQueue[tuple[Callable[[], object], threading.Event]] = SimpleQueue()


def wait(ended: threading.Event, deadline: float) -> bool:
    """Wait until `deadline` (monotonic seconds); whether it ended."""
    return ended.wait(left(deadline))


def left(deadline: float) -> float:
    """Seconds until `deadline` (monotonic seconds), never fewer than 0."""
    return max(0.0, deadline - time.monotonic())
