"""The live view of one process: reader, ring, what it shares through the store, and what the others shared."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData

from spanwatch.core.errors import StoreError
from spanwatch.core.health import Health, Thresholds, verdict
from spanwatch.core.measured import measured
from spanwatch.core.names import PROCESS_PID, SERVICE_NAME
from spanwatch.core.points import Labels
from spanwatch.core.series import COARSE_NS, SECOND_NS, Ring, Series
from spanwatch.core.windows import Window
from spanwatch.otel.guard import Guard
from spanwatch.otel.live.collected import descriptions, points
from spanwatch.otel.live.reader import LiveReader
from spanwatch.store import samples

_DRAIN_S = 0.5
_QUESTIONS = 16  # as many questions about health, by window and limits, are steadied by their last answer


@dataclass(frozen=True, slots=True)
class Share:
    """Where samples are shared, who shares them (a service's name), and how many may be there of all processes."""

    home: Path | None
    service: str | None
    most: int = samples.MAX_SAMPLES


class Live:
    """Keeps the samples of this process and reads those of others.

    Args:
        share: Where to; nowhere when its home is None.
        guard: Where failures stop.
        drain: Waits a number of seconds at most until all calls that ended are in the metrics.
        interval_s: Seconds from one sample to the next.
        clear: Takes the secrets out of a collection.
    """

    def __init__(
        self,
        share: Share,
        guard: Guard,
        drain: Callable[[float], object],
        *,
        interval_s: float = 15.0,
        clear: Callable[[MetricsData], MetricsData] = lambda data: data,
    ) -> None:
        self._where, self._guard, self._drain, self.interval_s, self._clear = share, guard, drain, interval_s, clear
        self.reader: LiveReader | None = None
        self.on_tick: Callable[[], object] = lambda: None
        self.descriptions: dict[str, str] = {}
        self._said: dict[tuple[float, Thresholds], Health] = {}
        self.renew()

    def renew(self) -> None:
        """Begin empty, as another process: a fork."""
        service = ((SERVICE_NAME, self._where.service),) if self._where.service else ()
        self._resource: Labels = (*service, (PROCESS_PID, str(os.getpid())))
        self._instance, self._lock = uuid.uuid4().hex, threading.Lock()
        self._ring = Ring(fine_ns=int(self.interval_s * SECOND_NS))
        self._shared_at = self._tidied_ns = 0.0
        self.reader, self._said, self._stood = None, {}, (0, 0)

    def new_reader(self, exporter: MetricExporter | None = None, *, interval_s: float | None = None) -> LiveReader:
        """A reader for another MeterProvider, in place of the one before; `interval_s` when it has to be shorter."""
        if self.reader is not None:
            self.reader.retire()
        every = min(self.interval_s, interval_s or self.interval_s)
        self.reader = LiveReader(
            self._receive, every, self._guard, ticked=self._ticked, exporter=exporter, clear=self._clear
        )
        self.reader.start()
        return self.reader

    def refresh(self) -> None:
        """Have everything that ended before in the ring."""
        self._drain(_DRAIN_S)
        if self.reader is not None:
            self.reader.gather()

    def find(self, name: str | None, window: Window) -> list[Series]:
        """The series of one instrument, or of all, of this process and the others of this home."""
        with self._lock:
            own = [
                Series(identity, kept, self._ring.seen_ns, self._resource) for identity, kept in self._ring.series(name)
            ]
        return own + self._others(name, window)

    def instruments(self) -> set[str]:
        """The names of the instruments that samples are known of."""
        with self._lock:
            known = {identity.name for identity, _ in self._ring.series()}
        if self._where.home is not None:
            with contextlib.suppress(StoreError):
                known |= samples.instruments(self._where.home)
        return known

    def health(self, window_s: float, thresholds: Thresholds, at_ns: int | None = None) -> Health:
        """How the processes of this home are now, steadied by what was said before."""
        self.refresh()
        now = at_ns or time.time_ns()
        window = Window(now - int(window_s * SECOND_NS), now)
        found = measured(lambda name: self.find(name, window), window)
        said = self._said.pop((window_s, thresholds), None)
        told = verdict(found, at_ns=now, window_s=window_s, thresholds=thresholds, previous=said)
        if len(self._said) >= _QUESTIONS:
            self._said.clear()
        self._said[window_s, thresholds] = told
        return told

    def stop(self) -> None:
        """Begin to end: a last collection, shared."""
        if self.reader is not None:
            self._shared_at = 0.0
            self.reader.stop()

    def join(self, timeout: float) -> bool:
        """Wait for the end."""
        return self.reader is None or self.reader.join(timeout)

    def _receive(self, data: MetricsData) -> None:
        found = points(data)
        self.descriptions = descriptions(data)
        with self._lock:
            self._ring.take(found, self._now_ns())

    def _now_ns(self) -> int:
        """UNIX time, which goes on from where it stood when the machine's clock steps back."""
        wall, steady = time.time_ns(), time.monotonic_ns()
        stood, then = self._stood
        self._stood = (wall if wall >= stood else stood + steady - then, steady)
        return self._stood[0]

    def _ticked(self) -> None:
        self._guard.run("what follows a collection of metrics", self.on_tick)
        if self._where.home is None or time.monotonic() - self._shared_at < self.interval_s * 0.9:
            return
        self._shared_at = time.monotonic()
        self._share(self._where.home)

    def _share(self, home: Path) -> None:
        with self._lock:
            ring, news, seen = self._ring, self._ring.news(), self._ring.seen_ns
        samples.write(home, self._instance, self._resource, news, seen)
        with self._lock:
            ring.told(news)
        if seen - self._tidied_ns >= COARSE_NS:
            samples.tidy(home, seen, whole=not self._tidied_ns, max_samples=self._where.most)
            self._tidied_ns = seen

    def _others(self, name: str | None, window: Window) -> list[Series]:
        if self._where.home is None:
            return []
        with contextlib.suppress(StoreError):  # not made or upgraded yet: the first share does, or says why it cannot
            return samples.read(self._where.home, name, window.start_ns, window.end_ns, without=self._instance)
        return []
