"""Other back ends' kits in the same process: each gets what it got without us, and we count every call once."""

import gzip
import importlib.util
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from demo.server import Config, DemoServer
from tests.programs import Place

CALLS = """
M = [{"role": "user", "content": "x"}]
client.chat.completions.create(model="gpt-4o-mini", messages=M)
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
list(client.chat.completions.create(model="gpt-4o-mini", messages=M, **USAGE))
client.responses.create(model="gpt-4o-mini", input="x")
from opentelemetry import trace
with trace.get_tracer("the.application").start_as_current_span("a step of the application"):
    pass
"""
US = """
import spanwatch
spanwatch.configure(banner="off")
"""
LANGFUSE = """
from langfuse import Langfuse
kit = Langfuse(public_key="p", secret_key="s", base_url=os.environ["THEIRS"])
from langfuse.openai import OpenAI
client = OpenAI(max_retries=0)
"""
LOGFIRE = """
import logfire
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
exporter = SimpleSpanProcessor(OTLPSpanExporter(os.environ["THEIRS"] + "/v1/traces"))
logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[exporter])
logfire.instrument_openai()
client = openai.OpenAI(max_retries=0)
"""
PHOENIX = """
from phoenix.otel import register
provider = register(endpoint=os.environ["THEIRS"] + "/v1/traces", protocol="http/protobuf", verbose=False, batch=False)
from openinference.instrumentation.openai import OpenAIInstrumentor
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = openai.OpenAI(max_retries=0)
"""
FLUSH = {"langfuse": "kit.flush()\n", "logfire": "logfire.force_flush()\n", "phoenix": "provider.force_flush()\n"}
KITS = {"langfuse": LANGFUSE, "logfire": LOGFIRE, "phoenix": PHOENIX}
MODULES = {"langfuse": "langfuse", "logfire": "logfire", "phoenix": "phoenix"}
THEIRS = {
    "langfuse": {"OpenAI-generation"},
    "logfire": {"Chat Completion with {request_data[model]!r}", "Responses API with {gen_ai.request.model!r}"},
    "phoenix": {"ChatCompletion", "Response"},
}


class Sink:
    """A back end that keeps the spans that it is sent, under whatever path."""

    def __init__(self):
        self.spans = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path.endswith("/v1/traces"):
                    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                        for scope in resource.scope_spans:
                            sink.spans += [(scope.scope.name, span.name) for span in scope.spans]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def server():
    with DemoServer(Config()) as running:
        yield running


def sent(place, kit, program):
    """What the kit's back end got."""
    with Sink() as sink:
        answer = place.python(
            "import os\n" + program + CALLS + FLUSH[kit], THEIRS=sink.url, OTEL_BSP_SCHEDULE_DELAY="100"
        )
        assert answer.returncode == 0, answer.stderr
        return sorted(sink.spans)


@pytest.mark.parametrize("first", ["theirs", "ours"])
@pytest.mark.parametrize("kit", KITS)
def test_a_kit_beside_us_gets_what_it_got_alone_and_every_call_counts_once(tmp_path, server, kit, first):
    if importlib.util.find_spec(MODULES[kit]) is None:
        pytest.skip(f"needs {kit}: pip install --group frameworks")
    alone, both = Place(tmp_path / "alone", server), Place(tmp_path / "both", server)
    without = sent(alone, kit, KITS[kit])
    assert THEIRS[kit] <= {name for _, name in without}
    with_us = sent(both, kit, KITS[kit] + US if first == "theirs" else US + KITS[kit])
    theirs = [span for span in with_us if not span[0].startswith("spanwatch")]
    assert theirs == without
    assert both.rows("SELECT nano_usd FROM calls WHERE counted") == [(42_000,)] * 3
