"""A TracerProvider that stands in for the one in force for a while, as tests do; afterwards all is as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.util._once import Once

from spanwatch.otel.switching import OwnTracerProvider


@contextlib.contextmanager
def standing_in(provider: OwnTracerProvider, processor: SpanProcessor) -> Iterator[None]:
    """Make `provider` the global one, and let `processor` have the spans of tracers that were got before.

    The API has no public way to replace a provider, so this sets its two private globals and puts both back. Meanwhile
    the API refuses, with its usual warning, to set another.
    """
    before, once = trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE  # noqa: SLF001 (see above)
    shut = Once()
    shut.do_once(lambda: None)
    trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = provider, shut  # noqa: SLF001 (see above)
    try:
        with _spans_of(before, provider, processor):
            yield
    finally:
        trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = before, once  # noqa: SLF001 (see above)
        provider.succession.yield_to(trace.get_tracer_provider())


@contextlib.contextmanager
def _spans_of(before: Any, provider: OwnTracerProvider, processor: SpanProcessor) -> Iterator[None]:
    """Tracers of ours switch over; those of an SDK provider stay, and hand their spans to `processor` instead."""
    if isinstance(before, OwnTracerProvider):
        before.succession.yield_to(provider)
        try:
            yield
        finally:
            before.succession.heir = None
        return
    hub: Any = getattr(before, "_active_span_processor", None)
    if not hasattr(hub, "_span_processors"):
        yield
        return
    theirs, hub._span_processors = hub._span_processors, (processor,)  # noqa: SLF001 (has no public name)
    try:
        yield
    finally:
        hub._span_processors = theirs  # noqa: SLF001 (has no public name)
