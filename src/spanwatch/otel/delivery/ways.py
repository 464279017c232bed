"""A lane as the way out of one signal, beside those by the stock exporters."""

from __future__ import annotations

import os
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)

from spanwatch.core.exports import Export
from spanwatch.otel.bounded import Bounded
from spanwatch.otel.clearing import Clearing
from spanwatch.otel.delivery.lane import Lane
from spanwatch.otel.exporters import maker, scoped
from spanwatch.otel.live.carrying import Carrier, rides
from spanwatch.otel.live.live import Live

_LEVEL = 3  # of compression


class LaneWay:
    """Flushed and closed with the others; what waits in the journal is owed again at the next flush."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self._lost = 0

    @property
    def export(self) -> Export:
        """Where to."""
        return self.lane.export

    def owed(self) -> int:
        """How much was handed over and has not arrived."""
        return self.lane.counts.outstanding()

    def flush(self, deadline: float) -> threading.Event:
        """Begin to send; the event says when that has been tried, or is hopeless before `deadline`."""
        return self.lane.drain(deadline)

    def close(self, deadline: float) -> threading.Event:
        """Begin to send for the last time."""
        return self.lane.last(deadline)

    def left(self, before: int, *, tried: bool) -> int:  # noqa: ARG002 (nothing is written off)
        """What waits of `before`, and what was dropped since the last time."""
        account = self.lane.account()
        lost, self._lost = account.lost - self._lost, account.lost
        return min(account.waiting, before) + lost

    def abort(self) -> None:
        """Nothing: the delivery ends its senders by itself."""


class MetricWay(LaneWay):
    """The lane of metrics: a flush collects first."""

    def __init__(self, lane: Lane, collect: Callable[[], object], stop: Callable[[], object]) -> None:
        super().__init__(lane)
        self._collect, self._stop = collect, stop
        self._thread = Bounded("spanwatch-collecting")  # callbacks of observable instruments may be slow

    def flush(self, deadline: float) -> threading.Event:
        """Collect and send."""
        return self._begin(self._collect, self.lane.drain, deadline)

    def close(self, deadline: float) -> threading.Event:
        """Collect and send for the last time."""
        return self._begin(self._stop, self.lane.last, deadline)

    def left(self, before: int, *, tried: bool) -> int:
        """What waits, the collection that the flush made included."""
        return super().left(max(before, self.owed()), tried=tried)

    def abort(self) -> None:
        """Collect no more."""
        self._thread.end()

    def _begin(
        self, collect: Callable[[], object], send: Callable[[float], threading.Event], deadline: float
    ) -> threading.Event:
        def work() -> None:
            try:
                collect()
            finally:
                send(deadline).wait(max(0.0, deadline - time.monotonic()))

        return self._thread.start(work)


class JournaledMetrics(MetricExporter):
    """Hands every collection to a lane, encoded; with `only_scope` that scope's alone.

    In a forked child it is silent: the sums that its reader carries over are the parent's, and the child gets its own.
    """

    def __init__(self, lane: Lane, like: Any, clearing: Clearing, only_scope: str | None) -> None:
        super().__init__(like._preferred_temporality, like._preferred_aggregation)  # noqa: SLF001 (no public name)
        self._lane: Lane | None = lane
        self._clearing, self._only_scope, self._pid = clearing, only_scope, os.getpid()

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 (the SDK's signature)
        **_kwargs: Any,
    ) -> MetricExportResult:
        """Keep one collection; it is one record."""
        lane = self._lane
        if lane is not None and self._pid == os.getpid():
            data = metrics_data if self._only_scope is None else scoped(metrics_data, self._only_scope)
            if data.resource_metrics:
                message = encode_metrics(self._clearing.metrics(data)).SerializeToString()
                lane.append("metrics", {"z": b64encode(zlib.compress(message, _LEVEL)).decode("ascii")})
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002 (the SDK's signature)
        """Nothing is held back."""
        return True

    def shutdown(
        self,
        timeout_millis: float = 30_000,  # noqa: ARG002 (the SDK's signature)
        **_kwargs: Any,
    ) -> None:
        """Let go of the lane: a provider never lets go of its readers."""
        self._lane = None


def metric_way(
    lane: Lane, clearing: Clearing, only_scope: str | None, live: Live | None
) -> tuple[MetricWay, list[MetricReader]]:
    """All metrics at an interval, into the lane; on the live reader where that collects what is to be sent."""
    stock = maker(lane.export)()  # knows the standard variables about temporality and aggregation
    stock.shutdown()
    exporter = JournaledMetrics(lane, stock, clearing, only_scope)
    if live is None or not rides(exporter):
        reader = PeriodicExportingMetricReader(exporter)
        readers: list[MetricReader] = [reader] if live is None else [reader, live.new_reader()]
        return MetricWay(lane, reader.force_flush, reader.shutdown), readers
    carrier = Carrier(exporter, os.environ)
    riding = live.new_reader(exporter, interval_s=carrier.every_s)

    def collect() -> None:
        carrier.export(riding.gather())

    riding.followers.append(lambda data: carrier.offer(data, _at_once))
    return MetricWay(lane, collect, collect), [riding]


def _at_once(action: Callable[[], object]) -> threading.Event:
    done = threading.Event()
    action()
    done.set()
    return done
