"""What a span costs while its collector is well, gone, hangs or is slow: `python -m benchmarks.bench_faults`.

An application of its own ends 1,000 spans a second, with the journal, in memory only, and with no pipeline at all. The
figures are of the thread that ends them, from start to end of a span: CPU time as well as time on the clock, 50th and
99th of a hundred and the longest, each the least of the rounds, for other work shares the machine. A ratio is to the
healthy collector.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.faults.rig import SinkProcess, bare_environment

MODES: dict[str, dict[str, Any]] = {
    "healthy": {"kind": "ok"},
    "refuses": {"kind": "down"},
    "hangs": {"kind": "hang"},
    "answers after 3 s": {"kind": "slow"},
    "answers 503": {"kind": "status", "status": 503},
}
FIGURES = ("cpu_p50", "cpu_p99", "clock_p50", "clock_p99", "clock_most")

PROGRAM = """
import json, sys, time
from opentelemetry import trace
plan = json.loads(sys.argv[1])
if plan["store"] is not None:
    import spanwatch
    spanwatch.configure(
        endpoint=plan["url"], home=plan["home"], store=plan["store"], openai="none", banner="off", exit_timeout=0
    )
else:
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
tracer = trace.get_tracer("bench")
attributes = {"text": "word " * 100, "http.route": "/orders/{id}", "http.response.status_code": 200}
if plan["calls"]:
    attributes |= {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
cpu, clock, began, count = [], [], time.monotonic(), plan["rate"] * plan["seconds"]
for number in range(count):
    a, b = time.thread_time_ns(), time.perf_counter_ns()
    tracer.start_span("work", attributes=attributes).end()
    c, d = time.thread_time_ns(), time.perf_counter_ns()
    if number >= plan["rate"]:  # the first second warms up
        cpu.append((c - a) / 1e3)
        clock.append((d - b) / 1e3)
    if (early := began + (number + 1) / plan["rate"] - time.monotonic()) > 0:
        time.sleep(early)
cpu.sort()
clock.sort()
at = lambda values, part: values[int(len(values) * part)]
print(json.dumps([at(cpu, 0.5), at(cpu, 0.99), at(clock, 0.5), at(clock, 0.99), clock[-1]]))
"""


def measured(mode: str, store: bool | None, seconds: int, *, calls: bool) -> list[float]:
    """Microseconds of one run, as in FIGURES."""
    sink = SinkProcess()
    try:
        sink.mode(**MODES[mode])
        with tempfile.TemporaryDirectory() as folder:
            plan = {"url": sink.url, "home": str(Path(folder) / "home"), "store": store}
            plan |= {"rate": 1_000, "seconds": seconds, "calls": calls}
            command = [sys.executable, "-c", PROGRAM, json.dumps(plan)]
            ended = subprocess.run(command, capture_output=True, text=True, check=True, env=bare_environment())
    finally:
        sink.close()
    return list(json.loads(ended.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--calls", action="store_true", help="each span is a model call: priced and counted, too")
    asked = parser.parse_args()
    cases: list[tuple[str, str, bool | None]] = [("healthy", "no pipeline", None)]
    cases += [(mode, name, store) for name, store in (("journal", True), ("memory", False)) for mode in MODES]
    found: dict[tuple[str, str], list[list[float]]] = {(name, mode): [] for mode, name, _ in cases}
    for turn in range(asked.rounds):
        for mode, name, store in cases if turn % 2 else reversed(cases):
            found[name, mode].append(measured(mode, store, asked.seconds, calls=asked.calls))
    best = {case: [min(column) for column in zip(*runs, strict=True)] for case, runs in found.items()}
    print(f"microseconds a span, best of {asked.rounds}; load {os.getloadavg()[0]:.1f}\n")
    print("| | " + " | ".join(each.replace("_", " ") for each in FIGURES) + " | cpu p99 to healthy |")
    print("| --- |" + " ---: |" * (len(FIGURES) + 1))
    for (name, mode), values in best.items():
        ratio = values[1] / best[name, "healthy"][1]
        print(f"| {name}, {mode} | " + " | ".join(f"{value:,.0f}" for value in values) + f" | {ratio:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
