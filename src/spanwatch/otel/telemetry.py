"""What an instrumentation needs from the rest of this room, as one frozen value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry._logs import Logger, get_logger
from opentelemetry.trace import SpanContext, Tracer

from spanwatch.core.attributes import Totals
from spanwatch.core.call import Call
from spanwatch.core.names import SCOPE
from spanwatch.core.records import Kind
from spanwatch.otel.budgets.enforcement import Enforcement
from spanwatch.otel.desk import Desk
from spanwatch.otel.worker import Observed


@dataclass(frozen=True, slots=True)
class Content:
    """Whether prompts and completions are recorded, and the size at which they are cut."""

    on: bool = False
    max_bytes: int = 65_536


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The hooks of one configured pipeline; none of them raises.

    `finish(span, call, *, extra=None, error=None)` prices the call, writes response, usage and cost on the span, ends
    it at `call.ended_ns` and hands the call to journal, roll-up and metrics. `defer` may be called in a GC finalizer.
    `totals` are what the calls under a span have added up to, or None where nothing could be counted; `agent` is the
    nearest agent at or around a span, by the spans; `calling` the outermost open span of the call
    that a span belongs to; `providers` names the providers behind hosts, or `host:port`;
    `budgets` are those in force, if any. `keep` journals a record, where anything is kept; `desk` takes feedback.
    """

    tracer: Callable[[], Tracer]
    finish: Callable[..., Call]
    defer: Callable[[Callable[[], None]], None]
    active: Callable[[], bool]
    content: Content
    ask_usage: bool
    clock: Callable[[], int]
    new_id: Callable[[], str]
    agent: Callable[[SpanContext], str | None] = lambda _context: None
    calling: Callable[[SpanContext], int | None] = lambda _context: None
    measure: Callable[[Observed], None] = lambda _observed: None
    totals: Callable[[SpanContext], Totals | None] = lambda _context: None
    report_cost: Callable[[Call, SpanContext], None] = lambda _call, _parent: None
    restate_cost: Callable[[str, int, str, int], None] = lambda _key, _nano, _statement, _at: None
    logger: Callable[[], Logger] = lambda: get_logger(SCOPE)
    keep: Callable[[Kind, dict[str, Any]], bool] = lambda _kind, _body: False
    desk: Desk = field(default_factory=lambda: Desk(alone=True))
    providers: Mapping[str, str] = field(default_factory=dict)
    budgets: Enforcement | None = None
