"""trace() and report(): what the store holds, with everything that has ended, asked for in code."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.trace import get_tracer

import spanwatch
from spanwatch.cli.main import main
from spanwatch.core import names
from spanwatch.core.call import CallStatus, Cost, CostReason, CostStatus
from spanwatch.core.dialects import bedrock
from spanwatch.core.errors import ConfigurationError, StoreError
from spanwatch.otel.setup import INSTANCE
from spanwatch.reports.report import Section, report_of
from spanwatch.reports.screen import Screen
from spanwatch.reports.sections import SECTIONS
from tests.otel.live.conftest import configured  # noqa: F401 (a fixture)
from tests.store.rig import call, keep


@spanwatch.tool("search")
def search(query):
    if query == "nothing":
        raise LookupError(query)
    return query


@spanwatch.agent("planner")
def plan(question):
    return search(question)


def worked(home):
    """One request of alice that went well, one that failed, and what two calls of hers cost."""
    with spanwatch.request("chat", user_id="alice") as span:
        plan("why?")
    with pytest.raises(LookupError), spanwatch.request("chat", user_id="alice"):
        plan("nothing")
    now = time.time_ns()
    given = {"started_ns": now, "user_id": "alice", "agent": "planner"}
    unpriced = Cost(None, CostStatus.UNKNOWN, (CostReason.NO_PRICE,))
    keep(home, call(**given), call(**{**given, "cost": unpriced}), call(**given, status=CallStatus.ERROR))
    return span


def test_a_trace_is_there_at_once_by_span_number_hex_or_a_beginning(configured):  # noqa: F811
    configured()
    with spanwatch.request("chat") as span:
        plan("why?")
    number = span.get_span_context().trace_id
    found = spanwatch.trace(span)
    assert [(line.depth, line.name) for line in found.lines] == [
        (0, "request chat"),
        (1, "invoke_agent planner"),
        (2, "execute_tool search"),
    ]
    assert found.lines[2].attributes[names.TOOL_NAME] == "search"
    assert spanwatch.trace(number) == spanwatch.trace(f"{number:032x}") == spanwatch.trace(f"{number:032x}"[:12])
    assert spanwatch.trace(f"0x{number:032X}") == found
    with pytest.raises(AttributeError):
        found.spans = 3


def test_a_trace_is_what_the_command_line_prints(configured, capsys, tmp_path):  # noqa: F811
    configured()
    with spanwatch.request("chat") as span:
        plan("why?")
    told = spanwatch.trace(span).as_dict()
    assert main(["trace", told["trace_id"], "--json", "--home", str(tmp_path / "home")]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(told))


@pytest.mark.parametrize(
    ("wrong", "kind", "text"),
    [
        (0, ValueError, "no trace id"),
        (1 << 128, ValueError, "no trace id"),
        (True, TypeError, "not bool"),
        (None, TypeError, "not NoneType"),
        ("moon", ValueError, "hexadecimal"),
        ("ab", StoreError, "begins with ab"),
    ],
)
def test_what_is_no_trace_is_said(configured, wrong, kind, text):  # noqa: F811
    configured()
    with spanwatch.request("chat"):
        pass
    with pytest.raises(kind, match=text):
        spanwatch.trace(wrong if wrong != "ab" else _other(wrong))


def _other(beginning):
    return beginning + "0" * 30


def test_without_a_store_there_is_nothing_to_read(configured):  # noqa: F811
    configured(store=False)
    with pytest.raises(ConfigurationError, match="store is off"):
        spanwatch.trace(7)
    with pytest.raises(ConfigurationError, match="store is off"):
        spanwatch.report()


def test_it_needs_no_configure_where_a_store_is(configured, tmp_path, monkeypatch):  # noqa: F811
    configured()
    with spanwatch.request("chat") as span:
        pass
    INSTANCE.stop(2)
    monkeypatch.setenv("SPANWATCH_HOME", str(tmp_path / "home"))
    assert spanwatch.trace(span).spans == 1
    assert spanwatch.report(since="1h").work.requests.count == 1


def test_a_report_has_every_section_with_exact_figures(configured, tmp_path):  # noqa: F811
    configured()
    worked(tmp_path / "home")
    found = spanwatch.report(since="1h", by="user")
    told = found.as_dict()
    assert json.loads(found.json()) == told
    requests = told["requests"]
    assert (requests["count"], requests["ok"], requests["errors"], requests["success_rate"]) == (2, 1, 1, 0.5)
    assert [each["name"] for each in requests["by_name"]] == ["chat"]
    assert (told["calls"], told["errors"], told["cost_usd"]) == (3, 1, "0.000002")
    assert (told["cost_is_lower_bound"], told["unpriced_calls"]) == (True, 1)
    assert [(each["user"], each["calls"]) for each in told["groups"]] == [("alice", 3)]
    (agent,) = told["agents"]
    assert (agent["agent"], agent["count"], agent["errors"], agent["calls"]) == ("planner", 2, 1, 3)
    (tool,) = told["tools"]
    assert (tool["tool"], tool["count"], tool["errors"]) == ("search", 2, 1)
    assert {(each["where"], each["kind"], each["count"]) for each in told["failures"]} == {
        ("agents", "LookupError", 1),
        ("calls", names.ERROR_OTHER, 1),
        ("requests", "LookupError", 1),
        ("tools", "LookupError", 1),
    }
    assert told["health"]["state"] == "unhealthy"
    assert {reason["name"] for reason in told["health"]["reasons"]} >= {"success_rate", "mean_s", "errors"}


def test_a_report_is_text_for_people(configured, tmp_path):  # noqa: F811
    configured()
    worked(tmp_path / "home")
    text = str(spanwatch.report())
    assert "Model calls in the store" in text
    assert "at least $0.000002" in text
    for line in ("request  count", "agent    runs", "tool    count", "failures  of", "Health: unhealthy (last 5m)"):
        assert line in text
    assert "success rate 50 % of 2 requests" in text
    assert "alerts" not in text.lower()
    assert "feedback" not in text.lower()


def test_a_cost_of_guessed_usage_is_estimated_on_its_span_in_the_store_and_in_the_report(configured):  # noqa: F811
    """As botocore's instrumentation guesses the tokens of Mistral's older models."""
    configured()
    said = {
        "rpc.method": "InvokeModel",
        "gen_ai.system": "aws.bedrock",
        "gen_ai.request.model": "mistral.mistral-large-2402-v1:0",
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 2,
    }
    span = get_tracer(bedrock.BOTOCORE).start_span("chat mistral", attributes=said)
    span.end()
    (line,) = spanwatch.trace(span).lines
    assert [line.attributes[key] for key in (names.COST_STATUS, names.COST_REASON)] == ["estimated", "usage_estimated"]
    found = spanwatch.report()
    told = found.as_dict()
    assert (told["calls"], told["estimated_calls"], told["approximate_calls"]) == (1, 1, 0)
    assert (told["cost_usd"], told["cost_is_lower_bound"]) == ("0.000032", False)
    assert "estimated for 1" in str(found)


def test_a_report_is_of_its_window(configured, tmp_path):  # noqa: F811
    configured()
    worked(tmp_path / "home")
    later = datetime.now(UTC) + timedelta(hours=1)
    for since in (later, later.isoformat(), later.replace(tzinfo=None)):
        told = spanwatch.report(since=since).as_dict()
        assert (told["calls"], told["requests"]["count"], told["tools"]) == (0, 0, [])
    assert spanwatch.report(since=timedelta(hours=1), until="0.001s").calls.sums.calls == 3
    assert spanwatch.report(since=3_600).calls.sums.calls == 3


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"since": "yesterday"}, "since is 'yesterday'"),
        ({"until": -3}, "until is -3"),
        ({"by": "moon"}, "by is 'moon'"),
    ],
)
def test_a_wrong_question_is_said(configured, arguments, text):  # noqa: F811
    configured()
    with pytest.raises(ValueError, match=text):
        spanwatch.report(**arguments)


def test_a_feature_adds_its_section_to_a_plain_list(configured, tmp_path):  # noqa: F811
    configured()
    worked(tmp_path / "home")
    spanwatch.report()  # catches up

    def alerts(asked):
        count = asked.calls.sums.errors
        return Section({"alerts": count}, lambda screen: [screen.style(f"{count} alert", "bold")])

    found = report_of(tmp_path / "home", spanwatch.health, [*SECTIONS, alerts])
    assert found.as_dict()["alerts"] == 1
    assert found.text().endswith("1 alert")
    assert "\x1b[1m1 alert" in found.text(Screen(colour=True))
