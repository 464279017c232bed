"""The hinge: every span passes here once; foreign model calls are read, counted and priced on the way."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from spanwatch.core import names
from spanwatch.core.dialects import SpanFacts, is_genai, read_call
from spanwatch.otel.encode import log_body, outline_body, span_body
from spanwatch.otel.guard import Guard
from spanwatch.otel.journal import Journal
from spanwatch.otel.pipeline import Pipeline

_HALF = (1 << 64) - 1


class CallProcessor(SpanProcessor):
    """Feeds frames and pipeline, journals sampled spans, and passes every span on to the inner processors.

    Args:
        pipeline: Where foreign model calls are counted.
        inner: Processors that get each span after us, priced; usually the exporting ones.
        whole: Whether other libraries' spans are kept whole. False in an application's own provider: there they keep
            ids, name, parent and times only, while GenAI spans and ours are always whole.
    """

    def __init__(self, pipeline: Pipeline, inner: Sequence[SpanProcessor] = (), *, whole: bool = True) -> None:
        self._pipeline, self._inner, self._whole = pipeline, tuple(inner), whole
        self._guard, self._frames, self._journal = pipeline.guard, pipeline.frames, pipeline.journal

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Open a frame."""
        self._guard.run("starting a span", self._frames.open, span)
        for processor in self._inner:
            self._guard.run("a span processor", processor.on_start, span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Count, journal, pass on."""
        passed = self._guard.run("reading a span", self._read, span) or span
        if self._journal is not None and span.context is not None and span.context.trace_flags.sampled:
            self._guard.run("journaling a span", self._keep, passed, self._journal)
        for processor in self._inner:
            self._guard.run("a span processor", processor.on_end, passed)

    def shutdown(self) -> None:
        """Shut the inner processors down."""
        for processor in self._inner:
            self._guard.run("shutting a span processor down", processor.shutdown)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the inner processors one after the other within the time; whether all did."""
        deadline = time.monotonic() + timeout_millis / 1000
        done = True
        for processor in self._inner:
            left = int((deadline - time.monotonic()) * 1000)
            flushed = left > 0 and self._guard.run("flushing a span processor", processor.force_flush, left)
            done = bool(flushed) and done
        return done

    def _read(self, span: ReadableSpan) -> ReadableSpan:
        """The span itself, or for a foreign model call its copy with cost."""
        attributes, context = span.attributes, span.context
        if context is None or not attributes or names.CALL_ID in attributes:
            return span
        if not is_genai(attributes, span.name):
            return span
        call = read_call(_facts(span), f"{context.trace_id & _HALF:016x}{context.span_id:016x}")
        if call is None:
            frame = self._frames.of(context.span_id)
            if frame is not None:
                frame.ended = True
            return span
        return Rebuilt(span, self._pipeline.observe(call, context))

    def _keep(self, span: ReadableSpan, journal: Journal) -> None:
        whole = self._whole or _ours(span) or is_genai(span.attributes, span.name)
        journal.append("span", span_body(span) if whole else outline_body(span))


class Rebuilt(ReadableSpan):
    """A finished span with further attributes; everything else, the counts of dropped items too, as it was."""

    def __init__(self, span: ReadableSpan, further: Mapping[str, Any]) -> None:
        super().__init__(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes={**(span.attributes or {}), **further},
            events=span.events,
            links=span.links,
            kind=span.kind,
            status=span.status,
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


class LogProcessor(LogRecordProcessor):
    """Journals every log record."""

    def __init__(self, journal: Journal, guard: Guard) -> None:
        self._journal, self._guard = journal, guard

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Append one record."""
        self._guard.run("journaling a log record", self._append, log_record)

    def shutdown(self) -> None:
        """Nothing is held back."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 (the SDK's signature)
        """Nothing is held back."""
        return True

    def _append(self, record: ReadWriteLogRecord) -> None:
        self._journal.append("log", log_body(record))


def _ours(span: ReadableSpan) -> bool:
    scope = span.instrumentation_scope
    return scope is not None and (scope.name == names.SCOPE or scope.name.startswith(names.SCOPE + "."))


def _facts(span: ReadableSpan) -> SpanFacts:
    context, scope, started = span.context, span.instrumentation_scope, span.start_time or 0
    return SpanFacts(
        name=span.name,
        attributes=dict(span.attributes or {}),
        started_ns=started,
        ended_ns=span.end_time or started,
        failed=span.status.status_code is StatusCode.ERROR,
        exception_type=_exception_type(span),
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_span_id=None if span.parent is None else format_span_id(span.parent.span_id),
        sampled=context.trace_flags.sampled,
        scope="" if scope is None else scope.name,
    )


def _exception_type(span: ReadableSpan) -> str | None:
    for event in span.events:
        if event.name == "exception" and event.attributes is not None:
            found = event.attributes.get(names.EXCEPTION_TYPE)
            return found if isinstance(found, str) else None
    return None
