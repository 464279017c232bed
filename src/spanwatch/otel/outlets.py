"""The ways out: stock batch processors and reader, flushed and closed within a time, and told truthfully.

The stock ones block for up to 30 s on a dead collector, so each has a thread that can be given up.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from spanwatch.core.exports import Export
from spanwatch.core.values import masked
from spanwatch.otel.bounded import Bounded
from spanwatch.otel.clearing import Clearing
from spanwatch.otel.exporters import CountedLogs, CountedMetrics, CountedSpans, Tally, maker
from spanwatch.otel.live.carrying import Carrier, rides
from spanwatch.otel.live.live import Live


@dataclass(frozen=True, slots=True)
class Outlet:
    """The way out of one signal; `export` says where to, `tally` what has arrived.

    `cut` ends the exporter's retries, so that what was given up is not delivered after all.
    """

    export: Export
    tally: Tally
    send: Callable[[], object]
    stop: Callable[[], object]
    cut: Callable[[], object]
    thread: Bounded = field(default_factory=lambda: Bounded("spanwatch-exporter"))

    def owed(self) -> int:
        """How much was handed over and has not arrived."""
        return self.tally.outstanding()

    def flush(self, deadline: float) -> threading.Event:  # noqa: ARG002 (the stock exporters have times of their own)
        """Begin to send all that was handed over so far; the event says when that has been tried."""
        return self.thread.start(self.send)

    def close(self, deadline: float) -> threading.Event:  # noqa: ARG002 (see above)
        """Begin to send all, then stop."""
        return self.thread.start(self.stop)

    def left(self, before: int, *, tried: bool) -> int:
        """What has not arrived of `before`. Once it has been tried, it is lost: said now and never again."""
        left = self.tally.outstanding()
        if self.export.signal != "metrics":
            left = min(left, before)
        elif not tried:
            left = max(left, 1)
        if tried:
            self.tally.write_off(left)
        return left

    def abort(self) -> None:
        """Send no more."""
        self.thread.end()
        self.cut()


class Way(Protocol):
    """The way out of one signal, ours or by a stock exporter."""

    @property
    def export(self) -> Export:
        """Where to."""

    def owed(self) -> int:
        """How much was handed over and has not arrived."""

    def flush(self, deadline: float) -> threading.Event:
        """Begin to send; the event says when that has been tried, or is hopeless before `deadline`."""

    def close(self, deadline: float) -> threading.Event:
        """Begin to send for the last time."""

    def left(self, before: int, *, tried: bool) -> int:
        """What has not arrived."""

    def abort(self) -> None:
        """End what is under way."""


def span_outlet(export: Export, clearing: Clearing, only_scope: str | None = None) -> tuple[Outlet, SpanProcessor]:
    """Spans in batches, by the stock exporter; with `only_scope` only those of one instrumentation scope."""
    tally = Tally()
    exporter = CountedSpans(maker(export), tally, clearing, f"spans to {masked(export.target)}")
    batch = BatchSpanProcessor(exporter)
    outlet = Outlet(export, tally, batch.force_flush, batch.shutdown, exporter.shutdown)
    return outlet, _SpanFeed(batch, tally, only_scope)


def log_outlet(export: Export, clearing: Clearing) -> tuple[Outlet, LogRecordProcessor]:
    """Log records in batches, by the stock exporter."""
    tally = Tally()
    exporter = CountedLogs(maker(export), tally, clearing, f"log records to {masked(export.target)}")
    batch = BatchLogRecordProcessor(exporter)
    return Outlet(export, tally, batch.force_flush, batch.shutdown, exporter.shutdown), _LogFeed(batch, tally)


def metric_outlet(
    export: Export, clearing: Clearing, only_scope: str | None = None, live: Live | None = None
) -> tuple[Outlet, list[MetricReader]]:
    """All metrics at an interval, by the stock exporter; with `only_scope` only those of one scope.

    The exporter rides on the live reader, which is among the readers then; one that wants other sums has its own.
    """
    tally = Tally()
    exporter = CountedMetrics(maker(export), tally, clearing, only_scope, f"metrics to {masked(export.target)}")
    if live is not None and rides(exporter):
        return _riding(export, tally, exporter, live)
    reader = PeriodicExportingMetricReader(exporter)
    readers: list[MetricReader] = [reader] if live is None else [reader, live.new_reader()]
    return Outlet(export, tally, reader.force_flush, reader.shutdown, exporter.shutdown), readers


def _riding(export: Export, tally: Tally, exporter: CountedMetrics, live: Live) -> tuple[Outlet, list[MetricReader]]:
    carrier = Carrier(exporter, os.environ)
    reader = live.new_reader(exporter, interval_s=carrier.every_s)

    def stop() -> None:
        try:
            carrier.export(reader.gather())
        finally:
            exporter.shutdown()

    outlet = Outlet(export, tally, lambda: carrier.export(reader.gather()), stop, exporter.shutdown)
    reader.followers.append(lambda data: carrier.offer(data, outlet.thread.start))
    return outlet, [reader]


class _SpanFeed(SpanProcessor):
    def __init__(self, batch: BatchSpanProcessor, tally: Tally, only_scope: str | None) -> None:
        self._batch, self._tally, self._only_scope = batch, tally, only_scope
        self._stop: Callable[[], object] = batch.shutdown

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: finished spans go out."""

    def on_end(self, span: ReadableSpan) -> None:
        context = span.context
        if context is None or not context.trace_flags.sampled:
            return
        scope = span.instrumentation_scope
        if self._only_scope is None or (scope is not None and scope.name == self._only_scope):
            self._tally.accept()
            self._batch.on_end(span)

    def shutdown(self) -> None:
        self._stop()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._batch.force_flush(timeout_millis)


class _LogFeed(LogRecordProcessor):
    def __init__(self, batch: BatchLogRecordProcessor, tally: Tally) -> None:
        self._batch, self._tally = batch, tally
        self._stop: Callable[[], object] = batch.shutdown

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        self._tally.accept()
        self._batch.on_emit(log_record)

    def shutdown(self) -> None:
        self._stop()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._batch.force_flush(timeout_millis))
