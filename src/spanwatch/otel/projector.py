"""Keeps the store near the journal from a background thread, when the application pauses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from spanwatch.otel.daemon import Daemon
from spanwatch.otel.guard import Guard
from spanwatch.otel.journal import Journal
from spanwatch.store import forks

QUIET_S = 1.0
AT_LEAST_S = 15.0
MAINTAIN_S = 600.0
FORK_WAIT_S = 0.5


class Projector:
    """Calls `project(home)` when nothing was journaled for `quiet_s`, and at least every `at_least_s` of steady work.

    Whoever reads the store catches up first, so nothing waits for this thread: it keeps the journal short and stays out
    of the application's way. `maintain(home)`, retention, follows the first projection and then every `maintain_s`.
    `freed()` counts segments that no collector waits for any more: they go with the next projection.
    A fork waits up to half a second for a projection under way: the child would inherit SQLite's locked mutexes.
    """

    def __init__(
        self,
        journal: Journal,
        project: Callable[[Path], object],
        maintain: Callable[[Path], object],
        guard: Guard,
        *,
        quiet_s: float = QUIET_S,
        at_least_s: float = AT_LEAST_S,
        maintain_s: float = MAINTAIN_S,
        freed: Callable[[], int] = lambda: 0,
    ) -> None:
        self._journal, self._project, self._maintain, self._guard = journal, project, maintain, guard
        self._quiet_s, self._at_least_s, self._maintain_s, self._freed = quiet_s, at_least_s, maintain_s, freed
        self._renew()
        self._daemon = Daemon("spanwatch-projector", self._loop, self._renew)
        forks.around(before=self._before_fork, parent=self._after_fork)

    def start(self) -> None:
        """Start the thread; a forked child starts its own."""
        self._daemon.ensure()

    def stop(self, timeout: float) -> bool:
        """Bring the store up to date once more and end; False when that took too long and is left to itself."""
        self._stop.set()
        return self._daemon.join(timeout)

    def _loop(self) -> None:
        done_at = maintained_at = None
        seen, projected = 0, (0, 0)
        while not self._stop.wait(self._quiet_s):
            now, appended = time.monotonic(), self._journal.appended
            quiet, seen = appended == seen, appended
            if done_at is None:
                done_at = now
            due = appended, self._freed()
            if due == projected or not (quiet or now - done_at >= self._at_least_s):
                continue
            self._catch_up()
            projected, done_at = due, time.monotonic()
            if maintained_at is None or now - maintained_at >= self._maintain_s:
                self._guard.run("tidying the store", self._maintain, self._journal.home)
                maintained_at = now
        if self._journal.appended != projected[0]:
            self._catch_up()

    def _catch_up(self) -> None:
        with self._busy:
            self._guard.run("bringing the store up to date", self._project, self._journal.home)

    def _before_fork(self) -> None:
        if self._busy.acquire(timeout=FORK_WAIT_S):
            self._held.add(threading.get_ident())

    def _after_fork(self) -> None:
        if threading.get_ident() in self._held:
            self._held.discard(threading.get_ident())
            self._busy.release()

    def _renew(self) -> None:
        self._stop = threading.Event()
        self._busy = threading.Lock()
        self._held: set[int] = set()  # threads that fork just now
