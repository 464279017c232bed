"""A daemon thread that starts when first needed and again in a forked child."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from spanwatch.store import forks


class Daemon:
    """Runs `target` on one named daemon thread per process.

    Args:
        name: The thread's name.
        target: The loop; returns to end the thread.
        renew: Called first in a forked child, to make new queues and locks: the parent's may be held forever.
    """

    def __init__(self, name: str, target: Callable[[], None], renew: Callable[[], None]) -> None:
        self._name, self._target, self._renew = name, weakref.WeakMethod(target), weakref.WeakMethod(renew)
        self._thread: threading.Thread | None = None
        self._runs = False
        self._retired = False
        self._lock = threading.Lock()
        forks.around(child=self._in_child)

    def ensure(self) -> bool:
        """Start the thread unless it runs; False when it cannot be (the interpreter is shutting down)."""
        if self._runs:  # asked for every span: the thread itself takes longer to say so
            return True
        with self._lock:
            target = self._target()
            if target is None or (self._thread is not None and self._thread.is_alive()):
                return target is not None
            self._thread = threading.Thread(target=self._run, args=(target,), name=self._name, daemon=True)
            self._runs = True
            try:
                self._thread.start()
            except RuntimeError:
                self._thread, self._runs = None, False
                return False
            return True

    def retire(self) -> None:
        """Begin no thread in children that are forked from now on, unless they ask for it."""
        self._retired = True

    @property
    def alive(self) -> bool:
        """Whether the thread runs now."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def current(self) -> bool:
        """Whether the caller is that thread."""
        return threading.current_thread() is self._thread

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end; whether it has ended."""
        thread = self._thread
        if thread is None or threading.current_thread() is thread:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self, target: Callable[[], None]) -> None:
        try:
            target()
        finally:
            self._runs = False

    def _in_child(self) -> None:
        running, self._runs = self._runs, False  # not what had ended before the fork
        self._thread, self._lock = None, threading.Lock()
        renew = self._renew()
        if renew is None:  # who had it run is gone, and its thread was about to end
            return
        renew()
        if running and not self._retired:
            self.ensure()
