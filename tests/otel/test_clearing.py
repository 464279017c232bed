"""No secret leaves by a way that goes past the journal: stock exporters, metrics, alerts, taps."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags, TraceState

from spanwatch.core import names
from spanwatch.core.prices import PriceBook
from spanwatch.core.rules import Firing, Rule
from spanwatch.core.settings import resolve
from spanwatch.core.windows import Window
from spanwatch.otel.attachments import Taps
from spanwatch.otel.clearing import ClearedSpans, Clearing
from spanwatch.otel.encode import Border
from spanwatch.otel.runtime import Runtime
from tests.otel.setup.conftest import Sink

BODY = "A1b2C3d4E5f6G7h8J9k0"
SECRET = f"sk-proj-{BODY}"
URL = f"https://me:{BODY}@host/x?api_key={BODY}"


def everywhere(tracer):
    link = SpanContext(1, 2, True, TraceFlags(1), TraceState([("vendor", SECRET)]))
    span = tracer.start_span(f"call {SECRET}", attributes={"note": SECRET, "api_key": BODY, "list": ["a", URL]})
    span.add_event(f"event {SECRET}", {"url": URL, "kept": (1, 2)})
    span.record_exception(ValueError(SECRET))
    span.add_link(link, {"note": URL})
    span.set_status(StatusCode.ERROR, f"at {URL}")
    span.end()


def test_a_span_keeps_all_but_its_secrets():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"db": URL, "service.name": "bot"}), shutdown_on_exit=False)
    provider.add_span_processor(ClearedSpans(SimpleSpanProcessor(exporter), Clearing(Border())))
    with provider.get_tracer("s").start_as_current_span("root"):
        everywhere(provider.get_tracer("s"))
        blob = {"blob": b"\x00\xff", "flags": [True, False], "n": 3, "x": 1.5, "half": "a\ud83d"}
        provider.get_tracer("s").start_span("plain", attributes=blob).end()
    found, plain, root = exporter.get_finished_spans()
    assert BODY not in found.to_json() + found.links[0].context.trace_state.to_header()
    assert found.name == "call [redacted]"
    assert found.parent == root.context
    assert found.attributes["list"] == ("a", "https://[redacted]@host/x?api_key=[redacted]")
    assert found.events[0].attributes["kept"] == (1, 2)
    assert found.resource.attributes["service.name"] == "bot"
    assert dict(plain.attributes) == {
        "blob": b"\x00\xff", "flags": (True, False), "n": 3, "x": 1.5, "half": "a\N{REPLACEMENT CHARACTER}",
        names.RECORD_CUT: 1,
    }  # fmt: skip


def collected(record, border=None):
    clearing, reader = Clearing(border or Border()), InMemoryMetricReader()
    meters = MeterProvider([reader], resource=Resource({"db": URL}), shutdown_on_exit=False)
    record(meters.get_meter("m"))
    data = clearing.metrics(reader.get_metrics_data())
    again = clearing.metrics(reader.get_metrics_data())
    assert [p.attributes for p in points(data)] == [p.attributes for p in points(again)]
    assert BODY not in data.to_json()
    return data


def points(data):
    return [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


def test_labels_lose_their_secrets_and_no_two_series_become_one():
    def record(meter):
        counter = meter.create_counter("c")
        for number in range(3):
            counter.add(number + 1, {"user": f"{SECRET}{number}", "model": "gpt-5", "try": number % 2 == 0})
        counter.add(9, {"api_key": BODY})
        meter.create_histogram("h").record(1, {"url": URL})

    data = collected(record)
    found = {point.attributes.get("user"): point.value for point in points(data)[:3]}
    assert found == {"[redacted]": 1, "[redacted] 2": 2, "[redacted] 3": 3}
    assert {point.attributes.get("model") for point in points(data)[:3]} == {"gpt-5"}
    assert points(data)[3].attributes == {"api_key": "[redacted]"}


def test_an_exemplars_attributes_lose_their_secrets_too():
    reader = InMemoryMetricReader()
    views = [View(instrument_name="h", attribute_keys={"model"})]
    meters = MeterProvider([reader], views=views, shutdown_on_exit=False)
    with TracerProvider(shutdown_on_exit=False).get_tracer("s").start_as_current_span("s"):
        meters.get_meter("m").create_histogram("h").record(1, {"model": "m", "user": SECRET})
    given = reader.get_metrics_data()
    assert BODY in given.to_json()
    found = Clearing(Border()).metrics(given)
    (exemplar,) = points(found)[0].exemplars
    assert exemplar.filtered_attributes == {"user": "[redacted]"}


class Taking:
    def __init__(self, answer, taken):
        self._answer, self._taken = answer, taken

    def Export(self, request, context):  # noqa: N802 (the protocol's name)
        self._taken.append(request)
        return self._answer()


@pytest.fixture
def grpc_sink():
    taken, server = [], grpc.server(ThreadPoolExecutor(4))
    add = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(Taking(trace_service_pb2.ExportTraceServiceResponse, taken), server)
    add = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
    add(Taking(metrics_service_pb2.ExportMetricsServiceResponse, taken), server)
    add = logs_service_pb2_grpc.add_LogsServiceServicer_to_server
    add(Taking(logs_service_pb2.ExportLogsServiceResponse, taken), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", taken
    server.stop(0).wait()


@pytest.fixture
def begin(no_providers, tmp_path):
    begun = []

    def begin(taps=None, **settings):
        found = Runtime(
            resolve({"home": str(tmp_path), "openai": "none", **settings}, {"OTEL_SERVICE_NAME": f"bot {SECRET}"}),
            PriceBook().price_call,
            taps=taps or Taps(),
        )
        begun.append(found)
        return found

    yield begin
    for each in begun:
        each.close(2)


@pytest.mark.parametrize("live", [0, 15])
def test_what_goes_out_by_the_stock_exporter_has_no_secret(begin, grpc_sink, live):
    url, taken = grpc_sink
    runtime = begin(endpoint=url, protocol="grpc", live_interval=live, redact=["CUST-[0-9]+"])
    everywhere(trace.get_tracer("app"))
    trace.get_tracer("app").start_span("CUST-42").end()
    metrics.get_meter("app").create_counter("c").add(1, {"user": SECRET, "customer": "CUST-42"})
    logger = _logs.get_logger("app")
    logger.emit(_logs.LogRecord(timestamp=time.time_ns(), body={"note": [SECRET]}, attributes={"password": "hunter2"}))
    assert runtime.flush(20)
    sent = "".join(str(request) for request in taken)
    assert {type(request).__name__[6:-14] for request in taken} == {"Trace", "Metrics", "Logs"}
    assert "[redacted]" in sent
    for secret in (BODY, "hunter2", "CUST-42"):
        assert secret not in sent


def test_what_goes_to_metrics_and_their_samples_has_no_secret(begin, tmp_path):
    runtime = begin()
    metrics.get_meter("app").create_counter("c").add(1, {"user": SECRET})
    runtime.live.refresh()
    told = str([series.identity for series in runtime.live.find("c", _all())])
    assert "[redacted]" in told
    assert BODY not in told
    runtime.close(5)
    assert BODY.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def _all():
    return Window(0, time.time_ns())


def test_records_that_wait_in_memory_go_out_with_a_resource_without_secrets(begin, tmp_path):
    sink = Sink()
    try:
        runtime = begin(endpoint=sink.url, store=False)
        everywhere(trace.get_tracer("app"))
        assert runtime.flush(20)
        assert BODY not in "".join(str(request) for _, request in sink.requests)
        assert sink.spans()[0][2]["service.name"] == "bot [redacted]"
    finally:
        runtime.close(2)
        sink.close()


def test_taps_get_what_leaves(begin):
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
    begin(Taps((SimpleSpanProcessor(spans),), (SimpleLogRecordProcessor(logs),)))
    everywhere(trace.get_tracer("app"))
    _logs.get_logger("app").emit(_logs.LogRecord(timestamp=1, body=SECRET, attributes={"url": URL, "n": 1}))
    assert BODY not in spans.get_finished_spans()[0].to_json()
    (record,) = logs.get_finished_logs()
    assert record.log_record.body == "[redacted]"
    assert dict(record.log_record.attributes) == {"url": "https://[redacted]@host/x?api_key=[redacted]", "n": 1}


def test_a_notifier_and_the_book_of_alerts_get_no_secret(begin, tmp_path):
    told = []

    def notify(notification):
        told.append(notification)

    leaking = Rule("Leaks", check=lambda window: {SECRET: 1.0, URL: 2.0}, summary="of {{ $labels.of }}")
    happens = Rule("Happens", when=lambda call: True, summary="by {{ $labels.gen_ai_agent_name }}")
    runtime = begin(rules=[leaking, happens], notify=[notify])
    runtime.alerts.happen(
        happens, Firing((("gen_ai_agent_name", SECRET),), 1.0), time.time_ns(), time.time_ns() + 10**12
    )
    runtime.alerts.evaluate()
    until = time.monotonic() + 20
    while len({alert.name for each in told for alert in each.alerts}) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    said = str(told)
    assert "by [redacted]" in said
    assert "of [redacted]" in said
    assert BODY not in said
    assert BODY not in str(runtime.alerts.alerts())
