"""What a cold start costs: importing and setting up, beside `openai` alone and the OpenTelemetry SDK set up by hand.

python -m benchmarks.bench_start [RUNS]

Each run is a process of its own with its byte code compiled already. Measured are the CPU time of the process up to the
first call, the best of the runs, and the memory it then has; nothing is sent. What the disk takes comes on top.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
import tempfile

_OPENAI = (
    "import openai\nclient = openai.OpenAI(api_key='none', base_url='http://127.0.0.1:9/v1')\nclient.chat.completions\n"
)
_BY_HAND = """
from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint="http://127.0.0.1:9/v1/traces")))
trace.set_tracer_provider(provider)
reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint="http://127.0.0.1:9/v1/metrics"))
metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
logs = LoggerProvider()
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint="http://127.0.0.1:9/v1/logs")))
set_logger_provider(logs)
"""
_OURS = "import spanwatch\nspanwatch.configure(endpoint='http://127.0.0.1:9', banner='off', {})\n"
CASES = {
    "openai alone": _OPENAI,
    "and the OpenTelemetry SDK by hand: traces, metrics, logs": _OPENAI + _BY_HAND,
    "and spanwatch, as in the handler above": _OPENAI + _OURS.format("live_interval=0"),
    "and spanwatch, in memory only": _OPENAI + _OURS.format("live_interval=0, store=False"),
}
_END = """
import json, os, resource, time
print(json.dumps([time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]), flush=True)
os._exit(0)
"""


def run(code: str, compiled: str) -> tuple[float, float]:
    """Milliseconds of CPU and MiB at the end of one process, which has its byte code in the folder `compiled`."""
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as home:
        answer = subprocess.run(
            [sys.executable, "-c", code + _END],
            env={**known, "PYTHONPYCACHEPREFIX": compiled, "SPANWATCH_HOME": home},
            capture_output=True,
            text=True,
            check=True,
        )
    seconds, mebibytes = json.loads(answer.stdout)
    return seconds * 1_000, mebibytes


def main(runs: int) -> None:
    """Print a table in Markdown."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as compiled:
        for code in CASES.values():
            run(code, compiled)
        for _ in range(runs):
            for name, code in CASES.items():
                found[name].append(run(code, compiled))
    best = {name: (min(each[0] for each in taken), min(each[1] for each in taken)) for name, taken in found.items()}
    alone = best["openai alone"]
    print(
        f"Measured {dt.datetime.now(dt.UTC).date()} with `python -m benchmarks.bench_start {runs}`,\n"
        f"best of {runs} processes each, {platform.system()}, Python {platform.python_version()}:\n"
    )
    print("| | CPU time until the first call | added | memory | added |\n| --- | ---: | ---: | ---: | ---: |")
    for name, (cpu, memory) in best.items():
        added = ("", "") if name == "openai alone" else (f"{cpu - alone[0]:.0f} ms", f"{memory - alone[1]:.0f} MiB")
        print(f"| {name} | {cpu:.0f} ms | {added[0]} | {memory:.0f} MiB | {added[1]} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
