"""Requests, agents and tools out of the store: counted once, timed exactly, in any window."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanwatch.core import names
from spanwatch.core.call import CallStatus
from spanwatch.store.projection import project
from spanwatch.store.summary import Percentiles
from spanwatch.store.work import Done, Failures, work
from tests.store.rig import SECOND, START_NS, call, keep, rows, span, unknown


def scope(operation=None, outcome="ok", *, lasts=1.0, at=0.0, **attributes):
    found = {names.OPERATION_NAME: operation, names.OUTCOME: outcome, **attributes}
    begin = START_NS + int(at * SECOND)
    more = {"a": {name: value for name, value in found.items() if value is not None}}
    return span(n="scope", b=begin, e=begin + int(lasts * SECOND), kd=1, **more)


def stored(home, *spans, calls=()):
    keep(home, *calls, spans=spans)
    project(home)
    return work(home)


def test_requests_are_counted_by_their_outcome_and_timed_by_name(tmp_path):
    found = stored(
        tmp_path,
        scope(lasts=1, **{names.REQUEST_NAME: "chat"}),
        scope(lasts=3, **{names.REQUEST_NAME: "chat"}),
        scope(outcome="error", lasts=2, **{names.REQUEST_NAME: "chat", names.ERROR_TYPE: "KeyError"}),
        scope(outcome="cancelled", lasts=9, **{names.REQUEST_NAME: "sum"}),
        scope(outcome="refused", lasts=0.5, **{names.REQUEST_NAME: "sum"}),
    )
    assert found.requests == Done("", 2, 1, 1, 1, Percentiles(5, 2.0, 9.0, 9.0))
    assert found.requests.success_rate == 2 / 3
    assert [(each.key, each.count, each.duration.p50) for each in found.requests_by_name] == [
        ("chat", 3, 2.0),
        ("sum", 2, 0.5),
    ]
    assert found.failures == (Failures("requests", "KeyError", 1),)
    assert found.sampled is False


def test_a_success_rate_of_nothing_is_unknown(tmp_path):
    keep(tmp_path, call())
    project(tmp_path)
    assert work(tmp_path).requests.success_rate is None
    assert work(tmp_path).requests.duration == Percentiles()


def test_tools_of_any_instrumentation_count_and_one_call_seen_twice_counts_once(tmp_path):
    outer = scope(names.EXECUTE_TOOL, **{names.TOOL_NAME: "search"})
    inner = {**scope(names.EXECUTE_TOOL, None, **{names.TOOL_NAME: "search"}), "t": outer["t"], "p": outer["s"]}
    other = {**scope(names.EXECUTE_TOOL, **{names.TOOL_NAME: "read"}), "t": outer["t"], "p": inner["s"]}
    foreign = span(n="execute_tool add", st=[2, None], a={names.OPERATION_NAME: "execute_tool", names.TOOL_NAME: "add"})
    found = stored(tmp_path, outer, inner, other, foreign)
    assert [(each.key, each.count, each.errors) for each in found.tools] == [
        ("add", 1, 1),
        ("read", 1, 0),
        ("search", 1, 0),
    ]
    assert found.failures == (Failures("tools", names.ERROR_OTHER, 1),)


def test_agents_and_failed_calls_are_there_by_kind(tmp_path):
    failed = call(status=CallStatus.ERROR, error_type="RateLimitError", sampled=False, **unknown())
    found = stored(tmp_path, scope(names.INVOKE_AGENT, **{names.AGENT_NAME: "orders"}), calls=[failed, call()])
    assert [(each.key, each.ok) for each in found.agents] == [("orders", 1)]
    assert found.failures == (Failures("calls", "RateLimitError", 1),)
    assert found.sampled is True


def test_a_window_takes_what_began_in_it(tmp_path):
    stored(tmp_path, *(scope(at=at, **{names.REQUEST_NAME: "chat"}) for at in range(5)))
    found = work(tmp_path, since_ns=START_NS + SECOND, until_ns=START_NS + 3 * SECOND)
    assert found.requests.count == 2


def test_the_question_is_answered_by_its_index(tmp_path):
    stored(tmp_path, scope())
    (row,) = rows(tmp_path, "SELECT sql FROM sqlite_master WHERE name = 'spans_of_work'")
    assert names.OUTCOME in row[0]


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_percentiles_are_by_nearest_rank(tmp_path_factory, lengths):
    home = tmp_path_factory.mktemp("home")
    spans = [{**scope(**{names.REQUEST_NAME: "x"}), "b": START_NS, "e": START_NS + n} for n in lengths]
    found = stored(home, *spans).requests.duration
    ordered = sorted(lengths)
    for share, value in ((0.5, found.p50), (0.95, found.p95), (0.99, found.p99)):
        assert value == ordered[math.ceil(share * len(ordered)) - 1] / 1e9
