"""The ways out: stock batch processors and reader, flushed and closed within a time, and told truthfully.

The stock ones block for up to 30 s on a dead collector, so each has a thread that can be given up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from spanwatch.core.exports import Export
from spanwatch.otel.bounded import Bounded
from spanwatch.otel.exporters import CountedLogs, CountedMetrics, CountedSpans, Tally, maker


@dataclass(frozen=True, slots=True)
class Outlet:
    """The way out of one signal; `export` says where to, `tally` what has arrived."""

    export: Export
    tally: Tally
    send: Callable[[], object]
    stop: Callable[[], object]
    thread: Bounded = field(default_factory=lambda: Bounded("spanwatch-exporter"))

    def flush(self) -> threading.Event:
        """Begin to send all that was handed over so far; the event says when that has been tried."""
        return self.thread.start(self.send)

    def close(self) -> threading.Event:
        """Begin to send all, then stop."""
        return self.thread.start(self.stop)


def span_outlet(export: Export, only_scope: str | None = None) -> tuple[Outlet, SpanProcessor]:
    """Spans in batches, by the stock exporter; with `only_scope` only those of one instrumentation scope."""
    tally = Tally()
    batch = BatchSpanProcessor(CountedSpans(maker(export), tally))
    return Outlet(export, tally, batch.force_flush, batch.shutdown), _SpanFeed(batch, tally, only_scope)


def log_outlet(export: Export) -> tuple[Outlet, LogRecordProcessor]:
    """Log records in batches, by the stock exporter."""
    tally = Tally()
    batch = BatchLogRecordProcessor(CountedLogs(maker(export), tally))
    return Outlet(export, tally, batch.force_flush, batch.shutdown), _LogFeed(batch, tally)


def metric_outlet(export: Export, only_scope: str | None = None) -> tuple[Outlet, MetricReader]:
    """All metrics at an interval, by the stock exporter; with `only_scope` only those of one scope."""
    tally = Tally()
    reader = PeriodicExportingMetricReader(CountedMetrics(maker(export), tally, only_scope))
    return Outlet(export, tally, reader.force_flush, reader.shutdown), reader


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
