from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, use_span

from spanwatch.core import names
from spanwatch.core.call import CallStatus
from spanwatch.otel.processor import CallProcessor, LogProcessor
from tests.otel.rig import AGENT, REQUEST, Rig, records

FOREIGN = {**REQUEST, "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_a_foreign_model_call_goes_on_with_its_cost_and_everything_else_as_it_was(rig):
    taken = []

    class Taking(SpanProcessor):
        def on_end(self, span):
            taken.append(span)

    provider = TracerProvider(
        resource=Resource({"service.name": "svc"}),
        span_limits=SpanLimits(max_span_attributes=5, max_events=1, max_links=1),
        shutdown_on_exit=False,
    )
    original = []

    class Before(SpanProcessor):
        def on_end(self, span):
            original.append(span)

    provider.add_span_processor(Before())
    provider.add_span_processor(CallProcessor(rig.pipeline, [Taking()]))
    link = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
    tracer = provider.get_tracer("another.package", "1.2", "https://schema")
    span = tracer.start_span("chat", kind=SpanKind.CLIENT, links=[Link(link), Link(link)], start_time=100)
    span.set_attributes({"lost": 1, "lost too": 2, **FOREIGN})
    span.add_event("first", {"a": 1})
    span.add_event("second", {"b": 2})
    span.set_status(StatusCode.ERROR, "because")
    span.end(200)
    (before,), (after,) = original, taken
    for part in ("name", "context", "parent", "kind", "start_time", "end_time", "status", "events", "links"):
        assert getattr(after, part) == getattr(before, part), part
    assert after.resource is before.resource
    assert after.instrumentation_scope is before.instrumentation_scope
    dropped = (after.dropped_attributes, after.dropped_events, after.dropped_links)
    assert dropped == (before.dropped_attributes, before.dropped_events, before.dropped_links) == (2, 1, 1)
    assert dict(after.attributes) == {
        **before.attributes,
        "spanwatch.call.id": rig.seen[0].call_id,
        "spanwatch.cost.usd": 1.5e-08,
        "spanwatch.cost.status": "priced",
        "spanwatch.cost.source": "genai-prices",
        "spanwatch.cost.price_version": "test",
        "gen_ai.usage.cost": 1.5e-08,
    }
    provider.shutdown()


def test_a_foreign_call_is_journaled_measured_and_rolled_up_like_ours(rig):
    with rig.tracer.start_as_current_span("agent", attributes=AGENT):
        rig.foreign(FOREIGN)
    (call,) = rig.calls()
    assert (call.scope, call.agent, call.cost.nano_usd) == ("another.package", "planner", 15)
    assert rig.total("spanwatch.calls") == 1
    assert rig.spans()["agent"]["spanwatch.rollup.cost.usd"] == 1.5e-08


def test_a_foreign_span_that_is_no_model_call_goes_on_as_the_very_same_object(rig):
    seen = []

    class Seeing(SpanProcessor):
        def on_end(self, span):
            seen.append(span)

    processor = CallProcessor(rig.pipeline, [Seeing()])
    spans = []
    for attributes in ({"http.request.method": "GET"}, {}, AGENT, {"gen_ai.operation.name": "fetch_response"}):
        span = rig.start(**attributes) if attributes else rig.tracer.start_span("bare")
        spans.append(span._readable_span())
        processor.on_end(spans[-1])
        span.end()
    assert seen == spans
    assert not rig.calls()


def test_a_span_is_journaled_whole(rig):
    remote = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1))
    tracer = rig.provider.get_tracer("lib", "1.0", "https://schema")
    with tracer.start_as_current_span("parent") as parent:
        span = tracer.start_span("work", kind=SpanKind.SERVER, links=[Link(remote, {"why": "x"})], start_time=5)
        span.set_attribute("n", (1, 2))
        span.add_event("step", {"i": 1}, timestamp=6)
        span.set_status(StatusCode.ERROR, "bad")
        span.end(9)
    record = next(record for record in records(rig.home) if record.get("n") == "work")
    assert record == {
        "k": "span",
        "t": trace.format_trace_id(span.context.trace_id),
        "s": trace.format_span_id(span.context.span_id),
        "p": trace.format_span_id(parent.context.span_id),
        "n": "work",
        "kd": 1,
        "b": 5,
        "e": 9,
        "a": {"n": [1, 2]},
        "ev": [["step", 6, {"i": 1}]],
        "l": [[f"{7:032x}", f"{8:016x}", {"why": "x"}]],
        "st": [2, "bad"],
        "sc": ["lib", "1.0", "https://schema"],
        "fl": int(span.context.trace_flags),
    }


def test_in_an_applications_own_provider_other_spans_keep_their_outline_only(tmp_path):
    rig = Rig(tmp_path, whole=False)
    with rig.provider.get_tracer("web").start_as_current_span("GET /secret", attributes={"url": "secret"}):
        rig.call()
        rig.foreign(FOREIGN)
    kept = {record["n"]: record for record in records(tmp_path) if record["k"] == "span"}
    assert kept["GET /secret"].keys() == {"k", "t", "s", "n", "b", "e", "fl"}
    assert kept["chat gpt-5"]["a"]["spanwatch.cost.usd"] == 1.5e-08
    assert kept["openai.chat"]["a"]["spanwatch.cost.usd"] == 1.5e-08
    rig.close()


class Throwing(SpanProcessor):
    def on_start(self, span, parent_context=None):
        raise RuntimeError("start")

    def on_end(self, span):
        raise RuntimeError("end")

    def force_flush(self, timeout_millis=30_000):
        raise RuntimeError("flush")

    def shutdown(self):
        raise RuntimeError("shutdown")


class Quiet(SpanProcessor):
    def __init__(self):
        self.ended = []
        self.down = False

    def on_end(self, span):
        self.ended.append(span)

    def shutdown(self):
        self.down = True


def test_a_throwing_processor_reaches_neither_the_application_nor_the_others(rig, caplog):
    quiet = Quiet()
    provider = TracerProvider(shutdown_on_exit=False)
    processor = CallProcessor(rig.pipeline, [Throwing(), quiet])
    provider.add_span_processor(processor)
    for _ in range(100):
        provider.get_tracer("x").start_span("work").end()
    assert len(quiet.ended) == 100
    assert rig.guard.failures == {"a span processor": 200}
    assert len(caplog.records) == 1
    assert processor.force_flush(1000) is False
    processor.shutdown()
    assert quiet.down


def test_flushing_asks_each_processor_and_says_whether_all_did(rig):
    assert CallProcessor(rig.pipeline, [Quiet(), Quiet()]).force_flush(1000) is True
    assert CallProcessor(rig.pipeline, [Quiet()]).force_flush(0) is False


def test_exits_of_an_inner_processor_pass(rig):
    class Leaving(SpanProcessor):
        def on_end(self, span):
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        CallProcessor(rig.pipeline, [Leaving()]).on_end(rig.start()._readable_span())


# Sampling -----------------------------------------------------------------------------------------------------------


def test_at_one_percent_every_call_is_in_metrics_journal_and_roll_ups_and_only_sampled_spans_are_kept(tmp_path):
    rig = Rig(tmp_path, sampler=ParentBased(TraceIdRatioBased(0.01)))
    rolled = 0
    for _ in range(300):
        with rig.tracer.start_as_current_span("agent", attributes=AGENT) as agent:
            rig.call()
            rig.foreign(FOREIGN)
            rig.call(status=CallStatus.ERROR, error_type="x", usage=None)
        rolled += agent.attributes["spanwatch.rollup.calls"]
    assert rolled == 900
    assert rig.total("spanwatch.calls") == 900
    assert rig.total("spanwatch.cost.usd") == pytest.approx(600 * 15e-9)
    assert len(rig.calls()) == 900
    sampled = {call.trace_id for call in rig.calls() if call.sampled}
    stored = {record["t"] for record in records(tmp_path) if record["k"] == "span"}
    exported = {trace.format_trace_id(span.context.trace_id) for span in rig.exporter.get_finished_spans()}
    assert stored == exported == sampled
    assert len(sampled) < 30
    rig.close()


def test_a_call_in_a_dropped_trace_is_recorded_with_its_attributes_and_not_exported(tmp_path):
    rig = Rig(tmp_path, sampler=ALWAYS_OFF)
    rig.call()
    rig.foreign(FOREIGN)
    rig.foreign({}, name="openai.response")
    assert [call.usage.input_tokens for call in rig.calls()] == [10, 10]
    assert not rig.exporter.get_finished_spans()
    span = rig.provider.get_tracer("web").start_span("GET", attributes={"http.request.method": "GET"})
    assert isinstance(span, NonRecordingSpan)
    rig.close()


# Logs ---------------------------------------------------------------------------------------------------------------


def test_a_log_record_is_journaled_with_its_trace(rig):
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(LogProcessor(rig.journal, rig.guard))
    logger = provider.get_logger("app", "1.0")
    with rig.tracer.start_as_current_span("work") as span:
        logger.emit(
            timestamp=5,
            observed_timestamp=6,
            severity_number=None,
            severity_text="INFO",
            body={"text": "\ud83d", "n": float("nan")},
            attributes={"k": "v"},
            event_name="happened",
        )
    record = next(record for record in records(rig.home) if record["k"] == "log")
    assert record == {
        "k": "log",
        "ts": 5,
        "ots": 6,
        "t": trace.format_trace_id(span.context.trace_id),
        "s": trace.format_span_id(span.context.span_id),
        "sevt": "INFO",
        "body": {"text": "\N{REPLACEMENT CHARACTER}", "n": "nan"},
        "cut": 1,
        "ev": "happened",
        "a": {"k": "v"},
        "sc": ["app", "1.0", None],
    }
    assert provider.force_flush(100)
    provider.shutdown()


def test_a_log_record_that_cannot_be_read_costs_itself_only(rig):
    LogProcessor(rig.journal, rig.guard).on_emit(None)
    assert rig.guard.failures == {"journaling a log record": 1}


# Discretion ---------------------------------------------------------------------------------------------------------


def quiet_provider(pipeline, exporter, **more):
    provider = TracerProvider(shutdown_on_exit=False)
    inner = (SimpleSpanProcessor(exporter),)
    provider.add_span_processor(CallProcessor(pipeline, inner, engine_scope="engine", **more))
    return provider


def failed(provider, scope):
    span = provider.get_tracer(scope).start_span("chat", attributes={**FOREIGN, "gen_ai.headers": "{'key': 'sk'}"})
    span.record_exception(ValueError("quotes a prompt"))
    span.set_status(StatusCode.ERROR, "quotes a prompt")
    span.end()


def test_spans_of_the_engine_go_on_without_headers_and_exception_texts(rig):
    failed(quiet_provider(rig.pipeline, rig.exporter), "engine.v1")
    (span,) = rig.exporter.get_finished_spans()
    assert "gen_ai.headers" not in span.attributes
    assert span.attributes["spanwatch.cost.usd"] == 15e-9
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert [dict(event.attributes)["exception.type"] for event in span.events] == ["ValueError"]
    assert "quotes a prompt" not in span.to_json() + str(records(rig.home))
    (call,) = rig.calls()
    assert call.error_type == "ValueError"


def test_with_content_on_they_lose_their_headers_only(rig):
    failed(quiet_provider(rig.pipeline, rig.exporter, content_on=True), "engine.v1")
    (span,) = rig.exporter.get_finished_spans()
    assert "gen_ai.headers" not in span.attributes
    assert span.status.description == "quotes a prompt"


def test_spans_of_others_keep_what_their_makers_put_on_them(rig):
    failed(quiet_provider(rig.pipeline, rig.exporter), "someone.elses")
    (span,) = rig.exporter.get_finished_spans()
    assert span.attributes["gen_ai.headers"] == "{'key': 'sk'}"
    assert span.status.description == "quotes a prompt"


def test_a_span_that_cannot_be_made_discreet_goes_nowhere(rig, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError

    monkeypatch.setattr("spanwatch.otel.processor.discreet", broken)
    failed(quiet_provider(rig.pipeline, rig.exporter), "engine.v1")
    assert rig.exporter.get_finished_spans() == ()
    assert len(rig.calls()) == 1


def test_a_call_of_ours_whose_span_could_not_be_described_is_not_counted_again_by_the_hinge(rig, monkeypatch):
    def broken(*_args):
        raise RuntimeError

    monkeypatch.setattr(rig.pipeline, "_describe", broken)
    span = rig.start(**FOREIGN)
    rig.pipeline.finish(span, rig.call_of(span))
    assert len(rig.calls()) == 1
    assert rig.total("spanwatch.calls") == 1


def test_a_genai_span_that_no_dialect_reads_is_kept_and_counted_as_unrecognised(tmp_path):
    rig = Rig(tmp_path)
    rig.foreign({"gen_ai.vendor.tokens": 5, "gen_ai.request.model": "gpt-5"}, scope="vendor.kit", name="ask")
    rig.foreign({"traceloop.span.kind": "task"}, name="task")
    assert rig.spans()["ask"] == {"gen_ai.vendor.tokens": 5, "gen_ai.request.model": "gpt-5"}
    assert rig.calls() == []
    assert rig.points()[names.UNRECOGNISED.name] == [({names.FOREIGN_SCOPE: "vendor.kit"}, 1)]
    rig.close()


STREAM = {
    "logfire.span_type": "span",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-5",
    "request_data": "{}",
}


def test_a_call_inside_a_span_that_turns_out_to_be_no_call_is_counted(tmp_path):
    rig = Rig(tmp_path)
    around = rig.provider.get_tracer("logfire.openai").start_span("stream", attributes=STREAM)
    with use_span(around, end_on_exit=False):
        inside = rig.start()
    rig.pipeline.finish(inside, rig.call_of(inside))
    around.set_attribute("gen_ai.response.model", "gpt-5")
    around.end()
    assert rig.total(names.CALLS.name) == 1
    assert [call.usage.input_tokens for call in rig.calls()] == [10]
    rig.close()
