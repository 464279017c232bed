"""A finished span of another instrumentation: what it stands for, and the call that it reports."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from spanwatch.core import names
from spanwatch.core.call import Call, CallStatus, new_call, new_usage
from spanwatch.core.dialects import bedrock, frameworks, openinference, openllmetry
from spanwatch.core.dialects.conventions import INHERITED
from spanwatch.core.dialects.reading import merged, operation_of
from spanwatch.core.dialects.values import Attributes, Fields, read, text
from spanwatch.core.providers import EXCLUSIVE_SCOPES


class Role(StrEnum):
    """What a GenAI span stands for."""

    INFERENCE = "inference"
    EMBEDDINGS = "embeddings"
    AGENT = "agent"
    WORKFLOW = "workflow"
    TOOL = "tool"
    OTHER = "other"


class SpanFacts(NamedTuple):
    """A finished foreign span as plain data. Times are UNIX nanoseconds, ids lower-case hex."""

    name: str
    attributes: Attributes
    started_ns: int
    ended_ns: int
    failed: bool = False
    exception_type: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    sampled: bool = True
    scope: str = ""
    first_chunk_ns: int | None = None


new_facts: Callable[[tuple[Any, ...]], SpanFacts] = partial(tuple.__new__, SpanFacts)  # of all fields, in their order


def is_genai(attributes: Attributes | None, name: str = "") -> bool:
    """Whether a span belongs to GenAI, by the names of its attributes, or by its own where it starts without any."""
    if attributes:
        if names.REQUEST_MODEL in attributes or names.OPERATION_NAME in attributes:  # as most of them say
            return True
        for key in attributes:
            if isinstance(key, str) and key.startswith(_PREFIXES) and key not in _CARRIED:
                return True
    return name in _BARE_SPANS


def role_of(attributes: Attributes, name: str = "") -> Role | None:
    """The role of a span, or None when it has nothing to do with GenAI."""
    stated = attributes.get(names.OPERATION_NAME)
    if type(stated) is str and stated in _ROLES:  # as most say it: the first dialect's answer without its question
        return _ROLES[stated]
    operation = operation_of(attributes, name)
    if operation is not None:
        return _ROLES.get(operation, Role.OTHER)
    if names.REQUEST_NAME in attributes:
        return Role.WORKFLOW
    return Role.OTHER if is_genai(attributes, name) else None


def is_recognised(attributes: Attributes, name: str = "") -> bool:
    """Whether a GenAI span says what it is in a way that some dialect knows."""
    if name in _PARTS or operation_of(attributes, name) is not None:
        return True
    return any(mark in attributes for mark in _MARKS)


def read_call(span: SpanFacts, call_id: str) -> Call | None:
    """The model call that a foreign span stands for, or None when it is none that has a price."""
    name, attributes, started, ended, failed, raised, trace_id, span_id, parent, sampled, scope, first_chunk = span
    operation = operation_of(attributes, name)
    if operation not in names.PRICED_OPERATIONS:
        return None
    known, usage = merged(attributes)
    if scope in bedrock.SCOPES:
        _include(known, usage, bedrock.doubts(scope, attributes))
    elif (scope.partition(".")[0], known.get("provider")) in EXCLUSIVE_SCOPES:
        _include(known, usage)
    if failed or "error_type" in known:
        known["status"], known["error_type"] = _outcome(known.get("error_type") or (raised if failed else None))
    if first_chunk is not None and first_chunk >= started:
        known.setdefault("time_to_first_chunk_s", (first_chunk - started) / 1e9)
    return new_call(
        call_id,
        operation,
        started,
        ended,
        usage=new_usage(**usage) if usage else None,
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        sampled=sampled,
        scope=scope,
        **known,
    )


def inherited(attributes: Attributes, role: Role | None) -> Fields:
    """What an enclosing span says about the calls under it: user, conversation, and the agent if it is one."""
    found = read(attributes, INHERITED)
    if role is Role.AGENT:
        agent = text(attributes.get(names.AGENT_NAME)) or text(attributes.get("traceloop.entity.name"))
        if agent is not None:
            found["agent"] = agent
    return found


def _include(known: Fields, usage: Fields, further: bedrock.Context = ()) -> None:
    """Put cached tokens, which these counts leave out, into the input; `further` into the price's context."""
    if "input_tokens" not in usage:
        return
    usage["input_tokens"] += usage.get("cache_read_tokens", 0) + usage.get("cache_write_tokens", 0)
    known["price_context"] = (*known.get("price_context", ()), ("convention", "inclusive"), *further)


def _outcome(error_type: str | None) -> tuple[CallStatus, str | None]:
    """How a call ended that did not end well."""
    if error_type is not None and error_type.rpartition(".")[2] == "GeneratorExit":  # who read the stream left it
        return CallStatus.ABANDONED, None
    if error_type is not None and "cancelled" in error_type.lower():
        return CallStatus.CANCELLED, error_type
    if error_type is not None and error_type.rpartition(".")[2] in _REFUSALS:
        return CallStatus.REFUSED, error_type
    return CallStatus.ERROR, error_type or names.ERROR_OTHER


_CARRIED = frozenset({names.AGENT_NAME, names.CONVERSATION_ID})  # stamped on any span below an agent or request
_PREFIXES = ("gen_ai.", "llm.", "traceloop.", "openinference.", "langfuse.observation.", "ai.operationId", "mcp.")
_BARE_SPANS = frozenset({"openai.response"})  # started without attributes, after the fact
_PARTS = frozenset({"raw_gen_ai_request"})  # LiteLLM's second span of one call
_MARKS = (openllmetry.KIND, openinference.KIND, frameworks.VERCEL, frameworks.LANGFUSE)
_REFUSALS = frozenset({"BudgetExceeded", "CircuitOpen"})  # by us, before the provider heard of it
_ROLES = {
    **dict.fromkeys(names.INFERENCE_OPERATIONS, Role.INFERENCE),
    names.EMBEDDINGS: Role.EMBEDDINGS,
    names.INVOKE_AGENT: Role.AGENT,
    names.INVOKE_WORKFLOW: Role.WORKFLOW,
    names.EXECUTE_TOOL: Role.TOOL,
}
