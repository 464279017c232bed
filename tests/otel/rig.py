"""A whole pipeline in memory for the tests of this room: provider, reader, journal, everything real."""

from __future__ import annotations

import itertools
import time
import uuid
from pathlib import Path
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

from spanwatch.core import names
from spanwatch.core.call import Call, Cost, CostReason, CostStatus, Usage
from spanwatch.core.records import lines
from spanwatch.otel.frames import Frames
from spanwatch.otel.guard import Guard
from spanwatch.otel.journal import Journal, Origin
from spanwatch.otel.pipeline import Pipeline
from spanwatch.otel.processor import CallProcessor
from spanwatch.otel.recorder import Recorder
from spanwatch.otel.sampler import GenAISampler
from spanwatch.otel.worker import Worker
from tests.journaled import call_from

REQUEST = {names.OPERATION_NAME: "chat", names.PROVIDER_NAME: "openai", names.REQUEST_MODEL: "gpt-5"}
AGENT = {names.OPERATION_NAME: "invoke_agent", names.AGENT_NAME: "planner"}


def dollar_a_token(call: Call) -> Cost:
    """One nano-dollar per token, so that sums are plain to check."""
    if call.usage is None:
        return Cost(None, CostStatus.UNKNOWN, (CostReason.NO_USAGE,))
    tokens = (call.usage.input_tokens or 0) + (call.usage.output_tokens or 0)
    return Cost(tokens, CostStatus.PRICED, source="genai-prices", price_version="test")


def new_id() -> str:
    return uuid.uuid4().hex


def records(home: Path) -> list[dict[str, Any]]:
    """Every record of every segment, in the order of the segments' numbers."""
    found: list[dict[str, Any]] = []
    segments = sorted((home / "journal").glob("*.log"), key=lambda path: int(path.stem.rsplit("-", 1)[1]))
    for segment in segments:
        found += [line.payload or {"k": "damaged"} for line in lines(segment.read_bytes())]
    return found


class Rig:
    """One pipeline; `call()` makes a call as our own call site does, `foreign()` a span as others do."""

    def __init__(
        self, home: Path, *, sampler: Any = None, whole: bool = True, price: Any = dollar_a_token, **more: Any
    ):
        self.home, self.guard, self.frames = home, Guard(), Frames()
        self.reader, self.exporter, self.log_exporter = (
            InMemoryMetricReader(),
            InMemorySpanExporter(),
            InMemoryLogRecordExporter(),
        )
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.worker = Worker(Recorder(self.meters.get_meter("spanwatch")), self.guard)
        self.journal = Journal(home, Origin("test"), new_id, lost=self.worker.lost)
        self.logs = LoggerProvider(shutdown_on_exit=False)
        self.logs.add_log_record_processor(SimpleLogRecordProcessor(self.log_exporter))
        self.seen: list[Call] = []
        self.pipeline = Pipeline(
            price,
            self.worker,
            self.frames,
            self.guard,
            journal=self.journal,
            logger=lambda: self.logs.get_logger("spanwatch"),
            observers=(self.seen.append,),
            **more,
        )
        self.provider = TracerProvider(
            sampler=None if sampler is None else GenAISampler(sampler), shutdown_on_exit=False
        )
        inner = (SimpleSpanProcessor(self.exporter),) if whole else ()
        self.provider.add_span_processor(CallProcessor(self.pipeline, inner, whole=whole))
        self.tracer = self.provider.get_tracer("spanwatch")
        self._serial = itertools.count(1)

    def start(self, **attributes: Any) -> Span:
        return self.tracer.start_span("chat gpt-5", kind=SpanKind.CLIENT, attributes=attributes or REQUEST)

    def call_of(self, span: Any, **fields: Any) -> Call:
        context, parent = span.get_span_context(), getattr(span, "parent", None)
        now, serial = time.time_ns(), next(self._serial)
        began = getattr(span, "start_time", None) or now
        given = {
            "call_id": new_id(),
            "operation": "chat",
            "started_ns": began,
            "ended_ns": now,
            "provider": "openai",
            "request_model": "gpt-5",
            "response_model": "gpt-5-2025-08-07",
            "response_id": f"chatcmpl-{serial}",
            "usage": Usage(input_tokens=10, output_tokens=5),
            "trace_id": format_trace_id(context.trace_id),
            "span_id": format_span_id(context.span_id),
            "parent_span_id": None if parent is None else format_span_id(parent.span_id),
            "sampled": context.trace_flags.sampled,
        }
        return Call(**{**given, **fields})

    def call(self, *, error: BaseException | None = None, extra: Any = None, **fields: Any) -> Call:
        span = self.start()
        return self.pipeline.finish(span, self.call_of(span, **fields), extra=extra, error=error)

    def foreign(self, attributes: dict[str, Any], scope: str = "another.package", name: str = "openai.chat") -> None:
        self.provider.get_tracer(scope).start_span(name, kind=SpanKind.CLIENT, attributes=attributes).end()

    def spans(self) -> dict[str, dict[str, Any]]:
        """Exported spans' attributes by name; the last of a name wins."""
        return {span.name: dict(span.attributes or {}) for span in self.exporter.get_finished_spans()}

    def calls(self) -> list[Call]:
        """Every journaled call."""
        return [call_from(record) for record in records(self.home) if record["k"] == "call"]

    def points(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Every metric point: name → (attributes, value of a counter or (count, sum) of a histogram)."""
        assert self.worker.drain(5)
        found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
        data = self.reader.get_metrics_data()
        for resource in [] if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        value = point.value if hasattr(point, "value") else (point.count, point.sum)
                        found.setdefault(metric.name, []).append((dict(point.attributes), value))
        return found

    def total(self, name: str) -> float:
        """The sum of a counter over its attribute sets; 0 when it has no point."""
        return sum(value for _, value in self.points().get(name, []))

    def close(self) -> None:
        assert self.worker.stop(5)
        self.journal.close()
        self.provider.shutdown()
        self.meters.shutdown()
        self.logs.shutdown()
