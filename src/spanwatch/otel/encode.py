"""Finished spans and log records as bodies of journal records."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, StatusCode, format_span_id, format_trace_id

from spanwatch.core.sanitise import Sanitiser


def span_body(span: ReadableSpan) -> dict[str, Any]:
    """A span, whole: values made safe, what is empty left out."""
    safe = Sanitiser()
    body = _bare(span, safe)
    body["kd"] = span.kind.value
    attributes = safe.attributes(span.attributes)
    if attributes:
        body["a"] = attributes
    if span.events:
        body["ev"] = [[safe.value(e.name), e.timestamp, safe.attributes(e.attributes)] for e in span.events]
    if span.links:
        body["l"] = [[*_ids(link.context), safe.attributes(link.attributes)] for link in span.links]
    if span.status.status_code is not StatusCode.UNSET:
        body["st"] = [span.status.status_code.value, safe.value(span.status.description)]
    if span.instrumentation_scope is not None:
        body["sc"] = _scope(span.instrumentation_scope)
    dropped = [span.dropped_attributes, span.dropped_events, span.dropped_links]
    if any(dropped):
        body["d"] = dropped
    if safe.cut:
        body["cut"] = safe.cut
    return body


def outline_body(span: ReadableSpan) -> dict[str, Any]:
    """A span of somebody else's: ids, name, parent and times only."""
    return _bare(span, Sanitiser())


def log_body(record: ReadWriteLogRecord) -> dict[str, Any]:
    """A log record, whole: values made safe, what is empty left out."""
    safe, log = Sanitiser(), record.log_record
    found: dict[str, Any] = {
        "ts": log.timestamp,
        "ots": log.observed_timestamp,
        "t": format_trace_id(log.trace_id) if log.trace_id else None,
        "s": format_span_id(log.span_id) if log.span_id else None,
        "sev": None if log.severity_number is None else log.severity_number.value,
        "sevt": safe.value(log.severity_text),
        "body": safe.value(log.body),
        "ev": safe.value(log.event_name),
        "a": safe.attributes(log.attributes),
    }
    body = {key: value for key, value in found.items() if value is not None and value != {}}
    if record.instrumentation_scope is not None:
        body["sc"] = _scope(record.instrumentation_scope)
    if safe.cut:
        body["cut"] = safe.cut
    return body


def _bare(span: ReadableSpan, safe: Sanitiser) -> dict[str, Any]:
    context, parent = span.context, span.parent
    trace_id, span_id = _ids(context)
    body: dict[str, Any] = {"t": trace_id, "s": span_id, "n": safe.value(span.name)}
    body["b"], body["e"] = span.start_time, span.end_time
    if parent is not None:
        body["p"] = format_span_id(parent.span_id)
    if context is not None:
        body["fl"] = int(context.trace_flags)
        if context.trace_state:
            body["ts"] = context.trace_state.to_header()
    return body


def _ids(context: SpanContext | None) -> list[str]:
    return ["", ""] if context is None else [format_trace_id(context.trace_id), format_span_id(context.span_id)]


def _scope(scope: InstrumentationScope) -> list[str | None]:
    return [scope.name, scope.version or None, scope.schema_url or None]
