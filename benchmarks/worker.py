"""One contender in its own environment: answers `call N` and `stream N` on stdin with the CPU time they took.

    worker.py NAME bare|instrumented URL

The first line out is the CPU seconds that set-up took beyond importing openai and the SDK, and openai's version.
The CPU time is the whole process's, background threads included; every measurement ends with a flush, so that work put
off is counted too.
"""

import atexit
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import openai
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

Flush = Callable[[], object]
QUIET = True  # whether contenders are asked to keep content off
MESSAGES = [
    {"role": "system", "content": "You answer questions about orders, briefly."},
    {"role": "user", "content": "Where is my order 1042, and when will it arrive?"},
]


class NoSpans(SpanExporter):
    """An exporter that costs nothing, so that only the contender is measured; it counts what it was given."""

    seen = 0
    instead: ClassVar[list[Path]] = []  # spanwatch has no exporter by default: its journal is looked at instead

    @classmethod
    def count(cls) -> int:
        return cls.seen + sum(file.stat().st_size > 0 for home in cls.instead for file in home.rglob("*.log"))

    def export(self, spans: Any) -> SpanExportResult:
        NoSpans.seen += len(spans)
        return SpanExportResult.SUCCESS


class NoMetrics(MetricExporter):
    """The same for metrics."""

    def export(self, metrics_data: Any, timeout_millis: float = 0, **_: Any) -> MetricExportResult:
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        return


def providers() -> tuple[TracerProvider, MeterProvider]:
    """What a user of the OTel SDK sets up: batches of spans, metrics once a minute."""
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(BatchSpanProcessor(NoSpans()))
    return tracer_provider, MeterProvider([PeriodicExportingMetricReader(NoMetrics())])


def sdk_span() -> Flush:
    """One span with ten attributes round each call: the least that any instrumentation does."""
    tracer_provider, _ = providers()
    tracer = tracer_provider.get_tracer("bench")
    create = openai.resources.chat.completions.Completions.create
    attributes = {f"gen_ai.example.{n}": n for n in range(10)}

    def traced(self: Any, **kwargs: Any) -> Any:
        with tracer.start_as_current_span("chat gpt-4o-mini", attributes=attributes):
            return create(self, **kwargs)

    openai.resources.chat.completions.Completions.create = traced  # type: ignore[method-assign,assignment]
    return tracer_provider.force_flush


def spanwatch() -> Flush:
    """Everything on as by default: spans, cost, metrics, roll-ups, journal and the embedded store."""
    import spanwatch as package

    home = tempfile.mkdtemp(prefix="spanwatch-bench-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    package.configure(service="bench", home=home, banner="off")
    NoSpans.instead.append(Path(home))
    return package.flush


def genai_openai() -> Flush:
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    return _instrument(OpenAIInstrumentor())


def openllmetry() -> Flush:
    if QUIET:
        os.environ["TRACELOOP_TRACE_CONTENT"] = "false"
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    return _instrument(OpenAIInstrumentor())


def openinference() -> Flush:
    if QUIET:
        os.environ["OPENINFERENCE_HIDE_INPUTS"] = os.environ["OPENINFERENCE_HIDE_OUTPUTS"] = "true"
    from openinference.instrumentation.openai import OpenAIInstrumentor

    return _instrument(OpenAIInstrumentor())


def _instrument(instrumentor: Any) -> Flush:
    tracer_provider, meter_provider = providers()
    instrumentor.instrument(tracer_provider=tracer_provider, meter_provider=meter_provider)
    return tracer_provider.force_flush


def langfuse() -> Flush:
    from langfuse import Langfuse
    from langfuse.openai import OpenAI

    client = Langfuse(
        public_key="pk-bench", secret_key="sk-bench", base_url="http://127.0.0.1:9", span_exporter=NoSpans()
    )
    openai.OpenAI = OpenAI  # type: ignore[misc]
    return client.flush


def logfire() -> Flush:
    import logfire as package

    package.configure(
        send_to_logfire=False,
        console=False,
        additional_span_processors=[BatchSpanProcessor(NoSpans())],
        scrubbing=False,
    )
    package.instrument_openai()
    return package.force_flush


def openlit() -> Flush:
    os.environ["OTEL_LOGS_EXPORTER"] = "none"
    import openlit as package
    from opentelemetry import metrics, trace

    tracer_provider, meter_provider = providers()
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as prices:  # without one it asks the network at start
        model = {"promptPrice": 0.00015, "completionPrice": 0.0006}
        json.dump({"chat": {"gpt-4o-mini": model, "gpt-4o-mini-2024-07-18": model}}, prices)
        prices.flush()
        quiet = {"capture_message_content": False} if QUIET else {}
        package.init(pricing_json=prices.name, **quiet)
    return tracer_provider.force_flush


def nothing() -> Flush:
    """The bare twin."""
    return lambda: None


SET_UPS: dict[str, Callable[[], Flush]] = {
    f.__name__: f for f in (sdk_span, spanwatch, genai_openai, openllmetry, openinference, langfuse, logfire, openlit)
}


def cpu_of(work: Callable[[], object], times: int, flush: Flush) -> float:
    """Microseconds of CPU per repetition, the flush at the end included."""
    before = time.process_time_ns()
    for _ in range(times):
        work()
    flush()
    return (time.process_time_ns() - before) / 1000 / times


def main() -> None:
    name, mode, url = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")  # contenders may print what they like
    os.dup2(2, 1)
    before = time.process_time_ns()
    flush = (SET_UPS[name] if mode == "instrumented" else nothing)()
    print(f"{(time.process_time_ns() - before) / 1e9:.6f} {openai.__version__}", file=answers, flush=True)
    client = openai.OpenAI(base_url=url, api_key="bench", max_retries=0)

    def call() -> None:
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)  # type: ignore[call-overload]

    def stream() -> None:
        options = {"include_usage": True}
        for _ in client.chat.completions.create(
            model="gpt-4o-mini", messages=MESSAGES, stream=True, stream_options=options
        ):  # type: ignore[call-overload]
            pass

    for line in sys.stdin:
        what, times = line.split()
        if what == "seen":
            print(NoSpans.count(), file=answers, flush=True)
            continue
        print(f"{cpu_of({'call': call, 'stream': stream}[what], int(times), flush):.3f}", file=answers, flush=True)


if __name__ == "__main__":
    main()
