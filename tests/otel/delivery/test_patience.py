"""A collector that says when to come again is not asked before, whoever waits."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry import trace

from spanwatch.core.prices import PriceBook
from spanwatch.core.settings import resolve
from spanwatch.otel.runtime import Runtime

ASKED_S = 2


@pytest.fixture
def collector():
    """Answers the first spans with 503 and `Retry-After`, then takes all; `times` are when spans came."""
    times = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            ours = self.path == "/v1/traces"
            if ours:
                times.append(time.monotonic())
            self.send_response(503 if ours and len(times) == 1 else 200)
            if ours and len(times) == 1:
                self.send_header("Retry-After", str(ASKED_S))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", times
    server.shutdown()
    server.server_close()
    thread.join()


def test_nothing_is_sent_again_before_the_time_that_retry_after_names(no_providers, collector, tmp_path):
    url, times = collector
    given = {"home": str(tmp_path), "openai": "none", "live_interval": 0, "endpoint": url}
    runtime = Runtime(resolve(given, {}), PriceBook().price_call)
    try:
        trace.get_tracer("app").start_span("one").end()
        assert not runtime.flush(1)  # that long nobody waits in vain
        for _ in range(5):
            trace.get_tracer("app").start_span("more").end()
            runtime.flush(0.1)
        assert len(times) == 1
        assert runtime.flush(30)
    finally:
        runtime.close(1)
    assert times[1] - times[0] >= ASKED_S
