"""One daemon thread per process for what need not be done on the caller's: metrics, and ends of dropped streams."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import NamedTuple

from opentelemetry.trace import SpanContext

from spanwatch.core.call import Call
from spanwatch.core.names import Metric
from spanwatch.otel.daemon import Daemon
from spanwatch.otel.guard import Guard

LINGER_S = 0.1  # a batch waits this long for company: counters are added once per batch
BATCH = 2_048
CAPACITY = 65_536
QUEUE_FULL = "queue_full"


class Measurement(NamedTuple):
    """A finished call for the metrics, with the context its exemplars point at.

    `settled` marks usage and cost that came late: the call itself was counted before.
    """

    call: Call
    context: SpanContext | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """Telemetry of our own that was not kept, by reason."""

    reason: str
    count: int


Values = tuple[tuple[Metric, float, dict[str, str | int]], ...]


class Observed(NamedTuple):
    """Values of histograms and counters with their labels, asked for by the worker; the context of their exemplars."""

    values: Callable[[], Values]
    context: SpanContext | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """An amount for a counter."""

    metric: Metric
    amount: float
    labels: dict[str, str | int]


Measured = Measurement | Lost | Observed | Added


@dataclass(frozen=True, slots=True)
class _Barrier:
    reached: threading.Event
    last: bool = False


_Item = Measured | _Barrier | Callable[[], None] | None


class _Inbox:
    """What the thread of a worker holds while it waits: not the worker itself, so that it ends once that is gone.

    A worker is held by whoever may still ask it for something: a runtime, spans and streams that are open. With the
    last of them goes the worker, and its thread after what was queued before.
    """

    queue: SimpleQueue[_Item]
    hurry: threading.Event

    def __init__(self, worker: Worker) -> None:
        self._worker = weakref.ref(worker, self._gone)
        self.renew()

    def loop(self) -> None:
        while (first := self.queue.get()) is not None:
            worker = self._worker()
            if worker is None or not worker.turn(first):
                return
            del worker, first  # held by the thread no longer than they are needed

    def renew(self) -> None:
        """At first, and in a forked child."""
        self.queue, self.hurry = SimpleQueue(), threading.Event()

    def _gone(self, _reference: object) -> None:
        self.queue.put(None)


class Worker:
    """Hands calls to `record` in batches and runs deferred actions; neither ever blocks its callers.

    Args:
        record: Takes one batch; its failures are counted and said once.
        guard: Where failures stop.
        linger_s: Seconds a first call waits for others.
        capacity: Calls that may wait; more are counted as lost for the metrics (journal and roll-ups have them).
    """

    _lock: threading.RLock
    _overflow: int

    def __init__(
        self,
        record: Callable[[Sequence[Measured]], None],
        guard: Guard,
        *,
        linger_s: float = LINGER_S,
        capacity: int = CAPACITY,
    ) -> None:
        self._record, self._guard = record, guard
        self._linger_s, self._capacity = linger_s, capacity
        self._inbox = _Inbox(self)
        self._renew()
        self._daemon = Daemon("spanwatch-worker", self._inbox.loop, self._renew)

    def put(self, item: Measured) -> None:
        """Queue a call or a loss for the metrics."""
        if self._inbox.queue.qsize() >= self._capacity:
            with self._lock:
                self._overflow += 1
            return
        self._inbox.queue.put(item)
        self._daemon.ensure()

    def lost(self, reason: str, count: int) -> None:
        """Queue a loss; fits `Journal(lost=...)`."""
        self.put(Lost(reason, count))

    def start(self) -> None:
        """Start the thread ahead of the first call, so that `defer` never has to."""
        self._daemon.ensure()

    def defer(self, action: Callable[[], None]) -> None:
        """Run an action soon on the worker. Safe in a GC finalizer: it only appends to a reentrant queue."""
        self._inbox.queue.put(action)

    def drain(self, timeout: float) -> bool:
        """Wait until everything queued before has been recorded; False when the time was too short."""
        if self._daemon.current:
            return True
        deadline = time.monotonic() + timeout
        if not self._daemon.ensure():
            while not self._inbox.queue.empty() and time.monotonic() < deadline:
                self._process(self._waiting())
            return self._inbox.queue.empty()
        barrier = _Barrier(threading.Event())
        self._inbox.queue.put(barrier)
        self._inbox.hurry.set()
        return barrier.reached.wait(max(0.0, deadline - time.monotonic()))

    def retire(self) -> None:
        """Nobody begins anything new here: go on for what is open still, and begin nothing in a forked child."""
        self._daemon.retire()

    def stop(self, timeout: float) -> bool:
        """Drain, then end the thread; a later call starts another."""
        deadline = time.monotonic() + timeout
        drained = self.drain(timeout)
        if self._daemon.alive:
            self._inbox.queue.put(None)
            self._inbox.hurry.set()
            drained = self._daemon.join(max(0.0, deadline - time.monotonic())) and drained
        return drained

    def turn(self, first: _Item) -> bool:
        """One batch, on the thread; False when told to stop."""
        if isinstance(first, Measured):
            self._inbox.hurry.wait(self._linger_s)
        self._inbox.hurry.clear()
        return self._process([first, *self._waiting()])

    def _waiting(self) -> list[_Item]:
        items: list[_Item] = []
        try:
            while len(items) < BATCH:
                items.append(self._inbox.queue.get_nowait())
        except Empty:
            pass
        return items

    def _process(self, items: Sequence[_Item]) -> bool:
        """Record one batch, then run what was deferred; False when told to stop."""
        measured: list[Measured] = [item for item in items if isinstance(item, Measured)]
        if self._overflow:
            with self._lock:
                count, self._overflow = self._overflow, 0
            measured.append(Lost(QUEUE_FULL, count))
        if measured:
            self._guard.run("recording metrics", self._record, measured)
        for item in items:
            if isinstance(item, _Barrier):
                self._pass(item)
            elif callable(item):
                self._guard.run("a deferred action", item)
        return not any(item is None for item in items)

    def _pass(self, barrier: _Barrier) -> None:
        """Let a barrier through on its second turn: what ran deferred before it may have queued calls."""
        if barrier.last:
            barrier.reached.set()
        else:
            self._inbox.queue.put(_Barrier(barrier.reached, last=True))
            self._inbox.hurry.set()

    def _renew(self) -> None:
        self._inbox.renew()
        self._lock = threading.RLock()  # reentrant: a host finalizer may end a span inside it
        self._overflow = 0
