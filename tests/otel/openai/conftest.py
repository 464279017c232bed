"""A demo server per test session, and a telemetry that keeps what it is told."""

from __future__ import annotations

import gc
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, StatusCode

from demo.server import Config, DemoServer
from spanwatch.core import names
from spanwatch.core.attributes import response_attributes
from spanwatch.core.call import Call
from spanwatch.otel.openai import OpenAIInstrumentor
from spanwatch.otel.telemetry import Content, Telemetry


@dataclass
class Recorded:
    """What the call site told: finished calls, spans, errors, and what it deferred."""

    exporter: InMemorySpanExporter
    provider: TracerProvider
    calls: list[Call] = field(default_factory=list)
    errors: list[BaseException | None] = field(default_factory=list)
    extras: list[Mapping[str, Any]] = field(default_factory=list)
    deferred: list[Callable[[], None]] = field(default_factory=list)
    live: bool = True

    def telemetry(self, content: Content | None = None, *, ask_usage: bool = True) -> Telemetry:
        return Telemetry(
            tracer=lambda: self.provider.get_tracer("spanwatch"),
            finish=self.finish,
            defer=self.deferred.append,
            active=lambda: self.live,
            content=content or Content(),
            ask_usage=ask_usage,
            clock=time.time_ns,
            new_id=lambda: uuid.uuid4().hex,
        )

    def finish(self, span: Span, call: Call, *, extra: Mapping[str, Any], error: BaseException | None = None) -> Call:
        assert span.is_recording(), "a span ends once"
        found = response_attributes(call)
        span.set_attributes({**{n: v for n, v in extra.items() if n != names.EXCEPTION_MESSAGE}, **found})
        if call.error_type is not None:
            span.set_status(StatusCode.ERROR)
        span.end(call.ended_ns)
        self.calls.append(call)
        self.errors.append(error)
        self.extras.append(extra)
        return call

    def run_deferred(self) -> None:
        """What the worker would do soon."""
        while self.deferred:
            self.deferred.pop(0)()

    def collected(self) -> None:
        """Drop what is unreachable and let the worker work."""
        for _ in range(3):
            gc.collect()
        self.run_deferred()

    @property
    def call(self) -> Call:
        """The one call there was."""
        assert len(self.calls) == 1, self.calls
        return self.calls[0]

    @property
    def span(self) -> Any:
        """The one span there was."""
        spans = self.exporter.get_finished_spans()
        assert len(spans) == 1, [span.name for span in spans]
        return spans[0]

    @property
    def attributes(self) -> dict[str, Any]:
        """Those of the one span."""
        return dict(self.span.attributes)


@pytest.fixture(scope="session")
def server() -> Iterator[DemoServer]:
    with DemoServer(Config()) as running:
        yield running


@pytest.fixture
def recorded() -> Recorded:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Recorded(exporter, provider)


@pytest.fixture
def watched(recorded: Recorded) -> Iterator[Recorded]:
    """The call site switched on."""
    yield from _switched_on(recorded, recorded.telemetry())


@pytest.fixture
def watched_content(recorded: Recorded) -> Iterator[Recorded]:
    """The call site switched on, with content."""
    yield from _switched_on(recorded, recorded.telemetry(Content(on=True, max_bytes=2_000)))


def _switched_on(recorded: Recorded, telemetry: Telemetry) -> Iterator[Recorded]:
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(telemetry=telemetry, skip_dep_check=True)
    try:
        yield recorded
    finally:
        instrumentor.finish_open()
        instrumentor.uninstrument()


@pytest.fixture
def client(server: DemoServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="sk-secret", max_retries=0) as made:
        yield made


@pytest.fixture
async def later(server: DemoServer) -> Any:
    """An asynchronous client."""
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="sk-secret", max_retries=0) as made:
        yield made
