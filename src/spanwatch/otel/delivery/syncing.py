"""Has the journal written to disk at an interval, for those who fear a power cut."""

from __future__ import annotations

import threading
from collections.abc import Callable

from spanwatch.otel.daemon import Daemon
from spanwatch.otel.guard import Guard

INTERVAL_S = 0.5


class Syncing:
    """Calls `sync` every `interval_s` on a thread of its own, and once more at the end."""

    def __init__(self, sync: Callable[[], object], guard: Guard, *, interval_s: float = INTERVAL_S) -> None:
        self._sync, self._guard, self._interval_s = sync, guard, interval_s
        self._renew()
        self._daemon = Daemon("spanwatch-fsync", self._loop, self._renew)
        self._daemon.ensure()

    def stop(self, timeout: float) -> bool:
        """End; False when that took too long."""
        self._ended.set()
        return self._daemon.join(timeout)

    def _loop(self) -> None:
        last = False
        while not last:
            last = self._ended.wait(self._interval_s)
            self._guard.run("writing the journal to disk", self._sync)

    def _renew(self) -> None:
        self._ended = threading.Event()
