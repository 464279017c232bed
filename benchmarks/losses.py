"""How many of a contender's calls reach a collector that is away for a while, and how many outlive a kill."""

from __future__ import annotations

import contextlib
import gzip
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.contenders import CONTENDERS, Contender, python_of
from demo.server import DemoServer

HERE = Path(__file__).resolve().parent
OTLP = "opentelemetry-exporter-otlp-proto-http"
CALLS = 20  # as in losing.py
AWAY_S, AFTER_S = 45, 20
FAULTS = ("no fault", "killed", "collector away until after the end", "collector away for 45 s")
MODEL = "gpt-4o-mini"


class Collector:
    """An OTLP collector on a port of its own that can be away; it keeps the trace ids of model calls."""

    def __init__(self) -> None:
        self.traces: set[bytes] = set()
        self._server: ThreadingHTTPServer | None = None
        self.come()
        assert self._server is not None
        self.port = self._server.server_address[1]

    def come(self) -> None:
        """Listen, on the port that it had before."""
        handler = type("Handler", (_Handler,), {"collector": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", getattr(self, "port", 0)), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def go(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def take(self, body: bytes) -> None:
        """Keep the traces of a request."""
        request = ExportTraceServiceRequest.FromString(body)
        for spans in (scope.spans for resource in request.resource_spans for scope in resource.scope_spans):
            called = (span for span in spans if any(MODEL in each.value.string_value for each in span.attributes))
            self.traces.update(span.trace_id for span in called)


class _Handler(BaseHTTPRequestHandler):
    collector: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        unpack = {"gzip": gzip.decompress, "deflate": zlib.decompress}.get(self.headers.get("Content-Encoding", ""))
        if self.path.endswith("/v1/traces"):
            self.collector.take(unpack(body) if unpack else body)
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where a contender's processes run, and with whom they talk."""

    python: Path
    name: str
    url: str
    collector: Collector
    directory: str

    def start(self, how: str) -> subprocess.Popen[bytes]:
        words = [self.name, self.url, f"http://127.0.0.1:{self.collector.port}", how]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([self.python, HERE / "losing.py", *words], cwd=self.directory, **quiet)  # type: ignore[call-overload,no-any-return]

    def run(self, how: str) -> None:
        self.start(how).wait(120)


def arrived(contender: Contender, url: str) -> list[int]:
    """How many of `CALLS` calls arrived under each of `FAULTS`."""
    python = python_of(replace(contender, packages=(*contender.packages, OTLP)))
    with ThreadPoolExecutor(len(FAULTS)) as pool:
        return list(pool.map(lambda fault: _under(fault, python, contender.name, url), FAULTS))


def _under(fault: str, python: Path, name: str, url: str) -> int:
    with _desk(python, name, url) as desk:
        if fault == FAULTS[0]:
            desk.run("left")
        elif fault == FAULTS[1]:
            desk.run("killed")
        elif fault == FAULTS[2]:
            desk.collector.go()
            desk.run("left")
            desk.collector.come()
        else:
            desk.collector.go()
            process = desk.start(f"waits:{AWAY_S + AFTER_S}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(AWAY_S)
            desk.collector.come()
            process.wait(120)
            return len(desk.collector.traces)
        desk.run("next")
        return len(desk.collector.traces)


@contextlib.contextmanager
def _desk(python: Path, name: str, url: str) -> Iterator[_Desk]:
    collector = Collector()
    try:
        with tempfile.TemporaryDirectory(prefix="spanwatch-bench-") as directory:
            yield _Desk(python, name, url, collector, directory)
    finally:
        collector.go()


def main() -> int:
    """Print what arrives of every contender, or of those that are named."""
    with DemoServer() as server:
        for contender in CONTENDERS:
            if contender.name != "sdk_span" and contender.name in (sys.argv[1:] or [contender.name]):
                print(contender.title, arrived(contender, server.base_url), f"of {CALLS} each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
