"""Agent-shaped spans: what the demo's support desk sends over OTLP, recorded on the wire, and ready to be sent anew."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from demo.server import Config, DemoServer

ROOT = Path(__file__).resolve().parents[2]
CALL = "chat "  # what the names of spans of model calls begin with
MESSAGES = "gen_ai.input.messages"  # what the conventions call a prompt
_TEXT = "the order tent of was shipped and we are sorry for a wet night it will arrive on Friday with refund"
_DESK = """
import os, openai, spanwatch
from demo import agent
spanwatch.configure(service="support-desk", providers={"127.0.0.1": "openai"}, banner="off")
import json
desk = agent.Desk(openai.OpenAI(), lambda **said: {"X-Demo": json.dumps({**said, "latency": 0.0, "chunk_delay": 0.0})})
for _ in range(4):
    agent.where_is_my_order(desk)
    agent.i_want_my_money_back(desk)
assert spanwatch.flush(20)
"""


@dataclass(frozen=True, slots=True)
class Body:
    """One request with some traces in it. `spots` are where each trace's id stands, to be written over."""

    data: bytes
    spots: tuple[tuple[int, ...], ...]
    spans: int
    calls: int

    def anew(self, *, compressed: bool = False) -> bytes:
        """The same traces with ids that nobody has seen, as they are or by gzip as spanwatch sends them."""
        fresh = bytearray(self.data)
        for places in self.spots:
            trace_id = os.urandom(16)
            for place in places:
                fresh[place : place + 16] = trace_id
        return gzip.compress(fresh, 3) if compressed else bytes(fresh)


def recorded() -> ExportTraceServiceRequest:
    """Run the desk against the demo server in a process of its own, and take down what it sends."""
    taken: list[bytes] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                taken.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    taker = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=taker.serve_forever, daemon=True)
    thread.start()
    try:
        with DemoServer(Config(latency=0.0, response_suffix="")) as server, tempfile.TemporaryDirectory() as home:
            clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
            said = {
                "OPENAI_BASE_URL": server.base_url,
                "OPENAI_API_KEY": "demo",
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{taker.server_port}",
                "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
                "SPANWATCH_HOME": home,
            }
            command = [sys.executable, "-c", _DESK]
            subprocess.run(command, cwd=ROOT, env={**clean, **said}, check=True, capture_output=True, timeout=120)
    finally:
        taker.shutdown()
        taker.server_close()
        thread.join()
    whole = ExportTraceServiceRequest()
    for body in taken:
        whole.MergeFromString(body)
    return whole


def bodies(whole: ExportTraceServiceRequest, prompt_bytes: int = 0, traces: int = 4) -> list[Body]:
    """Requests of so many whole traces each; with `prompt_bytes` every model call carries a prompt of that size."""
    by_trace: dict[bytes, list[tuple[int, int, object]]] = {}
    for at, resource in enumerate(whole.resource_spans):
        for place, scope in enumerate(resource.scope_spans):
            for span in scope.spans:
                by_trace.setdefault(span.trace_id, []).append((at, place, span))
    ids = list(by_trace)
    return [
        _body(whole, [by_trace[one] for one in ids[start : start + traces]], prompt_bytes)
        for start in range(0, len(ids), traces)
    ]


def _body(whole: ExportTraceServiceRequest, chosen: list, prompt_bytes: int) -> Body:  # type: ignore[type-arg]
    request, groups, calls, spans = ExportTraceServiceRequest(), {}, 0, 0
    words = random.Random(prompt_bytes).choices(_TEXT.split(), k=prompt_bytes // 2)
    prompt = " ".join(words)[:prompt_bytes]
    marks = [os.urandom(16) for _ in chosen]
    for mark, trace in zip(marks, chosen, strict=True):
        for at, place, span in trace:
            if (at, place) not in groups:
                resource = request.resource_spans.add(resource=whole.resource_spans[at].resource)
                groups[at, place] = resource.scope_spans.add(scope=whole.resource_spans[at].scope_spans[place].scope)
            copy = groups[at, place].spans.add()
            copy.CopyFrom(span)
            copy.trace_id = mark
            spans += 1
            if span.name.startswith(CALL):
                calls += 1
                if prompt_bytes:
                    copy.attributes.add(key=MESSAGES).value.string_value = prompt
    data = request.SerializeToString()
    return Body(data, tuple(_spots(data, mark) for mark in marks), spans, calls)


def _spots(data: bytes, mark: bytes) -> tuple[int, ...]:
    found, start = [], data.find(mark)
    while start >= 0:
        found.append(start)
        start = data.find(mark, start + 16)
    return tuple(found)
