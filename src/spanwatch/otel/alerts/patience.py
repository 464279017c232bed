"""Waiting for what may hang, but not for long: a rule in Python, a collection whose callbacks are the application's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from spanwatch.otel.bounded import Bounded

T = TypeVar("T")


class Patience:
    """Runs one action after the other on a thread that can be given up. One caller at a time.

    What hangs is not begun again until it has ended, so that it holds one thread at most.
    """

    def __init__(self, name: str) -> None:
        self._name, self._thread = name, Bounded(name)
        self._hanging: dict[str, threading.Event] = {}

    def of(self, key: str, action: Callable[[], T], limit_s: float) -> T:
        """What an action returns, or raises.

        Raises:
            TimeoutError: it takes longer, or hangs since an earlier time.
        """
        before = self._hanging.get(key)
        if before is not None and not before.is_set():
            raise TimeoutError
        found: list[T] = []
        failed: list[Exception] = []

        def look() -> None:
            try:
                found.append(action())
            except Exception as error:  # noqa: BLE001 (raised again where it is waited for)
                failed.append(error)

        ended = self._thread.start(look)
        if not ended.wait(limit_s):
            self._thread.end()
            self._hanging[key], self._thread = ended, Bounded(self._name)
            raise TimeoutError
        self._hanging.pop(key, None)
        if failed:
            raise failed[0]
        if not found:  # the thread was given up meanwhile
            raise TimeoutError
        return found[0]

    def end(self) -> None:
        """Run nothing any more."""
        self._thread.end()

    def renew(self) -> None:
        """In a forked child nothing hangs: the threads are the parent's."""
        self._hanging = {}
