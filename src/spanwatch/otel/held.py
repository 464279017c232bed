"""What a span of the SDK holds, read at once: each of its properties is a call of its own, and some copy.

The fields are the SDK's own, as they are from the oldest to the newest that is supported; a span without them is asked
by its properties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, format_span_id, format_trace_id

from spanwatch.core.sanitise import plain


class Held(NamedTuple):
    """The fields of a span, not copied: they are to be read only."""

    context: SpanContext | None
    parent: SpanContext | None
    attributes: Mapping[str, Any] | None
    scope: InstrumentationScope | None
    name: str
    started_ns: int | None
    ended_ns: int | None
    events: Sequence[Event]
    links: Sequence[Link]
    kind: SpanKind
    status: Status


_PLACES = (
    *("context", "parent", "attributes", "instrumentation_scope", "name", "start_time", "end_time"),
    *("events", "links", "kind", "status"),
)
_said = attrgetter(*_PLACES)
_fields = attrgetter(*(f"_{place}" for place in _PLACES))
_dropped_fields = attrgetter("_attributes.dropped", "_events.dropped", "_links.dropped")
_place = attrgetter("_context", "_parent")
_copied = attrgetter("_attributes.copy")
_scope_name = attrgetter("_instrumentation_scope._name")
_scope_fields = attrgetter("_name", "_version", "_schema_url")
_new = tuple.__new__


def held(span: ReadableSpan) -> Held:
    """All that a span holds."""
    try:
        return _new(Held, _fields(span))
    except AttributeError:
        return _new(Held, _said(span))


def dropped(span: ReadableSpan) -> tuple[int, int, int]:
    """How many attributes, events and links the span lost to its limits."""
    if type(span) is ReadableSpan:  # as the SDK hands it over; a copy of ours has these of its own
        try:
            return _dropped_fields(span)
        except AttributeError:
            pass
    return span.dropped_attributes, span.dropped_events, span.dropped_links


def place_of(span: ReadableSpan) -> tuple[SpanContext | None, SpanContext | None]:
    """A span's own context, and its parent's."""
    try:
        return _place(span)
    except AttributeError:
        return span.context, span.parent


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    """A span's attributes, in a dict of their own."""
    try:
        return _copied(span)()  # type: ignore[no-any-return]  # a dict's copy
    except AttributeError:  # other fields, or none: whether it is empty is a slow question to the SDK's mapping
        return dict(plain(span.attributes or {}))


def hex_of(context: SpanContext) -> tuple[str, str]:
    """The ids of trace and span, 32 and 16 lower-case hex characters; sooner than they are formatted."""
    try:
        return context[0].to_bytes(16, "big").hex(), context[1].to_bytes(8, "big").hex()
    except OverflowError:  # no ids at all: a generator of the application's own made them
        return format_trace_id(context[0]), format_span_id(context[1])


def scope_name(span: ReadableSpan) -> str:
    """The name of the instrumentation scope that made a span; empty where none did."""
    try:
        return _scope_name(span)  # type: ignore[no-any-return]  # a text
    except AttributeError:
        scope = span.instrumentation_scope
        return "" if scope is None else scope.name


def scope_of(scope: InstrumentationScope) -> tuple[str, str | None, str | None]:
    """Name, version and schema of an instrumentation scope."""
    try:
        return _scope_fields(scope)
    except AttributeError:
        return scope.name, scope.version, scope.schema_url
