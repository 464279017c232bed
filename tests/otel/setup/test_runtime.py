import json
import threading
import time

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanwatch.core import names
from spanwatch.core.call import Call, CallStatus, Cost, CostStatus, Usage
from spanwatch.core.records import lines
from spanwatch.core.settings import resolve
from spanwatch.otel.runtime import Runtime
from spanwatch.otel.standin import standing_in
from spanwatch.otel.switching import OwnTracerProvider

pytestmark = pytest.mark.usefixtures("no_providers")
COST = Cost(1_500_000, CostStatus.PRICED, source="user", price_version="1")
FOREIGN = {names.OPERATION_NAME: "chat", names.REQUEST_MODEL: "gpt-4o", names.USAGE_INPUT_TOKENS: 10}


def price(_call):
    return COST


@pytest.fixture
def begin(tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    begun = []

    def begin(environ=None, **arguments):
        settings = resolve({"home": tmp_path / "home", "service": "bot", **arguments}, environ or {})
        runtime = Runtime(settings, price)
        begun.append(runtime)
        return runtime

    yield begin
    for runtime in begun:
        runtime.close(0.5)


def records(tmp_path, kind):
    found = []
    for path in sorted((tmp_path / "home" / "journal").glob("*.log")):
        found += [line.payload for line in lines(path.read_bytes())]
    return [record for record in found if record["k"] == kind]


def a_call(runtime, **fields):
    """One call through the hooks that a call site gets."""
    telemetry = runtime.telemetry()
    started = telemetry.clock()
    span = telemetry.tracer().start_span("chat gpt-4o", kind=trace.SpanKind.CLIENT, attributes={**FOREIGN})
    context = span.get_span_context()
    call = Call(
        call_id=telemetry.new_id(),
        operation="chat",
        started_ns=started,
        ended_ns=started + 10,
        usage=Usage(input_tokens=10, output_tokens=5),
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        sampled=context.trace_flags.sampled,
    )
    error = fields.pop("error", None)
    return telemetry.finish(span, Call(**{**{f: getattr(call, f) for f in call.__slots__}, **fields}), error=error)


def in_memory(provider):
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


def wait_for(true, timeout=20):
    until = time.monotonic() + timeout
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    assert true()


def values(reader):
    data = reader.get_metrics_data()
    return {
        metric.name: sum(getattr(point, "value", getattr(point, "count", 0)) for point in metric.data.data_points)
        for resource in ([] if data is None else data.resource_metrics)
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_with_nothing_set_all_three_providers_are_ours_and_the_call_is_kept(begin, tmp_path):
    runtime = begin()
    call = a_call(runtime)
    assert runtime.joined_signals() == ()
    assert runtime.flush(1)
    head, *_ = records(tmp_path, "head")
    assert head["service"] == "bot"
    assert head["resource"]["service.name"] == "bot"
    assert head["resource"]["service.instance.id"].replace("-", "") == head["instance"] == runtime.instance
    assert head["resource"]["telemetry.distro.name"] == "spanwatch"
    assert [record["call_id"] for record in records(tmp_path, "call")] == [call.call_id]
    assert [record["n"] for record in records(tmp_path, "span")] == ["chat gpt-4o"]


def test_at_zero_sampling_no_span_is_kept_and_every_call_is(begin, tmp_path):
    runtime = begin(sample=0)
    reader = InMemoryMetricReader()
    metrics.get_meter_provider().add_metric_reader(reader)
    for _ in range(3):
        a_call(runtime)
    runtime.flush(1)
    assert len(records(tmp_path, "call")) == 3
    assert records(tmp_path, "span") == []
    assert values(reader)[names.CALLS.name] == 3
    assert values(reader)[names.COST_USD] == pytest.approx(0.0045)


def test_the_standard_sampler_variables_hold(begin, monkeypatch, tmp_path):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    a_call(begin())
    assert records(tmp_path, "span") == []
    assert len(records(tmp_path, "call")) == 1


def test_an_exception_is_an_event_in_the_journal(begin, tmp_path):
    a_call(begin(), status=CallStatus.ERROR, error_type="TimeoutError", error=TimeoutError())
    assert [record["ev"] for record in records(tmp_path, "log")] == [names.EVENT_OPERATION_EXCEPTION]


def test_an_existing_tracer_provider_is_joined_and_nothing_of_it_changes(begin, tmp_path):
    theirs = TracerProvider(
        sampler=sampling.ALWAYS_ON, resource=Resource({"service.name": "app"}), shutdown_on_exit=False
    )
    exported = in_memory(theirs)
    trace.set_tracer_provider(theirs)
    runtime = begin({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert trace.get_tracer_provider() is theirs
    assert "traces" in runtime.joined_signals()
    a_call(runtime)
    trace.get_tracer("library").start_span("query", attributes={"secret": 1}).end()
    trace.get_tracer("other").start_span("chat", attributes=FOREIGN).end()
    assert [span.name for span in exported.get_finished_spans()] == ["chat gpt-4o", "query", "chat"]
    assert exported.get_finished_spans()[0].attributes[names.COST_USD] == 0.0015
    assert names.COST_USD not in exported.get_finished_spans()[2].attributes
    kept = {record["n"]: record for record in records(tmp_path, "span")}
    assert "a" not in kept["query"]
    assert kept["chat"]["a"][names.COST_USD] == 0.0015
    assert len(records(tmp_path, "call")) == 2
    assert not [way for way in runtime.ways if way.export.signal == "traces"]


def test_what_a_joined_sampler_drops_is_still_a_call(begin, tmp_path):
    trace.set_tracer_provider(TracerProvider(sampler=sampling.ALWAYS_OFF, shutdown_on_exit=False))
    a_call(begin())
    assert len(records(tmp_path, "call")) == 1
    assert records(tmp_path, "span") == []


def test_joined_with_an_endpoint_in_code_only_our_own_data_goes_out(begin, sink):
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    metrics.set_meter_provider(MeterProvider(shutdown_on_exit=False))
    provider = LoggerProvider(shutdown_on_exit=False)
    _logs.set_logger_provider(provider)
    runtime = begin(endpoint=sink.url)
    a_call(runtime, status=CallStatus.ERROR, error_type="TimeoutError", error=TimeoutError())
    trace.get_tracer("library").start_span("query").end()
    metrics.get_meter("library").create_counter("theirs").add(1)
    _logs.get_logger("library").emit(body="theirs")
    assert runtime.flush(5)
    assert [(span.name, scope) for span, scope, _ in sink.spans()] == [("chat gpt-4o", names.SCOPE)]
    assert {scope for _, scope, _ in sink.metrics()} == {names.SCOPE}
    assert [record.event_name for record in sink.logs()] == [names.EVENT_OPERATION_EXCEPTION]


def test_an_existing_meter_provider_gets_our_instruments(begin):
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader], shutdown_on_exit=False))
    runtime = begin()
    a_call(runtime)
    runtime.flush(1)
    assert values(reader)[names.COST_USD] == 0.0015


def test_an_existing_logger_provider_gets_our_event_and_keeps_its_own(begin, tmp_path):
    provider, kept = LoggerProvider(shutdown_on_exit=False), InMemoryLogRecordExporter()
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    _logs.set_logger_provider(provider)
    a_call(begin(), status=CallStatus.ERROR, error_type="TimeoutError", error=TimeoutError())
    _logs.get_logger("app").emit(body="mine")
    assert [r.log_record.event_name for r in kept.get_finished_logs()] == [names.EVENT_OPERATION_EXCEPTION, None]
    assert len(records(tmp_path, "log")) == 1


def test_providers_set_later_are_joined(begin, tmp_path):
    runtime = begin()
    a_call(runtime)
    theirs, reader = TracerProvider(shutdown_on_exit=False), InMemoryMetricReader()
    exported = in_memory(theirs)
    trace.set_tracer_provider(theirs)
    runtime.flush(1)
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader], shutdown_on_exit=False))
    _logs.set_logger_provider(LoggerProvider(shutdown_on_exit=False))
    assert runtime.joined_signals() == ("traces", "metrics", "logs")
    a_call(runtime, status=CallStatus.ERROR, error_type="TimeoutError", error=TimeoutError())
    trace.get_tracer("library").start_span("query", attributes={"secret": 1}).end()
    runtime.flush(1)
    assert [span.name for span in exported.get_finished_spans()] == ["chat gpt-4o", "query"]
    assert values(reader)[names.CALLS.name] == 1
    assert len(records(tmp_path, "call")) == 2
    assert len(records(tmp_path, "log")) == 1
    assert [record["n"] for record in records(tmp_path, "span")] == ["chat gpt-4o", "chat gpt-4o", "query"]


def test_a_provider_replaced_past_the_api_is_joined_too(begin, monkeypatch):
    runtime = begin()
    theirs = TracerProvider(shutdown_on_exit=False)
    exported = in_memory(theirs)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", theirs)
    a_call(runtime)
    assert len(exported.get_finished_spans()) == 1


class Bare(trace.TracerProvider):
    def get_tracer(self, *args, **kwargs):
        return trace.NoOpTracer()


def test_a_provider_that_takes_no_processor_is_told_and_our_calls_are_kept(begin, tmp_path):
    trace.set_tracer_provider(Bare())
    runtime = begin()
    assert runtime.limits == ["Bare takes no processor: its spans are not seen"]
    a_call(runtime)
    assert len(records(tmp_path, "call")) == 1


def test_spans_metrics_and_logs_go_out_with_the_resource(begin, sink):
    runtime = begin(endpoint=sink.url)
    a_call(runtime, status=CallStatus.ERROR, error_type="TimeoutError", error=TimeoutError())
    trace.get_tracer("library").start_span("query").end()
    metrics.get_meter("library").create_counter("theirs").add(1)
    assert runtime.flush(5)
    assert [span.name for span, _, _ in sink.spans()] == ["chat gpt-4o", "query"]
    (cost,) = [a.value.double_value for a in sink.spans()[0][0].attributes if a.key == names.COST_USD]
    assert cost == 0.0015
    for _, _, resource in sink.spans() + sink.metrics():
        assert resource["service.name"] == "bot"
        assert resource["service.instance.id"].replace("-", "") == runtime.instance
    sent = {metric.name: metric for metric, _, _ in sink.metrics()}
    assert sent[names.COST_USD].sum.data_points[0].as_double == 0.0015
    assert sent[names.COST_USD].unit == "{USD}"
    assert "theirs" in sent
    assert [record.event_name for record in sink.logs()] == [names.EVENT_OPERATION_EXCEPTION]


def test_the_standard_endpoint_variable_is_read(begin, sink, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    runtime = begin({"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_LOGS_EXPORTER": "none"})
    a_call(runtime)
    assert runtime.flush(5)
    assert len(sink.spans()) == 1
    assert [way.export.signal for way in runtime.ways] == ["metrics", "traces"]


def test_a_flush_says_what_a_collector_refused_which_arrives_when_it_is_well_again(begin, sink):
    runtime = begin(endpoint=sink.url)
    a_call(runtime)
    sink.status = 400
    told = runtime.flush(5)
    assert not told
    assert {left.signal: left.count for left in told.undelivered} == {"metrics": 1, "traces": 1}
    sink.status = 200
    again = runtime.flush(5)
    assert again
    assert {account.signal: account.delivered for account in again.accounts} == {"metrics": 2, "traces": 1, "logs": 0}
    a_call(runtime)
    assert runtime.flush(5)
    assert len(sink.spans()) == 2


def test_flush_and_close_keep_to_their_time_when_a_collector_hangs(begin, sink):
    runtime = begin(endpoint=sink.url)
    for _ in range(3):
        a_call(runtime)
    sink.gate.clear()
    began = time.monotonic()
    told = runtime.close(0.5)
    assert time.monotonic() - began < 0.8
    assert not told
    assert {left.signal: left.count for left in told.undelivered} == {"metrics": 1, "traces": 3}


def test_after_close_nothing_is_sent_behind_the_applications_back_and_the_next_process_sends_it(begin, sink):
    runtime = begin(endpoint=sink.url, live_interval=0)
    a_call(runtime)
    sink.status = 503
    assert not runtime.close(0.5)
    sink.status = 200
    until = time.monotonic() + 10
    while any(thread.name == "spanwatch-traces" for thread in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.02)
    assert time.monotonic() < until
    assert sink.requests == []
    successor = begin(endpoint=sink.url)
    wait_for(lambda: len(sink.spans()) == 1)
    assert sink.spans()[0][2]["service.instance.id"].replace("-", "") == runtime.instance != successor.instance


def test_an_outage_is_said_when_it_begins_and_when_it_ends(begin, sink, caplog):
    runtime = begin(endpoint=sink.url)
    for status in (503, 503, 200, 503):
        sink.status = status
        a_call(runtime)
        runtime.flush(5)
    failed = "cannot be delivered: it answers 503; they are kept in the journal and sent later, and this is said once"
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "spans to" in line] == [
        f"spanwatch: spans to {sink.url} {failed}",
        f"spanwatch: spans to {sink.url} are delivered again",
    ]


def test_an_address_without_http_is_told_with_what_to_write(begin, caplog, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")
    begin({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"})
    said = [line for line in (record.getMessage() for record in caplog.records) if "cannot go to" in line]
    assert sorted(said) == [
        f"spanwatch: {signal} cannot go to 'localhost:4318/v1/{signal}': give an http or https URL, "
        "such as http://localhost:4318"
        for signal in ("logs", "metrics", "traces")
    ]


def test_after_close_spans_pass_by(begin, tmp_path):
    runtime = begin()
    runtime.close(1)
    trace.get_tracer("library").start_span("late").end()
    assert not runtime.telemetry().active()
    assert records(tmp_path, "span") == []


def test_without_a_store_nothing_is_written(begin, tmp_path):
    runtime = begin(store=False)
    a_call(runtime)
    assert runtime.flush(1)
    assert not (tmp_path / "home").exists()


def test_the_hooks_carry_the_settings(begin):
    telemetry = begin(content=True, content_max_bytes=7, stream_usage=False).telemetry()
    assert (telemetry.content.on, telemetry.content.max_bytes, telemetry.ask_usage) == (True, 7, False)
    assert len(telemetry.new_id()) == 32
    json.dumps(telemetry.clock())


def test_a_provider_that_stands_in_for_ours_for_a_while_is_not_joined(begin, tmp_path):
    runtime, hinge = begin(), SimpleSpanProcessor(InMemorySpanExporter())
    with standing_in(OwnTracerProvider(lambda _: None, shutdown_on_exit=False), hinge):
        a_call(runtime)
    a_call(runtime)
    assert "traces" not in runtime.joined_signals()
    assert len(records(tmp_path, "span")) == 2
