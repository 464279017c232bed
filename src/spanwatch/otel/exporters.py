"""The stock OTLP exporters, loaded through their standard entry points, made anew after a fork, and counted.

What counts as delivered is what the exporter answered; the SDK's own `force_flush` says True after failed exports.
"""

from __future__ import annotations

import importlib.metadata
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from spanwatch.core.errors import ConfigurationError
from spanwatch.core.exports import Export
from spanwatch.otel.clearing import Clearing
from spanwatch.otel.hush import Hush

_NAMES = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
E = TypeVar("E")


class Tally:
    """How many items of one signal were handed over, delivered and written off; begins anew in a forked child."""

    def __init__(self) -> None:
        self._renew()

    def accept(self) -> None:
        """One item was handed over."""
        with self._owned():
            self._accepted += 1

    def deliver(self, count: int) -> None:
        """The collector took `count` items."""
        with self._owned():
            self._delivered += count

    def outstanding(self) -> int:
        """Items handed over that were neither delivered nor written off."""
        with self._owned():
            return max(0, self._accepted - self._delivered - self._written_off)

    def write_off(self, count: int) -> None:
        """`count` items will never be delivered, and the caller says so."""
        with self._owned():
            self._written_off += count

    def _owned(self) -> threading.RLock:
        if self._pid != os.getpid():
            self._renew()
        return self._lock

    def _renew(self) -> None:
        self._pid, self._lock = os.getpid(), threading.RLock()
        self._accepted = self._delivered = self._written_off = 0


class PerProcess(Generic[E]):
    """An exporter that a forked child makes anew: it must not write into its parent's connection."""

    def __init__(self, make: Callable[[], E]) -> None:
        self._make = make
        self._made, self._pid = make(), os.getpid()

    def __call__(self) -> E:
        """The exporter of this process."""
        if self._pid != os.getpid():
            self._made, self._pid = self._make(), os.getpid()
        return self._made


class CountedSpans(SpanExporter):
    """A span exporter whose successes are counted, and that lets no secret out."""

    def __init__(self, make: Callable[[], SpanExporter], tally: Tally, clearing: Clearing, what: str = "spans") -> None:
        self._inner, self._tally, self._clearing = PerProcess(make), tally, clearing
        self._ended, self._hush = False, Hush(self._inner(), what)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export one batch."""
        with self._hush.exporting():
            result = self._inner().export([self._clearing.span(span) for span in spans])
        self._hush.done(delivered=result is SpanExportResult.SUCCESS, ending=self._ended)
        if result is SpanExportResult.SUCCESS:
            self._tally.deliver(len(spans))
        return result

    def shutdown(self) -> None:
        """Shut the exporter down, once."""
        ended, self._ended = self._ended, True
        if not ended:
            self._inner().shutdown()


class CountedLogs(LogRecordExporter):
    """A log exporter whose successes are counted, and that lets no secret out."""

    def __init__(self, make: Callable[[], Any], tally: Tally, clearing: Clearing, what: str = "log records") -> None:
        self._inner, self._tally, self._clearing = PerProcess(make), tally, clearing
        self._ended, self._hush = False, Hush(self._inner(), what)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Export one batch."""
        with self._hush.exporting():
            result: LogRecordExportResult = self._inner().export([self._clearing.log(record) for record in batch])
        self._hush.done(delivered=result is LogRecordExportResult.SUCCESS, ending=self._ended)
        if result is LogRecordExportResult.SUCCESS:
            self._tally.deliver(len(batch))
        return result

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        """Flush the exporter."""
        return bool(self._inner().force_flush(timeout_millis))

    def shutdown(self) -> None:
        """Shut the exporter down, once."""
        ended, self._ended = self._ended, True
        if not ended:
            self._inner().shutdown()


class CountedMetrics(MetricExporter):
    """A metric exporter whose successes are counted, and that can be held to one scope.

    In a forked child it is silent: the sums that its reader carries over are the parent's, and the child gets its own.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        tally: Tally,
        clearing: Clearing,
        only_scope: str | None = None,
        what: str = "metrics",
    ) -> None:
        self._inner, self._pid = make(), os.getpid()
        self._tally, self._clearing, self._only_scope, self._ended = tally, clearing, only_scope, False
        self._hush = Hush(self._inner, what)
        inner = self._inner
        super().__init__(inner._preferred_temporality, inner._preferred_aggregation)  # noqa: SLF001 (no public name)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Export one collection; it counts as one item."""
        if self._pid != os.getpid():
            return MetricExportResult.SUCCESS
        data = metrics_data if self._only_scope is None else scoped(metrics_data, self._only_scope)
        if not data.resource_metrics:
            return MetricExportResult.SUCCESS
        self._tally.accept()
        with self._hush.exporting():
            cleared = self._clearing.metrics(data)
            result: MetricExportResult = self._inner.export(cleared, timeout_millis=timeout_millis, **kwargs)
        self._hush.done(delivered=result is MetricExportResult.SUCCESS, ending=self._ended)
        if result is MetricExportResult.SUCCESS:
            self._tally.deliver(1)
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the exporter."""
        return bool(self._inner.force_flush(timeout_millis))

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Shut the exporter down, once."""
        ended, self._ended = self._ended, True
        if not ended:
            self._inner.shutdown(timeout_millis, **kwargs)


def scoped(data: MetricsData, scope: str) -> MetricsData:
    """The part of a collection that one instrumentation scope made."""
    kept = (
        replace(resource, scope_metrics=[group for group in resource.scope_metrics if group.scope.name == scope])
        for resource in data.resource_metrics
    )
    return replace(data, resource_metrics=[resource for resource in kept if resource.scope_metrics])


def maker(export: Export) -> Callable[[], Any]:
    """What makes the stock exporter of one signal.

    Raises:
        ConfigurationError: the package that has it is not installed.
    """
    group, name = f"opentelemetry_{export.signal}_exporter", _NAMES[export.protocol]
    found = next(iter(importlib.metadata.entry_points(group=group, name=name)), None)
    if found is None:
        raise ConfigurationError(
            f"no exporter {name!r} for {export.signal} is installed: pip install opentelemetry-exporter-otlp"
        )
    factory = found.load()
    if export.url is None:
        return cast("Callable[[], Any]", factory)
    if export.protocol == "grpc":
        insecure = export.url.startswith("http://")
        return lambda: factory(endpoint=export.url, insecure=insecure)
    return lambda: factory(endpoint=export.url)
