"""What an agent with one tool costs, beside two bare spans of the SDK: `python -m benchmarks.bench_agent`.

All sides live in one process and take turns, round after round, so that what else the machine does hits all; each
figure is the median over the rounds. Ours runs with metrics and journal. The others are `start_as_current_span` twice:
`kept`, on the provider that the SDK's documentation sets up, with its batch processor and an exporter that does
nothing; `thrown away`, on a provider without processors, where a span goes nowhere. What ours and `kept` hand over, a
thread of theirs takes on after a tenth of a second, as in a process that serves; the next side waits until it has.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from opentelemetry import metrics
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import spanwatch
from spanwatch.otel.worker import LINGER_S

AIM = 3.0
PAIRS = 200
ROUNDS = 60


class Nothing(SpanExporter):
    """An exporter that costs nothing, and knows how many spans it was given."""

    count = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.count += len(spans)
        return SpanExportResult.SUCCESS


_TAKEN = Nothing()
_KEEPER, _NOWHERE = TracerProvider(), TracerProvider(shutdown_on_exit=False)
_KEEPER.add_span_processor(BatchSpanProcessor(_TAKEN, max_queue_size=65_536, schedule_delay_millis=LINGER_S * 1000))
_KEPT, _THROWN = _KEEPER.get_tracer("bare"), _NOWHERE.get_tracer("bare")


def kept() -> None:
    with _KEPT.start_as_current_span("invoke_agent planner"), _KEPT.start_as_current_span("execute_tool search"):
        pass


def thrown() -> None:
    with _THROWN.start_as_current_span("invoke_agent planner"), _THROWN.start_as_current_span("execute_tool search"):
        pass


@spanwatch.tool("search")
def _search(query: str) -> str:
    return query


@spanwatch.agent("planner")
def _plan(question: str) -> str:
    return _search(question)


def ours() -> None:
    _plan("why?")


def taken(spans: int) -> None:
    """Wait until the batch processor's thread has exported that many."""
    until = time.monotonic() + 10
    while spans > _TAKEN.count and time.monotonic() < until:
        time.sleep(0.01)


def microseconds(work: Callable[[], None], times: int) -> tuple[float, float]:
    """CPU of this thread per repetition, and of the whole process until the worker has recorded all of it."""
    before = _TAKEN.count
    thread, process = time.thread_time(), time.process_time()
    for _ in range(times):
        work()
    thread_s = time.thread_time() - thread
    if work is kept:
        taken(before + 2 * times)
    else:
        spanwatch.flush()
    return thread_s * 1e6 / times, (time.process_time() - process) * 1e6 / times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    sides = {"kept": kept, "thrown": thrown, "ours": ours}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as home:
        spanwatch.configure(home=home, banner=False, openai="none")
        metrics.get_meter_provider().add_metric_reader(InMemoryMetricReader())  # type: ignore[attr-defined]
        for work in sides.values():
            microseconds(work, PAIRS)
        gc.disable()
        for turn in range(rounds):
            for name in list(sides) if turn % 2 else list(sides)[::-1]:
                figures[name].append(microseconds(sides[name], PAIRS))
            gc.collect()
        gc.enable()
        spanwatch.shutdown()
    of = {name: statistics.median(thread for thread, _ in figures[name]) for name in sides}
    whole_us = statistics.median(process for _, process in figures["ours"])
    print(f"two bare SDK spans, kept          {of['kept']:7.1f} us")
    print(f"two bare SDK spans, thrown away   {of['thrown']:7.1f} us")
    added = of["ours"] - of["thrown"]
    against = f"{added / of['kept']:.2f} x kept (aim {AIM:g}), {added / of['thrown']:.2f} x thrown away"
    print(f"agent + tool, on the caller       {of['ours']:7.1f} us: adds {against}")
    print(f"agent + tool, all our threads     {whole_us:7.1f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
