"""What is said of a lane's delivery, in few lines: when an outage begins and ends, and when loss starts and ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from spanwatch.otel.guard import say

CALM_S = 30.0  # without a loss for this long, loss has ended
AGAIN_S = 30.0  # between two outages that are told, and between two odd answers
AFTER_FAILURES = 3
AFTER_S = 5.0


class OutageTelling:
    """Tells through the standard logging. `what` names the records and where they go; `kept` what becomes of them."""

    _down: bool
    _losing: bool
    _lost: int
    _told_at: float
    _odd_at: float

    def __init__(self, what: str, kept: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._kept, self._clock = what, kept, clock
        self.renew()

    def failed(self, text: str) -> None:
        """A request was not taken."""
        now = self._clock()
        if self._failures == 0:
            self._failed_at = now
        self._failures += 1
        lasting = self._failures >= AFTER_FAILURES or now - self._failed_at >= AFTER_S
        if self.quiet or self._down or not lasting or now - self._told_at < AGAIN_S:
            return
        self._down, self._told_at = True, now
        say("%s cannot be delivered: %s; %s, and this is said once", self._what, text, self._kept())

    def delivered(self, text: str) -> None:
        """A request was taken; `text` is what was odd about the answer."""
        self._failures = 0
        if self._down:
            self._down = False
            say("%s are delivered again", self._what)
        now = self._clock()
        if text and text not in self._odd and len(self._odd) < 16 and now - self._odd_at >= AGAIN_S:
            self._odd.add(text)
            self._odd_at = now
            say("%s: the collector took a request, but %s; this is said once", self._what, text)

    def losing(self, reason: str, count: int) -> None:
        """Records were dropped just now."""
        with self._lock:
            self._lost += count
            self._lost_at = self._clock()
            began, self._losing = not self._losing, True
            lost = self._lost
        if began:
            say(
                "%s are being lost (%s, %d so far); the next line says when that ends",
                self._what,
                reason,
                lost,
            )

    def tick(self, *, ending: bool = False) -> None:
        """Look whether loss has ended."""
        with self._lock:
            if not self._losing or not (ending or self._clock() - self._lost_at >= CALM_S):
                return
            self._losing, lost, self._lost = False, self._lost, 0
        say("%s: %d were lost; none is lost any more", self._what, lost)

    def renew(self) -> None:
        """In a forked child: nothing was told."""
        self.quiet = False  # at the end: what is owed then is told in one line for all lanes
        self._lock = threading.RLock()
        self._failures, self._failed_at, self._down = 0, 0.0, False
        self._told_at = -AGAIN_S
        self._losing, self._lost, self._lost_at = False, 0, 0.0
        self._odd: set[str] = set()
        self._odd_at = -AGAIN_S
