"""Journal records as OTLP requests, in protobuf.

Source: opentelemetry-proto 1.x, `trace.proto`, `logs.proto`, `common.proto`; the mapping of Python values is the SDK's.
"""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanwatch.core.exports import Signal
from spanwatch.core.names import RECORD_CUT
from spanwatch.core.sanitise import BYTES

_REMOTE_UNKNOWN = 0x100  # W3C flags are the low byte
_UNFIT = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
Body = Mapping[str, Any]
Resource = Mapping[str, Any]


def request(signal: Signal, resource: Resource, bodies: Sequence[Body]) -> tuple[bytes, int]:
    """The request that carries these records of one resource, and how many of them could not be said in OTLP."""
    if signal == "traces":
        return _spans(resource, bodies)
    return _logs(resource, bodies) if signal == "logs" else _metrics(bodies)


def _spans(resource: Resource, bodies: Iterable[Body]) -> tuple[bytes, int]:
    message, unfit = ExportTraceServiceRequest(), 0
    group = message.resource_spans.add()
    _attributes(group.resource.attributes, resource)
    scopes: dict[tuple[Any, ...], Any] = {}
    for body in bodies:
        spans = _scoped(scopes, body, group.scope_spans).spans
        try:
            _span(spans.add(), body)
        except _UNFIT:
            del spans[-1]
            unfit += 1
    return message.SerializeToString(), unfit


def _logs(resource: Resource, bodies: Iterable[Body]) -> tuple[bytes, int]:
    message, unfit = ExportLogsServiceRequest(), 0
    group = message.resource_logs.add()
    _attributes(group.resource.attributes, resource)
    scopes: dict[tuple[Any, ...], Any] = {}
    for body in bodies:
        records = _scoped(scopes, body, group.scope_logs).log_records
        try:
            _log(records.add(), body)
        except _UNFIT:
            del records[-1]
            unfit += 1
    return message.SerializeToString(), unfit


def _metrics(bodies: Iterable[Body]) -> tuple[bytes, int]:
    """Reports that were encoded when they were collected."""
    message, unfit = ExportMetricsServiceRequest(), 0
    for body in bodies:
        try:
            message.MergeFromString(zlib.decompress(b64decode(body["z"])))
        except (*_UNFIT, DecodeError, zlib.error):
            unfit += 1
    return message.SerializeToString(), unfit


def _scoped(scopes: dict[tuple[Any, ...], Any], body: Body, groups: Any) -> Any:
    given = body.get("sc")
    name, version, schema = given if isinstance(given, list) and len(given) == 3 else (None, None, None)
    found = scopes.get((name, version, schema))
    if found is None:
        found = scopes[name, version, schema] = groups.add()
        if name or version:
            found.scope.CopyFrom(InstrumentationScope(name=name or "", version=version or ""))
        if schema:
            found.schema_url = schema
    return found


def _span(span: Span, body: Body) -> None:
    parent = body.get("p")
    span.trace_id, span.span_id = bytes.fromhex(body["t"]), bytes.fromhex(body["s"])
    if parent:
        span.parent_span_id = bytes.fromhex(parent)
    span.name = _text(body["n"])
    span.kind = cast("Span.SpanKind.ValueType", body.get("kd", 0) + 1)
    span.start_time_unix_nano, span.end_time_unix_nano = _time(body.get("b")), _time(body.get("e"))
    span.flags = body.get("fl", 0) | _REMOTE_UNKNOWN | (0x200 if body.get("rp") else 0)
    if state := body.get("ts"):
        span.trace_state = _text(state)
    _attributes(span.attributes, body.get("a") or {})
    for name, time_ns, attributes in body.get("ev", ()):
        event = span.events.add(name=_text(name), time_unix_nano=_time(time_ns))
        _attributes(event.attributes, attributes or {})
    for trace_id, span_id, attributes in body.get("l", ()):
        link = span.links.add(trace_id=bytes.fromhex(trace_id), span_id=bytes.fromhex(span_id))
        _attributes(link.attributes, attributes or {})
    if status := body.get("st"):
        span.status.code = cast("Status.StatusCode.ValueType", status[0])
        span.status.message = _text(status[1] or "")
    if dropped := body.get("d"):
        span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count = dropped
    _flagged(span.attributes, body)


def _log(record: LogRecord, body: Body) -> None:
    record.time_unix_nano, record.observed_time_unix_nano = _time(body.get("ts")), _time(body.get("ots"))
    record.severity_number = cast("SeverityNumber.ValueType", body.get("sev") or 0)
    record.severity_text = _text(body.get("sevt") or "")
    record.event_name = _text(body.get("ev") or "")
    if trace_id := body.get("t"):
        record.trace_id = bytes.fromhex(trace_id)
    if span_id := body.get("s"):
        record.span_id = bytes.fromhex(span_id)
    if (said := body.get("body")) is not None:
        _value(record.body, said)
    _attributes(record.attributes, body.get("a") or {})
    _flagged(record.attributes, body)


def _flagged(target: Any, body: Body) -> None:
    """Say on the record itself that values of it were cut or replaced."""
    if cut := body.get("cut"):
        target.add(key=RECORD_CUT, value=AnyValue(int_value=int(cut)))


def _attributes(target: Any, source: Mapping[str, Any]) -> None:
    for key, value in source.items():
        _value(target.add(key=_text(key)).value, value)


def _value(target: AnyValue, value: Any) -> None:
    kind = type(value)
    if kind is str:
        target.string_value = _text(value)
    elif kind is bool:
        target.bool_value = value
    elif kind is int:
        target.int_value = value
    elif kind is float:
        target.double_value = value
    elif kind is list:
        target.array_value.SetInParent()
        for item in value:
            _value(target.array_value.values.add(), item)
    elif kind is dict:
        _mapping(target, value)


def _mapping(target: AnyValue, value: dict[str, Any]) -> None:
    if value.keys() == {BYTES}:
        try:
            target.bytes_value = b64decode(value[BYTES], validate=True)
        except (TypeError, ValueError):  # cut, or with something in it that looked like a secret
            target.string_value = _text(value[BYTES])
        return
    target.kvlist_value.SetInParent()
    for key, item in value.items():
        entry: KeyValue = target.kvlist_value.values.add(key=_text(key))
        _value(entry.value, item)


def _text(text: Any) -> str:
    """A text that protobuf takes: without lone surrogates."""
    found = text if type(text) is str else str(text)
    return found if found.isascii() else found.encode("utf-8", "replace").decode("utf-8")


def _time(time_ns: Any) -> int:
    """A time that protobuf takes: from 1970 to 2554, 0 where there is none."""
    return min(max(time_ns or 0, 0), 2**64 - 1)
