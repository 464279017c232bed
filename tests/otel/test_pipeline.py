from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags, set_span_in_context, use_span

from spanwatch.core import names
from spanwatch.core.call import CallStatus, CostStatus, Usage
from spanwatch.core.dialects import bedrock
from spanwatch.core.prices import PriceBook
from tests.otel.rig import AGENT, REQUEST, Rig, new_id


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path / ".spanwatch")
    yield rig
    rig.close()
    assert not rig.guard.failures


def test_a_finished_call_has_its_response_usage_and_cost_on_its_span(rig):
    call = rig.call(extra={"openai.response.service_tier": "default"})
    (span,) = rig.exporter.get_finished_spans()
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.response.model": "gpt-5-2025-08-07",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "openai.response.service_tier": "default",
        "spanwatch.call.id": call.call_id,
        "spanwatch.cost.usd": 1.5e-08,
        "spanwatch.cost.status": "priced",
        "spanwatch.cost.source": "genai-prices",
        "spanwatch.cost.price_version": "test",
        "gen_ai.usage.cost": 1.5e-08,
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.end_time == call.ended_ns
    assert call.cost.nano_usd == 15


def test_a_finished_call_is_journaled_once_and_measured_once_even_when_finished_twice(rig):
    span = rig.start()
    call = rig.call_of(span)
    rig.pipeline.finish(span, call)
    rig.pipeline.finish(span, call)  # the SDK warns that the span has ended
    assert [kept.call_id for kept in rig.calls()] == [call.call_id]
    assert rig.total("spanwatch.calls") == 1


def test_an_unknown_cost_puts_a_status_and_a_reason_on_the_span_and_no_amount(rig):
    rig.call(usage=None)
    (attributes,) = rig.spans().values()
    assert attributes["spanwatch.cost.status"] == "unknown"
    assert attributes["spanwatch.cost.reason"] == "no_usage"
    assert not {"spanwatch.cost.usd", "gen_ai.usage.cost", "gen_ai.usage.input_tokens"} & attributes.keys()
    assert rig.total("spanwatch.cost.unpriced_calls") == 1
    assert "spanwatch.cost.usd" not in rig.points()


def test_a_failing_price_leaves_the_call_without_cost_and_is_counted(tmp_path):
    def broken(call):
        raise RuntimeError("no prices today")

    rig = Rig(tmp_path, price=broken)
    call = rig.call()
    assert call.cost is None
    assert rig.total("spanwatch.calls") == 1
    assert len(rig.exporter.get_finished_spans()) == 1
    assert rig.guard.failures == {"pricing a call": 1}
    rig.close()


def test_a_failed_call_has_error_status_and_an_exception_event_without_content(rig):
    error = ValueError("the prompt was: secret")
    rig.call(status=CallStatus.ERROR, error_type="openai.BadRequestError", usage=None, error=error)
    (span,) = rig.exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "openai.BadRequestError"
    assert span.attributes["spanwatch.call.status"] == "error"
    (event,) = rig.log_exporter.get_finished_logs()
    record = event.log_record
    assert record.event_name == "gen_ai.client.operation.exception"
    assert record.severity_number is SeverityNumber.WARN
    assert dict(record.attributes) == {
        "exception.type": "openai.BadRequestError",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
    }
    assert record.span_id == span.context.span_id
    assert rig.total("spanwatch.cost.unpriced_calls") == 0


def test_a_safe_message_of_the_call_site_goes_on_the_event_and_not_on_the_span(rig):
    extra = {"exception.message": "Error code: 429"}
    rig.call(status=CallStatus.ERROR, error_type="openai.RateLimitError", error=ValueError("secret"), extra=extra)
    (event,) = rig.log_exporter.get_finished_logs()
    assert event.log_record.attributes["exception.message"] == "Error code: 429"
    (span,) = rig.exporter.get_finished_spans()
    assert "exception.message" not in span.attributes


def test_with_content_on_the_exception_says_its_message_even_when_its_str_fails(tmp_path):
    class HostileError(Exception):
        def __str__(self):
            raise RuntimeError

    rig = Rig(tmp_path, content_on=True)
    rig.call(status=CallStatus.ERROR, error_type="a", error=ValueError("said"))
    rig.call(status=CallStatus.ERROR, error_type="b", error=HostileError())
    first, second = (event.log_record.attributes for event in rig.log_exporter.get_finished_logs())
    assert first["exception.message"] == "said"
    assert "exception.message" not in second
    rig.close()


def test_an_abandoned_stream_is_no_error_and_says_what_it_is(rig):
    rig.call(status=CallStatus.ABANDONED, usage=None, stream=True, chunks=3)
    (span,) = rig.exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes["spanwatch.call.status"] == "abandoned"


def test_a_value_that_cannot_be_set_costs_the_call_nothing_else(rig):
    deep: list[object] = []
    for _ in range(3000):
        deep = [deep]
    rig.call(extra={"bad": deep})
    (attributes,) = rig.spans().values()
    assert attributes["spanwatch.cost.usd"] == 1.5e-08
    assert rig.guard.failures.pop("an attribute of a call") == 1


def test_interrupts_pass_through_and_other_failures_of_observers_do_not(tmp_path):
    def interrupted(call):
        raise KeyboardInterrupt

    rig = Rig(tmp_path)
    rig.pipeline._observers = (interrupted,)
    with pytest.raises(KeyboardInterrupt):
        rig.call()
    rig.pipeline._observers = (lambda call: 1 / 0,)
    assert rig.call().cost is not None
    assert rig.guard.failures == {"an observer": 1}
    rig.close()


# Roll-up ------------------------------------------------------------------------------------------------------------


def test_calls_add_up_on_the_enclosing_agent_and_the_root_and_on_nothing_between(rig):
    with (
        rig.tracer.start_as_current_span("root"),
        rig.tracer.start_as_current_span("agent", attributes=AGENT),
        rig.tracer.start_as_current_span("step"),
    ):
        rig.call()
        rig.call(status=CallStatus.ERROR, error_type="x", usage=None)
        rig.call(usage=None)
    spans = rig.spans()
    expected = {
        "spanwatch.rollup.calls": 3,
        "spanwatch.rollup.errors": 1,
        "spanwatch.rollup.unpriced_calls": 1,
        "spanwatch.rollup.cost.usd": 1.5e-08,
        "spanwatch.rollup.input_tokens": 10,
        "spanwatch.rollup.output_tokens": 5,
    }
    assert spans["root"] == expected
    assert spans["agent"] == {**AGENT, **expected}
    assert spans["step"] == {}


def test_a_roll_up_without_any_known_sum_has_counts_only(rig):
    with rig.tracer.start_as_current_span("root"):
        rig.call(usage=None)
    assert rig.spans()["root"] == {
        "spanwatch.rollup.calls": 1,
        "spanwatch.rollup.errors": 0,
        "spanwatch.rollup.unpriced_calls": 1,
    }


def test_refused_calls_are_kept_and_in_no_sum(rig):
    with rig.tracer.start_as_current_span("root"):
        rig.call(status=CallStatus.REFUSED, usage=None)
    assert rig.spans()["root"] == {}
    assert [call.status for call in rig.calls()] == ["refused"]
    assert rig.total("spanwatch.calls") == 0


def test_an_agent_that_says_so_late_still_gets_its_sums_from_then_on(rig):
    with rig.tracer.start_as_current_span("root"), rig.tracer.start_as_current_span("late") as span:
        rig.call()
        span.set_attributes(AGENT)
        rig.call()
    assert rig.spans()["late"]["spanwatch.rollup.calls"] == 1
    assert rig.spans()["root"]["spanwatch.rollup.calls"] == 2


def test_a_stream_that_ends_after_its_agent_writes_on_the_spans_still_open(rig, caplog):
    with rig.tracer.start_as_current_span("root"):
        with rig.tracer.start_as_current_span("agent", attributes=AGENT):
            span = rig.start()
        rig.pipeline.finish(span, rig.call_of(span))
    assert rig.spans()["root"]["spanwatch.rollup.calls"] == 1
    assert "spanwatch.rollup.calls" not in rig.spans()["agent"]
    assert not caplog.records


def test_the_root_is_the_first_span_of_this_process_when_the_parent_is_remote(rig):
    remote = SpanContext(trace_id=1, span_id=2, is_remote=True, trace_flags=TraceFlags(1))
    context = set_span_in_context(NonRecordingSpan(remote))
    with rig.tracer.start_as_current_span("server", context=context):
        rig.call()
    assert rig.spans()["server"]["spanwatch.rollup.calls"] == 1


def test_sums_are_exact_when_many_threads_call_under_one_agent(rig):
    with rig.tracer.start_as_current_span("root") as root, ThreadPoolExecutor(16) as pool:

        def work(number):
            with use_span(root), rig.tracer.start_as_current_span(f"agent {number}", attributes=AGENT):
                for _ in range(10):
                    rig.call()

        list(pool.map(work, range(16)))
    spans = rig.spans()
    assert spans["root"]["spanwatch.rollup.calls"] == 160
    assert spans["root"]["spanwatch.rollup.cost.usd"] == pytest.approx(160 * 15e-9, abs=0)
    assert {spans[f"agent {number}"]["spanwatch.rollup.calls"] for number in range(16)} == {10}
    assert rig.total("spanwatch.calls") == 160
    assert len({call.call_id for call in rig.calls()}) == 160


async def test_sums_are_exact_when_tasks_are_gathered(rig):
    async def agent(number):
        with rig.tracer.start_as_current_span(f"agent {number}", attributes=AGENT):
            span = rig.start()
            await asyncio.sleep(0.001 * (number % 3))
            rig.pipeline.finish(span, rig.call_of(span))
            await asyncio.sleep(0)
            rig.call()

    with rig.tracer.start_as_current_span("root"):
        await asyncio.gather(*(agent(number) for number in range(20)))
    spans = rig.spans()
    assert spans["root"]["spanwatch.rollup.calls"] == 40
    assert {spans[f"agent {number}"]["spanwatch.rollup.calls"] for number in range(20)} == {2}


# What a call inherits -----------------------------------------------------------------------------------------------


def test_a_call_takes_agent_user_and_conversation_of_the_nearest_spans_that_name_them(rig):
    outer = {"user.id": "u-1", "gen_ai.conversation.id": "far"}
    with (
        rig.tracer.start_as_current_span("root", attributes=outer),
        rig.tracer.start_as_current_span("agent", attributes=AGENT),
        rig.tracer.start_as_current_span("near", attributes={"gen_ai.conversation.id": "near"}),
    ):
        call = rig.call()
        own = rig.call(user_id="u-2")
    assert (call.agent, call.user_id, call.conversation_id) == ("planner", "u-1", "near")
    assert own.user_id == "u-2"
    assert rig.calls()[0] == call
    (labels, _), *_ = rig.points()["spanwatch.calls"]
    assert labels["gen_ai.agent.name"] == "planner"
    assert "user.id" not in labels


# One call seen twice ------------------------------------------------------------------------------------------------


def test_of_nested_inference_spans_the_outermost_counts_and_takes_the_usage_it_lacks_from_the_inner(rig):
    other = rig.provider.get_tracer("another.package")
    with other.start_as_current_span("outer", attributes=REQUEST):
        inner = rig.call()
    assert inner.cost is None
    spans = rig.spans()
    assert spans["chat gpt-5"]["spanwatch.call.duplicate"] is True
    assert "spanwatch.cost.usd" not in spans["chat gpt-5"]
    assert spans["outer"]["spanwatch.cost.usd"] == 1.5e-08
    assert spans["outer"]["gen_ai.usage.input_tokens"] == 10
    (call,) = rig.calls()
    assert (call.scope, call.usage.input_tokens, call.response_id) == ("another.package", 10, "chatcmpl-1")
    assert rig.total("spanwatch.calls") == 1
    assert rig.total("gen_ai.client.inference.usage.input_tokens") == 10


def test_a_name_that_lost_what_stands_before_it_is_that_of_the_span_inside_and_so_is_its_price(tmp_path):
    """Of Amazon Bedrock: OpenLLMetry's span around botocore's, which knows that it was the global profile."""
    rig, model = Rig(tmp_path / ".spanwatch", price=PriceBook().price_call), "anthropic.claude-sonnet-4-5-20250929-v1:0"
    said = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 40, "gen_ai.usage.output_tokens": 48}
    around, inside = (rig.provider.get_tracer(scope) for scope in (bedrock.OPENLLMETRY, bedrock.BOTOCORE))
    cut = {**said, "gen_ai.request.model": model, "gen_ai.provider.name": "aws.bedrock"}
    whole = {**said, "gen_ai.request.model": f"global.{model}", "gen_ai.system": "aws.bedrock"}
    with around.start_as_current_span("outer", attributes=cut), inside.start_as_current_span("inner", attributes=whole):
        pass
    (call,) = rig.calls()
    assert (call.request_model, call.cost.nano_usd) == (f"global.{model}", 40 * 3_000 + 48 * 15_000)
    assert (call.cost.status, call.cost.reason) == (CostStatus.APPROXIMATE, "request_model")
    rig.close()


def test_an_outer_span_of_ours_counts_and_the_foreign_one_inside_is_marked(rig):
    span = rig.start()
    with use_span(span):
        rig.foreign({**REQUEST, "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5})
    rig.pipeline.finish(span, rig.call_of(span))
    assert rig.spans()["openai.chat"]["spanwatch.call.duplicate"] is True
    assert rig.total("spanwatch.calls") == 1


def test_an_outer_span_that_ended_first_is_settled_by_the_inner_once(rig):
    with rig.tracer.start_as_current_span("root"):
        outer = rig.provider.get_tracer("another.package").start_span("outer", attributes=REQUEST)
        with use_span(outer):
            inner = rig.start()
        outer.end()
        rig.pipeline.finish(inner, rig.call_of(inner))
    assert rig.spans()["root"]["spanwatch.rollup.calls"] == 1
    assert rig.spans()["root"]["spanwatch.rollup.unpriced_calls"] == 0
    assert rig.spans()["root"]["spanwatch.rollup.cost.usd"] == 1.5e-08
    first, second = rig.calls()
    assert first.call_id == second.call_id
    assert (first.usage, second.usage) == (None, Usage(input_tokens=10, output_tokens=5))
    assert rig.total("spanwatch.calls") == 1
    assert rig.total("spanwatch.cost.usd") == 1.5e-08


def test_two_reports_of_one_response_by_two_packages_count_once_although_not_nested(rig):
    ours = rig.call()
    rig.foreign({**REQUEST, "gen_ai.response.id": ours.response_id, "gen_ai.usage.input_tokens": 10})
    assert rig.spans()["openai.chat"]["spanwatch.call.duplicate"] is True
    assert rig.total("spanwatch.calls") == 1


def test_a_server_that_gives_every_response_the_same_id_has_every_call_counted(rig):
    for _ in range(3):
        rig.call(response_id="chatcmpl-same")
        rig.foreign({**REQUEST, "gen_ai.response.id": "chatcmpl-same", "gen_ai.usage.input_tokens": 10})
    assert rig.total("spanwatch.calls") == 3


def test_sequential_calls_under_an_agent_that_repeats_their_usage_count_once_each(rig):
    agent = {**AGENT, "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 10}
    with rig.tracer.start_as_current_span("agent", attributes=agent):
        rig.call()
        rig.call()
    assert rig.total("spanwatch.calls") == 2
    assert rig.total("gen_ai.client.inference.usage.input_tokens") == 20
    assert "spanwatch.cost.usd" not in rig.spans()["agent"]


def test_a_retrying_outer_call_counts_once_with_the_usage_of_its_last_answer(rig):
    span = rig.start()
    with use_span(span):
        rig.call(status=CallStatus.ERROR, error_type="openai.RateLimitError", usage=None)
        rig.call(usage=Usage(input_tokens=7, output_tokens=1))
    rig.pipeline.finish(span, rig.call_of(span, usage=None, response_id=None))
    (call,) = rig.calls()
    assert call.usage == Usage(input_tokens=7, output_tokens=1)
    assert rig.total("spanwatch.calls") == 1


def test_a_call_of_a_tool_inside_an_inference_span_is_another_call(rig):
    span = rig.start()
    tool = {names.OPERATION_NAME: "execute_tool", names.TOOL_NAME: "search"}
    with use_span(span), rig.tracer.start_as_current_span("tool", attributes=tool):
        rig.call()
    rig.pipeline.finish(span, rig.call_of(span))
    assert rig.total("spanwatch.calls") == 2


def test_an_embedding_inside_an_inference_span_is_another_call(rig):
    span = rig.start()
    with use_span(span):
        inner = rig.start(**{**REQUEST, names.OPERATION_NAME: "embeddings"})
        rig.pipeline.finish(inner, rig.call_of(inner, operation="embeddings", usage=Usage(input_tokens=3)))
    rig.pipeline.finish(span, rig.call_of(span))
    assert rig.total("spanwatch.calls") == 2


def test_an_outer_span_that_turns_out_to_be_inference_at_its_end_is_a_duplicate(rig):
    outer = rig.provider.get_tracer("another.package").start_span("outer")
    with use_span(outer):
        rig.call()
    outer.set_attributes({**REQUEST, "gen_ai.usage.input_tokens": 10})
    outer.end()
    assert rig.spans()["outer"]["spanwatch.call.duplicate"] is True
    assert rig.total("spanwatch.calls") == 1


def test_a_call_inside_a_foreign_span_that_is_dropped_without_an_end_is_counted(rig):
    outer = rig.provider.get_tracer("another.package").start_span("outer", attributes=REQUEST)
    with use_span(outer):
        rig.call()
    assert rig.total("spanwatch.calls") == 0
    del outer
    assert rig.total("spanwatch.calls") == 1
    assert rig.total("spanwatch.cost.usd") == 1.5e-08


# Usage that comes late ----------------------------------------------------------------------------------------------


def test_a_fetched_response_settles_the_call_that_began_it_once(rig):
    with rig.tracer.start_as_current_span("root"):
        rig.call(response_id="resp_1", usage=None)
        for _ in range(2):
            span = rig.start(**{names.OPERATION_NAME: "fetch_response"})
            fetched = rig.pipeline.finish(
                span, rig.call_of(span, operation="fetch_response", response_id="resp_1", request_model=None)
            )
            assert fetched.usage is None
    assert rig.spans()["root"]["spanwatch.rollup.calls"] == 1
    assert rig.spans()["root"]["spanwatch.rollup.cost.usd"] == 1.5e-08
    began, settling, again = rig.calls()
    assert began.usage is None
    assert (settling.settles, settling.usage.input_tokens, settling.cost.nano_usd) == ("resp_1", 10, 15)
    assert again.settles == "resp_1"  # the store gives usage only to a row that has none
    assert rig.total("spanwatch.calls") == 1
    assert rig.total("spanwatch.cost.usd") == 1.5e-08
    assert rig.total("gen_ai.client.inference.usage.input_tokens") == 10


def test_the_span_of_a_fetched_response_has_no_usage_and_no_cost(rig):
    span = rig.start(**{names.OPERATION_NAME: "fetch_response"})
    rig.pipeline.finish(span, rig.call_of(span, operation="fetch_response"))
    (attributes,) = rig.spans().values()
    assert not [name for name in attributes if "usage" in name or "cost" in name]


def test_openllmetrys_second_report_of_a_fetched_response_is_no_call(rig):
    usage = {"gen_ai.usage.input_tokens": 10, "gen_ai.response.id": "resp_1"}
    rig.foreign({**REQUEST, **usage})
    rig.foreign({names.OPERATION_NAME: "chat", names.PROVIDER_NAME: "openai", **usage})
    assert rig.total("spanwatch.calls") == 1


# Without a recording SDK --------------------------------------------------------------------------------------------


def test_calls_count_although_the_sdk_is_disabled_and_span_ids_repeat(rig, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("spanwatch")
    for _ in range(3):
        span = tracer.start_span("chat gpt-5", attributes=REQUEST)
        rig.pipeline.finish(span, rig.call_of(span))
    assert rig.total("spanwatch.calls") == 3
    assert len(rig.calls()) == 3


def test_many_threads_finish_one_call_and_it_counts_once(rig):
    span = rig.start()
    call = rig.call_of(span, call_id=new_id())
    barrier = threading.Barrier(8)

    def finish():
        barrier.wait()
        rig.pipeline.finish(NonRecordingSpan(span.get_span_context()), call)

    threads = [threading.Thread(target=finish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rig.total("spanwatch.calls") == 1
    assert rig.seen[0].cost.status is CostStatus.PRICED
    span.end()


def test_a_failure_that_two_scopes_report_beside_each_other_counts_once(tmp_path):
    rig = Rig(tmp_path)
    failed = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "error.type": "timeout"}
    outer = rig.provider.get_tracer("theirs").start_span("chat", attributes=failed)
    rig.foreign(failed, scope="the.client")
    outer.end()
    assert rig.total(names.CALLS.name) == 1
    rig.foreign(failed, scope="theirs")  # another one, later
    rig.foreign({**failed, "gen_ai.request.model": "other"}, scope="the.client")
    assert rig.total(names.CALLS.name) == 3
    rig.close()
