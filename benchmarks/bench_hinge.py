"""What the hinge costs for each span of another instrumentation, in CPU time: `python -m benchmarks.bench_hinge`.

The same recorded spans are started and ended with a provider that has our processor, and with one that has one that
does nothing, in turn, round after round; a figure is the difference of the best rounds, which other programs on the
machine disturb least. The bare span, which is the SDK's alone, says how fast the machine is. The hinge: reading the
dialect, deduplicating, pricing, charging no budget, the span's copy with cost, and the queue for the metrics. Beside it
the same with the journal's records of span and call.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

from spanwatch.core.prices import PriceBook
from spanwatch.otel.frames import Frames
from spanwatch.otel.guard import Guard
from spanwatch.otel.journal import Journal, Origin
from spanwatch.otel.pipeline import Pipeline
from spanwatch.otel.processor import CallProcessor
from spanwatch.otel.recorder import Recorder
from spanwatch.otel.worker import Worker

RECORDED = Path(__file__).resolve().parent.parent / "tests" / "core" / "dialects" / "recorded"
PACKAGES = ("openllmetry", "genai", "openinference", "langchain_openinference", "litellm", "vercel")
LIMIT_US = 40.0
OTHER: dict[str, Any] = {"http.request.method": "GET", "http.route": "/orders/{id}", "http.response.status_code": 200}


def recorded(package: str) -> list[dict[str, Any]]:
    """The spans that were recorded of a package: model calls, agents, tools and what else it makes."""
    spans = json.loads((RECORDED / f"{package}.json").read_text(encoding="utf-8"))["spans"]
    return [{**span, "attributes": _plain(span["attributes"])} for span in spans]


def spans_of(package: str) -> list[dict[str, Any]]:
    """The model calls among them."""
    return [span for span in recorded(package) if any("token" in name.lower() for name in span["attributes"])]


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    """As the SDK holds them, and with models that exist: the demo server's answers have a date of their own."""
    return {name: _value(value) for name, value in attributes.items()}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return value.removesuffix("-2026-01-01")
    return tuple(value) if isinstance(value, list) else value


class _Idle(SpanProcessor):
    """What every provider with one processor pays."""


def provider(processor: SpanProcessor) -> TracerProvider:
    """A provider with one processor."""
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(processor)
    return made


def hinge(home: Path | None, worker: Worker, guard: Guard) -> CallProcessor:
    """Our processor as a process has it, without an exporter, and without a home without a journal."""
    journal = None if home is None else Journal(home, Origin("bench"), lambda: uuid.uuid4().hex, lost=worker.lost)
    return CallProcessor(Pipeline(PriceBook().price_call, worker, Frames(), guard, journal=journal))


def cpu_us(tracers: TracerProvider, spans: list[dict[str, Any]], times: int) -> float:
    """Microseconds of this thread for each span."""
    begun, serial = time.thread_time_ns(), uuid.uuid4().hex
    for number in range(times):
        for index, span in enumerate(spans):
            attributes = span["attributes"]
            tracer = tracers.get_tracer(span["scope"])
            made = tracer.start_span(span["name"], kind=SpanKind.CLIENT, attributes=attributes)
            if "gen_ai.response.id" in attributes:
                made.set_attribute("gen_ai.response.id", f"{serial}-{number}-{index}")
            made.end()
    return (time.thread_time_ns() - begun) / times / len(spans) / 1000


def measured(spans: list[dict[str, Any]], rounds: int, times: int, home: Path | None) -> tuple[float, float]:
    """Microseconds of a span without the hinge, and those that it adds, between the best rounds of both."""
    guard = Guard()
    worker = Worker(Recorder(NoOpMeterProvider().get_meter("bench")), guard)
    ours, idle = provider(hinge(home, worker, guard)), provider(_Idle())
    run: Callable[[TracerProvider], float] = lambda tracers: cpu_us(tracers, spans, times)  # noqa: E731 (three words)
    run(ours), run(idle)
    found = [(run(ours), run(idle)) for _ in range(rounds)]
    worker.stop(10)
    bare = min(without for _, without in found)
    return bare, min(with_it for with_it, _ in found) - bare


def main() -> None:
    """Print a row for each package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--times", type=int, default=25)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}; microseconds of CPU for each span (limit of the hinge: {LIMIT_US:g})")
    print(f"{'':26}{'bare span':>10}{'hinge':>8}{'with journal':>14}")
    rows = {package: spans_of(package) for package in PACKAGES}
    rows["all that are recorded"] = [span for path in sorted(RECORDED.glob("*.json")) for span in recorded(path.stem)]
    rows["no GenAI span"] = [{"name": "GET", "scope": "opentelemetry.instrumentation.flask", "attributes": OTHER}]
    for name, spans in rows.items():
        with tempfile.TemporaryDirectory() as folder:
            (bare, hinged), (_, kept) = (
                measured(spans, options.rounds, options.times, home) for home in (None, Path(folder))
            )
        print(f"{name:26}{bare:10.1f}{hinged:8.1f}{kept:14.1f}")


if __name__ == "__main__":
    main()
