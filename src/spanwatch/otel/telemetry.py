"""What an instrumentation needs from the rest of this room, as one frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.trace import Tracer

from spanwatch.core.call import Call


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
    """

    tracer: Callable[[], Tracer]
    finish: Callable[..., Call]
    defer: Callable[[Callable[[], None]], None]
    active: Callable[[], bool]
    content: Content
    ask_usage: bool
    clock: Callable[[], int]
    new_id: Callable[[], str]
