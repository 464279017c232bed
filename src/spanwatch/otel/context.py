"""Who the work is for: user, conversation, agent, tags, app version, carried in the OTel context.

There are scopes only and no setters: what a scope carries ends with it, so nothing reaches the next request on a pooled
thread. It is stamped on every span that starts below, whoever starts it, on logs and, through `Call`, on metrics.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from contextvars import Token
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.trace import Span

from spanwatch.core import names

_KEY, _INSIDE = otel_context.create_key("spanwatch-carried"), otel_context.create_key("spanwatch-inside")

Value = str | Sequence[str]
BAGGAGE: dict[str, str] = {
    "user_id": names.USER_ID,
    "conversation_id": names.CONVERSATION_ID,
    "interaction_id": names.INTERACTION_ID,
    "agent": names.AGENT_NAME,
    "app_version": names.APP_VERSION,
    "tags": names.TAGS,
}


@dataclass(slots=True)
class Enclosing:
    """The request around: the context it began in, and whether it is over, which its background work may outlive."""

    around: Context
    over: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """What rides in the context. `propagated` are the fields that go to other services as W3C baggage.

    `attributes` is the same as span attributes, made once.
    """

    user_id: str | None = None
    conversation_id: str | None = None
    interaction_id: str | None = None
    agent: str | None = None
    app_version: str | None = None
    tags: tuple[str, ...] = ()
    propagated: tuple[str, ...] = ()
    attributes: Mapping[str, Value] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = {name: value for name, value in zip(BAGGAGE.values(), _values(self), strict=True) if value}
        object.__setattr__(self, "attributes", found)


_values = attrgetter(*BAGGAGE)
_FIELDS = (*BAGGAGE, "propagated")
NOTHING = Carried()


def carried(context: Context | None = None) -> Carried:
    """What a context carries, by default the current one."""
    found = otel_context.get_value(_KEY) if context is None else context.get(_KEY)
    return found if isinstance(found, Carried) else NOTHING


def inside(context: Context) -> Enclosing | None:
    """The request that a context is inside of, over or not."""
    found = context.get(_INSIDE)
    return found if isinstance(found, Enclosing) else None


def carrying(context: Context, more: Carried, request: Enclosing | None = None) -> Context:
    """A context that carries what this one does and `more`: what that leaves open stays, tags are added.

    It is inside `request`, where there is one.
    """
    before = carried(context)
    after = more if before is NOTHING else before if more is NOTHING else _joined(before, more)
    for name in after.propagated:
        value = getattr(after, name)
        if value:
            context = baggage.set_baggage(BAGGAGE[name], ",".join(value) if name == "tags" else value, context)
    return Context({**context, _KEY: after} if request is None else {**context, _KEY: after, _INSIDE: request})


def _joined(before: Carried, more: Carried) -> Carried:
    changes = {name: value for name in _FIELDS if (value := getattr(more, name)) is not None and value != ()}
    if before.tags and more.tags:
        changes["tags"] = tuple(dict.fromkeys((*before.tags, *more.tags)))
    return replace(before, **changes)


def outside(context: Context) -> Context:
    """The context without requests that are over: one left behind on a thread is nothing to the next request."""
    while (enclosing := inside(context)) is not None and enclosing.over:
        context = enclosing.around
    return context


def trusted(context: Context, given: Carried) -> Carried:
    """What the baggage that came in says where nothing is `given`, for an application that trusts its caller."""
    found: dict[str, Any] = {}
    for name, key in BAGGAGE.items():
        value = baggage.get_baggage(key, context)
        if isinstance(value, str) and value and not getattr(given, name):
            found[name] = tuple(value.split(",")) if name == "tags" else value
    return replace(given, **found) if found else given


def stamp(span: Span, present: Mapping[str, Any], context: Context | None, agent: str | None = None) -> None:
    """Put what a context carries on a span that has just started; what it says itself, `present`, stays.

    `agent` is the nearest enclosing agent by the spans, where that is another than the context knows.
    """
    found = carried(context).attributes
    if not found:
        return
    missing = {name: value for name, value in found.items() if name not in present}
    if agent is not None and names.AGENT_NAME not in present:
        missing[names.AGENT_NAME] = agent
    if missing:
        span.set_attributes(missing)


def stamp_log(record: ReadWriteLogRecord) -> None:
    """Put what the context of a log record carries on it; what it says itself stays. Never raises."""
    log = record.log_record
    with contextlib.suppress(Exception):  # the attributes are the application's
        found = carried(log.context).attributes
        if found:
            log.attributes = {**found, **(log.attributes or {})}


def attach(context: Context) -> Token[Context]:
    """Make a context current."""
    return otel_context.attach(context)


def detach(token: Token[Context]) -> None:
    """Take a context off again; says nothing where that cannot be: the code has moved on to another thread or task."""
    if isinstance(token, Token):
        try:
            token.var.reset(token)
        except (ValueError, RuntimeError):
            return  # and not suppress(): that costs more than the rest, on the path of every span
    else:
        otel_context.detach(token)
