"""What an agent with one tool costs, beside two bare spans of the SDK: `python -m benchmarks.bench_agent`.

Both sides live in one process and take turns, round after round, so that what else the machine does hits both; each
figure is the median over the rounds. Ours runs with metrics and journal, `request`, user and conversation stamped; the
bare side is `start_as_current_span` twice on a provider without processors, the least that a trace can cost.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from opentelemetry import metrics
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

import spanwatch

AIM = 3.0
PAIRS = 200
ROUNDS = 60

_BARE = TracerProvider(shutdown_on_exit=False).get_tracer("bare")


def bare() -> None:
    with _BARE.start_as_current_span("invoke_agent planner"), _BARE.start_as_current_span("execute_tool search"):
        pass


@spanwatch.tool("search")
def _search(query: str) -> str:
    return query


@spanwatch.agent("planner")
def _plan(question: str) -> str:
    return _search(question)


def ours() -> None:
    _plan("why?")


def microseconds(work: Callable[[], None], times: int) -> tuple[float, float]:
    """CPU of this thread per repetition, and of the whole process until the worker has recorded all of it."""
    thread, process = time.thread_time(), time.process_time()
    for _ in range(times):
        work()
    thread_s = time.thread_time() - thread
    spanwatch.flush()
    return thread_s * 1e6 / times, (time.process_time() - process) * 1e6 / times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    sides = {"bare": bare, "ours": ours}
    figures: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
    with tempfile.TemporaryDirectory() as home:
        spanwatch.configure(home=home, banner=False, openai="none")
        metrics.get_meter_provider().add_metric_reader(InMemoryMetricReader())  # type: ignore[attr-defined]
        for work in sides.values():
            microseconds(work, PAIRS)
        gc.disable()
        for turn in range(rounds):
            for name in ("bare", "ours") if turn % 2 else ("ours", "bare"):
                figures[name].append(microseconds(sides[name], PAIRS))
            gc.collect()
        gc.enable()
        spanwatch.shutdown()
    bare_us, ours_us = (statistics.median(thread for thread, _ in figures[name]) for name in ("bare", "ours"))
    whole_us = statistics.median(process for _, process in figures["ours"])
    print(f"two bare SDK spans              {bare_us:7.1f} us")
    print(
        f"agent + tool, on the caller     {ours_us:7.1f} us: adds {(ours_us - bare_us) / bare_us:.2f} x (aim {AIM:g})"
    )
    print(f"agent + tool, all our threads   {whole_us:7.1f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
