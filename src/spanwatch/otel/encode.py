"""Finished spans and log records as bodies of journal records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, StatusCode, format_span_id, format_trace_id

from spanwatch.core.pairs import LONG, NotPlain, pairs, text
from spanwatch.core.records import encode, frame, framed
from spanwatch.core.redact import MAX_REDACTED, MAX_REDACTED_RECORD, NO_RULES, Redactor, Rules
from spanwatch.otel.held import Held, dropped, held, hex_of, scope_of


@dataclass(frozen=True, slots=True)
class Border:
    """What may leave: the application's own rules, and how long a text and all texts of a record may be."""

    rules: Rules = NO_RULES
    text: int = MAX_REDACTED
    record: int = MAX_REDACTED_RECORD

    def cleaner(self) -> Redactor:
        """What cleans the values of one record."""
        return Redactor(self.text, self.record, self.rules)


_STANDARD = Border()
_UNSET, _OK = StatusCode.UNSET, StatusCode.OK
_WENT_WELL = f',"st":[{_OK.value},null]'


def span_line(span: ReadableSpan, attributes: Mapping[str, Any], border: Border = _STANDARD) -> bytes:
    """A span with these attributes as a journal record; what `span_body` says, in less time for most."""
    plain = None if any(dropped(span)) else _plain_text(held(span), attributes, border)
    return frame("span", span_body(span, attributes, border)) if plain is None else framed(plain)


def _plain_text(span: Held, attributes: Mapping[str, Any], border: Border) -> str | None:
    """The JSON of a span of which nothing has to be cleaned, cut or told beside its attributes; None of others."""
    context, parent, _, scope, name, began, ended, events, links, kind, status = span
    if context is None or scope is None or began is None or ended is None or type(name) is not str:
        return None
    _, _, _, flags, state, _ = context
    code = status.status_code
    if state or events or links or not (code is _UNSET or (code is _OK and status.description is None)):
        return None
    try:
        called, given = text("n", name), pairs(attributes)
    except (NotPlain, TypeError):
        return None
    if len(called) + len(given) > min(LONG, border.text):
        return None
    if border.rules is not NO_RULES and _may_hold((name, *attributes.values()), border.rules):
        return None
    trace_id, span_id = hex_of(context)
    above = "" if parent is None else f'"p":"{hex_of(parent)[1]}",'
    told = f',"a":{{{given}}}' if given else ""
    went = "" if code is _UNSET else _WENT_WELL
    return (
        f'{{"k":"span","t":"{trace_id}","s":"{span_id}",{called},"b":{began},"e":{ended},{above}'
        f'"fl":{int(flags)},"kd":{kind._value_}{told}{went},"sc":{_scope_text(*scope_of(scope))}}}'
    )


def _may_hold(values: Sequence[Any], rules: Rules) -> bool:
    """Whether a text may have what the application calls secret."""
    texts = [value for value in values if type(value) is str]
    texts += [item for value in values if type(value) is tuple for item in value]
    return any(map(rules.may_hold, texts))


@lru_cache(256)
def _scope_text(name: str, version: str | None, schema_url: str | None) -> str:
    return encode([name, version or None, schema_url or None])


def span_body(span: ReadableSpan, attributes: Mapping[str, Any], border: Border = _STANDARD) -> dict[str, Any]:
    """A span with these attributes, whole: values made safe and without secrets, what is empty left out."""
    safe = border.cleaner()
    body = _bare(span, safe)
    body["kd"] = span.kind.value
    cleaned = safe.attributes(attributes)
    if cleaned:
        body["a"] = cleaned
    events, links, status, scope = span.events, span.links, span.status, span.instrumentation_scope
    if events:
        body["ev"] = [[safe.value(e.name), e.timestamp, safe.attributes(e.attributes)] for e in events]
    if links:
        body["l"] = [[*_ids(link.context), safe.attributes(link.attributes)] for link in links]
    if status.status_code is not _UNSET:
        body["st"] = [status.status_code.value, safe.value(status.description)]
    if scope is not None:
        body["sc"] = _scope(scope)
    lost = dropped(span)
    if any(lost):
        body["d"] = [*lost]
    if safe.cut:
        body["cut"] = safe.cut
    return body


def outline_body(span: ReadableSpan, border: Border = _STANDARD) -> dict[str, Any]:
    """A span of somebody else's: ids, name, parent and times only."""
    return _bare(span, border.cleaner())


def log_body(record: ReadWriteLogRecord, border: Border = _STANDARD) -> dict[str, Any]:
    """A log record, whole: values made safe and without secrets, what is empty left out."""
    safe, log = border.cleaner(), record.log_record
    found: dict[str, Any] = {
        "ts": log.timestamp,
        "ots": log.observed_timestamp,
        "t": format_trace_id(log.trace_id) if log.trace_id else None,
        "s": format_span_id(log.span_id) if log.span_id else None,
        "sev": None if log.severity_number is None else log.severity_number.value,
        "sevt": safe.value(log.severity_text),
        "body": safe.clean(log.body),
        "ev": safe.value(log.event_name),
        "a": safe.attributes(log.attributes),
    }
    body = {key: value for key, value in found.items() if value is not None and value != {}}
    if record.instrumentation_scope is not None:
        body["sc"] = _scope(record.instrumentation_scope)
    if safe.cut:
        body["cut"] = safe.cut
    return body


def _bare(span: ReadableSpan, safe: Redactor) -> dict[str, Any]:
    context, parent = span.context, span.parent
    trace_id, span_id = _ids(context)
    body: dict[str, Any] = {"t": trace_id, "s": span_id, "n": safe.value(span.name)}
    body["b"], body["e"] = span.start_time, span.end_time
    if parent is not None:
        body["p"] = format_span_id(parent.span_id)
    if context is not None:
        body["fl"] = int(context.trace_flags)
        if context.trace_state:
            body["ts"] = safe.value(context.trace_state.to_header())
    return body


def _ids(context: SpanContext | None) -> list[str]:
    return ["", ""] if context is None else [format_trace_id(context.trace_id), format_span_id(context.span_id)]


def _scope(scope: InstrumentationScope) -> list[str | None]:
    return [scope.name, scope.version or None, scope.schema_url or None]
