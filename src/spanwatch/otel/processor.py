"""The hinge: every span passes here once; foreign model calls are read, counted and priced on the way."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

from spanwatch.core import names
from spanwatch.core.dialects import Role, SpanFacts, is_genai, is_recognised, new_facts, read_call, role_of
from spanwatch.core.dialects.openinference import FIRST_TOKEN
from spanwatch.otel.context import stamp
from spanwatch.otel.delivery.lane import Lane
from spanwatch.otel.encode import Border, log_body, outline_body, span_body, span_line
from spanwatch.otel.frames import Frame
from spanwatch.otel.guard import Guard
from spanwatch.otel.held import Held, attributes_of, held, hex_of, scope_name, scope_of
from spanwatch.otel.journal import Journal
from spanwatch.otel.pipeline import Pipeline
from spanwatch.otel.rebuilt import Rebuilt, discreet

_SAMPLED = TraceFlags.SAMPLED
_CALLS, _TOOL, _ERROR = (Role.INFERENCE, Role.EMBEDDINGS), Role.TOOL, StatusCode.ERROR
_NOTHING: Mapping[str, Any] = {}
_INNER = names.SCOPE + "."
_TOLD = frozenset({names.INVOKE_AGENT, names.INVOKE_WORKFLOW})  # of ours: who ends them tells their tool calls
_STAMPED = frozenset({names.INVOKE_AGENT, names.INVOKE_WORKFLOW, names.EXECUTE_TOOL})  # our own begin with all of it


class CallProcessor(SpanProcessor):
    """Feeds frames and pipeline, journals sampled spans, and passes every span on to the inner processors.

    Args:
        pipeline: Where foreign model calls are counted.
        inner: Processors that get each span after us, priced; usually the exporting ones.
        whole: Whether other libraries' spans are kept whole. False in an application's own provider: there they keep
            ids, name, parent and times only, while GenAI spans and ours are always whole.
        engine_scope: How the scope of an engine begins that knows less discretion than we promise: its spans go on
            without headers, and without exception texts unless `content_on`.
        content_on: Whether content is recorded.
        border: What may leave.
        lane: What sends spans to a collector out of the journal; None when they are not sent, or by `inner`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        inner: Sequence[SpanProcessor] = (),
        *,
        whole: bool = True,
        engine_scope: str | None = None,
        content_on: bool = False,
        lane: Lane | None = None,
        border: Border = Border(),  # noqa: B008 (frozen)
    ) -> None:
        self._lane, self._border = lane, border
        self._pipeline, self._inner, self._whole = pipeline, tuple(inner), whole
        self._engine_scope, self._content_on = engine_scope, content_on
        self._guard, self._frames, self._journal = pipeline.guard, pipeline.frames, pipeline.journal
        self._keeper = lane or pipeline.journal

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Open a frame and stamp on the span what the context carries."""
        try:
            self._start(span, parent_context)
        except Exception as error:  # noqa: BLE001 (the guard's work without its call: this is on every span's path)
            self._guard.failed("stamping a span", error)
        for processor in self._inner:
            self._guard.run("a span processor", processor.on_start, span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Count, journal, pass on."""
        found = held(span)
        given, further = attributes_of(span), _NOTHING
        said: Mapping[str, Any] = given
        try:
            further = self._read(found, given)
            given.update(further)
        except Exception as error:  # noqa: BLE001 (see above)
            self._guard.failed("reading a span", error)
        if self._engine_scope is not None and scope_name(span).startswith(self._engine_scope):
            quiet = self._guard.run("keeping content off", discreet, span, said, content_on=self._content_on)
            if quiet is None:
                return
            span, said = quiet
        if self._keeper is not None and found.context is not None and found.context[3] & _SAMPLED:
            try:
                self._keep(span, found, said, self._keeper)
            except Exception as error:  # noqa: BLE001 (see above)
                self._guard.failed("journaling a span", error)
        if self._inner and (further or said is not given):
            span = Rebuilt(span, said)
        for processor in self._inner:
            self._guard.run("a span processor", processor.on_end, span)

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

    def _start(self, span: Span, parent_context: Context | None) -> None:
        given, frame = attributes_of(span), None
        try:
            frame = self._frames.open(span, given)
        except Exception as error:  # noqa: BLE001 (it is stamped all the same)
            self._guard.failed("starting a span", error)
        operation = given.get(names.OPERATION_NAME)
        if type(operation) is not str or operation not in _STAMPED or not _ours(scope_name(span)):
            stamp(span, given, parent_context, None if frame is None else frame.agent)
        elif frame is not None:
            frame.tells = operation in _TOLD

    def _read(self, span: Held, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a foreign model call is told beside its own attributes: its cost."""
        context, name = span.context, span.name
        if context is None or not attributes or names.CALL_ID in attributes:
            return _NOTHING
        frame = self._frames.of(context[1])
        if names.OUTCOME in attributes:
            self._ended(frame)
            return _NOTHING
        if not (frame is not None and frame.begun_as in _CALLS) and not is_genai(attributes, name):
            return _NOTHING
        if frame is not None and frame.ended:  # a call of ours whose span lost its attributes
            return _NOTHING
        call = read_call(*_facts(span, attributes, context))
        if call is None:
            self._none(frame, span, attributes)
            return _NOTHING
        tags = attributes.get(names.TAGS)
        return self._pipeline.observe(call, context, tags if isinstance(tags, tuple) else ())

    def _none(self, frame: Frame | None, span: Held, attributes: Mapping[str, Any]) -> None:
        """A GenAI span that is no call after all, perhaps against what it said at its start."""
        scope = "" if span.scope is None else scope_of(span.scope)[0]
        if not _ours(scope) and not is_recognised(attributes, span.name):
            self._pipeline.unrecognised(scope)
        if frame is not None and frame.role in _CALLS:
            frame.known(role_of(attributes, span.name))
            if frame.donor is not None:
                self._frames.orphaned(frame, frame.donor)
        self._ended(frame)

    def _ended(self, frame: Frame | None) -> None:
        """An agent, workflow, tool or retrieval has ended."""
        if frame is not None:
            frame.ended = True
            if frame.role is _TOOL:
                self._frames.count_tool(frame)

    def _keep(self, span: ReadableSpan, found: Held, attributes: Mapping[str, Any], keeper: Journal | Lane) -> None:
        if self._lane is not None and self._lane.only_scope not in (None, scope_name(span)):
            if self._journal is None:
                return
            keeper = self._journal
        if not self._whole and not _ours(scope_name(span)) and not is_genai(attributes, found.name):
            keeper.append("span", outline_body(span, self._border))
            return
        try:
            line = span_line(span, attributes, self._border)
        except Exception:  # noqa: BLE001 (a value's own methods run here)
            keeper.append("span", span_body(span, attributes, self._border))
        else:
            keeper.put(line)


class LogProcessor(LogRecordProcessor):
    """Journals every log record, or has it sent out of the journal."""

    def __init__(self, keeper: Journal | Lane, guard: Guard, border: Border = Border()) -> None:  # noqa: B008 (frozen)
        self._keeper, self._guard, self._border = keeper, guard, border

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Append one record."""
        self._guard.run("journaling a log record", self._append, log_record)

    def shutdown(self) -> None:
        """Nothing is held back."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 (the SDK's signature)
        """Nothing is held back."""
        return True

    def _append(self, record: ReadWriteLogRecord) -> None:
        self._keeper.append("log", log_body(record, self._border))


def _ours(scope: str) -> bool:
    return scope == names.SCOPE or scope.startswith(_INNER)


def _facts(span: Held, attributes: Mapping[str, Any], context: SpanContext) -> tuple[SpanFacts, str]:
    """A foreign span as plain data, and an id for the call that it may stand for."""
    _, parent, _, scope, name, began, ended, events, _, _, status = span
    trace_id, span_id = hex_of(context)
    started = began or 0
    seen = events or None
    facts = (
        name,
        attributes,
        started,
        ended or started,
        status.status_code is _ERROR,
        None if seen is None else _exception_type(seen),
        trace_id,
        span_id,
        None if parent is None else hex_of(parent)[1],
        bool(context[3] & _SAMPLED),
        "" if scope is None else scope_of(scope)[0],
        None if seen is None else _first_chunk(seen),
    )
    return new_facts(facts), trace_id[16:] + span_id


def _first_chunk(events: Sequence[Event]) -> int | None:
    return next((event.timestamp for event in events if event.name == FIRST_TOKEN), None)


def _exception_type(events: Sequence[Event]) -> str | None:
    for event in events:
        if event.name == "exception" and event.attributes is not None:
            found = event.attributes.get(names.EXCEPTION_TYPE)
            return found if isinstance(found, str) else None
    return None
