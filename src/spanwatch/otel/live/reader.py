"""The one metric reader of ours: collects on its own thread, and whenever somebody wants to know.

Every reader makes every instrument of the process dearer, so the exporter rides on this one instead of having its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, MetricsData

from spanwatch.otel.daemon import Daemon
from spanwatch.otel.guard import Guard

_PATIENCE_S = 2.0  # how long one who wants to know waits for a collection under way: its callbacks may be slow


class LiveReader(MetricReader):
    """Collects every `interval_s` and hands each collection to `receive`, whose failures stop at the guard.

    Args:
        receive: Takes every collection; called by one thread at a time.
        interval_s: Seconds from one collection to the next.
        guard: Where failures stop.
        ticked: Called on the reader's thread after each collection at the interval, and a last time at the end.
        clear: Takes the secrets out of a collection.
        exporter: Whose preferred aggregation holds; its temporality has to be cumulative.
    """

    def __init__(
        self,
        receive: Callable[[MetricsData], object],
        interval_s: float,
        guard: Guard,
        *,
        ticked: Callable[[], object],
        exporter: MetricExporter | None = None,
        clear: Callable[[MetricsData], MetricsData] = lambda data: data,
    ) -> None:
        aggregation = None if exporter is None else exporter._preferred_aggregation  # noqa: SLF001 (no public name)
        super().__init__(preferred_aggregation=aggregation)
        self._receive, self._interval_s, self._guard, self._ticked = receive, interval_s, guard, ticked
        self._clear = clear
        self._stop, self._lock, self._pid = threading.Event(), threading.RLock(), os.getpid()
        self._busy = self._retired = False
        self.followers: list[Callable[[MetricsData | None], object]] = []
        self._latest: MetricsData | None = None
        self._daemon = Daemon("spanwatch-live", self._loop, self._renew)

    def start(self) -> None:
        """Start the thread."""
        self._daemon.ensure()

    def gather(self) -> MetricsData | None:
        """Collect now; the latest collection, where the last one is still under way. None when there is none yet."""
        if self._retired or self._pid != os.getpid() or not self._lock.acquire(timeout=_PATIENCE_S):
            return self._latest
        try:
            if not self._busy:  # not from a callback of this very collection
                self._busy = True
                try:
                    self._guard.run("collecting metrics", self.collect)
                finally:
                    self._busy = False
        finally:
            self._lock.release()
        return self._latest

    def retire(self) -> None:
        """Collect a last time, now, and nothing any more: another reader takes over the instruments."""
        self.gather()
        self._retired = True
        self.stop()

    def stop(self) -> None:
        """Begin to end: the thread collects a last time."""
        if not self._stop.is_set():
            self._stop.set()
            self._daemon.ensure()

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end."""
        return self._daemon.join(timeout)

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:
        """See `MetricReader.shutdown`: the application's provider ends."""
        self.stop()
        self.join(timeout_millis / 1e3)
        self._retired = True

    def _receive_metrics(self, metrics_data: MetricsData, *_timeout: Any, **_kwargs: Any) -> None:
        cleared = self._guard.run("clearing metrics of secrets", self._clear, metrics_data)
        if cleared is not None:
            self._latest = cleared
            self._guard.run("keeping samples of metrics", self._receive, cleared)

    def _loop(self) -> None:
        if self._pid != os.getpid():  # a forked child gets a reader of its own
            return
        last = False
        while not last:
            last = self._stop.wait(self._interval_s)
            data = self.gather()
            for follower in self.followers:
                self._guard.run("handing metrics to their exporter", follower, data)
            self._guard.run("sharing samples of metrics", self._ticked)
        self.followers.clear()  # a provider never lets go of its readers

    def _renew(self) -> None:
        """Nothing: the loop ends in a forked child."""
