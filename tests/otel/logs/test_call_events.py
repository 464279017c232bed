"""Model calls as log events: details when asked for, failures always."""

import json
import logging

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from spanwatch.core import names
from spanwatch.core.call import Call, CallStatus, Usage
from spanwatch.otel.call_events import CallEvents
from tests.otel.rig import Rig

DETAILS = "gen_ai.client.inference.operation.details"
EXCEPTION = "gen_ai.client.operation.exception"


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path, details=CallEvents(lambda: rig.logs.get_logger("spanwatch")))
    yield rig
    rig.close()


def events(rig, name=DETAILS):
    return [one.log_record for one in rig.log_exporter.get_finished_logs() if one.log_record.event_name == name]


def test_a_call_emits_its_details_with_the_attributes_of_its_span(rig):
    rig.call()
    (record,) = events(rig)
    (span,) = rig.exporter.get_finished_spans()
    assert record.severity_number is SeverityNumber.DEBUG
    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    assert record.timestamp == span.end_time
    assert record.body is None
    assert dict(record.attributes) == dict(span.attributes)
    assert record.attributes["gen_ai.usage.input_tokens"] == 10
    assert record.attributes["spanwatch.cost.usd"] == 1.5e-08


def test_content_that_is_on_the_span_is_structured_on_the_event(rig):
    said = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    rig.call(extra={names.INPUT_MESSAGES: json.dumps(said), names.OUTPUT_MESSAGES: "no json"})
    (record,) = events(rig)
    assert json.loads(json.dumps(record.attributes["gen_ai.input.messages"])) == said
    assert record.attributes["gen_ai.output.messages"] == "no json"


def test_a_call_whose_span_is_not_recorded_emits_what_it_knows_itself(rig):
    span = NonRecordingSpan(SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(0)))
    call = Call("id1", "chat", 1, 2, provider="openai", request_model="gpt-5", usage=Usage(input_tokens=3), stream=True)
    rig.pipeline.finish(span, call)
    (record,) = events(rig)
    assert (record.trace_id, record.span_id) == (7, 8)
    assert dict(record.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.stream": True,
        "spanwatch.call.id": "id1",
        "spanwatch.call.chunks": 0,
        "gen_ai.usage.input_tokens": 3,
        "spanwatch.cost.status": "priced",
        "spanwatch.cost.usd": 3e-09,
        "gen_ai.usage.cost": 3e-09,
        "spanwatch.cost.source": "genai-prices",
        "spanwatch.cost.price_version": "test",
    }


def test_a_call_of_another_library_emits_it_once_with_the_ids_of_its_span(rig):
    rig.foreign({names.OPERATION_NAME: "chat", names.REQUEST_MODEL: "gpt-5", names.USAGE_INPUT_TOKENS: 10})
    (record,) = events(rig)
    (span,) = rig.exporter.get_finished_spans()
    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    assert record.attributes["gen_ai.request.model"] == "gpt-5"


def test_two_spans_of_one_call_emit_it_once(rig):
    outer = rig.start()
    with use_span(outer):
        rig.call()
    rig.pipeline.finish(outer, rig.call_of(outer))
    assert len(events(rig)) == 1


def test_only_inference_calls_that_reached_the_provider_emit_details(rig):
    rig.call(operation="embeddings")
    rig.call(operation=names.FETCH_RESPONSE)
    rig.call(status=CallStatus.REFUSED)
    assert events(rig) == []


def raised(error):
    try:
        raise error
    except ValueError as caught:
        return caught


def test_a_failed_call_says_where_it_failed_without_what_it_said(rig):
    rig.call(
        status=CallStatus.ERROR, error_type="openai.BadRequestError", error=raised(ValueError("the prompt: " + "X Y"))
    )
    (record,) = events(rig, EXCEPTION)
    assert record.severity_number is SeverityNumber.WARN
    stack = record.attributes["exception.stacktrace"]
    assert stack.startswith("Traceback (most recent call last):\n")
    assert stack.endswith("\nValueError\n")
    assert "X Y" not in stack
    assert "exception.message" not in record.attributes


def test_with_content_on_the_stack_says_it_too_without_secrets(tmp_path):
    rig = Rig(tmp_path, content_on=True)
    key = "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0"
    rig.call(status=CallStatus.ERROR, error_type="a", error=raised(ValueError(f"key {key}")))
    (record,) = events(rig, EXCEPTION)
    assert record.attributes["exception.message"] == "key [redacted]"
    assert record.attributes["exception.stacktrace"].endswith("ValueError: key [redacted]\n")
    rig.close()


def test_a_failure_without_an_exception_and_one_of_another_library_emit_their_event_too(rig):
    rig.call(status=CallStatus.ERROR, error_type="server_error")
    rig.foreign({names.OPERATION_NAME: "chat", names.REQUEST_MODEL: "gpt-5", names.ERROR_TYPE: "TimeoutError"})
    ours, theirs = (dict(record.attributes) for record in events(rig, EXCEPTION))
    shared = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5"}
    assert ours == {"exception.type": "server_error", "gen_ai.provider.name": "openai", **shared}
    assert theirs.items() >= {"exception.type": "TimeoutError", **shared}.items()


def test_a_cancelled_call_is_no_failure(rig):
    rig.call(status=CallStatus.CANCELLED, error_type="CancelledError", error=raised(ValueError("x")))
    assert events(rig, EXCEPTION) == []


@pytest.mark.parametrize(("setting", "expected"), [({}, []), ({"call_events": True}, [DETAILS])])
def test_the_setting_decides(configured, setting, expected):
    begun = configured(**setting)
    telemetry = begun.runtime.telemetry()
    span = telemetry.tracer().start_span("chat gpt-5", attributes={names.OPERATION_NAME: "chat"})
    telemetry.finish(span, Call("id1", "chat", 1, 2, usage=Usage(input_tokens=3)))
    assert [record.event_name for record in begun.records()] == expected


def test_a_throwing_log_processor_costs_nothing(configured, caplog):
    begun = configured(call_events=True)
    begun.exporter.export = lambda _batch: 1 / 0
    telemetry = begun.runtime.telemetry()
    span = telemetry.tracer().start_span("chat gpt-5", attributes={names.OPERATION_NAME: "chat"})
    with caplog.at_level(logging.CRITICAL):
        assert telemetry.finish(span, Call("id1", "chat", 1, 2)).call_id == "id1"
    assert not span.is_recording()
