"""Couriers: one thread for each receiver, so that a notifier that hangs delays nobody else.

A receiver that fails is tried again, ever more seldom, with whatever is true by then. Only what arrived counts as told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from spanwatch.core.rules.telling import Due, Told
from spanwatch.notify.routing import Route
from spanwatch.otel.daemon import Daemon
from spanwatch.otel.guard import Guard, say

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
MOST_DONE = 1_000  # groups that are remembered as told until the book says so
MOST_WAITING = 100  # groups; a newer notification of a group replaces the one that waits


class Courier:
    """Brings notifications to one receiver, one after the other.

    Args:
        route: The receiver.
        told: Called with what has arrived.
        guard: Where failures stop.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        route: Route,
        told: Callable[[Route, Due], object],
        guard: Guard,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.route, self._told, self._guard, self._clock = route, told, guard, clock
        self._condition = threading.Condition()
        self._waiting: dict[str, Due] = {}
        self._carrying: Due | None = None
        self._failures, self._stopping = 0, False
        self._done: dict[str, Told] = {}
        self._daemon = Daemon(f"spanwatch-notify-{route.receiver.name}"[:60], self._loop, self._renew)

    def start(self) -> None:
        """Start the thread."""
        self._daemon.ensure()

    def post(self, found: Sequence[Due]) -> None:
        """What is due now; what was due before and is no more is dropped."""
        with self._condition:
            self._waiting = {each.notification.key: each for each in found[:MOST_WAITING] if not self._is_known(each)}
            if self._waiting:
                self._condition.notify()
        if found:
            self._daemon.ensure()

    def _is_known(self, one: Due) -> bool:
        """Whether just this is being told or was: the book may not have said so yet when it was found due."""
        if self._carrying is not None and _says(self._carrying) == _says(one):
            return True
        return all(
            key in self._done
            and self._done[key].firing == told.firing
            and 0 <= told.at_ns - self._done[key].at_ns < self.route.receiver.repeat_ns
            for key, told in one.told
        )

    def stop(self) -> None:
        """End when what waits was tried once."""
        with self._condition:
            self._stopping = True
            self._condition.notify()

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether it came."""
        return self._daemon.join(timeout)

    @property
    def failing(self) -> int:
        """How often in a row it failed."""
        return self._failures

    def _loop(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._stopping:
                    self._condition.wait()
                if not self._waiting:
                    return
                key = next(iter(self._waiting))
                one = self._carrying = self._waiting.pop(key)
            if self._deliver(one):
                self._failures = 0
                self._done = {**(self._done if len(self._done) < MOST_DONE else {}), **dict(one.told)}
                self._guard.run("writing down what a receiver was told", self._told, self.route, one)
            else:
                self._rest(key, one)
            self._carrying = None

    def _deliver(self, one: Due) -> bool:
        try:
            self.route.notifier(one.notification)
        except Exception as error:  # noqa: BLE001 (a notifier may raise anything)
            self._failures += 1
            if self._failures == 1:
                say("the notifier %s failed with %s; it is tried again", self.route.receiver.name, _named(error))
            return False
        return True

    def _rest(self, key: str, one: Due) -> None:
        """Wait before the next try; what failed waits with the others, unless something newer came."""
        pause = min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(self._failures - 1, 10))
        deadline = self._clock() + pause
        with self._condition:
            self._carrying = None  # what is due meanwhile waits instead of it
            self._waiting.setdefault(key, one)
            while not self._stopping and (left := deadline - self._clock()) > 0:
                self._condition.wait(left)
            if self._stopping:
                self._waiting.clear()

    def _renew(self) -> None:
        self._condition = threading.Condition()
        self._waiting, self._carrying, self._done = {}, None, {}
        self._failures, self._stopping = 0, False


def _says(one: Due) -> dict[str, frozenset[str]]:
    return {key: told.firing for key, told in one.told}


def _named(error: Exception) -> str:
    """The error's kind, and its text where it is ours: others may quote a secret."""
    return f"{type(error).__qualname__}: {error}" if hasattr(error, "harmless") else type(error).__qualname__
