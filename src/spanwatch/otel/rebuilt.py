"""Finished spans anew: the SDK gives processors a read-only view, so what changes is a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, Status

from spanwatch.core import names
from spanwatch.core.dialects.openllmetry import HEADERS, SCHEMA

_QUOTING = (names.EXCEPTION_MESSAGE, names.EXCEPTION_STACKTRACE)


class Rebuilt(ReadableSpan):
    """A finished span of which some is replaced; all else, the counts of dropped items too, is as it was."""

    def __init__(
        self,
        span: ReadableSpan,
        attributes: Mapping[str, Any],
        events: Sequence[Event] | None = None,
        status: Status | None = None,
        *,
        name: str | None = None,
        context: SpanContext | None = None,
        links: Sequence[Link] | None = None,
        resource: Resource | None = None,
    ) -> None:
        super().__init__(
            name=span.name if name is None else name,
            context=span.context if context is None else context,
            parent=span.parent,
            resource=span.resource if resource is None else resource,
            attributes=attributes,
            events=span.events if events is None else events,
            links=span.links if links is None else links,
            kind=span.kind,
            status=span.status if status is None else status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )
        self._dropped = (span.dropped_attributes, span.dropped_events, span.dropped_links)

    @property
    def dropped_attributes(self) -> int:
        """Attributes that the original lost to its limits."""
        return self._dropped[0]

    @property
    def dropped_events(self) -> int:
        """Events that the original lost to its limits."""
        return self._dropped[1]

    @property
    def dropped_links(self) -> int:
        """Links that the original lost to its limits."""
        return self._dropped[2]


def discreet(
    span: ReadableSpan, attributes: Mapping[str, Any], *, content_on: bool
) -> tuple[ReadableSpan, Mapping[str, Any]]:
    """Span and attributes without request headers, schemas and exception texts: the last two quote content, if off."""
    leaks = (HEADERS,) if content_on else (HEADERS, SCHEMA)
    if not attributes.keys().isdisjoint(leaks):
        attributes = {name: value for name, value in attributes.items() if name not in leaks}
    if content_on or not (span.events or span.status.description):
        return span, attributes
    events = [Event(event.name, _unquoted(event.attributes), event.timestamp) for event in span.events]
    return Rebuilt(span, attributes, events, Status(span.status.status_code)), attributes


def _unquoted(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (attributes or {}).items() if name not in _QUOTING}
