"""What each scope puts on its span, on the metrics and in the logs."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError

import pytest
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

import spanwatch
from spanwatch.core import names
from spanwatch.core.errors import BudgetExceeded
from tests.otel.rig import REQUEST

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}


def test_an_agent_is_a_span_of_the_convention_and_a_request_when_it_is_the_outermost(told):
    with spanwatch.agent("planner", description="Plans.") as span:
        assert isinstance(span, Span)
        assert get_current_span() is span
    ended = told.span("invoke_agent planner")
    assert ended.kind is SpanKind.INTERNAL
    assert ended.status.status_code is StatusCode.UNSET
    assert dict(ended.attributes) == {
        **AGENT,
        "gen_ai.agent.description": "Plans.",
        "spanwatch.request.name": "planner",
        "spanwatch.outcome": "ok",
    }
    points = told.rig.points()
    seconds = (ended.end_time - ended.start_time) / 1e9
    assert points["gen_ai.invoke_agent.duration"] == [(AGENT, (1, seconds))]
    assert points["gen_ai.invoke_agent.inference_calls"] == [(AGENT, (1, 0))]
    assert points["gen_ai.invoke_agent.tool_calls"] == [(AGENT, (1, 0))]
    request = {"spanwatch.request.name": "planner", "spanwatch.outcome": "ok", "gen_ai.agent.name": "planner"}
    assert points["spanwatch.request.duration"] == [(request, (1, seconds))]


def test_a_workflow_is_a_span_of_the_convention(told):
    with spanwatch.workflow("triage"):
        pass
    assert told.span("invoke_workflow triage").kind is SpanKind.INTERNAL
    assert told.attributes("invoke_workflow triage") == {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "triage",
        "spanwatch.request.name": "triage",
        "spanwatch.outcome": "ok",
    }
    ((labels, (count, _)),) = told.rig.points()["gen_ai.invoke_workflow.duration"]
    assert labels == {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "triage"}
    assert count == 1


def test_a_tool_is_a_span_of_the_convention_and_never_a_request(told):
    with spanwatch.tool("search", call_id="call_1", description="Looks.", type="extension"):
        pass
    assert told.span("execute_tool search").kind is SpanKind.INTERNAL
    assert told.attributes("execute_tool search") == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.type": "extension",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.description": "Looks.",
        "spanwatch.outcome": "ok",
    }
    ((labels, (count, _)),) = told.rig.points()["gen_ai.execute_tool.duration"]
    assert labels == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.type": "extension",
    }
    assert count == 1
    assert "spanwatch.request.duration" not in told.rig.points()


def test_a_retrieval_is_a_client_span_of_the_convention(told):
    with spanwatch.retrieval("handbook", provider="pinecone", top_k=5):
        pass
    assert told.span("retrieval handbook").kind is SpanKind.CLIENT
    assert told.attributes("retrieval handbook") == {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": "handbook",
        "gen_ai.provider.name": "pinecone",
        "gen_ai.retrieval.top_k": 5,
        "spanwatch.outcome": "ok",
    }
    ((labels, (count, _)),) = told.rig.points()["gen_ai.client.operation.duration"]
    assert labels == {"gen_ai.operation.name": "retrieval", "gen_ai.provider.name": "pinecone"}
    assert count == 1


def test_a_request_is_a_span_and_the_agent_inside_is_no_second_request(told):
    with spanwatch.request("checkout", user_id="u-1"), spanwatch.agent("planner"):
        pass
    assert told.parents() == {"invoke_agent planner": "request checkout", "request checkout": None}
    assert told.attributes("request checkout") == {
        "spanwatch.request.name": "checkout",
        "user.id": "u-1",
        "spanwatch.outcome": "ok",
    }
    assert told.attributes("invoke_agent planner") == {**AGENT, "user.id": "u-1", "spanwatch.outcome": "ok"}
    ((labels, (count, _)),) = told.rig.points()["spanwatch.request.duration"]
    assert labels == {"spanwatch.request.name": "checkout", "spanwatch.outcome": "ok"}
    assert count == 1


def test_a_request_without_a_name_is_called_request(told):
    with spanwatch.request():
        pass
    assert told.attributes("request")["spanwatch.request.name"] == "request"


def test_the_buckets_are_those_of_the_convention():
    assert names.AGENT_DURATION.buckets == (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
    assert names.AGENT_INFERENCE_CALLS.buckets == names.AGENT_TOOL_CALLS.buckets == (1, 2, 4, 8, 16, 32, 64, 128)
    assert names.WORKFLOW_DURATION.buckets == (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
    assert names.TOOL_DURATION.buckets == names.INFERENCE_DURATION.buckets


def test_the_spans_an_agent_waits_for_stay_under_it_with_async_with(told):
    async def main():
        async with spanwatch.agent("planner") as outer:
            async with spanwatch.tool("search"):
                await asyncio.sleep(0)
            assert get_current_span() is outer

    asyncio.run(main())
    assert told.parents() == {"execute_tool search": "invoke_agent planner", "invoke_agent planner": None}


def test_one_scope_may_be_entered_again_inside_itself_and_in_turn(told):
    scope = spanwatch.agent("planner")
    with scope as first:
        with scope as second:
            assert get_current_span() is second
        assert get_current_span() is first
    with scope:
        pass
    first, second, third = sorted(told.spans(), key=lambda span: span.start_time)
    assert (first.parent, second.parent.span_id, third.parent) == (None, first.context.span_id, None)


def test_calls_and_tools_of_an_agent_are_counted_once_with_those_of_agents_below(told):
    rig = told.rig
    with spanwatch.agent("outer"):
        with spanwatch.agent("inner"):
            rig.call()
            with spanwatch.tool("search"), spanwatch.tool("search"):  # two instrumentations of one call
                pass
        with spanwatch.tool("search"), spanwatch.tool("fetch"):  # a tool that uses another
            rig.call()
        with rig.tracer.start_as_current_span("chat gpt-5", attributes=REQUEST):  # the outer report of the same call
            rig.call()
        rig.call(operation="embeddings")
    calls = {labels["gen_ai.agent.name"]: sums for labels, sums in rig.points()["gen_ai.invoke_agent.inference_calls"]}
    tools = {labels["gen_ai.agent.name"]: sums for labels, sums in rig.points()["gen_ai.invoke_agent.tool_calls"]}
    assert calls == {"inner": (1, 1), "outer": (1, 3)}
    assert tools == {"inner": (1, 1), "outer": (1, 3)}
    assert told.attributes("invoke_agent outer")["spanwatch.rollup.calls"] == 4
    assert told.attributes("invoke_agent outer")["spanwatch.rollup.tool_calls"] == 3


def test_a_request_span_under_a_servers_span_has_the_sums_of_what_is_below(told):
    with told.rig.tracer.start_as_current_span("GET /"), spanwatch.request("ask"):
        told.rig.call()
    assert told.attributes("request ask")["spanwatch.rollup.calls"] == 1


def test_a_failure_is_an_error_status_a_type_and_an_event_without_its_text(told):
    error = ValueError("the secret")
    with pytest.raises(ValueError, match="the secret") as caught, spanwatch.request("ask"), spanwatch.tool("search"):
        raise error
    assert caught.value is error
    span = told.span("execute_tool search")
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert span.attributes["error.type"] == "ValueError"
    assert span.attributes["spanwatch.outcome"] == "error"
    assert span.events == ()
    event = told.events()[0]
    assert event.event_name == "gen_ai.client.operation.exception"
    assert dict(event.attributes) == {"exception.type": "ValueError", "gen_ai.operation.name": "execute_tool"}
    assert event.span_id == span.context.span_id
    ((labels, _),) = told.rig.points()["spanwatch.request.duration"]
    assert labels == {"spanwatch.request.name": "ask", "spanwatch.outcome": "error", "error.type": "ValueError"}
    ((labels, _),) = told.rig.points()["gen_ai.execute_tool.duration"]
    assert labels["error.type"] == "ValueError"


def test_with_content_on_a_failure_says_its_text(told_content):
    with pytest.raises(ValueError, match="the secret"), spanwatch.tool("search"):
        raise ValueError("the secret")
    assert told_content.span("execute_tool search").status.description == "the secret"
    assert told_content.events()[0].attributes["exception.message"] == "the secret"


@pytest.mark.parametrize("kind", [asyncio.CancelledError, CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_cancelled_is_neither_success_nor_failure(told, kind):
    with pytest.raises(kind), spanwatch.agent("planner"):
        raise kind
    span = told.span("invoke_agent planner")
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes["spanwatch.outcome"] == "cancelled"
    assert "error.type" not in span.attributes
    assert told.events() == []
    ((labels, _),) = told.rig.points()["spanwatch.request.duration"]
    assert labels["spanwatch.outcome"] == "cancelled"
    ((labels, _),) = told.rig.points()["gen_ai.invoke_agent.duration"]
    assert labels == AGENT


def test_what_a_budget_refuses_is_refused(told):
    with pytest.raises(BudgetExceeded), spanwatch.agent("planner"):
        raise BudgetExceeded("daily", "", 5, 5, 0, 1, None)
    ((labels, _),) = told.rig.points()["spanwatch.request.duration"]
    assert labels["spanwatch.outcome"] == "refused"
    assert told.attributes("invoke_agent planner")["spanwatch.outcome"] == "refused"


def test_an_error_status_that_the_application_sets_is_a_failure_without_an_exception(told):
    with spanwatch.agent("planner") as span:
        span.set_status(StatusCode.ERROR)
    ((labels, _),) = told.rig.points()["spanwatch.request.duration"]
    assert labels["spanwatch.outcome"] == "error"
    assert told.attributes("invoke_agent planner")["error.type"] == "_OTHER"


def test_further_attributes_go_on_the_span_and_cannot_take_the_place_of_its_own(told):
    with spanwatch.agent("planner", attributes={"team": "blue", "n": 3, "gen_ai.agent.name": "impostor"}):
        pass
    found = told.attributes("invoke_agent planner")
    assert (found["team"], found["n"], found["gen_ai.agent.name"]) == ("blue", 3, "planner")


@pytest.mark.parametrize("make", [spanwatch.agent, spanwatch.workflow, spanwatch.tool, spanwatch.retrieval])
def test_a_name_that_is_no_text_is_a_type_error_at_the_call(make):
    with pytest.raises(TypeError, match=rf"{make.__name__}\(\) takes a name"):
        make(42)
    with pytest.raises(TypeError, match=r"it was given function"):
        make(lambda: None)  # the decorator without its parentheses
    with pytest.raises(ValueError, match="not empty"):
        make("")


def test_baggage_takes_only_what_it_knows():
    with pytest.raises(ValueError, match=r"request\(baggage=\.\.\.\) cannot be 'email'"):
        spanwatch.request(baggage=("email",))


def test_a_class_is_not_decorated():
    with pytest.raises(TypeError, match="decorate what does the work"):
        spanwatch.agent("planner")(dict)
    with pytest.raises(TypeError, match="not on 3"):
        spanwatch.agent("planner")(3)


def test_leaving_a_scope_that_was_never_entered_is_no_error(told):
    spanwatch.agent("planner").__exit__(None, None, None)
    assert told.spans() == []
