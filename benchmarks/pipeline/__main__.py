"""What the shipped gateway takes of agent-shaped spans: MB/s, CPU, memory and loss at 1x, 2x and 4x of a planned rate.

The spans are those of the demo's support desk, recorded on the wire at the start: as they are, and with a prompt of
100 kB on each model call. 1x is a million model calls an hour. CPU is the process's own time, so that a busy machine
does not change it; everything that is kept goes to a second collector that only counts. Linux only; needs the programs
of `make stack`.

  python -m benchmarks.pipeline                      all of it, about five minutes
  python -m benchmarks.pipeline --write              the same, kept in benchmarks/pipeline/results.md
  python -m benchmarks.pipeline --only plain-4x      one of: plain-1x ... prompt-4x, gzip-4x, kept-4x, telemetrygen,
                                                     storage, budgets
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.pipeline.budgets import server_microseconds
from benchmarks.pipeline.gateway import KEEP_ALL, SHIPPED, Process, Taken, gateway, settled, sink
from benchmarks.pipeline.load import Sent, offer
from benchmarks.pipeline.recording import Body, bodies, recorded
from benchmarks.pipeline.report import markdown
from benchmarks.pipeline.storage import stored
from spanwatch.cli.stack import binary

MILLION_AN_HOUR = 1_000_000 / 3600
PROMPT_BYTES = 100_000
SECONDS = 15.0
RESULTS = Path(__file__).with_name("results.md")


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    name: str
    prompt: bool
    factor: float
    layers: tuple[str, ...] = SHIPPED
    compressed: bool = False


CASES = (
    *(Case(f"plain-{factor}x", prompt=False, factor=factor) for factor in (1, 2, 4)),
    *(Case(f"prompt-{factor}x", prompt=True, factor=factor) for factor in (1, 2, 4)),
    Case("gzip-4x", prompt=False, factor=4, compressed=True),
    Case("kept-4x", prompt=False, factor=4, layers=KEEP_ALL),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one case gave. `lost` are spans that the gateway acknowledged and neither sampled away nor delivered."""

    name: str
    calls_per_s: float
    spans_per_s: float
    megabytes_per_s: float | None
    kilobytes_per_span: float | None
    cpu_cores: float
    cpu_s_per_1000_calls: float
    cpu_ms_per_megabyte: float | None
    memory_megabytes: float
    put_off: int
    given_up: int
    kept: int
    lost: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--only", action="append", metavar="CASE")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    whole = recorded()
    shapes = {False: bodies(whole), True: bodies(whole, PROMPT_BYTES, traces=1)}
    found = []
    for case in CASES:
        if not args.only or case.name in args.only:
            found.append(measured(case, shapes[case.prompt], args.seconds))
            print(line(found[-1]), flush=True)
    if not args.only or "telemetrygen" in args.only:
        found.append(generated(args.seconds))
        print(line(found[-1]), flush=True)
    kilobytes = None
    if not args.only or "storage" in args.only:
        kilobytes = stored(shapes[False], MILLION_AN_HOUR * 4, args.seconds)
        print(f"storage: {kilobytes:.1f} kB on Jaeger's disk for each call", flush=True)
    redis_us = None
    if not args.only or "budgets" in args.only:
        redis_us = server_microseconds()
        print(f"budgets: {redis_us:.0f} us of Redis's CPU for each call" if redis_us else "budgets: no redis-server")
    if args.write:
        page = markdown([asdict(one) for one in found], kilobytes, redis_us, args.seconds)
        RESULTS.write_text(page, encoding="utf-8")
    return 0


def measured(case: Case, load: list[Body], seconds: float) -> Figures:
    """Send at the case's rate, wait until all is decided and delivered, and count."""
    with tempfile.TemporaryDirectory(prefix="spanwatch-pipeline-") as place:
        back_end, ports = sink(Path(place))
        front, port = gateway(Path(place), case.layers, ports)
        with back_end, front:
            before = front.taken()
            sent = offer(port, load, MILLION_AN_HOUR * case.factor, seconds, compressed=case.compressed)
            settled(front)
            return figures(case.name, sent, front, back_end, before, keeps_all=case.layers is KEEP_ALL)


def generated(seconds: float) -> Figures:
    """Telemetrygen's own small spans, at a rate of 2,000 traces of two spans a second."""
    with tempfile.TemporaryDirectory(prefix="spanwatch-pipeline-") as place:
        back_end, ports = sink(Path(place))
        front, port = gateway(Path(place), KEEP_ALL, ports)
        with back_end, front:
            command = [str(binary("telemetrygen", None)), "traces", "--otlp-http", "--otlp-insecure"]
            command += ["--otlp-endpoint", f"127.0.0.1:{port}", "--rate", "2000", "--duration", f"{seconds:g}s"]
            before = front.taken()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
            settled(front)
            count = int(front.total("otelcol_receiver_accepted_spans"))
            sent = Sent(seconds=seconds, spans=count, calls=count)
            return figures("telemetrygen", sent, front, back_end, before, keeps_all=True)


def figures(name: str, sent: Sent, front: Process, back_end: Process, before: Taken, *, keeps_all: bool) -> Figures:
    """Rates, costs and what is missing."""
    taken = front.taken()
    cpu_s = taken.cpu_s - before.cpu_s
    kept = int(back_end.total("otelcol_receiver_accepted_spans"))
    received = front.total("otelcol_receiver_accepted_spans")
    failed = ("otelcol_exporter_enqueue_failed_spans", "otelcol_exporter_send_failed_spans")
    too_early = front.total("otelcol_processor_tail_sampling_sampling_trace_dropped_too_early")
    missing = sent.spans - received + sum(front.total(metric) for metric in failed) + too_early
    return Figures(
        name=name,
        calls_per_s=round(sent.calls / sent.seconds, 1),
        spans_per_s=round(sent.spans / sent.seconds, 1),
        megabytes_per_s=round(sent.megabytes / sent.seconds, 2) if sent.megabytes else None,
        kilobytes_per_span=round(sent.megabytes * 1000 / sent.spans, 2) if sent.megabytes else None,
        cpu_cores=round(cpu_s / sent.seconds, 3),
        cpu_s_per_1000_calls=round(cpu_s * 1000 / max(1, sent.calls), 3),
        cpu_ms_per_megabyte=round(cpu_s * 1000 / sent.megabytes, 1) if sent.megabytes else None,
        memory_megabytes=round(taken.megabytes),
        put_off=sent.put_off,
        given_up=sent.given_up,
        kept=kept,
        lost=int(sent.spans - kept if keeps_all else missing),
    )


def line(found: Figures) -> str:
    """One line of text."""
    return ", ".join(f"{key} {value}" for key, value in asdict(found).items())


if __name__ == "__main__":
    sys.exit(main())
