"""AgentMonitor: one object that holds nothing of its own but the requests that flat calls have open."""

import gc
import json
import threading
import time
import weakref
from decimal import Decimal

import pytest
from opentelemetry import trace
from opentelemetry.trace import format_span_id

import spanwatch
from spanwatch.core import names
from spanwatch.core.call import Call, Usage
from spanwatch.otel.monitor import AgentMonitor
from spanwatch.otel.setup import INSTANCE
from spanwatch.testing import capture
from tests.otel.live.conftest import configured  # noqa: F401 (a fixture)


@pytest.fixture
def monitor():
    made = AgentMonitor("orders")
    yield made
    made.close()


def chat(telemetry, *, response_id="r-1", model="gpt-4o-mini"):
    """A model call as our own call site makes one; its span."""
    span = telemetry.tracer().start_span("chat " + model)
    context, now = span.get_span_context(), telemetry.clock()
    telemetry.finish(
        span,
        Call(
            telemetry.new_id(), "chat", now, now, provider="openai", request_model=model, response_model=model,
            response_id=response_id, usage=Usage(1_000_000, 0), trace_id=f"{context.trace_id:032x}",
            span_id=format_span_id(context.span_id),
        ),
    )  # fmt: skip
    return span


def one(spans, name):
    (found,) = [span for span in spans if span["name"] == name]
    return found


def test_a_request_is_one_span_with_its_user_and_calls_inside_belong_to_it(monitor):
    with capture() as captured, monitor.request(user_id="alice", conversation_id="c-1", tags=["beta"]) as span:
        assert trace.get_current_span() is span
        with spanwatch.tool("search"):
            pass
    found, tool = one(captured.spans, "invoke_agent orders"), one(captured.spans, "execute_tool search")
    assert found["attributes"][names.USER_ID] == tool["attributes"][names.USER_ID] == "alice"
    assert (found["attributes"][names.REQUEST_NAME], found["attributes"][names.OUTCOME]) == ("orders", "ok")
    assert tool["parent"] == found["id"]
    (point,) = captured.metrics[names.REQUEST_DURATION.name]
    assert point["attributes"][names.AGENT_NAME] == "orders"


def test_flat_calls_pair_by_the_id_and_never_become_the_current_span(monitor):
    with capture() as captured:
        first = monitor.monitor_request("Why?", user_id="alice")
        second = monitor.monitor_request("When?", user_id="bob")
        assert trace.get_current_span() is trace.INVALID_SPAN
        with spanwatch.tool("apart"):
            pass
        monitor.monitor_tool_call("search", {"q": 1}, "found", request_id=first, duration_s=0.5)
        assert monitor.monitor_response(second, "Now.") is True
        assert monitor.monitor_response(first, "Because.") is True
    spans = {span["attributes"].get(names.USER_ID): span for span in captured.spans if "agent" in span["name"]}
    tool = one(captured.spans, "execute_tool search")
    assert tool["parent"] == spans["alice"]["id"]
    assert tool["attributes"][names.USER_ID] == "alice"
    assert one(captured.spans, "execute_tool apart")["parent"] is None
    assert one(captured.spans, "execute_tool apart")["attributes"].get(names.USER_ID) is None
    assert {log["event"]: log["span"] for log in captured.logs if log["span"] == spans["alice"]["id"]} == {
        names.EVENT_AGENT_REQUEST: spans["alice"]["id"],
        names.EVENT_AGENT_RESPONSE: spans["alice"]["id"],
    }
    (timed,) = [p for p in captured.metrics[names.TOOL_DURATION.name] if p["attributes"][names.TOOL_NAME] == "search"]
    assert timed["sum"] == pytest.approx(0.5, abs=0.01)


def test_a_tool_whose_duration_nobody_knows_is_counted_and_not_timed(monitor):
    with capture() as captured:
        key = monitor.monitor_request("Why?")
        monitor.monitor_tool_call("search", request_id=key)
        monitor.monitor_response(key)
    assert names.TOOL_DURATION.name not in captured.metrics
    assert one(captured.spans, "invoke_agent orders")["attributes"][names.ROLLUP_TOOL_CALLS] == 1


@pytest.mark.parametrize(
    ("answer", "outcome", "kind"),
    [
        ({}, "ok", None),
        ({"text": None}, "ok", None),
        ({"ok": False}, "error", names.ERROR_OTHER),
        ({"error": KeyError("x")}, "error", "KeyError"),
    ],
)
def test_success_is_stated_or_derived_from_an_exception(monitor, answer, outcome, kind):
    with capture() as captured:
        assert monitor.monitor_response(monitor.monitor_request("Why?"), **answer)
    found = one(captured.spans, "invoke_agent orders")["attributes"]
    assert (found[names.OUTCOME], found.get(names.ERROR_TYPE)) == (outcome, kind)


@pytest.mark.parametrize(("ok", "outcome"), [(None, "error"), (True, "ok")])
def test_an_error_that_was_told_makes_the_request_fail_unless_the_answer_says_otherwise(monitor, ok, outcome):
    with capture() as captured:
        key = monitor.monitor_request("Why?")
        monitor.monitor_error(ValueError("secret"), request_id=key)
        monitor.monitor_response(key, "Because.", ok=ok)
    assert one(captured.spans, "invoke_agent orders")["attributes"][names.OUTCOME] == outcome


def test_an_answer_without_an_open_request_is_false_and_says_so(monitor, caplog):
    with capture():
        key = monitor.monitor_request("Why?")
        assert monitor.monitor_response(key)
        assert not monitor.monitor_response(key)
        assert not monitor.monitor_response(None)
    assert caplog.text.count("there is no open request") == 2


def test_open_requests_are_bounded_and_end_as_cancelled():
    with capture() as captured:
        few = AgentMonitor("orders", max_open=3)
        keys = [few.monitor_request(n) for n in range(5)]
        assert [few.monitor_response(key) for key in keys] == [False, False, True, True, True]
        soon = AgentMonitor("late", expire_s=0.01)
        old = soon.monitor_request("a")
        time.sleep(0.02)
        soon.monitor_request("b")
        assert not soon.monitor_response(old)
        soon.close()
    ended = [span["attributes"][names.OUTCOME] for span in captured.spans if span["name"] == "invoke_agent orders"]
    assert sorted(ended) == ["cancelled", "cancelled", "ok", "ok", "ok"]
    late = [span["attributes"][names.OUTCOME] for span in captured.spans if span["name"] == "invoke_agent late"]
    assert late == ["cancelled", "cancelled"]


def test_a_monitor_that_is_dropped_leaves_nothing(monitor):
    made = AgentMonitor("gone")
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is None


def test_many_threads_pair_their_own_requests(monitor):
    def serve(number):
        for turn in range(20):
            key = monitor.monitor_request(turn, user_id=f"u-{number}")
            monitor.monitor_tool_call("search", request_id=key)
            assert monitor.monitor_response(key)

    with capture() as captured:
        threads = [threading.Thread(target=serve, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(captured.tree) == 320
    for root in captured.tree:
        (tool,) = root["children"]
        assert tool["attributes"][names.USER_ID] == root["attributes"][names.USER_ID]


def test_a_cost_of_its_own_is_in_every_sum_and_is_no_call(configured, monitor):  # noqa: F811
    configured()
    with monitor.request(user_id="alice") as span:
        monitor.monitor_cost(Decimal("0.25"))
        monitor.monitor_cost("0.000000001")
    found = spanwatch.trace(span)
    assert (found.total.nano_usd, found.total.calls) == (250_000_001, 0)
    assert found.lines[0].attributes[names.ROLLUP_COST_USD] == 0.250000001
    assert found.lines[0].attributes[names.ROLLUP_CALLS] == 0
    assert {line.call.cost_source for line in found.lines if line.call} == {"user"}
    told = monitor.generate_report(by="agent").as_dict()
    assert (told["calls"], told["cost_usd"]) == (0, "0.250000001")
    assert told["agents"][0]["cost_usd"] == "0.250000001"
    stats = spanwatch.stats(names.COST.name, spanwatch_cost_source="user")
    assert stats.sum == pytest.approx(0.250000001)


def test_a_cost_of_its_own_belongs_to_the_request_it_names(configured, monitor):  # noqa: F811
    configured()
    key = monitor.monitor_request("Why?", user_id="bob")
    monitor.monitor_cost(0.5, request_id=key)
    monitor.monitor_response(key)
    (group,) = monitor.generate_report(by="user").calls.groups
    assert (group.key, group.sums.nano_usd) == ("bob", 500_000_000)


@pytest.mark.parametrize("by", ["span", "span id", "response id"])
def test_a_cost_that_names_its_call_replaces_and_never_adds(configured, monitor, by):  # noqa: F811
    configured()
    with monitor.request() as around:
        span = chat(INSTANCE.telemetry)  # 1,000,000 input tokens at 0.15 dollars
        named = {"span": span, "span id": format_span_id(span.get_span_context().span_id), "response id": "r-1"}[by]
        assert around.attributes[names.ROLLUP_COST_USD] == 0.15
        monitor.monitor_cost("0.40", call=named)
        assert around.attributes[names.ROLLUP_COST_USD] == 0.4
        monitor.monitor_cost("0.40", call=named)
        assert around.attributes[names.ROLLUP_COST_USD] == 0.4
        assert around.attributes[names.ROLLUP_CALLS] == 1
    found = spanwatch.trace(around)
    assert (found.total.nano_usd, found.total.calls) == (400_000_000, 1)
    (call,) = [line.call for line in found.lines if line.call]
    assert (call.cost_source, call.cost_status) == ("user", "priced")
    told = monitor.generate_report().as_dict()
    assert (told["cost_usd"], told["calls"]) == ("0.4", 1)
    assert spanwatch.stats(names.COST.name).sum == pytest.approx(0.4)


def test_a_lower_cost_than_the_computed_one_holds_in_the_store_and_takes_nothing_from_the_metric(
    configured,  # noqa: F811
    monitor,
):
    configured()
    with monitor.request() as around:
        span = chat(INSTANCE.telemetry)
        monitor.monitor_cost("0.05", call=span)
        assert around.attributes[names.ROLLUP_COST_USD] == 0.05
    assert spanwatch.trace(around).total.nano_usd == 50_000_000
    assert spanwatch.stats(names.COST.name).sum == pytest.approx(0.15)


def test_a_call_that_ended_long_ago_is_replaced_in_the_store(configured, monitor):  # noqa: F811
    configured()
    chat(INSTANCE.telemetry, response_id="old")
    gc.collect()
    assert monitor.generate_report().as_dict()["cost_usd"] == "0.15"
    monitor.monitor_cost("0.2", call="old")
    assert monitor.generate_report().as_dict()["cost_usd"] == "0.2"


@pytest.mark.parametrize(
    ("usd", "kind"),
    [(-1, ValueError), ("much", ValueError), (float("nan"), ValueError), (None, TypeError), (True, TypeError)],
)
def test_what_is_no_amount_is_refused(monitor, usd, kind):
    with pytest.raises(kind):
        monitor.monitor_cost(usd)


@pytest.mark.parametrize(
    "wrong", [{"agent_id": ""}, {"agent_id": "x", "max_open": 0}, {"agent_id": "x", "expire_s": 0}]
)
def test_wrong_arguments_are_refused_at_the_call(wrong):
    with pytest.raises(ValueError, match=r"agent_id|max_open"):
        AgentMonitor(**wrong)


def test_a_duration_below_nothing_is_refused(monitor):
    with pytest.raises(ValueError, match="duration_s is -1"):
        monitor.monitor_tool_call("search", duration_s=-1)


def test_health_and_report_are_those_of_spanwatch(configured, monitor):  # noqa: F811
    configured()
    for _ in range(3):
        with monitor.request():
            pass
    assert monitor.get_health_status().state == "healthy"
    assert "orders     3" in str(monitor.generate_report(since="1h"))


def test_a_file_gets_what_flat_calls_say(tmp_path):
    made = AgentMonitor("orders", file=tmp_path / "orders.jsonl")
    with capture():
        made.monitor_response(made.monitor_request("a secret", user_id="alice"), "another")
    made.close()
    lines = [json.loads(line) for line in (tmp_path / "orders.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == [names.EVENT_AGENT_REQUEST, names.EVENT_AGENT_RESPONSE]
    assert {line["trace_id"] for line in lines} != {None}
    assert "secret" not in (tmp_path / "orders.jsonl").read_text()


def test_hostile_values_never_raise_into_the_application(monitor):
    class Hostile:
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    with capture() as captured:
        key = monitor.monitor_request(Hostile(), user_id=Hostile())
        monitor.monitor_tool_call("search", Hostile(), Hostile(), request_id=key)
        monitor.monitor_error(Hostile(), request_id=key)
        monitor.monitor_response(key, Hostile())
    assert len(captured.spans) == 2
