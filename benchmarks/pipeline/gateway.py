"""The shipped gateway as a process, in front of a second collector that only counts; and what both say and take."""

from __future__ import annotations

import os
import re
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from spanwatch.cli import stack_processes as processes
from spanwatch.cli.stack import binary, texts
from spanwatch.generate.stack import HOST, PORTS, Service, collector

SHIPPED = ("gateway.yaml",)
KEEP_ALL = ("gateway.yaml", "overlay-dev.yaml")
_WAITS = {"TAIL_DECISION_WAIT": "5s", "TAIL_DECISION_WAIT_AFTER_ROOT": "2s"}  # the shipped ones outlast this benchmark
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? ([^ ]+)$")
_SINK = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "HOST:GRPC", max_recv_msg_size_mib: 256}
      http: {endpoint: "HOST:HTTP"}
exporters:
  debug: {verbosity: basic, sampling_initial: 1, sampling_thereafter: 100000}
extensions:
  health_check: {endpoint: "HOST:HEALTH"}
service:
  extensions: [health_check]
  pipelines:
    traces: {receivers: [otlp], exporters: [debug]}
    metrics: {receivers: [otlp], exporters: [debug]}
    logs: {receivers: [otlp], exporters: [debug]}
  telemetry:
    metrics:
      readers:
        - pull:
            exporter:
              prometheus: {host: HOST, port: OWN, without_type_suffix: true, without_units: true}
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a process has taken so far: seconds of CPU, and its most memory."""

    cpu_s: float
    megabytes: float


class Process:
    """A collector that runs within the block."""

    def __init__(self, service: Service, metrics_port: int, log: Path) -> None:
        self._service, self._metrics_port, self._log = service, metrics_port, log

    def __enter__(self) -> Self:
        self._process = processes.start(self._service, binary("otelcol", None), self._log)
        if not processes.until(lambda: processes.answers(self._service.ready), 60):
            processes.end(self._process)
            raise SystemExit(f"the collector does not start: {processes.last_words(self._log)}")
        return self

    def __exit__(self, *_: object) -> None:
        processes.end(self._process)

    def taken(self) -> Taken:
        """From /proc: Linux only."""
        place = Path(f"/proc/{self._process.pid}")
        fields = (place / "stat").read_text().rpartition(")")[2].split()
        peak = next(line for line in (place / "status").read_text().splitlines() if line.startswith("VmHWM"))
        return Taken((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) / 1000)

    def total(self, name: str, **labels: str) -> float:
        """The sum of one of its own metrics, over the series that have these labels."""
        with urllib.request.urlopen(f"http://{HOST}:{self._metrics_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = (_SAMPLE.match(line) for line in lines)
        return sum(
            float(sample[3]) for sample in found if sample and sample[1] == name and all(w in sample[2] for w in wanted)
        )


def sink(directory: Path) -> tuple[Process, dict[str, int]]:
    """A collector that takes everything and keeps nothing; and its ports."""
    ports = processes.free_ports(("grpc", "http", "health", "own"))
    text = _SINK.replace("HOST", HOST)
    for name, port in ports.items():
        text = text.replace(name.upper(), str(port))
    path = directory / "sink.yaml"
    path.write_text(text, encoding="utf-8")
    service = Service("otelcol", ("--config", str(path)), {}, f"http://{HOST}:{ports['health']}/")
    return Process(service, ports["own"], directory / "sink.log"), ports


def gateway(directory: Path, layers: tuple[str, ...], behind: dict[str, int]) -> tuple[Process, int]:
    """The shipped gateway with the sink for every back end; and its port for OTLP over HTTP."""
    for name, text in texts().items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    ports = {**processes.free_ports(PORTS), "jaeger_otlp": behind["grpc"]}
    to_sink = f"http://{HOST}:{behind['http']}"
    more = {"PROMETHEUS_OTLP": to_sink, "LOKI_OTLP": to_sink, **_WAITS}
    service = collector(str(directory), ports, "7" * 64, layers, more)
    return Process(service, ports["otelcol_metrics"], directory / "gateway.log"), ports["otlp_http"]


def settled(at: Process, patience_s: float = 30.0) -> None:
    """Wait until a gateway has decided on what it holds and sent what it keeps."""
    deadline, before = time.monotonic() + patience_s, -1.0
    time.sleep(6)  # decisions fall after `_WAITS`
    while time.monotonic() < deadline:
        now = at.total("otelcol_exporter_sent_spans")
        if now == before and at.total("otelcol_exporter_queue_size", data_type="traces") == 0:
            return
        before = now
        time.sleep(1)
