"""configure() in programs as users write them: what goes where, what is joined, what is kept, what it costs."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from spanwatch.core import names
from tests.otel.setup.conftest import Sink

CONFIGURE = "import os, spanwatch\nspanwatch.configure(service='bot', **json.loads(os.environ.get('WITH', '{}')))\n"
PROVIDERS = """
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
resource = Resource.create({"service.name": "theirs"})
traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["THEIRS"] + "/v1/traces")))
trace.set_tracer_provider(traces)
exporter = OTLPMetricExporter(os.environ["THEIRS"] + "/v1/metrics")
meters = MeterProvider([PeriodicExportingMetricReader(exporter)], resource)
metrics.set_meter_provider(meters)
"""
WORK = """
with trace.get_tracer("app").start_as_current_span("handle", attributes={"secret": "s"}):
    chat()
metrics.get_meter("app").create_counter("requests").add(1)
assert trace.get_tracer_provider() is traces and metrics.get_meter_provider() is meters
"""


@pytest.fixture
def sinks():
    made = Sink(), Sink()
    yield made
    for sink in made:
        sink.close()


def ran(place, code, **environ):
    answer = place.python("import json\n" + code, **environ)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == "", answer.stderr
    return answer.stdout


def test_without_an_endpoint_the_store_has_everything_and_nothing_is_printed(place):
    assert ran(place, f"{CONFIGURE}\nchat()\nprint('out')") == "out\n"
    assert place.calls() == 1
    assert place.rows("SELECT name FROM spans") == [("chat gpt-4o-mini",)]
    assert place.rows("SELECT service FROM sources") == [("bot",)]


@pytest.mark.parametrize("way", ["argument", "variable"])
def test_with_an_endpoint_spans_and_metrics_go_there_too(place, sinks, way):
    sink, _ = sinks
    given = (
        {"WITH": json.dumps({"endpoint": sink.url})} if way == "argument" else {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    )
    ran(place, f"{CONFIGURE}\nchat()\nchat()", **given)
    assert [span.name for span, _, _ in sink.spans()] == ["chat gpt-4o-mini"] * 2
    cost = {metric.name: metric for metric, _, _ in sink.metrics()}[names.COST_USD]
    assert sum(point.as_double for point in cost.sum.data_points) == pytest.approx(2 * 42e-6)
    resources = [resource for _, _, resource in sink.spans() + sink.metrics()]
    assert {resource["service.name"] for resource in resources} == {"bot"}
    assert len({resource["service.instance.id"] for resource in resources}) == 1
    assert place.calls() == 2


def test_existing_providers_are_joined_and_get_what_they_would_with_our_part_in_it(place, sinks):
    theirs, _ = sinks
    ran(place, f"import os\n{PROVIDERS}\n{CONFIGURE}\n{WORK}", THEIRS=theirs.url)
    assert sorted(span.name for span, _, _ in theirs.spans()) == ["chat gpt-4o-mini", "handle"]
    assert {resource["service.name"] for _, _, resource in theirs.spans() + theirs.metrics()} == {"theirs"}
    assert {metric.name for metric, _, _ in theirs.metrics()} >= {"requests", names.COST_USD, names.CALLS.name}
    assert place.calls() == 1
    outline, *_ = [json.loads(body) for (body,) in place.rows("SELECT body FROM spans WHERE name = 'handle'")]
    assert "a" not in outline


def test_joined_the_environments_endpoint_is_the_applications_to_use(place, sinks):
    theirs, environments = sinks
    code = f"import os\n{PROVIDERS}\n{CONFIGURE}\n{WORK}"
    ran(place, code, THEIRS=theirs.url, OTEL_EXPORTER_OTLP_ENDPOINT=environments.url, OTEL_LOGS_EXPORTER="none")
    assert len(theirs.spans()) == 2
    assert environments.requests == []


def test_joined_an_endpoint_in_code_gets_our_spans_and_metrics_and_nobody_elses(place, sinks):
    theirs, ours = sinks
    code = f"import os\n{PROVIDERS}\n{CONFIGURE}\n{WORK}"
    ran(place, code, THEIRS=theirs.url, WITH=json.dumps({"endpoint": ours.url}))
    assert sorted(span.name for span, _, _ in theirs.spans()) == ["chat gpt-4o-mini", "handle"]
    assert [(span.name, scope) for span, scope, _ in ours.spans()] == [("chat gpt-4o-mini", names.SCOPE)]
    assert {scope for _, scope, _ in ours.metrics()} == {names.SCOPE}


def test_set_up_and_use_connect_to_the_provider_and_the_endpoint_and_to_nothing_else(place, sinks, server):
    sink, _ = sinks
    code = f"""
import sys
seen = set()
sys.addaudithook(lambda name, args: seen.add(args[1][1]) if name == "socket.connect" else None)
sys.addaudithook(lambda name, args: seen.add(args[0]) if name == "socket.getaddrinfo" else None)
{CONFIGURE}
before = set(seen)
chat()
spanwatch.flush()
print(json.dumps([sorted(map(str, before)), sorted(map(str, seen))]))
"""
    before, after = json.loads(ran(place, code))
    assert before == []
    assert set(after) <= {"127.0.0.1", str(server.port)}
    before, after = json.loads(ran(place, code, WITH=json.dumps({"endpoint": sink.url})))
    assert set(before) <= {"127.0.0.1", str(sink.server.server_port)}
    assert set(after) <= {"127.0.0.1", str(server.port), str(sink.server.server_port)}


def test_the_instance_is_another_one_in_every_forked_child(place, sinks):
    sink, _ = sinks
    code = f"""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forks with threads, since 3.12
{CONFIGURE}
chat()
for _ in range(2):
    pid = os.fork()
    if not pid:
        client = openai.OpenAI(max_retries=0)
        chat(); spanwatch.flush()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
chat()
"""
    ran(place, code, WITH=json.dumps({"endpoint": sink.url}))
    instances = [resource["service.instance.id"] for _, _, resource in sink.spans()]
    assert len(instances) == 4
    assert len(set(instances)) == 3
    counted = [
        (resource["service.instance.id"], metric.sum.data_points[0].as_int or metric.sum.data_points[0].as_double)
        for metric, _, resource in sink.metrics()
        if metric.name == names.CALLS.name
    ]
    assert sorted(dict(counted).values()) == [1, 1, 2]
    assert place.calls() == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sample": 2}, "setting sample (argument sample=) cannot be 2: give a ratio from 0 to 1, such as 0.01"),
        ({"openai": "theirs"}, "one of 'spanwatch', 'openllmetry', 'genai', 'openinference', 'none'"),
        ({"endpoint": "no url"}, "an OTLP base URL"),
        ({"prices": "missing.toml"}, "setting prices: missing.toml cannot be read"),
    ],
)
def test_a_wrong_setting_is_an_error_that_says_what_to_do_and_leaves_nothing_configured(place, arguments, words):
    code = f"""
import spanwatch
try:
    spanwatch.configure(**{arguments!r})
except spanwatch.ConfigurationError as error:
    print(error)
chat()
"""
    assert words in ran(place, code)
    assert not (place.path / ".spanwatch").exists()


def test_the_same_settings_again_change_nothing_and_others_begin_anew(place):
    code = """
import spanwatch
for _ in range(3):
    spanwatch.configure(service="one")
    chat()
spanwatch.configure(service="two")
chat()
assert spanwatch.shutdown()
chat()
spanwatch.configure(service="two")
chat()
"""
    ran(place, code)
    assert place.calls() == 5
    services = "SELECT service, count(*) FROM calls JOIN sources ON sources.id = calls.source GROUP BY 1"
    assert place.rows(services) == [("one", 3), ("two", 2)]


def test_with_the_sdk_disabled_nothing_is_done(place):
    assert ran(place, f"{CONFIGURE}\nchat()", OTEL_SDK_DISABLED="true") == ""
    assert not (place.path / ".spanwatch").exists()


def test_the_store_catches_up_while_the_process_lives_and_at_its_end(place):
    code = f"""
{CONFIGURE}
import pathlib, sqlite3, time
chat()
until, rows = time.monotonic() + 20, []
while not rows and time.monotonic() < until:
    time.sleep(0.05)
    if pathlib.Path(".spanwatch/store.db").exists():
        try:
            rows = sqlite3.connect(".spanwatch/store.db").execute("SELECT call_id FROM calls").fetchall()
        except sqlite3.OperationalError:
            pass
chat()
print(len(rows))
"""
    assert ran(place, code) == "1\n"
    assert list((place.path / ".spanwatch" / "journal").iterdir()) == []
    assert place.calls() == 2


def test_a_collector_that_hangs_costs_the_exit_timeout_and_one_line(place, sinks):
    sink, _ = sinks
    sink.gate.clear()
    answer = place.python(
        "import json, time\n" + CONFIGURE + "chat()\nprint(time.time())",
        WITH=json.dumps({"endpoint": sink.url, "exit_timeout": 0.5}),
    )
    assert answer.returncode == 0
    assert "1 span to" in answer.stderr
    assert "not delivered within 0.5 s; what is not sent is kept in .spanwatch, and sent by" in answer.stderr
    assert place.calls() == 1


@pytest.mark.skipif(sys.version_info[:3] == (3, 13, 0), reason="CPython 3.13.0 crashes at the end of such a program")
def test_a_stream_that_is_open_at_the_end_is_kept_as_abandoned(place):
    ran(place, f"{CONFIGURE}\nstream = chat(stream=True)\nnext(iter(stream))")
    assert place.rows("SELECT status, has_usage, nano_usd FROM calls") == [("abandoned", 0, None)]


def test_each_unknown_model_is_said_once_and_every_call_of_it_is_counted(place, sinks):
    sink, _ = sinks
    code = f"""
{CONFIGURE}
for model in ("mystery-1", "mystery-2", "gpt-4o-mini") * 3:
    client.chat.completions.create(model=model, messages=[{{"role": "user", "content": "x"}}])
"""
    answer = place.python("import json\n" + code, WITH=json.dumps({"endpoint": sink.url}))
    said = [line for line in answer.stderr.splitlines() if "no price for model" in line]
    assert len(said) == 2
    assert "'mystery-1-2026-01-01'" in said[0]
    unpriced = {metric.name: metric for metric, _, _ in sink.metrics()}[names.UNPRICED_CALLS.name]
    assert sum(point.as_int or point.as_double for point in unpriced.sum.data_points) == 6
    assert place.rows("SELECT count(*) FROM calls WHERE nano_usd IS NULL AND cost_reason = 'no_price'") == [(6,)]


def test_at_one_percent_all_calls_tokens_and_dollars_are_in_metrics_store_and_roll_ups(place, sinks):
    sink, _ = sinks
    code = f"""
{CONFIGURE}
from opentelemetry import trace
from concurrent.futures import ThreadPoolExecutor
tracer = trace.get_tracer("app")
def agent(_):
    with tracer.start_as_current_span("invoke_agent a", attributes={{"gen_ai.operation.name": "invoke_agent"}}) as span:
        chat(); chat()
        return dict(span.attributes)
with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(agent, range(150)))
print(json.dumps([sum(f["spanwatch.rollup." + name] for f in found) for name in
    ("calls", "input_tokens", "output_tokens", "cost.usd")]))
"""
    settings = {"endpoint": sink.url, "sample": 0.01}
    calls, tokens, made, usd = json.loads(ran(place, code, WITH=json.dumps(settings)))
    assert (calls, tokens, made) == (300, 300 * 120, 300 * 48)
    assert usd == pytest.approx(300 * 42e-6)
    assert place.calls() == 300
    assert place.rows("SELECT sum(input_tokens), sum(output_tokens), sum(nano_usd) FROM calls") == [
        (300 * 120, 300 * 48, 300 * 42_000)
    ]
    last = {metric.name: metric for metric, _, _ in sink.metrics()}
    assert sum(p.as_int or p.as_double for p in last[names.CALLS.name].sum.data_points) == 300
    assert sum(p.as_double for p in last[names.COST_USD].sum.data_points) == pytest.approx(300 * 42e-6)
    sampled = {trace_id for (trace_id,) in place.rows("SELECT DISTINCT trace_id FROM calls WHERE sampled")}
    assert len(sampled) < 15
    assert {span.trace_id.hex() for span, _, _ in sink.spans()} == sampled
    assert {trace_id for (trace_id,) in place.rows("SELECT DISTINCT trace_id FROM spans")} == sampled
    assert len(sink.spans()) == 3 * len(sampled)


def test_by_grpc_spans_arrive_too(place):
    arrived = []

    class Taking(TraceServiceServicer):
        def Export(self, request, context):  # noqa: N802 (the protocol's name)
            arrived.extend(s.name for r in request.resource_spans for scope in r.scope_spans for s in scope.spans)
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(Taking(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        settings = {"endpoint": f"http://127.0.0.1:{port}", "protocol": "grpc"}
        answer = place.python(f"import json\n{CONFIGURE}\nchat()", WITH=json.dumps(settings))
        assert answer.returncode == 0, answer.stderr
    finally:
        server.stop(0).wait()
    assert arrived == ["chat gpt-4o-mini"]
