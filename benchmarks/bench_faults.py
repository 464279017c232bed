"""What a span costs while its collector or its disk is well or is not: `python -m benchmarks.bench_faults`.

An application of its own ends 1,000 spans a second, with the journal, in memory only, and with no pipeline at all. The
figures are of the thread that ends them, from start to end of a span: CPU time as well as time on the clock, 50th and
99th of a hundred and the longest, each the least of the rounds, for other work shares the machine; and how many spans
took more than 10 ms. A ratio is to the healthy collector and disk.

The collector is well, gone, hangs or is slow. The disk is busy: another process has it write 64 KiB to the plate and
waits for that, over and over. Or it stalls: for a second it takes nothing, which holds one span up and no other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
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
FIGURES = ("cpu_p50", "cpu_p99", "clock_p50", "clock_p99", "clock_most", "over_10_ms")
BUSY_BYTES, BUSY_BLOCK = 64 * 1024 * 1024, 64 * 1024


@dataclass(frozen=True, slots=True)
class Case:
    """One way to run: `store` None is without a pipeline; `disk` is `well`, `busy` or `stalls`."""

    name: str
    mode: str = "healthy"
    store: bool | None = True
    disk: str = "well"
    fsync: str | None = None


CASES = (
    Case("no pipeline", store=None),
    *(Case(f"journal, {mode}", mode) for mode in MODES),
    Case("journal, disk is busy", disk="busy"),
    Case("journal, disk is busy, fsync", disk="busy", fsync="interval"),
    Case("journal, disk stalls for 1 s", disk="stalls"),
    *(Case(f"memory, {mode}", mode, store=False) for mode in MODES),
)

PROGRAM = """
import json, sys, time
from opentelemetry import trace
plan = json.loads(sys.argv[1])
if plan["store"] is not None:
    import spanwatch
    spanwatch.configure(
        endpoint=plan["url"], home=plan["home"], store=plan["store"], openai="none", banner="off", exit_timeout=0,
        **plan["settings"],
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
    if plan["disk"] == "stalls" and number == count // 2:
        import threading
        from spanwatch.otel.setup import INSTANCE
        from tests.faults.stalling import Disk
        threading.Timer(1, Disk(INSTANCE.runtime.journal).resume).start()
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
print(json.dumps([at(cpu, 0.5), at(cpu, 0.99), at(clock, 0.5), at(clock, 0.99), clock[-1],
                  sum(took > 10_000 for took in clock)]))
"""

BUSY = """
import os, sys, time
folder, most, block, seconds = sys.argv[1], *map(int, sys.argv[2:])
os.nice(19)  # it is to take the disk, not the processor
plate = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
data, until, at = os.urandom(block), time.monotonic() + seconds, 0
while time.monotonic() < until:
    os.pwrite(plate, data, at % most)
    os.fdatasync(plate)
    at += block
"""


@contextmanager
def busy_disk(folder: str, seconds: int) -> Iterator[None]:
    """A process that writes to the disk under a folder, into a file without a name, and waits for each write."""
    command = [sys.executable, "-c", BUSY, folder, str(BUSY_BYTES), str(BUSY_BLOCK), str(seconds)]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measured(case: Case, seconds: int, *, calls: bool) -> list[float]:
    """Microseconds of one run, as in FIGURES."""
    sink = SinkProcess()
    try:
        sink.mode(**MODES[case.mode])
        with tempfile.TemporaryDirectory() as folder:
            plan = {"url": sink.url, "home": str(Path(folder) / "home"), "store": case.store}
            plan |= {"settings": {} if case.fsync is None else {"fsync": case.fsync}}
            plan |= {"disk": case.disk, "rate": 1_000, "seconds": seconds, "calls": calls}
            command = [sys.executable, "-c", PROGRAM, json.dumps(plan)]
            with busy_disk(folder, seconds + 30) if case.disk == "busy" else nullcontext():
                ended = subprocess.run(command, capture_output=True, text=True, check=True, env=bare_environment())
    finally:
        sink.close()
    return list(json.loads(ended.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--calls", action="store_true", help="each span is a model call: priced and counted, too")
    parser.add_argument("--only", default="", help="cases with this in their name, and what they are compared with")
    asked = parser.parse_args()
    cases = [case for case in CASES if asked.only in case.name or case.name.endswith(", healthy")]
    found: dict[Case, list[list[float]]] = {case: [] for case in cases}
    for turn in range(asked.rounds):
        for case in cases if turn % 2 else reversed(cases):
            found[case].append(measured(case, asked.seconds, calls=asked.calls))
    best = {case: [min(column) for column in zip(*runs, strict=True)] for case, runs in found.items()}
    well = {case.store: values for case, values in best.items() if case.name.endswith(", healthy")}
    print(f"microseconds a span, best of {asked.rounds}; load {os.getloadavg()[0]:.1f}\n")
    print("| | " + " | ".join(each.replace("_", " ") for each in FIGURES) + " | cpu p99 to healthy | clock p99 |")
    print("| --- |" + " ---: |" * (len(FIGURES) + 2))
    for case, values in best.items():
        healthy = well.get(case.store, values)
        ratios = f"{values[1] / healthy[1]:.2f} | {values[3] / healthy[3]:.2f}"
        print(f"| {case.name} | " + " | ".join(f"{value:,.0f}" for value in values) + f" | {ratios} |")


if __name__ == "__main__":
    sys.exit(main())
