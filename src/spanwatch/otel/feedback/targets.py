"""What feedback is about: a span, a call, or text that is a token, a traceparent, a trace id or an id of the app's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import Span, SpanContext, TraceFlags, format_span_id, format_trace_id

from spanwatch.core import names
from spanwatch.core.call import Call
from spanwatch.core.feedback.rating import MAX_ID, Target
from spanwatch.core.sanitise import plain
from spanwatch.otel.desk import target_of_call

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_WHAT = "a span, a trace id, a traceparent, an id of a response, an interaction or a conversation, or a feedback token"

Rated = Span | SpanContext | Call | str


def target_of(target: object) -> Target:
    """A target as far as it says itself what it is; other ids become its `reference`.

    Raises:
        TypeError: it is none of what can be rated.
        ValueError: it is empty, or too long for an id.
    """
    if isinstance(target, Span):
        return _of_span(target)
    if isinstance(target, SpanContext):
        return _of_context(target)
    if isinstance(target, Call):
        return target_of_call(target)
    if not isinstance(target, str):
        raise TypeError(f"feedback is about {_WHAT}; it was given {type(target).__name__}")
    text = target.strip()
    if not text:
        raise ValueError(f"feedback is about {_WHAT}; it was given an empty text")
    parent = _TRACEPARENT.fullmatch(text.lower()) if len(text) <= 2 * MAX_ID else None
    if parent:
        return Target(parent[1], parent[2], sampled=bool(int(parent[3], 16) & TraceFlags.SAMPLED))
    trace_id = text[:34].lower().removeprefix("0x")
    if len(text) <= 34 and _TRACE_ID.fullmatch(trace_id):
        return Target(trace_id=trace_id)
    if len(text) > MAX_ID:
        raise ValueError(f"an id to rate has {len(text)} characters, at most {MAX_ID} are taken")
    return Target(reference=text.encode("utf-8", "replace").decode("utf-8"))


def context_of(target: Target) -> SpanContext | None:
    """The context of the span that is rated, or None when it is not known."""
    if target.trace_id is None or target.span_id is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED if target.sampled else TraceFlags.DEFAULT)
    return SpanContext(int(target.trace_id, 16), int(target.span_id, 16), is_remote=True, trace_flags=flags)


def _of_context(context: SpanContext) -> Target:
    if not context.is_valid:  # as with the SDK disabled: the rating is kept, without a trace
        return Target()
    return Target(
        format_trace_id(context.trace_id), format_span_id(context.span_id), sampled=context.trace_flags.sampled
    )


def _of_span(span: Span) -> Target:
    found: Mapping[str, Any] = plain(getattr(span, "attributes", None) or {})
    said = {name: value for name in _SAID if isinstance(value := _first(found, _SAID[name]), str) and value}
    prompt = found.get(names.PROMPT_NAME)
    if isinstance(prompt, str) and prompt:
        version = found.get(names.PROMPT_VERSION)
        said["prompt"] = f"{prompt}@{version}" if version else prompt
    context = _of_context(span.get_span_context())
    return Target(context.trace_id, context.span_id, sampled=context.sampled, **said)


def _first(found: Mapping[str, Any], attributes: tuple[str, ...]) -> Any:
    return next((found[name] for name in attributes if name in found), None)


_SAID = {
    "user_id": (names.USER_ID,),
    "conversation_id": (names.CONVERSATION_ID,),
    "agent": (names.AGENT_NAME,),
    "model": (names.RESPONSE_MODEL, names.REQUEST_MODEL),
    "app_version": (names.APP_VERSION,),
}
