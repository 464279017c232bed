"""Spans, log records and metrics without their secrets, for what does not leave through the journal."""

from __future__ import annotations

import copy
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.metrics.export import Metric, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import Link, SpanContext, Status, TraceState

from spanwatch.core import names
from spanwatch.core.redact import Redactor
from spanwatch.core.sanitise import BYTES, plain
from spanwatch.core.secret_shapes import REDACTED
from spanwatch.otel.encode import Border
from spanwatch.otel.rebuilt import Rebuilt

MOST_LABELS = 8_192  # values of labels that are remembered as ordinary, and as many that were altered


class Clearing:
    """What may leave, as copies: the SDK's own objects are never changed. Safe on any thread.

    A label's value that holds a secret is told apart from others by a number, so that no two series become one.
    """

    def __init__(self, border: Border) -> None:
        self.border = border
        self._ordinary: set[tuple[str, Any]] = set()
        self._altered: dict[tuple[str, Any], Any] = {}
        self._taken: dict[str, int] = {}
        self._resource: tuple[Resource, Resource] | None = None

    def span(self, span: ReadableSpan) -> ReadableSpan:
        """A finished span, cleaned as the journal's are; what had to be cut or replaced is counted on it."""
        safe, status = self.border.cleaner(), span.status
        attributes = _attributes(safe, span.attributes)
        events = [Event(_text(safe, e.name), _attributes(safe, e.attributes), e.timestamp) for e in span.events]
        links = [
            Link(_context(safe, each.context) or each.context, _attributes(safe, each.attributes))
            for each in span.links
        ]
        if status.description is not None:
            status = Status(status.status_code, _text(safe, status.description))
        name, context = _text(safe, span.name), _context(safe, span.context)
        if safe.cut:
            attributes[names.RECORD_CUT] = safe.cut
        resource = self.resource(span.resource)
        return Rebuilt(span, attributes, events, status, name=name, context=context, links=links, resource=resource)

    def log(self, record: ReadableLogRecord) -> ReadableLogRecord:
        """A log record, cleaned as the journal's are."""
        safe, log = self.border.cleaner(), copy.copy(record.log_record)
        attributes = _attributes(safe, log.attributes)
        log.body = _restored(safe.clean(log.body))
        log.severity_text = None if log.severity_text is None else _text(safe, log.severity_text)
        log.event_name = None if log.event_name is None else _text(safe, log.event_name)
        if safe.cut:
            attributes[names.RECORD_CUT] = safe.cut
        log.attributes = attributes
        return replace(record, log_record=log, resource=self.resource(record.resource))

    def metrics(self, data: MetricsData) -> MetricsData:
        """A collection: labels of points and exemplars, and resources."""
        return replace(
            data,
            resource_metrics=[
                replace(
                    group,
                    resource=self.resource(group.resource),
                    scope_metrics=[
                        replace(scope, metrics=[self._metric(metric) for metric in scope.metrics])
                        for scope in group.scope_metrics
                    ],
                )
                for group in data.resource_metrics
            ],
        )

    def resource(self, resource: Resource) -> Resource:
        """Who the process is."""
        known = self._resource
        if known is None or known[0] is not resource:
            attributes = _attributes(self.border.cleaner(), resource.attributes)
            known = self._resource = (resource, Resource(attributes, resource.schema_url))
        return known[1]

    def labels(self, labels: Mapping[str, Any]) -> Mapping[str, Any]:
        """The labels of one point; the very mapping where nothing is in it."""
        found = {key: self._label(key, value) for key, value in labels.items()}
        return labels if found == dict(labels) else found

    def _metric(self, metric: Metric) -> Metric:
        points = [self._point(point) for point in metric.data.data_points]
        if all(map(lambda new, old: new is old, points, metric.data.data_points)):
            return metric
        return replace(metric, data=replace(cast("Any", metric.data), data_points=points))

    def _point(self, point: Any) -> Any:
        given = point.attributes or {}
        found = self.labels(given)
        exemplars = point.exemplars or ()
        beside = [self.labels(each.filtered_attributes or {}) for each in exemplars]
        same = all(new is each.filtered_attributes or not new for new, each in zip(beside, exemplars, strict=True))
        if found is given and same:
            return point
        told = [replace(each, filtered_attributes=new) for each, new in zip(exemplars, beside, strict=True)]
        return replace(point, attributes=found, exemplars=told)

    def _label(self, key: str, value: Any) -> Any:
        kind = type(value)
        if kind is bool or kind is int or kind is float:
            return value
        if (key, value) in self._ordinary or (kind is str and value.startswith(REDACTED)):
            return value
        if (key, value) in self._altered:
            return self._altered[key, value]
        found = _restored(self.border.cleaner().clean({key: value}).get(key, REDACTED))
        if found != value:
            return self._told_apart(key, value, found)
        if len(self._ordinary) >= MOST_LABELS:
            self._ordinary.clear()
        self._ordinary.add((key, value))
        return value

    def _told_apart(self, key: str, value: Any, found: Any) -> Any:
        if len(self._altered) >= MOST_LABELS:
            return found
        said = f"{key}={found}"
        number = self._taken[said] = self._taken.get(said, 0) + 1
        if number > 1 and type(found) is str:
            found = f"{found} {number}"
        return self._altered.setdefault((key, value), found)  # another thread may have been first


class ClearedSpans(SpanProcessor):
    """Hands spans on without their secrets."""

    def __init__(self, inner: SpanProcessor, clearing: Clearing) -> None:
        self._inner, self._clearing = inner, clearing

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """See `SpanProcessor`."""
        self._inner.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """See `SpanProcessor`."""
        self._inner.on_end(self._clearing.span(span))

    def shutdown(self) -> None:
        """See `SpanProcessor`."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `SpanProcessor`."""
        return self._inner.force_flush(timeout_millis)


class ClearedLogs(LogRecordProcessor):
    """Hands log records on without their secrets."""

    def __init__(self, inner: LogRecordProcessor, clearing: Clearing) -> None:
        self._inner, self._clearing = inner, clearing

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """See `LogRecordProcessor`."""
        cleared = copy.copy(log_record)
        read = ReadableLogRecord(
            log_record.log_record, log_record.resource or Resource.get_empty(), log_record.instrumentation_scope
        )
        found = self._clearing.log(read)
        cleared.log_record, cleared.resource = found.log_record, found.resource
        self._inner.on_emit(cleared)

    def shutdown(self) -> None:
        """See `LogRecordProcessor`."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `LogRecordProcessor`."""
        return bool(self._inner.force_flush(timeout_millis))


def _attributes(safe: Redactor, given: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: _restored(value) for key, value in safe.attributes(None if given is None else plain(given)).items()}


def _text(safe: Redactor, value: Any) -> str:
    return str(safe.clean(value))


def _context(safe: Redactor, context: SpanContext | None) -> SpanContext | None:
    if context is None or not context.trace_state:
        return context
    given = context.trace_state.to_header()
    found = _text(safe, given)
    if found == given:
        return context
    state = TraceState.from_header([found])
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags, state)


def _restored(value: Any) -> Any:
    """A cleaned value as the SDK has it: sequences are tuples, bytes are bytes."""
    if type(value) is list:
        return tuple(_restored(item) for item in value)
    if type(value) is not dict:
        return value
    if value.keys() == {BYTES}:
        try:
            return b64decode(value[BYTES], validate=True)
        except (NotBase64, TypeError, ValueError):
            return str(value[BYTES])
    return {key: _restored(item) for key, item in value.items()}


def cleared_labels(labels: Sequence[tuple[str, str]], border: Border) -> tuple[tuple[str, str], ...]:
    """The labels of an alert."""
    return tuple((key, str(value)) for key, value in border.cleaner().attributes(dict(labels)).items())
